//! What people say in an incident: open it, note something, close it.

use crate::Desk;
use breakglass_incident::{Actor, IncidentId, Seq};

/// Why words were not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// There is no such target.
    #[error("the fleet has no target `{target}`")]
    NoTarget {
        /// The name that was given.
        target: String,
    },
    /// There is no such incident, or it is closed.
    #[error("incident {incident} is not open")]
    NotOpen {
        /// The incident.
        incident: IncidentId,
    },
    /// The text is empty or too long.
    #[error("a note has between 1 and {limit} bytes")]
    Length {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Opens an incident for a target, or returns the one that is open.
///
/// # Errors
/// [`WordsError::NoTarget`].
pub async fn open_incident(desk: &Desk, who: Actor, target: &str, reason: &str) -> Result<IncidentId, WordsError> {
    let _ = (desk, who, reason);
    Err(WordsError::NoTarget { target: target.to_owned() })
}

/// Adds somebody's words to an incident.
///
/// # Errors
/// [`WordsError`], when they were not taken.
pub async fn note(desk: &Desk, who: Actor, incident: IncidentId, text: &str) -> Result<Seq, WordsError> {
    let _ = (desk, who, text);
    Err(WordsError::NotOpen { incident })
}

/// Closes an incident.
///
/// # Errors
/// [`WordsError::NotOpen`].
pub async fn close(desk: &Desk, who: Actor, incident: IncidentId, reason: &str) -> Result<Seq, WordsError> {
    let _ = (desk, who, reason);
    Err(WordsError::NotOpen { incident })
}
