//! Conversations with QEMU's monitor, each short and under one deadline, connecting and waiting in its queue included.
//!
//! QEMU serves one client at a time, so nobody keeps a connection while waiting for something else.

use super::backend;
use crate::policy::Machine;
use crate::tool::wire::Wire;
use breakglass_protocol::RunState;
use breakglass_qmp::{Client, QmpError};
use std::time::{Duration, Instant};

/// Connects, asks, and hangs up.
///
/// # Errors
/// What the monitor said, or that it did not answer in time.
pub(super) fn ask<T>(
    machine: &Machine,
    questions: impl FnOnce(&mut Client<Wire>) -> Result<T, QmpError>,
) -> Result<T, QmpError> {
    ask_within(machine, patience(machine), questions)
}

/// How long one conversation may last: starting a tool for each question takes longer than a socket does.
pub(super) fn patience(machine: &Machine) -> Duration {
    let Machine { patience, .. } = machine;
    if backend::of(machine).monitor().is_some() { patience.tool } else { patience.answer }
}

/// As [`ask`], for a caller with less time.
pub(super) fn ask_within<T>(
    machine: &Machine,
    patience: Duration,
    questions: impl FnOnce(&mut Client<Wire>) -> Result<T, QmpError>,
) -> Result<T, QmpError> {
    let tool = backend::of(machine).monitor();
    let mut client = Wire::open(&machine.qmp.socket, tool.as_deref(), Instant::now() + patience)?;
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
