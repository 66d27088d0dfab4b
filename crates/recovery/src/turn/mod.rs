//! Turns: runs of an agent inside an incident, inside bounds that hold whatever the model wants.
//!
//! The way through: [`start_turn`] writes the question down and leaves a task behind (`drive`), which chooses an
//! [`Engine`], measures, briefs it and listens. The engine reaches machines only through [`Tools`], whose one
//! implementation (`tools`) is the gate: understood, written down, decided, carried out, answered, observed. Agents
//! that no turn runs come through the same gate ([`call_outside`]). This module runs no model and starts no process.

mod answer;
mod approve;
mod brief;
mod carry;
mod drive;
mod engine;
mod observer;
mod outside;
mod preset;
mod registry;
mod request;
mod restart;
mod runbooks;
mod says;
mod standing;
mod start;
mod tools;
mod unseen;
mod visits;

pub use approve::{ApprovalError, answer_call};
pub use engine::{Engine, Engines, Prompt, Says, Told, ToolAnswer, ToolSpec, Tools, TurnBrief, TurnEnd};
pub use outside::{Reach, call_outside, outside_grants, outside_tools};
pub use preset::Preset;
pub use registry::{Asked, Turns};
pub use request::LARGEST_ARGUMENTS;
pub use start::{NotRunning, StartError, StartTurn, start_turn, stop_turn};
pub use unseen::is_unseen;

pub(crate) use answer::redacted;
pub(crate) use registry::Halt;
pub(crate) use restart::LeftTurns;
