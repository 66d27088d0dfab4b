//! What becomes of a target after an agent has touched it, looked at by us and not by the agent.
//!
//! Calls that come one after the other are followed by one look; the last look comes after the turn's end if need be.

use crate::{Desk, gather, record::keep};
use breakglass_incident::{Actor, CallId, EventBody, IncidentId, TurnEvent, TurnId};
use std::time::Duration;
use tokio::sync::mpsc;

/// After a call it is waited for so long whether another one follows.
const QUIET: Duration = Duration::from_millis(1_200);
/// But a look is never put off longer than this.
const AT_LAST: Duration = Duration::from_secs(15);

/// What the observer of a turn needs.
#[derive(Clone)]
pub(crate) struct Observer {
    touched: mpsc::UnboundedSender<CallId>,
}

impl Observer {
    /// An observer that looks until the last holder of it is gone and everything that was touched has been looked at.
    pub(crate) fn start(desk: &Desk, incident: IncidentId, turn: TurnId, target: String) -> Self {
        let (touched, calls) = mpsc::unbounded_channel();
        let desk = desk.clone();
        tokio::spawn(async move { watch(&desk, incident, turn, &target, calls).await });
        Self { touched }
    }

    /// This call may have changed something.
    pub(crate) fn touched(&self, call: CallId) {
        let _ = self.touched.send(call);
    }
}

async fn watch(
    desk: &Desk,
    incident: IncidentId,
    turn: TurnId,
    target: &str,
    mut touched: mpsc::UnboundedReceiver<CallId>,
) {
    while let Some(first) = touched.recv().await {
        let mut calls = vec![first];
        let at_last = tokio::time::Instant::now() + AT_LAST;
        while let Ok(Some(more)) =
            tokio::time::timeout_at(at_last.min(tokio::time::Instant::now() + QUIET), touched.recv()).await
        {
            calls.push(more);
        }
        let triage = gather::triage(desk, &Actor::Server, target, Some(incident)).await;
        let body = TurnEvent::OutcomeObserved {
            turn,
            calls,
            target: target.to_owned(),
            health: triage.health,
            sentence: triage.summary,
        };
        keep(desk, Some(incident), Actor::Server, EventBody::Turn(body)).await;
    }
}
