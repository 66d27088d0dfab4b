//! Pressing a verb: the story of the one use case that this project exists for.
//!
//! Find the door, check that the presser saw what is so, write the intent down, ask the guard once, tell what it says.
//! Nothing here holds a lock on a VM, judges whether a verb is wise, or sends anything a second time: the guard decides
//! and serialises, and what a lost line leaves open is asked for by [`crate::rejoin`].

use crate::operation::{Ended, Operation, show_end};
use crate::power::{Heard, Hearing, ask};
use crate::record::keep;
use crate::rejoin::Unheard;
use crate::{Desk, RunningView, follow, host_key, look, rejoin, stale, words};
use breakglass_doors::{End, Stage, Stopped};
use breakglass_fleet::Door;
use breakglass_incident::{Actor, Event, EventBody, IncidentId, PressId, Seq};
use breakglass_protocol::{Line, OperationId, Outcome, Refusal, Status, Timestamp, Verb};
use std::collections::HashSet;
use std::time::Duration;

/// What somebody wants done to a target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Press {
    /// The component.
    pub target: String,
    /// The verb.
    pub verb: Verb,
    /// The newest event that the presser had been shown; `None` skips the check for a stale page.
    pub seen: Option<Seq>,
    /// What the presser had been shown, such as `running writes=0 lock=none`.
    pub shown: String,
    /// The incident that it was pressed in; `None`: the target's open one, or a new one.
    pub incident: Option<IncidentId>,
}

/// What became of a press by the time that the caller gets its answer.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub enum Pressed {
    /// The guard accepted it. The rest is followed in the background and told by events.
    Accepted {
        /// Where its events go.
        incident: IncidentId,
        /// The press.
        press: PressId,
        /// The guard's id of the operation.
        operation: OperationId,
        /// Whether it joined one that was running already.
        joined: bool,
    },
    /// Nothing was sent: since the page that it was pressed on, this has happened.
    Stale {
        /// What matters of it, oldest first.
        since: Vec<Event>,
    },
    /// The guard refused it. Nothing was started.
    Refused {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// The rule, the reason and what would be allowed.
        refusal: Refusal,
    },
    /// Somebody else's operation has the VM.
    Busy {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// Who does what since when.
        message: String,
    },
    /// A look (`status`, `forensics`) was answered.
    Looked {
        /// The incident that it belongs to, where one is open.
        incident: Option<IncidentId>,
        /// What was seen.
        status: Option<Box<Status>>,
        /// In a sentence.
        message: String,
    },
    /// The line was lost before the guard's answer came. Whether it was accepted is being asked, never sent again; what
    /// comes of it is told by events.
    Unsure {
        /// Where its events go.
        incident: IncidentId,
        /// The press.
        press: PressId,
        /// What happened, what is still safe, what to do next.
        message: String,
    },
    /// Nothing was started: the door did not open, or the guard could not do it.
    Failed {
        /// Where its events went.
        incident: Option<IncidentId>,
        /// What happened, what is still safe, what to do next.
        message: String,
    },
}

/// Presses a verb. Returns as soon as the guard has accepted it and that is durable (or it is known not to be); a look
/// returns with its answer. Goes on to its end although the caller goes away.
pub async fn press(desk: &Desk, who: Actor, press: Press) -> Pressed {
    let desk = desk.clone();
    let incident = press.incident;
    // A task of its own: a client that hangs up between the request and its answer must not leave it unheard.
    match tokio::spawn(async move { pressed(&desk, who, press).await }).await {
        Ok(pressed) => pressed,
        Err(error) => {
            let message = format!(
                "the server failed while it pressed ({error}); whether the guard was asked is not known. Ask `status` \
                 before you press again"
            );
            Pressed::Failed { incident, message }
        }
    }
}

async fn pressed(desk: &Desk, who: Actor, press: Press) -> Pressed {
    let Some(door) = desk.fleet.power_door(&press.target) else {
        return no_door(press);
    };
    if !press.verb.is_mutating() {
        return look::look(desk, who, press, door).await;
    }
    if let Some(since) = stale::happened_since(desk, &press).await {
        return Pressed::Stale { since };
    }
    let intent = write_down(desk, who, &press, door).await;
    if let Err(end) = reached(desk, door).await {
        return not_sent(desk, intent, end).await;
    }
    let mut hearing = ask(desk, door, press.verb, desk.times.listening);
    match hear_answer(&mut hearing, desk.times.acceptance).await {
        Answer::Accepted { operation, joined } => accepted(desk, intent, hearing, operation, joined).await,
        Answer::TurnedAway(ended) => turned_away(desk, intent, ended).await,
        Answer::NeverSent(end) => not_sent(desk, intent, end).await,
        Answer::Unheard(reason) => unheard(desk, intent, reason).await,
    }
}

/// A press that is in the journal (or could not be kept there, which the journal shows) and not yet sent.
struct Intent {
    incident: IncidentId,
    press: PressId,
    by: Actor,
    target: String,
    door: String,
    verb: Verb,
    at: Timestamp,
    known_before: Option<OperationId>,
}

async fn write_down(desk: &Desk, who: Actor, press: &Press, door: &Door) -> Intent {
    let reason = format!("{who} pressed {}", press.verb);
    let incident = words::incident_for(desk, &who, &press.target, press.incident, &reason).await;
    let view = desk.board.target(&press.target);
    let newest = view.as_ref().and_then(|view| view.status.as_ref()?.last_operation.clone());
    let body = EventBody::VerbPressed {
        target: press.target.clone(),
        verb: press.verb,
        seen: press.seen,
        shown: press.shown.clone(),
        door: door.name.clone(),
    };
    let event = keep(desk, Some(incident), who.clone(), body).await;
    let running = RunningView {
        verb: press.verb,
        operation: None,
        by: who.to_string(),
        since: event.at,
        phase: None,
        note: "the guard is being asked".to_owned(),
    };
    desk.board.update(&press.target, |view| {
        view.running.get_or_insert(running);
    });
    Intent {
        incident,
        press: PressId(event.seq.0),
        by: who,
        target: press.target.clone(),
        door: door.name.clone(),
        verb: press.verb,
        at: event.at,
        known_before: newest.filter(|last| last.outcome.is_some()).map(|last| last.id),
    }
}

/// Whether the door opens at all, which is found out before anything is sent: a request may be listened to for long, and a
/// host that is not there must not be waited for as long.
async fn reached(desk: &Desk, door: &Door) -> Result<(), End> {
    if desk.doors.state(&door.name).warm {
        return Ok(());
    }
    let not_started = End::TimedOut { stage: Stage::Connect, stopped: Stopped::NotStarted };
    tokio::time::timeout(desk.times.reach, desk.doors.try_warm(&door.name)).await.unwrap_or(Err(not_started))
}

/// What the guard, or the line to it, answered first.
enum Answer {
    Accepted { operation: OperationId, joined: bool },
    TurnedAway(Ended),
    NeverSent(End),
    Unheard(String),
}

async fn hear_answer(hearing: &mut Hearing, patience: Duration) -> Answer {
    let first = async {
        loop {
            match hearing.next().await {
                Heard::Line(line) => match *line {
                    Line::Started { operation: Some(operation), joined, .. } => {
                        return Answer::Accepted { operation, joined };
                    }
                    Line::Finished { outcome, message, refusal, status, .. } => {
                        return Answer::TurnedAway(Ended { outcome, message, refusal, status });
                    }
                    _ => {}
                },
                Heard::End(end, _) if !end.was_sent() => return Answer::NeverSent(end),
                Heard::End(End::Finished { exit: Some(code @ (126 | 127)), .. }, excerpt) => {
                    return Answer::TurnedAway(Ended::said(Outcome::Failed, no_guard(code, &excerpt)));
                }
                Heard::End(end, excerpt) if excerpt.is_empty() => return Answer::Unheard(end.to_string()),
                Heard::End(end, excerpt) => {
                    return Answer::Unheard(format!("{end} (what came instead: {excerpt})"));
                }
            }
        }
    };
    match tokio::time::timeout(patience, first).await {
        Ok(answer) => answer,
        Err(_) => Answer::Unheard(format!("no answer came within {} s", patience.as_secs())),
    }
}

/// The guard took it: told, and followed in the background by whoever is first to hear of this operation.
async fn accepted(desk: &Desk, intent: Intent, hearing: Hearing, id: OperationId, joined: bool) -> Pressed {
    let claim = desk.board.claim(&id);
    show_end(desk, &intent.target, None, None);
    let operation = Operation {
        incident: intent.incident,
        press: Some(intent.press),
        target: intent.target.clone(),
        door: intent.door.clone(),
        verb: intent.verb,
        id: id.clone(),
        pressed: intent.at,
        told: if joined { stale::told_steps(desk, intent.incident, &id).await } else { HashSet::new() },
    };
    operation.show(desk, &intent.by);
    let body = EventBody::VerbAccepted {
        press: intent.press,
        target: intent.target,
        verb: intent.verb,
        operation: id.clone(),
        joined,
    };
    keep(desk, Some(intent.incident), Actor::Guard(intent.door), body).await;
    if let Some(claim) = claim {
        let desk = desk.clone();
        tokio::spawn(async move {
            follow::follow(&desk, hearing, operation).await;
            drop(claim);
        });
    }
    Pressed::Accepted { incident: intent.incident, press: intent.press, operation: id, joined }
}

/// The guard answered, and the answer was no.
async fn turned_away(desk: &Desk, intent: Intent, ended: Ended) -> Pressed {
    let (incident, outcome) = (Some(intent.incident), ended.outcome);
    let (message, refusal) = (ended.message.clone(), ended.refusal.clone());
    tell_end(desk, intent, ended).await;
    match (outcome, refusal) {
        (Outcome::Busy, _) => Pressed::Busy { incident, message },
        (_, Some(refusal)) => Pressed::Refused { incident, refusal },
        (_, None) => Pressed::Failed { incident, message },
    }
}

/// Nothing reached the guard.
async fn not_sent(desk: &Desk, intent: Intent, end: End) -> Pressed {
    host_key::tell_if_changed(desk, &intent.door, &end).await;
    let incident = Some(intent.incident);
    let message = format!("{end} Nothing was sent, so nothing was done to {}.", intent.target);
    tell_end(desk, intent, Ended::said(Outcome::Failed, message.clone())).await;
    Pressed::Failed { incident, message }
}

/// The request may have reached the guard. It is asked what became of it, in the background.
async fn unheard(desk: &Desk, intent: Intent, reason: String) -> Pressed {
    let body = EventBody::LineLost { target: intent.target.clone(), operation: None, reason: reason.clone() };
    keep(desk, Some(intent.incident), Actor::Server, body).await;
    let message = format!(
        "{reason} Whether the guard accepted this {} is being asked; it is not sent again. What comes of it shows here \
         by itself: do not press again before it does",
        intent.verb
    );
    let (incident, press) = (intent.incident, intent.press);
    let unheard = Unheard {
        incident,
        press,
        by: intent.by,
        target: intent.target,
        door: intent.door,
        verb: intent.verb,
        pressed: intent.at,
        known_before: intent.known_before,
    };
    let desk = desk.clone();
    tokio::spawn(async move { rejoin::find_and_follow(&desk, unheard).await });
    Pressed::Unsure { incident, press, message }
}

async fn tell_end(desk: &Desk, intent: Intent, ended: Ended) {
    show_end(desk, &intent.target, None, ended.status.as_deref());
    let body = EventBody::VerbFinished {
        press: Some(intent.press),
        target: intent.target,
        verb: intent.verb,
        operation: None,
        outcome: ended.outcome,
        message: ended.message,
        refusal: ended.refusal,
        status: ended.status,
    };
    keep(desk, Some(intent.incident), Actor::Guard(intent.door), body).await;
}

fn no_guard(code: u32, excerpt: &str) -> String {
    format!(
        "no guard runs behind this door: the account's shell answered {code} ({excerpt}). Nothing was done. Install \
         breakglass-guard there and name it in the key's forced command"
    )
}

fn no_door(press: Press) -> Pressed {
    let message = format!(
        "no power door controls `{}`: declare one in fleet.toml (kind = \"power\", controls = \"{}\"). Nothing was sent",
        press.target, press.target
    );
    Pressed::Failed { incident: press.incident, message }
}
