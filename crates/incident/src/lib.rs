//! What an incident is: nothing but its events. This crate holds the events' shapes and the views folded from them;
//! it does no I/O and reads no clock.
#![forbid(unsafe_code)]

mod actor;
mod event;

pub use actor::Actor;
pub use event::{ArtifactRef, CommandId, Event, EventBody, ForensicsPart, IncidentId, PressId, Seq, TargetState};
