//! What the journal answers, and what it is asked for.

use breakglass_incident::{Event, IncidentId, Seq};
use breakglass_protocol::Timestamp;

/// Whether an event is durable. Whoever tells a person that something is recorded looks at this first; whoever only goes on
/// with a rescue need not: the journal itself shows what it does not keep.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// It is synced to the disk.
    Durable(Event),
    /// It is not, and the rescue goes on: it was shown live and is tried again.
    NotKept {
        /// The event. Its number is its own for as long as this server runs.
        event: Event,
        /// Why, in a sentence fragment.
        why: String,
    },
}

impl Kept {
    /// The event, durable or not.
    #[must_use]
    pub const fn event(&self) -> &Event {
        match self {
            Self::Durable(event) | Self::NotKept { event, .. } => event,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.event().seq
    }

    /// Whether it is durable.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        matches!(self, Self::Durable(_))
    }
}

/// Whether the journal keeps what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// It does.
    Ok,
    /// It does not; the page shows it in red.
    NotKeeping {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence fragment.
        why: String,
        /// How many events were not kept so far. Those that fit into memory are written when the disk is back.
        missing: u64,
    },
}

/// Which events to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Only those of one incident.
    pub incident: Option<IncidentId>,
    /// Only those after this number; `Seq(0)` for all.
    pub after: Seq,
    /// At most so many.
    pub limit: usize,
}

impl Wanted {
    /// All events of one incident.
    #[must_use]
    pub const fn incident(id: IncidentId) -> Self {
        Self { incident: Some(id), after: Seq(0), limit: usize::MAX }
    }
}

/// Why a body was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such event.
    #[error("there is no event {seq} in the journal; nothing was erased")]
    NoSuchEvent {
        /// The number.
        seq: Seq,
    },
    /// The event is one that the chain's own account rests on.
    #[error("event {seq} is of the kind {kind}, which the chain's own account rests on; nothing was erased")]
    Needed {
        /// The number.
        seq: Seq,
        /// Its kind.
        kind: String,
    },
    /// The disk did not take it.
    #[error(
        "the disk did not take the erasure ({why}); the content is still there; try again when the journal keeps events"
    )]
    NotKept {
        /// Why.
        why: String,
    },
}
