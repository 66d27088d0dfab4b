//! The turns of an incident as they stand, folded from its events.

use crate::{
    Actor, ArtifactRef, CallId, CallOutcome, Event, EventBody, Spend, TurnEvent, TurnId, TurnOutcome,
};
use breakglass_protocol::Timestamp;
use breakglass_triage::Health;

/// One turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Its id.
    pub id: TurnId,
    /// Which one of the incident, from 1.
    pub number: usize,
    /// Who asked.
    pub by: Actor,
    /// What was asked.
    pub ask: String,
    /// Whether no person started it.
    pub by_machine: bool,
    /// The agent that runs it.
    pub engine: String,
    /// Which of our texts it was told.
    pub prompt: String,
    /// All that it was told.
    pub told: Option<ArtifactRef>,
    /// Since when.
    pub since: Timestamp,
    /// Its calls, oldest first.
    pub calls: Vec<Call>,
    /// How it ended; absent while it runs.
    pub end: Option<TurnEndView>,
}

/// How a turn ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnEndView {
    /// When.
    pub at: Timestamp,
    /// How; `None`: the server went away in the middle of it.
    pub how: Option<TurnOutcome>,
    /// In a sentence.
    pub sentence: String,
    /// The agent that may be tried next.
    pub next: Option<String>,
}

/// One call of a tool.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// Its id.
    pub id: CallId,
    /// Who made it.
    pub by: Actor,
    /// The tool.
    pub tool: String,
    /// As a person reads it.
    pub shown: String,
    /// Its digest.
    pub digest: String,
    /// What it takes from the budget.
    pub spends: Option<Spend>,
    /// When it was made.
    pub since: Timestamp,
    /// How it stands with a person's approval.
    pub approval: Approval,
    /// How it ended; absent while it runs.
    pub outcome: Option<CallOutcome>,
    /// What was seen of the target afterwards.
    pub observed: Option<(Timestamp, Health, String)>,
}

impl Call {
    /// Whether it may have changed something and nothing was observed of that: not yet, or not ever.
    #[must_use]
    pub const fn is_unobserved(&self) -> bool {
        let carried_out = matches!(self.outcome, Some(CallOutcome::Done | CallOutcome::Failed) | None);
        self.spends.is_some() && carried_out && self.observed.is_none()
    }

    fn waits(&self) -> Option<WaitingCall<'_>> {
        match self.approval {
            Approval::Waits(until) if self.outcome.is_none() => {
                Some(WaitingCall { by: &self.by, call: self, until })
            }
            _ => None,
        }
    }
}

/// How a call stands with a person's approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Approval {
    /// None is needed, or the call was refused before.
    NotAsked,
    /// A person is asked until then.
    Waits(Timestamp),
    /// This person allowed it.
    Given(Actor),
    /// This person refused it.
    Refused(Actor),
    /// Nobody answered in time.
    Expired,
}

/// A call that waits for a person.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WaitingCall<'a> {
    /// Who wants it: the agent of the turn that runs, or an outside agent.
    pub by: &'a Actor,
    /// The call.
    pub call: &'a Call,
    /// Until when the question stands.
    pub until: Timestamp,
}

/// All turns of an incident, and the calls that outside agents made in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Turns {
    /// Oldest first.
    pub all: Vec<Turn>,
    /// Calls in no turn, oldest first, each with whoever made it.
    pub outside: Vec<Call>,
}

impl Turns {
    /// The turn that runs.
    #[must_use]
    pub fn running(&self) -> Option<&Turn> {
        self.all.iter().rfind(|turn| turn.end.is_none())
    }

    /// The calls that wait for a person: one of the running turn at most, and one of each outside agent; oldest first.
    #[must_use]
    pub fn waiting(&self) -> Vec<WaitingCall<'_>> {
        let inside = self.running().map_or(&[][..], |turn| &turn.calls);
        let mut waiting: Vec<_> = inside.iter().chain(&self.outside).filter_map(Call::waits).collect();
        waiting.sort_by_key(|waiting| waiting.call.id);
        waiting
    }

    /// The turns that have begun and not ended, and those of their calls that wait for a person.
    #[must_use]
    pub fn unfinished(&self) -> Vec<(TurnId, Vec<CallId>)> {
        let open = self.all.iter().filter(|turn| turn.end.is_none());
        open.map(|turn| {
            let waits = |call: &&Call| call.outcome.is_none() && matches!(call.approval, Approval::Waits(_));
            (turn.id, turn.calls.iter().filter(waits).map(|call| call.id).collect())
        })
        .collect()
    }

    /// A call, by its id.
    #[must_use]
    pub fn call(&self, id: CallId) -> Option<&Call> {
        let inside = self.all.iter().rev().flat_map(|turn| turn.calls.iter().rev());
        inside.chain(self.outside.iter().rev()).find(|call| call.id == id)
    }

    /// Takes in the next event; what is none of a turn's is passed over.
    pub fn apply(&mut self, event: &Event) {
        let EventBody::Turn(body) = &event.body else { return };
        match body {
            TurnEvent::TurnStarted { engine, ask, by_machine, prompt, .. } => self.all.push(Turn {
                id: TurnId(event.seq.0),
                number: self.all.len() + 1,
                by: event.actor.clone(),
                ask: ask.clone(),
                by_machine: *by_machine,
                engine: engine.clone(),
                prompt: prompt.clone(),
                told: None,
                since: event.at,
                calls: Vec::new(),
                end: None,
            }),
            TurnEvent::TurnBriefed { turn, engine, told } => self.change(*turn, |turn| {
                turn.engine.clone_from(engine);
                turn.told.clone_from(told);
            }),
            TurnEvent::ToolCalled { turn, tool, shown, digest, spends, .. } => {
                let call = Call {
                    id: CallId(event.seq.0),
                    by: event.actor.clone(),
                    tool: tool.clone(),
                    shown: shown.clone(),
                    digest: digest.clone(),
                    spends: *spends,
                    since: event.at,
                    approval: Approval::NotAsked,
                    outcome: None,
                    observed: None,
                };
                match *turn {
                    TurnId::OUTSIDE => self.outside.push(call),
                    turn => self.change(turn, |turn| turn.calls.push(call)),
                }
            }
            TurnEvent::ToolAnswered { call, outcome, .. } => {
                self.change_call(*call, |call| call.outcome = Some(*outcome));
            }
            TurnEvent::ApprovalAsked { call, shown, digest, expires, .. } => {
                self.change_call(*call, |call| {
                    // Whoever decides sees the call to the letter, and names what they saw.
                    call.shown.clone_from(shown);
                    call.digest.clone_from(digest);
                    call.approval = Approval::Waits(*expires);
                })
            }
            TurnEvent::ApprovalGiven { call, .. } => {
                self.change_call(*call, |call| call.approval = Approval::Given(event.actor.clone()));
            }
            TurnEvent::ApprovalRefused { call } => {
                self.change_call(*call, |call| call.approval = Approval::Refused(event.actor.clone()));
            }
            TurnEvent::ApprovalExpired { call } => {
                self.change_call(*call, |call| call.approval = Approval::Expired);
            }
            TurnEvent::OutcomeObserved { calls, health, sentence, .. } => {
                for id in calls {
                    self.change_call(*id, |call| {
                        call.observed = Some((event.at, *health, sentence.clone()));
                    });
                }
            }
            TurnEvent::TurnEnded { turn, how, sentence, next, .. } => {
                let end = TurnEndView {
                    at: event.at,
                    how: Some(*how),
                    sentence: sentence.clone(),
                    next: next.clone(),
                };
                self.change(*turn, |turn| turn.end = Some(end));
            }
            TurnEvent::TurnInterrupted { turn } => {
                let sentence = "The server was restarted in the middle of it. Ask again: the agent is told what happened."
                    .to_owned();
                let end = TurnEndView { at: event.at, how: None, sentence, next: None };
                self.change(*turn, |turn| turn.end = Some(end));
            }
            TurnEvent::AgentSaid { .. } | TurnEvent::EngineNoted { .. } | TurnEvent::EngineFailed { .. } => {}
        }
    }

    fn change(&mut self, id: TurnId, change: impl FnOnce(&mut Turn)) {
        if let Some(turn) = self.all.iter_mut().rfind(|turn| turn.id == id) {
            change(turn);
        }
    }

    fn change_call(&mut self, id: CallId, change: impl FnOnce(&mut Call)) {
        let inside = self.all.iter_mut().rev().flat_map(|turn| turn.calls.iter_mut().rev());
        let mut calls = inside.chain(self.outside.iter_mut().rev());
        if let Some(call) = calls.find(|call| call.id == id) {
            change(call);
        }
    }
}
