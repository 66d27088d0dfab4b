//! Conversations with QEMU's monitor, each short and under one deadline, connecting and waiting in its queue included.
//!
//! QEMU serves one client at a time, so nobody keeps a connection while waiting for something else.

use crate::policy::Machine;
use breakglass_protocol::RunState;
use breakglass_qmp::{Client, Deadlined, QmpError};
use std::time::{Duration, Instant};

/// Connects, asks, and hangs up.
///
/// # Errors
/// What the monitor said, or that it did not answer in time.
pub(super) fn ask<T>(
    machine: &Machine,
    questions: impl FnOnce(&mut Client<Deadlined>) -> Result<T, QmpError>,
) -> Result<T, QmpError> {
    ask_within(machine, machine.patience.answer, questions)
}

/// As [`ask`], for a caller with less time.
pub(super) fn ask_within<T>(
    machine: &Machine,
    patience: Duration,
    questions: impl FnOnce(&mut Client<Deadlined>) -> Result<T, QmpError>,
) -> Result<T, QmpError> {
    let mut client = Client::open(&machine.qmp.socket, Instant::now() + patience)?;
    questions(&mut client)
}

/// An error with what caused it, as one sentence.
pub(super) fn sentence(error: &QmpError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

/// QEMU's word for a state.
pub(super) fn state(word: &str) -> RunState {
    match word {
        "running" => RunState::Running,
        "paused" => RunState::Paused,
        "io-error" => RunState::IoError,
        "internal-error" => RunState::InternalError,
        "guest-panicked" => RunState::GuestPanicked,
        "prelaunch" => RunState::Prelaunch,
        other => RunState::Other(other.chars().filter(|c| !c.is_control()).take(40).collect()),
    }
}
