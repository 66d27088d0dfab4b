//! `breakglass-guard`: decides on the host what a key may do, behind an SSH forced command.
//!
//! `pipeline.rs` is the place to start reading: it is the security argument, top to bottom. The guard has no async,
//! no threads, no shell, no TCP and no name look-ups; what it starts is itself and the configured QEMU.

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

fn main() -> std::process::ExitCode {
    std::process::ExitCode::from(pipeline::run())
}
