//! What was observed of a target, told once: to the board at every change of words, to the journal at every change of
//! health, with an incident opened when it goes down and closed when it is seen to be well again.
//!
//! Both the watch and a verb that has ended come through here, one at a time for each target, so that nothing is told
//! twice. An incident is closed by itself only when the target was seen unwell in it, or a verb was carried out in it,
//! and the target was then observed to be well; one that a person opened for other reasons stays open. A closed incident
//! stays as it is: a new press, or a new outage, opens a new one.

use crate::judge::Verdict;
use crate::operation::Operation;
use crate::record::{keep, since};
use crate::{Desk, gather, words};
use breakglass_incident::{Actor, EventBody, IncidentId, Seq, TargetState, View, duration};
use breakglass_protocol::{Outcome, Verb};
use breakglass_triage::Health;
use std::time::Duration;

/// The pause between two looks while it is waited for.
const PAUSE: Duration = Duration::from_millis(300);

/// After a verb was carried out: looks until the target is well or the time is over, and tells which. Also what closes
/// the incident when nobody watches, as at the command line.
pub(crate) async fn after_verb(desk: &Desk, operation: &Operation, outcome: Outcome) {
    let prober = desk.board.prober(&operation.target);
    prober.lock().await.after_verb();
    if let Some(door) = desk.fleet.repair_door(&operation.target) {
        // What was held leads into a machine that has been reset or is gone.
        desk.doors.hang_up(&door.name);
    }
    if outcome != Outcome::Done {
        return;
    }
    if operation.verb == Verb::Stop {
        let verdict = prober.lock().await.look(desk, &operation.target).await;
        tell(desk, &operation.target, &Actor::Server, verdict).await;
        return;
    }
    let somewhere =
        desk.fleet.component(&operation.target).is_some_and(|component| !component.addresses.is_empty());
    if !somewhere {
        return;
    }
    desk.board.update(&operation.target, |view| view.settling = true);
    let deadline = tokio::time::Instant::now() + desk.times.well_again;
    let verdict = loop {
        let verdict = prober.lock().await.look(desk, &operation.target).await;
        let newer_verb = desk.board.target(&operation.target).is_some_and(|view| view.running.is_some());
        if verdict.state.health == Health::Good || newer_verb || tokio::time::Instant::now() >= deadline {
            break verdict;
        }
        desk.board.update(&operation.target, |view| {
            view.sentence = format!("after the {}: {}", operation.verb, verdict.state.sentence);
        });
        tokio::time::sleep(PAUSE).await;
    };
    desk.board.update(&operation.target, |view| view.settling = false);
    if verdict.state.health == Health::Good {
        tell(desk, &operation.target, &Actor::Server, verdict).await;
    } else if desk.board.target(&operation.target).is_some_and(|view| view.running.is_none()) {
        let sentence = format!(
            "{} s after the {} it is not well: {}",
            desk.times.well_again.as_secs(),
            operation.verb,
            verdict.state.sentence
        );
        let state = TargetState { health: Health::Down, sentence, wedge: verdict.state.wedge };
        tell(desk, &operation.target, &Actor::Server, Verdict { state, alarm: true, ..verdict }).await;
        gather::triage(desk, &Actor::Server, &operation.target, Some(operation.incident)).await;
    }
}

/// Tells a state that counts.
pub(crate) async fn tell(desk: &Desk, target: &str, by: &Actor, verdict: Verdict) {
    let telling = desk.board.telling(target);
    let _one_at_a_time = telling.lock().await;
    let Some(view) = desk.board.target(target) else { return };
    let state = verdict.state;
    let changed = view.health != state.health;
    let now = desk.now();
    desk.board.update(target, |view| {
        view.sentence.clone_from(&state.sentence);
        view.wedge = state.wedge.or(if changed { None } else { view.wedge });
        if changed {
            view.health = state.health;
            view.since = Some(now);
        }
        if state.health == Health::Good {
            view.wedge = None;
            view.triage = None;
        }
    });
    let opens = state.health == Health::Down && verdict.alarm && view.incident.is_none() && !view.maintenance;
    let incident = if opens {
        let reason = format!("{target}: {}", state.sentence);
        Some(words::incident_for(desk, by, target, None, &reason).await)
    } else {
        view.incident
    };
    if view.health == Health::Down && matches!(state.health, Health::Good | Health::Degraded) {
        desk.board.came_back(target, now);
    }
    // The first look after a start that finds everything in order is no news.
    let news =
        changed && !(view.health == Health::Unknown && state.health == Health::Good && incident.is_none());
    if state.health == Health::Good {
        came_back(desk, target, by, incident, (changed && news).then_some(view.health), state).await;
        return;
    }
    if news {
        let before = Some(view.health).filter(|health| *health != Health::Unknown);
        let body = EventBody::Observed { target: target.to_owned(), state, before };
        keep(desk, incident, by.clone(), body).await;
    }
    if opens && desk.fleet.targets().any(|component| component.name == target) {
        let (desk, by, target) = (desk.clone(), by.clone(), target.to_owned());
        tokio::spawn(async move { gather::triage(&desk, &by, &target, incident).await });
    }
}

/// Well again: told, and the incident closed where it was about that.
async fn came_back(
    desk: &Desk,
    target: &str,
    by: &Actor,
    incident: Option<IncidentId>,
    before: Option<Health>,
    mut state: TargetState,
) {
    let view = match incident {
        Some(incident) => since(desk, Seq(0), Some(incident)).await.map(|events| View::fold(&events)),
        None => None,
    };
    let away = view.as_ref().and_then(|view| away_millis(view, desk));
    if let Some(away) = away {
        state.sentence = format!("It answers again, away for {}. {}", duration(away), state.sentence);
    }
    if before.is_some() || away.is_some() {
        let body = EventBody::Observed { target: target.to_owned(), state, before };
        keep(desk, incident, by.clone(), body).await;
    }
    if let (Some(incident), Some(away)) = (incident, away) {
        let _one_at_a_time = desk.board.incidents().lock().await;
        if desk
            .board
            .target(target)
            .is_some_and(|view| view.incident == Some(incident) && view.running.is_none())
        {
            let reason = format!("{target} was observed to be well again");
            words::tell_closed(desk, by.clone(), target, incident, reason, Some(away)).await;
        }
    }
}

/// For how long the target was away in this incident: since it was first seen unwell, else since the first verb that was
/// carried out. `None` where neither was, or while a verb runs.
fn away_millis(view: &View, desk: &Desk) -> Option<u64> {
    if view.running.is_some() || !view.is_open() {
        return None;
    }
    let carried_out =
        view.finished.iter().find(|verb| verb.outcome == Outcome::Done && verb.verb != Verb::Stop);
    // A verb that was found running and that nobody pressed here has no press to count from.
    let from = view
        .unwell_since
        .or_else(|| carried_out.map(|verb| verb.since.or(view.opened).unwrap_or(verb.at)))?;
    Some(desk.now().millis_since(from))
}
