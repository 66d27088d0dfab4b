//! What is allowed in a fleet and unwise.

use crate::Fleet;
use std::fmt;

/// One thing that is allowed and unwise, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// What it is about: a door, a component, a section.
    pub about: String,
    /// What is unwise about it and what to do, in a sentence or two.
    pub text: String,
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.about, self.text)
    }
}

/// All advice on a fleet.
#[must_use]
pub fn check(_fleet: &Fleet) -> Vec<Advice> {
    Vec::new()
}
