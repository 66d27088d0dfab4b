//! `breakglass-guard`: decides on the host what a key may do, behind an SSH forced command.
//!
//! `pipeline.rs` is the place to start reading: it is the security argument, top to bottom. The guard has no async,
//! no threads, no shell, no TCP and no name look-ups; what it starts is itself and the configured QEMU.
//!
//! `main` is in `sys.rs`: the standard library's own would prepare for threads and for a stack that overflows, which costs a
//! refused request more than its decision (ADR-0027).

#![cfg_attr(not(test), no_main)]

mod arguments;
mod capture;
mod check;
mod clock;
mod console;
mod decide;
mod decimal;
mod diag;
mod facts;
mod forensics;
mod install;
mod pipeline;
mod policy;
mod power;
mod record;
mod repair;
mod report;
mod sorted;
#[expect(unsafe_code, reason = "fork, descriptors, signals and the environment have no safe interface")]
mod sys;
mod tool;
mod zone;

/// Under the test harness, which has a `main` of its own.
#[cfg(test)]
fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(pipeline::run())
}
