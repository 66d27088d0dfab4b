//! What is allowed in a fleet and unwise: the advice of `breakglass check`.
//!
//! Pure and without names resolved: everything here follows from the file alone. It does not work out which failures
//! lock one out; that takes the whole graph and is another crate's work.

mod agent;
mod keys;
mod network;
mod page;
mod targets;

use crate::Fleet;
use std::fmt;

/// One thing that is allowed and unwise, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about, such as `door "devvm-power"`.
    pub about: String,
    /// What is unwise about it and what to do, in a sentence or two.
    pub text: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// All advice on a fleet, what may lock one out first.
#[must_use]
pub fn check(fleet: &Fleet) -> Vec<Advice> {
    let mut advice = Vec::new();
    targets::advise(fleet, &mut advice);
    network::advise(fleet, &mut advice);
    keys::advise(fleet, &mut advice);
    page::advise(fleet, &mut advice);
    agent::advise(fleet, &mut advice);
    advice
}

fn say(advice: &mut Vec<Advice>, about: String, text: impl Into<String>) {
    advice.push(Advice { about, text: text.into() });
}

/// Names in quotes, as a list for a sentence.
fn listed<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = names.into_iter().map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}
