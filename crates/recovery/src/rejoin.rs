//! After a line was lost, or the server itself: asking the guard what became of a verb, until it knows.
//!
//! Only `status` is ever sent here. The guard names its newest operation; whether that is the one that was pressed is
//! decided by its id, and where the id was never heard, by its verb and its age, both ages taken on the clock of the
//! machine that measured them, so that two clocks that disagree do no harm.

use crate::operation::{Ended, Operation, show_end};
use crate::power::{NoStatus, status};
use crate::record::keep;
use crate::{Desk, Times, observe};
use breakglass_incident::{Actor, EventBody, IncidentId, PressId};
use breakglass_protocol::{LastOperation, OperationId, Outcome, Phase, Status, Timestamp, Verb};
use std::collections::HashSet;
use std::time::Duration;

/// The pause after the first answer; it doubles up to the longest.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause while the operation is seen to run.
const PAUSE_WHILE_RUNNING: Duration = Duration::from_secs(1);
/// The longest pause while nobody answers.
const PAUSE_WHILE_SILENT: Duration = Duration::from_secs(5);
/// How far apart two ages of the same moment may be: a slow log-in, a stepped clock.
const AGE_SLACK_MILLIS: u64 = 3_000;

/// A press of which nobody heard whether it was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Unheard {
    pub(crate) incident: IncidentId,
    pub(crate) press: PressId,
    pub(crate) by: Actor,
    pub(crate) target: String,
    pub(crate) door: String,
    pub(crate) verb: Verb,
    /// When it was pressed, by this machine's clock.
    pub(crate) pressed: Timestamp,
    /// The newest operation that was known before the press: never taken for this one.
    pub(crate) known_before: Option<OperationId>,
}

/// What one status says of an operation whose id is known.
#[derive(Debug)]
enum Sight {
    /// It runs.
    Runs,
    /// It ended; told with this.
    Ended(Ended),
    /// Its runner is gone and left no outcome.
    Broken,
}

/// Asks until the operation has an outcome or a newer one has taken its place; tells the steps that were missed.
pub(crate) async fn to_the_end(desk: &Desk, mut operation: Operation) {
    let mut patience = Patience::new(desk.times);
    let mut broken = 0_u32;
    loop {
        match status(desk, &operation.target, desk.times.status).await {
            Ok(status) => {
                patience.answered();
                let sight = see(&operation.id, &status);
                if let Some(last) = status.last_operation.as_ref().filter(|last| last.id == operation.id) {
                    for step in last.steps.clone() {
                        let captured = step.phase == Phase::ForensicsDone;
                        let note = step.note.clone();
                        // Told over the line, their parts came over it before.
                        if operation.tell_step(desk, step).await && captured {
                            tell_where_forensics_lie(desk, &operation, &note).await;
                        }
                    }
                }
                match sight {
                    Sight::Runs => broken = 0,
                    // Seen twice before it is said: the outcome may be just about to be written.
                    Sight::Broken if broken == 0 => broken = 1,
                    Sight::Broken => {
                        let message = format!(
                            "the guard's runner of this {} is gone and left no outcome; the VM is {} now: look at it, \
                             then press again if it is still needed",
                            operation.verb,
                            state_word(&status)
                        );
                        let ended =
                            Ended { outcome: Outcome::Failed, message, refusal: None, status: Some(status) };
                        return operation.tell_end(desk, ended).await;
                    }
                    Sight::Ended(mut ended) => {
                        let outcome = ended.outcome;
                        ended.status = Some(status);
                        operation.tell_end(desk, ended).await;
                        return observe::after_verb(desk, &operation, outcome).await;
                    }
                }
            }
            Err(why) => {
                if patience.is_over(&why) {
                    let message = not_learnt(operation.verb, &why);
                    return operation.tell_end(desk, Ended::said(Outcome::NotObserved, message)).await;
                }
            }
        }
        patience.pause().await;
    }
}

/// The parts went down the line that was lost, and no request brings them back: a capture made now would show another machine.
/// What the guard kept stays on its host, and a person with a shell there can have it.
async fn tell_where_forensics_lie(desk: &Desk, operation: &Operation, note: &str) {
    let door = desk.fleet.door(&operation.door);
    let host = door.map_or("the hypervisor", |door| door.to.as_str());
    let address = desk.fleet.component(host).and_then(|host| host.addresses.first());
    let (address, _) = breakglass_fleet::split_address(address.map_or(host, String::as_str), 22);
    let kept = note.split_once("kept in ").and_then(|(_, rest)| rest.split(';').next()).map(str::trim);
    let text = match kept.filter(|path| path.starts_with('/')) {
        Some(path) => format!(
            "The forensics of this {} did not come over the lost line. {host} keeps them in {path}, until newer captures take \
             their place: scp -r root@{address}:{path} .",
            operation.verb
        ),
        None => format!(
            "The forensics of this {} did not come over the lost line, and the guard does not say that {host} keeps them ({note}).",
            operation.verb
        ),
    };
    keep(desk, Some(operation.incident), Actor::Server, EventBody::Note { text }).await;
}

/// Asks until it is known whether the press was accepted; if so, goes on to the end.
pub(crate) async fn find_and_follow(desk: &Desk, unheard: Unheard) {
    let mut patience = Patience::new(desk.times);
    let began = tokio::time::Instant::now();
    loop {
        match status(desk, &unheard.target, desk.times.status).await {
            Ok(status) => {
                patience.answered();
                match status.last_operation.as_ref() {
                    Some(last) if may_be(last, &status, &unheard, desk.now()) => {
                        return found(desk, unheard, last).await;
                    }
                    newest if began.elapsed() >= desk.times.may_still_appear => {
                        let message = never_accepted(newest, &unheard);
                        return tell_unheard(desk, &unheard, Outcome::Failed, message, Some(status.clone()))
                            .await;
                    }
                    Some(_) | None => {}
                }
            }
            Err(why) => {
                if patience.is_over(&why) {
                    let message = not_learnt(unheard.verb, &why);
                    return tell_unheard(desk, &unheard, Outcome::NotObserved, message, None).await;
                }
            }
        }
        patience.pause().await;
    }
}

async fn found(desk: &Desk, unheard: Unheard, last: &LastOperation) {
    let claim = desk.board.claim(&last.id);
    let body = EventBody::VerbAccepted {
        press: unheard.press,
        target: unheard.target.clone(),
        verb: unheard.verb,
        operation: last.id.clone(),
        joined: claim.is_none(),
    };
    keep(desk, Some(unheard.incident), Actor::Guard(unheard.door.clone()), body).await;
    let operation = Operation {
        incident: unheard.incident,
        press: Some(unheard.press),
        target: unheard.target,
        door: unheard.door,
        verb: unheard.verb,
        id: last.id.clone(),
        pressed: unheard.pressed,
        told: HashSet::new(),
    };
    show_end(desk, &operation.target, None, None);
    operation.show(desk, &unheard.by);
    if claim.is_some() {
        to_the_end(desk, operation).await;
    }
}

/// Whether the guard's newest operation can be the one that was pressed (or the one that the press joined).
fn may_be(last: &LastOperation, status: &Status, unheard: &Unheard, now: Timestamp) -> bool {
    let age_of_press = now.millis_since(unheard.pressed) + AGE_SLACK_MILLIS;
    let ended_after_press = match (last.outcome, last.steps.last()) {
        (Some(_), Some(step)) => status.at.millis_since(step.at) <= age_of_press,
        (Some(_), None) => status.at.millis_since(last.accepted) <= age_of_press,
        // It still runs: a press of the same verb has joined it, however old it is.
        (None, _) => true,
    };
    last.verb == unheard.verb && Some(&last.id) != unheard.known_before.as_ref() && ended_after_press
}

fn see(id: &OperationId, status: &Status) -> Sight {
    match status.last_operation.as_ref() {
        Some(last) if last.id == *id => match last.outcome {
            Some(outcome) => Sight::Ended(Ended::said(outcome, last.message.clone())),
            None if last.running => Sight::Runs,
            None => Sight::Broken,
        },
        Some(newer) if newer.id > *id => Sight::Ended(Ended::said(
            Outcome::NotObserved,
            format!(
                "the guard has since run a newer operation ({} {}), so this one is over; how it ended was not seen. \
                 The VM is {} now",
                newer.verb,
                newer.id,
                state_word(status)
            ),
        )),
        Some(_) | None => Sight::Ended(Ended::said(
            Outcome::NotObserved,
            format!(
                "the guard no longer knows this operation (its host may have restarted); how it ended was not seen. \
                 The VM is {} now: look at it before you press again",
                state_word(status)
            ),
        )),
    }
}

fn state_word(status: &Status) -> String {
    match serde_json::to_value(&status.state) {
        Ok(serde_json::Value::String(word)) => word,
        _ => "in a state that its hypervisor has a word of its own for".to_owned(),
    }
}

fn never_accepted(newest: Option<&LastOperation>, unheard: &Unheard) -> String {
    let newest = newest.map_or_else(
        || "it has none".to_owned(),
        |last| format!("its newest is {} {} of {}", last.verb, last.id, last.accepted),
    );
    format!(
        "the line was lost before the guard's answer, and the guard shows no {} accepted since the press ({newest}): \
         it was not carried out. Press again if it is still needed",
        unheard.verb
    )
}

fn not_learnt(verb: Verb, why: &NoStatus) -> String {
    format!(
        "what became of this {verb} could not be learnt: {why}. It was not sent again. Ask `status` when the power \
         door opens, and only then decide"
    )
}

async fn tell_unheard(
    desk: &Desk,
    unheard: &Unheard,
    outcome: Outcome,
    message: String,
    status: Option<Box<Status>>,
) {
    show_end(desk, &unheard.target, None, status.as_deref());
    let body = EventBody::VerbFinished {
        press: Some(unheard.press),
        target: unheard.target.clone(),
        verb: unheard.verb,
        operation: None,
        outcome,
        message,
        refusal: None,
        status,
    };
    keep(desk, Some(unheard.incident), Actor::Server, body).await;
}

/// How long to wait between two questions.
#[derive(Debug)]
struct Patience {
    times: Times,
    began_silent: tokio::time::Instant,
    pause: Duration,
    longest: Duration,
}

impl Patience {
    fn new(times: Times) -> Self {
        Self {
            times,
            began_silent: tokio::time::Instant::now(),
            pause: SHORTEST_PAUSE,
            longest: PAUSE_WHILE_SILENT,
        }
    }

    fn answered(&mut self) {
        self.began_silent = tokio::time::Instant::now();
        self.longest = PAUSE_WHILE_RUNNING;
    }

    fn is_over(&mut self, why: &NoStatus) -> bool {
        self.longest = PAUSE_WHILE_SILENT;
        let limit = if matches!(why, NoStatus::Failed(_)) {
            self.times.give_up_on_nonsense
        } else {
            self.times.give_up
        };
        self.began_silent.elapsed() >= limit
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.pause.min(self.longest)).await;
        self.pause = (self.pause * 2).min(PAUSE_WHILE_SILENT);
    }
}
