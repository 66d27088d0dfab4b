//! After a restart: turns that ran are marked as interrupted, and what agents had spent is spent.
//!
//! Nothing is carried out again: a verb is asked for by its operation and a command is told as of unknown fate, like any
//! person's. The next turn of the incident is told what this one had begun.

use crate::Desk;
use crate::record::keep;
use breakglass_incident::policy::Ledger;
use breakglass_incident::{Actor, Event, EventBody, IncidentId, TurnEvent, TurnId, Turns};
use std::collections::HashMap;

/// The turns that the journal tells of.
#[derive(Debug, Default)]
pub(crate) struct LeftTurns {
    turns: Turns,
    incidents: HashMap<TurnId, IncidentId>,
    ledger: Ledger,
}

impl LeftTurns {
    /// Takes in the next event.
    pub(crate) fn take(&mut self, event: &Event) {
        if let (EventBody::Turn(TurnEvent::TurnStarted { .. }), Some(incident)) =
            (&event.body, event.incident)
        {
            self.incidents.insert(TurnId(event.seq.0), incident);
        }
        self.turns.apply(event);
        self.ledger.apply(event);
    }

    /// Marks what was cut off; gives how many turns.
    pub(crate) async fn mark(mut self, desk: &Desk, open: &[IncidentId]) -> usize {
        self.ledger.forget(open, desk.now());
        *desk.turns.ledger() = self.ledger;
        let unfinished = self.turns.unfinished();
        for (turn, waiting) in &unfinished {
            let incident = self.incidents.get(turn).copied();
            for call in waiting {
                let body = EventBody::Turn(TurnEvent::ApprovalExpired { call: *call });
                keep(desk, incident, Actor::Server, body).await;
            }
            let body = EventBody::Turn(TurnEvent::TurnInterrupted { turn: *turn });
            keep(desk, incident, Actor::Server, body).await;
        }
        unfinished.len()
    }
}
