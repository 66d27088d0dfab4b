//! Whether a press was made on a page that showed something else than what is so now.

use crate::record::{about, since};
use crate::{Desk, Press};
use breakglass_incident::{Event, EventBody, IncidentId, PressId, Seq, material_since};
use breakglass_protocol::{OperationId, Phase, Timestamp, Verb};
use std::collections::HashSet;

/// What matters of what happened to the target since the page that the press was made on; `None` when the press may go
/// on. A journal that does not answer in time holds no rescue: then the press goes on.
pub(crate) async fn happened_since(desk: &Desk, press: &Press) -> Option<Vec<Event>> {
    let seen = press.seen?;
    let events = since(desk, seen, None).await?;
    let incident = press.incident.or_else(|| desk.board.target(&press.target)?.incident);
    let concerning: Vec<Event> = events
        .into_iter()
        .filter(|event| {
            about(&event.body) == Some(&press.target) || (incident.is_some() && event.incident == incident)
        })
        .collect();
    let material: Vec<Event> = material_since(&concerning, seen).into_iter().cloned().collect();
    (!material.is_empty() && !would_join(&concerning, press.verb)).then_some(material)
}

/// Whether all that happened is that somebody pressed the same verb and it still runs: two people who press together
/// mean one operation, and the guard lets the second join it.
fn would_join(events: &[Event], verb: Verb) -> bool {
    let mut unfinished: HashSet<PressId> = HashSet::new();
    let mut operations: HashSet<&OperationId> = HashSet::new();
    for event in events {
        match &event.body {
            EventBody::VerbPressed { verb: pressed, .. } if pressed.is_mutating() => {
                if *pressed != verb {
                    return false;
                }
                unfinished.insert(PressId(event.seq.0));
            }
            EventBody::VerbAccepted { operation, .. } => {
                operations.insert(operation);
            }
            EventBody::VerbProgress { .. } | EventBody::ForensicsCaptured { .. } => {}
            EventBody::IncidentOpened { .. } | EventBody::Note { .. } | EventBody::Triaged { .. } => {}
            EventBody::VerbFinished { verb: finished, .. } if !finished.is_mutating() => {}
            EventBody::VerbPressed { .. } | EventBody::Turn(_) => {}
            _ => return false,
        }
    }
    !unfinished.is_empty()
}

/// The steps of an operation that the journal has already.
pub(crate) async fn told_steps(
    desk: &Desk,
    incident: IncidentId,
    operation: &OperationId,
) -> HashSet<(Phase, Timestamp)> {
    let events = since(desk, Seq(0), Some(incident)).await.unwrap_or_default();
    let steps = events.into_iter().filter_map(|event| match event.body {
        EventBody::VerbProgress { operation: of, phase, seen_at, .. } if of == *operation => {
            Some((phase, seen_at))
        }
        _ => None,
    });
    steps.collect()
}
