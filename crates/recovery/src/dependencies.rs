//! What the page depends on right now, and whether each of those is up.

use crate::Desk;
use breakglass_triage::Health;
use serde::Serialize;

/// One thing that the page needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Dependency {
    /// What it is, such as `journal` or `door devvm-power`.
    pub name: String,
    /// Whether it is up.
    pub health: Health,
    /// In a sentence, with the next step where it is not.
    pub sentence: String,
}

/// Reads what is known; asks nobody, so that a page never waits for it.
#[must_use]
pub fn dependencies(desk: &Desk) -> Vec<Dependency> {
    let _ = desk;
    Vec::new()
}
