//! What an incident is: nothing but its events. This crate holds the events' shapes and the views folded from them;
//! it does no I/O and reads no clock.
#![forbid(unsafe_code)]

mod actor;
mod event;
mod markdown;
mod material;
mod view;
mod words;

pub use actor::Actor;
pub use event::{
    ArtifactRef, CallId, CommandId, Event, EventBody, ForensicsPart, IncidentId, PressId, Seq, TargetState,
    TurnId,
};
pub use markdown::markdown;
pub use material::material_since;
pub use view::{Command, CommandEnd, FinishedVerb, Forensics, RunningVerb, View};
pub use words::{Row, RowKind, duration, row};

#[cfg(test)]
mod tests;
