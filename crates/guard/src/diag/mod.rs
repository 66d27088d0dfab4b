//! The read-only door: `breakglass-guard diag`. A request becomes a `Plan` by an exact, positive grammar, or a refusal.
//!
//! The order of reading: `plan` (what a request can become), `grammar` and `tables` (what is accepted), `places` (which
//! files may be read, judged on what was opened), `native` (the readers and filters of the guard itself), `walls` (the
//! kernel as second wall), `run` (one program under every limit), `door` (the whole, top to bottom).

mod broker;
mod client;
pub(crate) mod decide;
pub(crate) mod denied;
mod door;
pub(crate) mod grammar;
mod limits;
pub(crate) mod native;
pub(crate) mod places;
pub(crate) mod plan;
pub(crate) mod policy;
mod run;
pub(crate) mod tables;
pub(crate) mod walls;

pub(crate) use broker::serve as serve_broker;
pub(crate) use client::{timeout, whole_characters};
pub(crate) use door::{diag_door, explain};
