//! The use cases, one function each: press a verb, run a command, look through a diag door, triage, note, close, accept a host key, resume after
//! a restart, watch.
//!
//! Every caller (form, API, CLI, schedule) enters here and nowhere else, so what one way in promises, all promise.
//! This crate speaks no SSH, no SQL and no HTTP; it never locks a VM, never sends a mutation twice, and never claims an
//! outcome that nobody observed.
#![forbid(unsafe_code)]

mod board;
mod damper;
mod dependencies;
mod desk;
mod diagnose;
mod follow;
mod gather;
mod guard_lines;
mod harness;
mod host_key;
mod intake;
mod judge;
mod look;
mod normals;
mod observe;
mod operation;
mod power;
mod press;
mod prober;
mod record;
mod rejoin;
mod resume;
mod run;
mod stale;
mod times;
pub mod turn;
mod watch;
mod words;

pub use board::{Board, DoorView, RunningView, TargetView, WriteRate};
pub use dependencies::{Dependency, dependencies};
pub use desk::{Clock, Desk};
pub use diagnose::{Answer, Look, Taken, diagnose, diagnose_many, grouped, looks_at};
pub use gather::triage;
pub use harness::{Stoppable, stop_command};
pub use host_key::{AcceptError, ChangedKey, accept_host_key, changed_host_keys};
pub use intake::take_in_spools;
pub use normals::{learnt, recall_normals};
pub use press::{Press, Pressed, press};
pub use prober::look_now;
pub use resume::{Resumed, catch_up, recall, resume};
pub use run::{CommandEnd, Run, RunError, run, run_into, run_to_end};
pub use times::Times;
pub use watch::watch;
pub use words::{WordsError, close, knows, note, open_incident};
