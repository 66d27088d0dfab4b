//! After a restart: turns that ran are marked as interrupted, and what agents had spent is spent.
//!
//! Nothing is carried out again: a verb is asked for by its operation and a command is told as of unknown fate, like any
//! person's. The next turn of the incident is told what this one had begun.

use crate::Desk;
use crate::record::keep;
use breakglass_incident::policy::Ledger;
use breakglass_incident::{
    Actor, CallId, CallOutcome, Event, EventBody, IncidentId, TurnEvent, TurnId, Turns,
};
use std::collections::HashMap;

/// The turns that the journal tells of.
#[derive(Debug, Default)]
pub(crate) struct LeftTurns {
    turns: Turns,
    incidents: HashMap<TurnId, IncidentId>,
    outside: HashMap<CallId, Option<IncidentId>>,
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
        match &event.body {
            EventBody::Turn(TurnEvent::ToolCalled { turn: TurnId::OUTSIDE, .. }) => {
                self.outside.insert(CallId(event.seq.0), event.incident);
            }
            EventBody::Turn(TurnEvent::ToolAnswered { call, .. }) => {
                self.outside.remove(call);
            }
            _ => {}
        }
        self.turns.apply(event);
        self.ledger.apply(event);
    }

    /// Marks what was cut off; gives how many turns.
    pub(crate) async fn mark(mut self, desk: &Desk, open: &[IncidentId]) -> usize {
        self.ledger.forget(open, desk.now());
        *desk.turns.ledger() = std::mem::take(&mut self.ledger);
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
        self.mark_outside(desk).await;
        unfinished.len()
    }

    /// Calls of outside agents that the restart cut off: a question is withdrawn, and an end that nobody saw is told as that.
    async fn mark_outside(&self, desk: &Desk) {
        let waiting: Vec<CallId> = self.turns.waiting().iter().map(|waiting| waiting.call.id).collect();
        let mut cut_off: Vec<_> = self.outside.iter().collect();
        cut_off.sort();
        for (call, incident) in cut_off {
            let waited = waiting.contains(call);
            if waited {
                let body = EventBody::Turn(TurnEvent::ApprovalExpired { call: *call });
                keep(desk, *incident, Actor::Server, body).await;
            }
            let (outcome, text) = if waited {
                (
                    CallOutcome::Refused,
                    "The server was restarted while this waited for a person. Nothing was done.",
                )
            } else {
                (
                    CallOutcome::Failed,
                    "The server was restarted in the middle of this call; how it ended is not known. Look before you \
                     repeat it.",
                )
            };
            let body = TurnEvent::ToolAnswered {
                call: *call,
                turn: TurnId::OUTSIDE,
                outcome,
                rule: Some("server-restarted".to_owned()),
                exit: None,
                millis: 0,
                text: text.to_owned(),
                rest: None,
            };
            keep(desk, *incident, Actor::Server, EventBody::Turn(body)).await;
        }
    }
}
