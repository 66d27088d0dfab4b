//! The looking half of the guard through its built binary: facts, probes, captures; with disks that really hang and a
//! real QEMU. What needs root says so and is left out without it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};

mod look {
    pub(crate) mod capture;
    pub(crate) mod facts;
    pub(crate) mod frozen;
    pub(crate) mod qemu;
}

/// Held by each test: a look probes every disk of the machine, so those beside it would write on the disk that a test
/// has made and looks at.
fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The built guard.
fn guard() -> std::process::Command {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_breakglass-guard"));
    command.stdin(std::process::Stdio::null());
    command
}
