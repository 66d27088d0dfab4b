//! What travels through a door, as types: verbs, requests, refusals, the lines a guard answers with, the status of
//! a VM and the facts seen from inside a target.
//!
//! Both ends use this crate: the guard to parse requests and render answers, the server to do the reverse. It does
//! no I/O, starts no process and reads no clock; a time always comes in as a [`Timestamp`].
#![forbid(unsafe_code)]

pub mod exit;
mod facts;
mod line;
mod refusal;
mod request;
mod status;
mod timestamp;
mod verb;
pub mod words;

pub use facts::{
    BlockedTask, CHANGES_SECONDS, Change, ChangeKind, ClockFacts, Facts, FailedUnit, Filesystem, LoadFacts,
    MemoryFacts, Part, PressureFacts, PressureLine, SyncProbe,
};
pub use line::{EndedBy, Line, Outcome, PartOutcome, Phase, parse_line, render_line};
pub use refusal::{Refusal, Rule};
pub use request::{JSON_PREFIX, PowerRequest, parse_power};
pub use status::{
    BlockCounters, BlockSample, ConsoleSign, ConsoleSignKind, LastOperation, LockState, ProcessIdentity,
    RunState, RunningJob, StagedChange, Status, Step,
};
pub use timestamp::{ParseTimestampError, Timestamp};
pub use verb::{OperationId, Verb, VmName};
