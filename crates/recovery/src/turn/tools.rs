//! The one gate that every call of an agent passes: understood, written down, decided, carried out, answered, observed.
//!
//! It reads top to bottom as the argument why an agent can do no more than it may. Nothing of it depends on which engine
//! calls, or on what the model was told or fooled into.

use super::answer::{Came, cut, fit, redacted};
use super::approve::{Answered, Question, ask};
use super::carry::carry;
use super::engine::{ToolAnswer, ToolSpec, Tools};
use super::observer::Observer;
use super::request::{LARGEST_ARGUMENTS, Request, specs};
use crate::Desk;
use crate::record::keep;
use breakglass_fleet::{Autonomy, DoorKind};
use breakglass_incident::policy::{Decision, Denial, Spent, Wish, decide, effective};
use breakglass_incident::{Actor, CallId, CallOutcome, EventBody, IncidentId, Spend, TurnEvent, TurnId};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// So many calls beyond the limit are answered one by one; then the turn is ended.
const BEYOND: u64 = 50;
/// How much of a call an event holds.
const SHOWN: usize = 4 << 10;

/// The tools of one turn.
#[derive(Clone)]
pub(crate) struct TurnTools(pub(crate) Arc<Gate>);

/// What the gate knows of its turn.
pub(crate) struct Gate {
    pub(crate) desk: Desk,
    pub(crate) incident: IncidentId,
    pub(crate) turn: TurnId,
    pub(crate) home: String,
    pub(crate) actor: Actor,
    pub(crate) by_machine: bool,
    pub(crate) stop: CancellationToken,
    pub(crate) observer: Observer,
    /// Asks that all that was said so far be written down first.
    pub(crate) before: mpsc::Sender<oneshot::Sender<()>>,
    pub(crate) one_at_a_time: tokio::sync::Mutex<()>,
    pub(crate) calls: AtomicU64,
    pub(crate) unheard: AtomicU64,
    /// Whether the turn was ended since it called without end.
    pub(crate) endless: AtomicBool,
}

/// A call that is being carried out.
pub(crate) struct Call<'a> {
    pub(crate) id: CallId,
    pub(crate) incident: IncidentId,
    pub(crate) actor: &'a Actor,
    /// The target of the incident, the only one that may be changed.
    pub(crate) home: &'a str,
    /// The component that the call is about.
    pub(crate) about: &'a str,
    pub(crate) by_machine: bool,
}

impl Tools for TurnTools {
    fn list(&self) -> Vec<ToolSpec> {
        specs(&self.0.home)
    }

    fn call(&self, name: String, arguments: Value) -> BoxFuture<'_, ToolAnswer> {
        let gate = Arc::clone(&self.0);
        Box::pin(async move {
            if gate.stop.is_cancelled() {
                gate.unheard.fetch_add(1, Ordering::Relaxed);
                return over();
            }
            let stop = gate.stop.clone();
            // A task of its own: what has begun on a machine is followed to its end, whoever stops listening.
            let call = tokio::spawn(async move { gate.pass(&name, arguments).await });
            tokio::select! {
                biased;
                answer = call => answer.unwrap_or_else(|_| ToolAnswer {
                    text: "The server failed at this call. Look with triage before you repeat it.".to_owned(),
                    is_error: true,
                }),
                () = stop.cancelled() => over(),
            }
        })
    }
}

fn over() -> ToolAnswer {
    ToolAnswer {
        text: "The turn is over: nothing more is done in it. Say good-bye.".to_owned(),
        is_error: true,
    }
}

impl Gate {
    async fn pass(&self, tool: &str, arguments: Value) -> ToolAnswer {
        let began = Instant::now();
        self.hear_first().await;
        let _one_at_a_time = tokio::select! {
            biased;
            () = self.stop.cancelled() => return over(),
            place = self.one_at_a_time.lock() => place,
        };
        let understood = self.understand(tool, &arguments);
        let digest = digest(tool, &self.home, &arguments);
        let id = self.write_down(tool, &arguments, &digest, understood.as_ref().ok()).await;
        drop(arguments);
        let came = match understood {
            Err(denial) => Came::refused(&denial),
            Ok(request) => self.decided(id, &digest, &request).await,
        };
        self.answer(tool, id, came, began).await
    }

    /// The words that came before the call stand before it in the journal.
    async fn hear_first(&self) {
        let (heard, wait) = oneshot::channel();
        if self.before.send(heard).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Within the count of calls, not larger than any tool takes, of a known tool, about something that this turn may name.
    fn understand(&self, tool: &str, arguments: &Value) -> Result<Request, Denial> {
        let most = u64::from(self.desk.fleet.agent.budget.calls);
        let number = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        if number > most {
            if number > most + BEYOND {
                self.endless.store(true, Ordering::Relaxed);
                self.stop.cancel();
            }
            return Err(Denial::new(
                "budget-calls",
                format!("the {most} calls of one turn are spent"),
                "Report what you found, and end the turn.",
            ));
        }
        if size_of(arguments) > LARGEST_ARGUMENTS {
            return Err(Denial::new(
                "too-large",
                format!("the arguments are larger than {} KiB", LARGEST_ARGUMENTS >> 10),
                "Send a short command; a file has no place in an argument.",
            ));
        }
        let request = Request::parse(tool, arguments)?;
        match request.named() {
            Some(named) if named != self.home && changes_or_touches(&request) => Err(Denial::new(
                "another-target",
                format!("this incident is about {}, and nothing else may be changed from it", self.home),
                format!(
                    "Leave the target out for {}; for another one a person opens an incident.",
                    self.home
                ),
            )),
            Some(named) if self.desk.fleet.component(named).is_none() => Err(Denial::new(
                "no-such-host",
                "the fleet has no component of that name",
                "Call hosts to see the names.",
            )),
            Some(named)
                if matches!(request, Request::Triage { .. }) && self.desk.board.target(named).is_none() =>
            {
                Err(Denial::new(
                    "no-target",
                    "that component has no door to look through",
                    "Call hosts to see what has.",
                ))
            }
            _ => Ok(request),
        }
    }

    /// Written before anything is done: the intent survives a crash, and counts as spent until it is known not to be.
    async fn write_down(
        &self,
        tool: &str,
        arguments: &Value,
        digest: &str,
        request: Option<&Request>,
    ) -> CallId {
        let about = request.map(|request| self.about(request).to_owned());
        let shown = match (request, &about) {
            (Some(request), Some(about)) => request.shown(about),
            _ => {
                let mut text = arguments.to_string();
                text.truncate(text.floor_char_boundary(SHOWN));
                text
            }
        };
        let shown = redacted(cut(&shown, SHOWN));
        let body = TurnEvent::ToolCalled {
            turn: self.turn,
            tool: redacted(cut(tool, 64)),
            target: about,
            digest: digest.to_owned(),
            shown,
            spends: request.and_then(Request::spends),
        };
        CallId(keep(&self.desk, Some(self.incident), self.actor.clone(), EventBody::Turn(body)).await.seq.0)
    }

    fn about<'a>(&'a self, request: &'a Request) -> &'a str {
        request.named().unwrap_or(&self.home)
    }

    /// Decided by policy and budget, allowed by a person where that is needed, then carried out.
    async fn decided(&self, id: CallId, digest: &str, request: &Request) -> Came {
        if let Some(spend) = request.spends() {
            match self.allowed(id, digest, request, spend).await {
                Ok(()) => {}
                Err(denial) => return Came::refused(&denial),
            }
        }
        let call = Call {
            id,
            incident: self.incident,
            actor: &self.actor,
            home: &self.home,
            about: self.about(request),
            by_machine: self.by_machine,
        };
        let came = carry(&self.desk, &call, request).await;
        if request.spends().is_some() {
            if came.outcome == CallOutcome::Refused {
                self.desk.turns.ledger().give_back(id);
            } else {
                self.observer.touched(id);
            }
        }
        came
    }

    async fn allowed(&self, id: CallId, digest: &str, request: &Request, spend: Spend) -> Result<(), Denial> {
        if self.desk.board.target(&self.home).is_none_or(|view| view.incident != Some(self.incident)) {
            return Err(Denial::new(
                "incident-closed",
                "the incident is closed: its target was observed to be well, or a person closed it",
                "Say what you found; nothing more needs to be changed.",
            ));
        }
        match self.decide(id, spend, false) {
            Decision::Act => return Ok(()),
            Decision::Deny(denial) => return Err(denial),
            Decision::Ask => {}
        }
        let shown = request.shown(&self.home);
        let question = Question {
            incident: self.incident,
            turn: self.turn,
            call: id,
            by: &self.actor,
            shown: cut(&shown, SHOWN),
            digest,
        };
        if shown.len() > SHOWN {
            return Err(Denial::new(
                "too-long-to-ask",
                "a person has to see the whole of what they allow, and this is too long to be shown",
                "Split it into shorter commands.",
            ));
        }
        match ask(&self.desk, question, self.desk.fleet.agent.approval, &self.stop).await {
            Answered::Allowed if self.stop.is_cancelled() => {
                Err(Denial::new("turn-over", "the turn is over", "Stop."))
            }
            Answered::Allowed => match self.decide(id, spend, true) {
                Decision::Act => Ok(()),
                Decision::Deny(denial) => Err(denial),
                Decision::Ask => Err(Denial::new("not-allowed", "it was not allowed", "Go on without it.")),
            },
            Answered::Refused => Err(Denial::new(
                "refused-by-person",
                "a person refused this call",
                "Do not ask for the same again; say what you would do instead.",
            )),
            Answered::Lapsed => Err(Denial::new(
                "approval-expired",
                "nobody answered in time",
                "Report what you would do and why; a person can do it by hand.",
            )),
        }
    }

    /// One step: what is decided and what is spent cannot come apart between two turns.
    fn decide(&self, id: CallId, spend: Spend, approved: bool) -> Decision {
        let kind = if spend == Spend::Command { DoorKind::Repair } else { DoorKind::Power };
        let door = match kind {
            DoorKind::Repair => self.desk.fleet.repair_door(&self.home),
            _ => self.desk.fleet.power_door(&self.home),
        };
        let Some(door) = door else {
            return Decision::Deny(Denial::new(
                "no-door",
                format!("no {kind} door leads to {}", self.home),
                "Call hosts to see which doors there are.",
            ));
        };
        let autonomy: Autonomy = effective(self.desk.fleet.agent.autonomy(door), self.by_machine);
        let wish = Wish { incident: self.incident, target: &self.home, spend, autonomy, approved };
        let now = self.desk.now();
        let mut ledger = self.desk.turns.ledger();
        let decision = decide(wish, &self.desk.fleet.agent.budget, &ledger, now);
        if decision == Decision::Act {
            ledger.take(id, Spent { at: now, incident: self.incident, target: self.home.clone(), spend });
        }
        decision
    }

    async fn answer(&self, tool: &str, call: CallId, came: Came, began: Instant) -> ToolAnswer {
        let name: String = tool.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let fit = fit(&self.desk, &came, &format!("call-{call}-{name}.txt")).await;
        let body = TurnEvent::ToolAnswered {
            call,
            turn: self.turn,
            outcome: came.outcome,
            rule: came.rule,
            exit: came.exit,
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            text: fit.plain,
            rest: fit.rest,
        };
        keep(&self.desk, Some(self.incident), Actor::Server, EventBody::Turn(body)).await;
        ToolAnswer { text: fit.text, is_error: came.outcome != CallOutcome::Done }
    }
}

/// Whether it would change, or reach into, what it names.
const fn changes_or_touches(request: &Request) -> bool {
    matches!(request, Request::Repair { .. } | Request::Power { .. })
}

/// What the arguments weigh, without writing them out.
fn size_of(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 2,
        Value::Array(all) => all.iter().map(|one| size_of(one) + 1).sum::<usize>() + 2,
        Value::Object(all) => all.iter().map(|(key, one)| key.len() + size_of(one) + 4).sum::<usize>() + 2,
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
    }
}

fn digest(tool: &str, home: &str, arguments: &Value) -> String {
    breakglass_chain::digest(format!("{tool} {home} {arguments}").as_bytes()).to_string()
}
