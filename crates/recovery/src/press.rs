//! Pressing a verb: the story of the one use case that this project exists for.

use crate::Desk;
use breakglass_incident::{Actor, Event, IncidentId, PressId, Seq};
use breakglass_protocol::{OperationId, Refusal, Status, Verb};

/// What somebody wants done to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// The component.
    pub target: String,
    /// The verb.
    pub verb: Verb,
    /// The newest event that the presser had been shown; `None` skips the check for a stale page.
    pub seen: Option<Seq>,
    /// What the presser had been shown, such as `running writes=0 lock=none`.
    pub shown: String,
    /// The incident that it was pressed in; `None`: the target's open one, or a new one.
    pub incident: Option<IncidentId>,
}

/// What became of a press by the time that the caller gets its answer.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Pressed {
    /// The guard accepted it. The rest is followed in the background and told by events.
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
    /// Nothing was sent: since the page that it was pressed on, this has happened.
    Stale {
        /// What matters of it, oldest first.
        since: Vec<Event>,
    },
    /// The guard refused it. Nothing was started.
    Refused {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// The rule, the reason and what would be allowed.
        refusal: Refusal,
    },
    /// Somebody else's operation has the VM.
    Busy {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// Who does what since when.
        message: String,
    },
    /// A look (`status`, `forensics`) was answered.
    Looked {
        /// The incident that it belongs to, where one is open.
        incident: Option<IncidentId>,
        /// What was seen.
        status: Option<Box<Status>>,
        /// In a sentence.
        message: String,
    },
    /// The line was lost before the guard's answer came. Whether it was accepted is being asked, never sent again; what
    /// comes of it is told by events.
    Unsure {
        /// Where its events go.
        incident: IncidentId,
        /// The press.
        press: PressId,
        /// What happened, what is still safe, what to do next.
        message: String,
    },
    /// Nothing was started: the door did not open, or the guard could not do it.
    Failed {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// What happened, what is still safe, what to do next.
        message: String,
    },
}

/// Presses a verb. Returns as soon as the guard has accepted it and that is durable (or it is known not to be); a look
/// returns with its answer.
pub async fn press(desk: &Desk, who: Actor, press: Press) -> Pressed {
    let _ = (desk, who);
    Pressed::Failed { incident: press.incident, message: "not built yet".to_owned() }
}
