//! What people say in an incident: open it, note something, close it.
//!
//! A target has at most one open incident. Finding or opening it is one step, so that two people who press together
//! are in the same one.

use crate::Desk;
use crate::record::keep;
use breakglass_incident::{Actor, CommandId, EventBody, IncidentId, Seq};
use breakglass_journal::Wanted;

/// A note is for words; a file belongs elsewhere.
const LONGEST_NOTE: usize = 16 << 10;

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
    /// The command does not run, or runs behind no harness.
    #[error("the command of event {command} does not run any more, or runs where nothing can stop it")]
    NotRunning {
        /// The command.
        command: CommandId,
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
pub async fn open_incident(
    desk: &Desk,
    who: Actor,
    target: &str,
    reason: &str,
) -> Result<IncidentId, WordsError> {
    if desk.board.target(target).is_none() {
        return Err(WordsError::NoTarget { target: target.to_owned() });
    }
    Ok(incident_for(desk, &who, target, None, reason).await)
}

/// Adds somebody's words to an incident, open or closed: a post-mortem is written afterwards.
///
/// # Errors
/// [`WordsError`], when they were not taken.
pub async fn note(desk: &Desk, who: Actor, incident: IncidentId, text: &str) -> Result<Seq, WordsError> {
    let text = text.trim();
    if text.is_empty() || text.len() > LONGEST_NOTE {
        return Err(WordsError::Length { limit: LONGEST_NOTE });
    }
    Ok(keep(desk, Some(incident), who, EventBody::Note { text: text.to_owned() }).await.seq)
}

/// Closes an incident.
///
/// # Errors
/// [`WordsError::NotOpen`].
pub async fn close(desk: &Desk, who: Actor, incident: IncidentId, reason: &str) -> Result<Seq, WordsError> {
    let _one_at_a_time = desk.board.incidents().lock().await;
    let open = desk.board.targets().into_iter().find(|view| view.incident == Some(incident));
    let Some(view) = open else {
        return Err(WordsError::NotOpen { incident });
    };
    Ok(tell_closed(desk, who, &view.name, incident, reason.to_owned(), None).await)
}

/// Whether there is such an incident. An open one stands on the board, which needs no disk; others are in the journal.
pub async fn knows(desk: &Desk, incident: IncidentId) -> bool {
    if desk.board.targets().iter().any(|view| view.incident == Some(incident)) {
        return true;
    }
    let first = Wanted { incident: Some(incident), after: Seq(0), limit: 1 };
    !desk.journal.replay_frames(first).await.is_empty()
}

/// The incident that something about this target belongs to: the one that is named and open, the target's open one, or
/// a new one.
pub(crate) async fn incident_for(
    desk: &Desk,
    who: &Actor,
    target: &str,
    named: Option<IncidentId>,
    reason: &str,
) -> IncidentId {
    let _one_at_a_time = desk.board.incidents().lock().await;
    let open = desk.board.target(target).and_then(|view| view.incident);
    if let Some(open) = open {
        if named.is_some_and(|named| named != open) {
            tracing::info!(target_name = target, %open, "the named incident is not the open one; the open one is used");
        }
        return open;
    }
    let (incident, _kept) = desk.journal.open_incident(target, reason, who.clone()).await;
    desk.board.update(target, |view| view.incident = Some(incident));
    incident
}

/// Closes; the caller holds the lock on incidents.
pub(crate) async fn tell_closed(
    desk: &Desk,
    who: Actor,
    target: &str,
    incident: IncidentId,
    reason: String,
    away_millis: Option<u64>,
) -> Seq {
    desk.board.update(target, |view| {
        if view.incident == Some(incident) {
            view.incident = None;
        }
    });
    let body = EventBody::IncidentClosed { target: target.to_owned(), reason, away_millis };
    let closed = keep(desk, Some(incident), who, body).await.seq;
    desk.turns.withdraw(incident);
    closed
}
