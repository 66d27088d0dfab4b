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
use super::standing::{Counted, Place, Standing, not_granted};
use super::unseen::is_unseen;
use crate::Desk;
use crate::record::keep;
use breakglass_fleet::{Door, DoorKind};
use breakglass_incident::policy::{Decision, Denial, Spent, Wish, decide};
use breakglass_incident::{Actor, CallId, CallOutcome, EventBody, IncidentId, Spend, TurnEvent, TurnId};
use futures_util::future::BoxFuture;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;
use tokio_util::sync::CancellationToken;

/// How much of a call an event holds.
const SHOWN: usize = 4 << 10;

/// The tools of one turn.
#[derive(Clone)]
pub(crate) struct TurnTools(pub(crate) Arc<Gate>);

/// What the gate knows of those whose calls it passes.
pub(crate) struct Gate {
    pub(crate) desk: Desk,
    pub(crate) actor: Actor,
    pub(crate) standing: Standing,
    pub(crate) stop: CancellationToken,
    one_at_a_time: tokio::sync::Mutex<()>,
    pub(crate) unheard: AtomicU64,
    /// Whether the turn was ended since it called without end.
    pub(crate) endless: AtomicBool,
}

/// A call that is being carried out.
pub(crate) struct Call<'a> {
    pub(crate) id: CallId,
    pub(crate) incident: Option<IncidentId>,
    pub(crate) actor: &'a Actor,
    pub(crate) standing: &'a Standing,
    /// The only target that may be changed; empty where there is none.
    pub(crate) home: &'a str,
    /// The component that the call is about.
    pub(crate) about: &'a str,
}

impl Tools for TurnTools {
    fn list(&self) -> Vec<ToolSpec> {
        match &self.0.standing {
            Standing::Turn(turn) => specs(&turn.home),
            Standing::Outside { .. } => Vec::new(),
        }
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

/// Far beyond its count an outside agent is answered without a word in the journal.
fn unheard() -> ToolAnswer {
    ToolAnswer {
        text:
            "Refused (budget-calls): the calls of this hour are long spent. Nothing was done. Stop calling."
                .to_owned(),
        is_error: true,
    }
}

fn over() -> ToolAnswer {
    ToolAnswer {
        text: "The turn is over: nothing more is done in it. Say good-bye.".to_owned(),
        is_error: true,
    }
}

impl Gate {
    pub(crate) fn new(desk: Desk, actor: Actor, stop: CancellationToken, standing: Standing) -> Self {
        let (unheard, endless) = (AtomicU64::new(0), AtomicBool::new(false));
        Self { desk, actor, standing, stop, one_at_a_time: tokio::sync::Mutex::new(()), unheard, endless }
    }

    pub(crate) async fn pass(&self, tool: &str, arguments: Value) -> ToolAnswer {
        let began = Instant::now();
        self.standing.hear_first().await;
        let _one_at_a_time = tokio::select! {
            biased;
            () = self.stop.cancelled() => return over(),
            place = self.one_at_a_time.lock() => place,
        };
        let counted = self.standing.count(&self.desk, &self.actor);
        if counted == Counted::Endless {
            self.endless.store(true, Ordering::Relaxed);
            if matches!(self.standing, Standing::Outside { .. }) {
                return unheard();
            }
            self.stop.cancel();
        }
        let understood = self.understand(counted, tool, &arguments);
        let place = self.standing.place(&self.desk, &self.actor, understood.as_ref().ok()).await;
        let digest = digest(tool, &place.home, &arguments);
        let id = self.write_down(&place, tool, &arguments, &digest, understood.as_ref().ok()).await;
        drop(arguments);
        let came = match understood {
            Err(denial) => Came::refused(&denial),
            Ok(request) => self.decided(&place, id, &digest, &request).await,
        };
        self.answer(&place, tool, id, came, began).await
    }

    /// Within the count of calls, not larger than any tool takes, of a known tool, about something that may be named.
    fn understand(&self, counted: Counted, tool: &str, arguments: &Value) -> Result<Request, Denial> {
        match counted {
            Counted::Within => {}
            Counted::Beyond(most) => return Err(self.standing.spent(most)),
            Counted::Endless => {
                return Err(self.standing.spent(u64::from(self.desk.fleet.agent.budget.calls)));
            }
        }
        if size_of(arguments) > LARGEST_ARGUMENTS {
            return Err(Denial::new(
                "too-large",
                format!("the arguments are larger than {} KiB", LARGEST_ARGUMENTS >> 10),
                "Send a short command; a file has no place in an argument.",
            ));
        }
        let request = Request::parse(tool, arguments)?;
        self.standing.may_name(&request)?;
        match request.named() {
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
        place: &Place,
        tool: &str,
        arguments: &Value,
        digest: &str,
        request: Option<&Request>,
    ) -> CallId {
        let about = request.map(|request| about(place, request)).filter(|about| !about.is_empty());
        let shown = match request {
            Some(request) => request.shown(about.unwrap_or_default()),
            None => {
                let mut text = arguments.to_string();
                text.truncate(text.floor_char_boundary(SHOWN));
                text
            }
        };
        let shown = redacted(cut(&shown, SHOWN));
        let body = TurnEvent::ToolCalled {
            turn: self.standing.turn(),
            tool: redacted(cut(tool, 64)),
            target: about.map(str::to_owned),
            digest: digest.to_owned(),
            shown,
            spends: request.and_then(Request::spends),
        };
        CallId(keep(&self.desk, place.incident, self.actor.clone(), EventBody::Turn(body)).await.seq.0)
    }

    /// Decided by policy and budget, allowed by a person where that is needed, then carried out.
    async fn decided(&self, place: &Place, id: CallId, digest: &str, request: &Request) -> Came {
        let about = about(place, request);
        let allowed = match request.spends() {
            Some(spend) => self.allowed(place, id, digest, request, spend).await,
            None => self.standing.may_look(&self.desk.fleet, request, about),
        };
        if let Err(denial) = allowed {
            return Came::refused(&denial);
        }
        if request.spends().is_some() && self.stop.is_cancelled() {
            // The end came while this was decided: nothing begins any more.
            self.desk.turns.ledger().give_back(id);
            return Came::refused(&self.standing.gone());
        }
        let call = Call {
            id,
            incident: place.incident,
            actor: &self.actor,
            standing: &self.standing,
            home: &place.home,
            about,
        };
        let came = carry(&self.desk, &call, request).await;
        if request.spends().is_some() {
            if came.outcome == CallOutcome::Refused {
                self.desk.turns.ledger().give_back(id);
            } else {
                self.look_afterwards(place, id);
            }
        }
        came
    }

    /// What became of the target is looked at by us.
    fn look_afterwards(&self, place: &Place, id: CallId) {
        match (&self.standing, place.incident) {
            (Standing::Turn(turn), _) => turn.observer.touched(id),
            (Standing::Outside { .. }, Some(incident)) => {
                Observer::start(&self.desk, incident, TurnId::OUTSIDE, place.home.clone()).touched(id);
            }
            (Standing::Outside { .. }, None) => {}
        }
    }

    async fn allowed(
        &self,
        place: &Place,
        id: CallId,
        digest: &str,
        request: &Request,
        spend: Spend,
    ) -> Result<(), Denial> {
        let home = &place.home;
        let incident = self.may_change(place, spend)?;
        match self.decide(incident, home, id, spend, false) {
            Decision::Act => return Ok(()),
            Decision::Deny(denial) => return Err(denial),
            Decision::Ask => {}
        }
        let shown = request.shown(home);
        let question = Question {
            incident,
            turn: self.standing.turn(),
            call: id,
            by: &self.actor,
            target: home,
            shown: cut(&shown, SHOWN),
            digest,
        };
        if shown.chars().any(is_unseen) {
            return Err(Denial::new(
                "cannot-be-shown",
                "a person has to see what they allow, and this has characters that nobody sees (escapes, marks that turn \
                 the direction of writing)",
                "Write it without them.",
            ));
        }
        if shown.len() > SHOWN {
            return Err(Denial::new(
                "too-long-to-ask",
                "a person has to see the whole of what they allow, and this is too long to be shown",
                "Split it into shorter commands.",
            ));
        }
        match ask(&self.desk, question, self.desk.fleet.agent.approval, &self.stop).await {
            Answered::Allowed | Answered::Lapsed if self.stop.is_cancelled() => Err(self.standing.gone()),
            // Minutes may have gone by: a yes allows the call, and nothing that has come to forbid it since.
            Answered::Allowed => match self
                .may_change(place, spend)
                .map(|incident| self.decide(incident, home, id, spend, true))
            {
                Ok(Decision::Act) => Ok(()),
                Err(denial) | Ok(Decision::Deny(denial)) => Err(denial),
                Ok(Decision::Ask) => {
                    Err(Denial::new("not-allowed", "it was not allowed", "Go on without it."))
                }
            },
            Answered::Withdrawn => Err(closed()),
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

    /// The incident in which a change is possible now: it is open, and nobody else's agent has its hands on the target.
    fn may_change(&self, place: &Place, spend: Spend) -> Result<IncidentId, Denial> {
        let home = &place.home;
        let open = self.desk.board.target(home).and_then(|view| view.incident);
        let incident = match (&self.standing, place.incident) {
            (_, Some(incident)) if open == Some(incident) => incident,
            (Standing::Outside { .. }, None) => {
                return Err(self.door(home, spend).err().unwrap_or_else(|| not_granted(home)));
            }
            _ => return Err(closed()),
        };
        if matches!(self.standing, Standing::Outside { .. }) && self.desk.turns.running(incident).is_some() {
            return Err(Denial::new(
                "turn-runs",
                format!(
                    "a turn of an agent runs in incident {incident}, and two hands on one machine undo each other"
                ),
                "Look with diag; try again when the turn has ended, or let a person stop it.",
            ));
        }
        Ok(incident)
    }

    /// The door that a call goes through.
    fn door(&self, home: &str, spend: Spend) -> Result<&Door, Denial> {
        let (kind, door) = match spend {
            Spend::Command => (DoorKind::Repair, self.desk.fleet.repair_door(home)),
            Spend::Verb(_) => (DoorKind::Power, self.desk.fleet.power_door(home)),
        };
        door.ok_or_else(|| {
            let reason = format!("no {kind} door leads to {home}");
            Denial::new("no-door", reason, "Call hosts to see which doors there are.")
        })
    }

    /// One step: what is decided and what is spent cannot come apart between two turns.
    fn decide(&self, incident: IncidentId, home: &str, id: CallId, spend: Spend, approved: bool) -> Decision {
        let door = match self.door(home, spend) {
            Ok(door) => door,
            Err(denial) => return Decision::Deny(denial),
        };
        let Some(autonomy) = self.standing.autonomy(&self.desk.fleet, door) else {
            return Decision::Deny(not_granted(home));
        };
        let wish = Wish { incident, target: home, spend, autonomy, approved };
        let now = self.desk.now();
        let mut ledger = self.desk.turns.ledger();
        // A turn that began while this waited for a person has counted it from the journal: it is not to stand in its own way.
        ledger.give_back(id);
        ledger.settle(now);
        let decision = decide(wish, &self.desk.fleet.agent.budget, &ledger, now);
        if decision == Decision::Act {
            ledger.take(id, Spent { at: now, incident, target: home.to_owned(), spend });
        }
        decision
    }

    async fn answer(
        &self,
        place: &Place,
        tool: &str,
        call: CallId,
        came: Came,
        began: Instant,
    ) -> ToolAnswer {
        let name: String = tool.chars().filter(char::is_ascii_alphanumeric).take(20).collect();
        let fit = fit(&self.desk, &came, &format!("call-{call}-{name}.txt")).await;
        let body = TurnEvent::ToolAnswered {
            call,
            turn: self.standing.turn(),
            outcome: came.outcome,
            rule: came.rule,
            exit: came.exit,
            millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
            text: fit.plain,
            rest: fit.rest,
        };
        keep(&self.desk, place.incident, Actor::Server, EventBody::Turn(body)).await;
        ToolAnswer { text: fit.text, is_error: came.outcome != CallOutcome::Done }
    }
}

/// That there is nothing to be changed in any more.
fn closed() -> Denial {
    Denial::new(
        "incident-closed",
        "the incident is closed: its target was observed to be well, or a person closed it",
        "Say what you found; nothing more needs to be changed.",
    )
}

/// The component that a call is about.
fn about<'a>(place: &'a Place, request: &'a Request) -> &'a str {
    request.named().unwrap_or(&place.home)
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
