//! What matters to somebody who presses a verb on a page that is no longer new.

use crate::{Event, EventBody, Seq};
use breakglass_triage::Wedge;

/// The events after `seen` that could change the mind of whoever is about to press: a verb that was pressed, accepted or ended, a
/// change of the target's health, another wedge, a changed host key, a closed incident. Steps of a running verb, notes, commands and
/// a triage that says the same as before do not count, or nobody could press while anything goes on.
#[must_use]
pub fn material_since(events: &[Event], seen: Seq) -> Vec<&Event> {
    let mut known: Option<Option<Wedge>> = None;
    let mut material = Vec::new();
    for event in events {
        let matters = match &event.body {
            EventBody::VerbPressed { verb, .. } => verb.is_mutating(),
            EventBody::VerbAccepted { .. }
            | EventBody::VerbFinished { .. }
            | EventBody::HostKeyChanged { .. }
            | EventBody::IncidentClosed { .. } => true,
            EventBody::Observed { state, before, .. } => *before != Some(state.health),
            EventBody::Triaged { triage, .. } => {
                let another = known.is_none_or(|wedge| wedge != triage.wedge);
                known = Some(triage.wedge);
                another
            }
            _ => false,
        };
        if matters && event.seq > seen {
            material.push(event);
        }
    }
    material
}
