//! What one rule says when it applies.

use crate::result::{Action, Finding, Health, Wedge};
use breakglass_protocol::Verb;

/// A rule's answer: the wedge or the named state, its evidence, and what to do about it.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) wedge: Option<Wedge>,
    pub(crate) health: Health,
    pub(crate) summary: String,
    /// What it rests on, the most telling first.
    pub(crate) evidence: Vec<Finding>,
    pub(crate) action: Action,
    pub(crate) because: String,
    pub(crate) wrong_if: String,
    pub(crate) remarks: Vec<(Verb, String)>,
}

impl Verdict {
    /// The target does not serve, for this reason.
    pub(crate) fn down(wedge: Wedge, summary: impl Into<String>) -> Self {
        Self::new(Some(wedge), Health::Down, summary)
    }

    /// The target serves badly, for this reason.
    pub(crate) fn degraded(wedge: Wedge, summary: impl Into<String>) -> Self {
        Self::new(Some(wedge), Health::Degraded, summary)
    }

    /// A state that has no wedge's name.
    pub(crate) fn unnamed(health: Health, summary: impl Into<String>) -> Self {
        Self::new(None, health, summary)
    }

    fn new(wedge: Option<Wedge>, health: Health, summary: impl Into<String>) -> Self {
        Self {
            wedge,
            health,
            summary: summary.into(),
            evidence: Vec::new(),
            action: Action::Look,
            because: String::new(),
            wrong_if: String::new(),
            remarks: Vec::new(),
        }
    }

    /// Adds a piece of evidence that is out of order.
    pub(crate) fn seen(self, label: &str, seen: impl Into<String>) -> Self {
        let health = self.health;
        self.seen_as(label, seen, health)
    }

    /// Adds a piece of evidence and says how good it is.
    pub(crate) fn seen_as(mut self, label: &str, seen: impl Into<String>, health: Health) -> Self {
        self.evidence.push(Finding { label: label.to_owned(), seen: seen.into(), health });
        self
    }

    /// What to do, why, and what would make that wrong.
    pub(crate) fn advise(
        mut self,
        action: Action,
        because: impl Into<String>,
        wrong_if: impl Into<String>,
    ) -> Self {
        self.action = action;
        self.because = because.into();
        self.wrong_if = wrong_if.into();
        self
    }

    /// A remark on another verb.
    pub(crate) fn remark(mut self, verb: Verb, remark: impl Into<String>) -> Self {
        self.remarks.push((verb, remark.into()));
        self
    }
}
