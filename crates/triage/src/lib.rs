//! Evidence in, findings and one recommended action out. No model, no I/O, no clock: everything comes in as values.
//!
//! [`diagnose`] looks at everything and names the wedge, or says that it cannot. [`quick`] is the cheap part for the
//! watch. [`NormalLearner`] learns what a target does when it is well. The rules stand in one ordered table, in
//! `rules.rs`; that file and those beside it are the whole of what this crate believes.
#![forbid(unsafe_code)]

mod case;
mod charge;
mod diagnose;
mod evidence;
mod findings;
mod normal;
mod quick;
mod result;
mod rules;
mod text;
mod verdict;
mod whole;

pub use diagnose::diagnose;
pub use evidence::{Evidence, HypervisorView, Inside, Normal, Reach};
pub use normal::NormalLearner;
pub use quick::{Quick, quick};
pub use result::{Action, Finding, Health, Triage, Wedge};
pub use text::ROOT_PREFIX;
