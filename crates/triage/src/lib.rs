//! Facts in, findings and one recommended action out. No model, no I/O, no clock: everything comes in as values.
#![forbid(unsafe_code)]

mod evidence;
mod result;

pub use evidence::{Evidence, HypervisorView, Inside, Normal, Reach};
pub use result::{Action, Finding, Health, Triage, Wedge};
