//! What was wrong with one try, and whether another one makes sense.

use std::time::Duration;

/// Why a receiver did not take a notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// What happened and what to do, in a sentence fragment. It names no secret.
    pub(crate) sentence: String,
    /// Whether trying again may help.
    pub(crate) again: bool,
    /// How long the receiver wants to be left alone.
    pub(crate) after: Option<Duration>,
    /// Whether the receiver answered this very notice: then the next one may fare better.
    pub(crate) answered: bool,
}

impl Trouble {
    /// It may be over soon.
    pub(crate) fn passing(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into(), again: true, after: None, answered: false }
    }

    /// Nothing changes until a person changes it.
    pub(crate) fn lasting(sentence: impl Into<String>) -> Self {
        Self { again: false, answered: true, ..Self::passing(sentence) }
    }
}

/// The cause of all causes: the one that names what the system said.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}
