//! What an incident is: nothing but its events. This crate holds the events' shapes and the views folded from them;
//! and the decisions on what an
//! agent may do; it does no I/O and reads no clock.
#![forbid(unsafe_code)]

mod actor;
mod event;
mod markdown;
mod material;
pub mod policy;
mod proof;
mod turn_event;
mod turn_words;
mod turns;
mod view;
mod words;

pub use actor::{Actor, AgentActor, OutsideAgent, SpoolActor};
pub use event::{
    ArtifactRef, CallId, CommandId, Delivery, Event, EventBody, ForensicsPart, IncidentId, PressId, Seq,
    TargetState, TurnId,
};
pub use markdown::markdown;
pub use material::material_since;
pub use proof::{Proof, Trial};
pub use turn_event::{CallOutcome, Spend, TurnEvent, TurnOutcome};
pub use turns::{Approval, Call, Turn, TurnEndView, Turns, WaitingCall};
pub use view::{Command, CommandEnd, FinishedVerb, Forensics, NoticeView, RunningVerb, View};
pub use words::{Row, RowKind, duration, row};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod turn_tests;
