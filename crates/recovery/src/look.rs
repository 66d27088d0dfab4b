//! A look through the power door, `status` or `forensics`: changes nothing, opens no incident, waits for its answer.
//!
//! Forensics always go to the journal. A status does when an incident is open: whoever polls it otherwise would fill
//! the journal with nothing, and the guard's own record has every request anyway.

use crate::operation::Capture;
use crate::power::{Heard, ask};
use crate::record::keep;
use crate::{Desk, Press, Pressed, host_key, words};
use breakglass_fleet::Door;
use breakglass_incident::{Actor, EventBody, IncidentId};
use breakglass_protocol::{Line, Outcome, Refusal, Status, Verb};
use std::sync::Arc;

/// How a look ended.
struct Seen {
    outcome: Outcome,
    message: String,
    refusal: Option<Refusal>,
    status: Option<Box<Status>>,
}

pub(crate) async fn look(desk: &Desk, who: Actor, press: Press, door: &Door) -> Pressed {
    let named = match press.incident {
        Some(named) if words::knows(desk, named).await => Some(named),
        _ => None,
    };
    let incident = named.or_else(|| desk.board.target(&press.target)?.incident);
    let mut hearing = ask(desk, door, press.verb, door.deadline);
    let mut capture = Capture::default();
    let seen = loop {
        match hearing.next().await {
            Heard::Line(line) => {
                capture.take(desk, &line);
                if let Line::Finished { outcome, message, refusal, status, .. } = *line {
                    break Seen { outcome, message, refusal, status };
                }
            }
            Heard::End(end, excerpt) => {
                host_key::tell_if_changed(desk, &door.name, &end).await;
                let message = if excerpt.is_empty() { end.to_string() } else { format!("{end} ({excerpt})") };
                break Seen { outcome: Outcome::NotObserved, message, refusal: None, status: None };
            }
        }
    };
    capture.tell(desk, incident, Actor::Guard(door.name.clone()), &press.target, None).await;
    if let Some(status) = &seen.status {
        let status = Arc::new((**status).clone());
        desk.board.update(&press.target, |view| view.status = Some(status));
    }
    if press.verb == Verb::Forensics || incident.is_some() {
        tell(desk, who, &press, incident, &seen);
    }
    answer(seen, incident)
}

/// Told in the background: the journal's disk is no part of how fast a look is answered.
fn tell(desk: &Desk, who: Actor, press: &Press, incident: Option<IncidentId>, seen: &Seen) {
    let body = EventBody::VerbFinished {
        press: None,
        target: press.target.clone(),
        verb: press.verb,
        operation: None,
        outcome: seen.outcome,
        message: seen.message.clone(),
        refusal: seen.refusal.clone(),
        status: seen.status.clone(),
    };
    let desk = desk.clone();
    tokio::spawn(async move { keep(&desk, incident, who, body).await });
}

fn answer(seen: Seen, incident: Option<IncidentId>) -> Pressed {
    match (seen.outcome, seen.refusal) {
        (Outcome::Done | Outcome::NotObserved, None) if seen.status.is_some() => {
            Pressed::Looked { incident, status: seen.status, message: seen.message }
        }
        (Outcome::Done, None) => Pressed::Looked { incident, status: None, message: seen.message },
        (Outcome::Busy, _) => Pressed::Busy { incident, message: seen.message },
        (_, Some(refusal)) => Pressed::Refused { incident, refusal },
        (_, None) => Pressed::Failed { incident, message: seen.message },
    }
}
