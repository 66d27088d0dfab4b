//! What came of what somebody did through a door: a verb, a look, a command.

use breakglass_incident::{ArtifactRef, CommandId, Event, IncidentId, PressId};
use breakglass_protocol::{OperationId, Refusal, Status};
use breakglass_recovery::CommandEnd;
use schemars::JsonSchema;
use serde::Serialize;

/// A verb that was sent.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "pressed", rename_all = "kebab-case")]
pub(crate) enum Sent {
    /// The guard took it; the incident's events tell how it goes on.
    Accepted {
        /// Where its events go.
        incident: IncidentId,
        /// The press.
        press: PressId,
        /// The guard's id of the operation.
        operation: OperationId,
        /// Whether it joined one that was running already.
        joined: bool,
    },
    /// The line was lost before the guard's answer came. It is never sent a second time; the events tell what came of it.
    Unsure {
        /// Where its events go.
        incident: IncidentId,
        /// The press.
        press: PressId,
        /// What happened.
        message: String,
        /// What to do now.
        what_now: &'static str,
    },
}

/// A look of the guard's: `status` or `forensics`.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "pressed", rename_all = "kebab-case")]
pub(crate) enum Looked {
    /// It was answered.
    Looked {
        /// The incident that it belongs to, where one is open.
        incident: Option<IncidentId>,
        /// What was seen.
        status: Option<Box<Status>>,
        /// In a sentence.
        message: String,
    },
}

/// A verb that was not carried out. Nothing was started.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "pressed", rename_all = "kebab-case")]
pub(crate) enum NotSent {
    /// Something has happened since what `seen` names.
    Stale {
        /// What happened.
        error: &'static str,
        /// What matters of it, oldest first.
        since: Vec<Event>,
        /// What to do now.
        what_now: &'static str,
    },
    /// The guard refused it.
    Refused {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// The reason.
        error: String,
        /// The rule, the reason and what would be allowed.
        refusal: Refusal,
        /// What would be allowed.
        what_now: String,
    },
    /// Another operation has the VM.
    Busy {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// Who does what since when.
        error: String,
        /// What to do now.
        what_now: &'static str,
    },
}

/// A verb that did not come through, or that the guard could not do.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(tag = "pressed", rename_all = "kebab-case")]
pub(crate) enum NotThrough {
    /// Nothing was started.
    Failed {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// What happened.
        error: String,
        /// What to do now.
        what_now: &'static str,
    },
}

/// A command that was started; its end comes as an event.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Started {
    /// Which one.
    pub(crate) command: CommandId,
}

/// How a command or a look ended.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ended {
    /// Which one.
    command: CommandId,
    /// Its exit code, where it ended by itself.
    exit: Option<u32>,
    /// How it ended, in a sentence.
    message: String,
    /// How long it took, in milliseconds.
    millis: u64,
    /// The head of what it wrote, at most 16 KiB.
    output: String,
    /// The whole of it, where it was longer.
    rest: Option<ArtifactRef>,
}

impl From<CommandEnd> for Ended {
    fn from(end: CommandEnd) -> Self {
        let CommandEnd { command, exit, message, millis, output, rest } = end;
        Self { command, exit, message, millis, output, rest }
    }
}

/// A command that somebody stopped.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Stopped {
    /// Which one.
    pub(crate) command: CommandId,
    /// What the host's guard says of its end.
    pub(crate) said: String,
}
