//! An incident as it stands, folded from its events one by one.

use crate::words::{Row, row};
use crate::{
    Actor, ArtifactRef, CommandId, Delivery, Event, EventBody, ForensicsPart, IncidentId, PressId, Seq,
    TargetState, Turns,
};
use breakglass_protocol::{OperationId, Outcome, Refusal, Status, Step, Timestamp, Verb};
use breakglass_triage::{Health, Triage};
use std::collections::BTreeMap;

/// A verb that was pressed and has not been seen to end.
#[derive(Debug, Clone, PartialEq)]
pub struct RunningVerb {
    /// The press that began it; absent where an operation was found that no press here started.
    pub press: Option<PressId>,
    /// The verb.
    pub verb: Verb,
    /// The guard's id, once it accepted.
    pub operation: Option<OperationId>,
    /// Who pressed first.
    pub by: Actor,
    /// Who pressed the same verb afterwards and joined.
    pub joined: Vec<Actor>,
    /// When it was pressed.
    pub since: Timestamp,
    /// The steps that were reached, oldest first.
    pub steps: Vec<Step>,
    /// What happened to the line to the guard, where nothing was heard since.
    pub line_lost: Option<String>,
}

/// A verb that ended, or that the server gave up hearing of.
#[derive(Debug, Clone, PartialEq)]
pub struct FinishedVerb {
    /// The verb.
    pub verb: Verb,
    /// The operation, where one was accepted.
    pub operation: Option<OperationId>,
    /// Who pressed it, where that is known.
    pub by: Option<Actor>,
    /// When it was pressed, where that is known.
    pub since: Option<Timestamp>,
    /// When its end was recorded.
    pub at: Timestamp,
    /// How it ended.
    pub outcome: Outcome,
    /// What was observed.
    pub message: String,
    /// The refusal, where there was one.
    pub refusal: Option<Refusal>,
    /// The state that was seen at the end.
    pub status: Option<Box<Status>>,
    /// The steps that were reached.
    pub steps: Vec<Step>,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// When.
    pub at: Timestamp,
    /// Its exit code, where it ended by itself.
    pub exit: Option<u32>,
    /// How it ended, in a sentence.
    pub message: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The head of what it wrote. Hostile text.
    pub output: String,
    /// All of it, where that is longer.
    pub rest: Option<ArtifactRef>,
}

/// A command through the repair door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id.
    pub id: CommandId,
    /// Who sent it.
    pub by: Actor,
    /// Through which door.
    pub door: String,
    /// The command line.
    pub command: String,
    /// When it was sent.
    pub since: Timestamp,
    /// How it ended; absent while it runs.
    pub end: Option<CommandEnd>,
}

/// One capture of forensics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forensics {
    /// The event that holds it.
    pub seq: Seq,
    /// When it was recorded.
    pub at: Timestamp,
    /// The operation that it came before; absent for the verb `forensics`.
    pub operation: Option<OperationId>,
    /// Its parts.
    pub parts: Vec<ForensicsPart>,
}

/// The newest notice to one receiver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoticeView {
    /// When this was known.
    pub at: Timestamp,
    /// How far it came.
    pub how: Delivery,
    /// What it says, or why it did not come further.
    pub sentence: String,
}

/// An incident as it stands. Nothing in here is known from anywhere but the events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct View {
    /// Its number.
    pub id: Option<IncidentId>,
    /// The component that is to be recovered.
    pub target: String,
    /// When it began.
    pub opened: Option<Timestamp>,
    /// Why it began.
    pub reason: String,
    /// Who began it.
    pub opened_by: Option<Actor>,
    /// When it ended.
    pub closed: Option<Timestamp>,
    /// Why it ended.
    pub close_reason: Option<String>,
    /// How long the target was away, in milliseconds, where that was observed.
    pub away_millis: Option<u64>,
    /// The newest observed state, and when it was observed.
    pub state: Option<(Timestamp, TargetState)>,
    /// When the target was first seen not to be well in this incident.
    pub unwell_since: Option<Timestamp>,
    /// When the target was seen to be well again after that.
    pub well_again: Option<Timestamp>,
    /// The newest triage.
    pub triage: Option<Triage>,
    /// The newest notice to each receiver, by its name.
    pub notices: BTreeMap<String, NoticeView>,
    /// The verb that runs.
    pub running: Option<RunningVerb>,
    /// All verbs that ended, oldest first.
    pub finished: Vec<FinishedVerb>,
    /// All commands, oldest first.
    pub commands: Vec<Command>,
    /// All captures of forensics, oldest first.
    pub forensics: Vec<Forensics>,
    /// All turns of agents.
    pub turns: Turns,
    /// The timeline.
    pub rows: Vec<Row>,
    /// The newest event that was applied.
    pub last: Seq,
    presses: Vec<(PressId, Actor, Timestamp)>,
    /// Verbs whose place as the running one was taken by another before their own end was told.
    outlived: Vec<RunningVerb>,
}

impl View {
    /// All events of one incident, in order.
    #[must_use]
    pub fn fold<'a>(events: impl IntoIterator<Item = &'a Event>) -> Self {
        let mut view = Self::default();
        for event in events {
            view.apply(event);
        }
        view
    }

    /// The verb that ended last.
    #[must_use]
    pub fn last_finished(&self) -> Option<&FinishedVerb> {
        self.finished.last()
    }

    /// Whether it has been opened and not closed.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.opened.is_some() && self.closed.is_none()
    }

    /// Takes in the next event. One that was applied already, by its number, is passed over: after a lost line a client may get
    /// an event twice.
    pub fn apply(&mut self, event: &Event) {
        if event.seq <= self.last {
            return;
        }
        self.last = event.seq;
        self.id = self.id.or(event.incident);
        self.rows.extend(row(event));
        self.turns.apply(event);
        match &event.body {
            EventBody::IncidentOpened { target, reason } => {
                self.target.clone_from(target);
                self.reason.clone_from(reason);
                self.opened = Some(event.at);
                self.opened_by = Some(event.actor.clone());
                self.closed = None;
            }
            EventBody::IncidentClosed { reason, away_millis, .. } => {
                self.closed = Some(event.at);
                self.close_reason = Some(reason.clone());
                self.away_millis = away_millis.or(self.away_millis);
            }
            EventBody::Observed { state, .. } => self.observed(event.at, state),
            EventBody::Triaged { triage, .. } => self.triage = Some((**triage).clone()),
            EventBody::Notified { receiver, how, sentence, .. } => {
                let notice = NoticeView { at: event.at, how: *how, sentence: sentence.clone() };
                self.notices.insert(receiver.clone(), notice);
            }
            EventBody::VerbPressed { verb, .. } => self.pressed(event, *verb),
            EventBody::VerbAccepted { press, verb, operation, joined, .. } => {
                self.accepted(event, *press, *verb, operation, *joined);
            }
            EventBody::VerbProgress { operation, seen_at, phase, note, .. } => {
                self.progress(operation, Step { at: *seen_at, phase: *phase, note: note.clone() });
            }
            EventBody::LineLost { operation, reason, .. } => self.line_lost(operation.as_ref(), reason),
            EventBody::VerbFinished { press, verb, operation, outcome, message, refusal, status, .. } => {
                let end = FinishedVerb {
                    verb: *verb,
                    operation: operation.clone(),
                    by: None,
                    since: None,
                    at: event.at,
                    outcome: *outcome,
                    message: message.clone(),
                    refusal: refusal.clone(),
                    status: status.clone(),
                    steps: Vec::new(),
                };
                self.finish(*press, end);
            }
            EventBody::ForensicsCaptured { operation, parts, .. } => self.forensics.push(Forensics {
                seq: event.seq,
                at: event.at,
                operation: operation.clone(),
                parts: parts.clone(),
            }),
            EventBody::CommandStarted { door, command, .. } => self.commands.push(Command {
                id: CommandId(event.seq.0),
                by: event.actor.clone(),
                door: door.clone(),
                command: command.clone(),
                since: event.at,
                end: None,
            }),
            EventBody::CommandFinished { command, exit, message, millis, output, rest, .. } => {
                if let Some(started) = self.commands.iter_mut().find(|started| started.id == *command) {
                    started.end = Some(CommandEnd {
                        at: event.at,
                        exit: *exit,
                        message: message.clone(),
                        millis: *millis,
                        output: output.clone(),
                        rest: rest.clone(),
                    });
                }
            }
            _ => {}
        }
    }

    fn observed(&mut self, at: Timestamp, state: &TargetState) {
        match state.health {
            Health::Down | Health::Degraded => {
                self.unwell_since = self.unwell_since.or(Some(at));
                self.well_again = None;
            }
            Health::Good => self.well_again = self.unwell_since.and(self.well_again.or(Some(at))),
            Health::Unknown => {}
        }
        self.state = Some((at, state.clone()));
    }

    fn pressed(&mut self, event: &Event, verb: Verb) {
        if !verb.is_mutating() {
            return;
        }
        self.presses.push((PressId(event.seq.0), event.actor.clone(), event.at));
        match &mut self.running {
            // The guard decides whether a second press joins, is told to wait, or takes over. Until it has answered, what runs is
            // what ran before.
            Some(running) if running.verb == verb => running.joined.push(event.actor.clone()),
            Some(_) => {}
            None => {
                self.running = Some(RunningVerb {
                    press: Some(PressId(event.seq.0)),
                    verb,
                    operation: None,
                    by: event.actor.clone(),
                    joined: Vec::new(),
                    since: event.at,
                    steps: Vec::new(),
                    line_lost: None,
                });
            }
        }
    }

    fn accepted(&mut self, event: &Event, press: PressId, verb: Verb, operation: &OperationId, joined: bool) {
        if !verb.is_mutating() {
            return;
        }
        let (by, since) = self.presser(press).unwrap_or_else(|| (event.actor.clone(), event.at));
        let known = self.running.as_mut().filter(|running| {
            running.operation.as_ref() == Some(operation)
                || (running.operation.is_none() && running.verb == verb)
        });
        match known {
            Some(running) => {
                running.operation = Some(operation.clone());
                running.line_lost = None;
                // It was somebody else's before it was this one's: the guard knows of an earlier caller.
                if joined && running.by != by && !running.joined.contains(&by) {
                    running.joined.push(by);
                }
            }
            None => {
                let next = RunningVerb {
                    press: Some(press),
                    verb,
                    operation: Some(operation.clone()),
                    by,
                    joined: Vec::new(),
                    since,
                    steps: Vec::new(),
                    line_lost: None,
                };
                self.outlived.extend(self.running.replace(next));
            }
        }
    }

    fn presser(&self, press: PressId) -> Option<(Actor, Timestamp)> {
        self.presses.iter().rfind(|(id, ..)| *id == press).map(|(_, by, since)| (by.clone(), *since))
    }

    fn progress(&mut self, operation: &OperationId, step: Step) {
        if let Some(running) = self.running.as_mut().filter(|r| r.operation.as_ref() == Some(operation)) {
            running.line_lost = None;
            let known = running.steps.iter().any(|s| s.phase == step.phase && s.at == step.at);
            if !known {
                running.steps.push(step);
            }
        } else if let Some(ended) =
            self.finished.iter_mut().rfind(|f| f.operation.as_ref() == Some(operation))
        {
            ended.steps.push(step);
        }
    }

    fn line_lost(&mut self, operation: Option<&OperationId>, reason: &str) {
        if let Some(running) = &mut self.running
            && (operation.is_none() || running.operation.as_ref() == operation)
        {
            running.line_lost = Some(reason.to_owned());
        }
    }

    /// The running verb ends when its own operation or its own press ends. The end of another press (one that was told that
    /// somebody else is at it) leaves it running.
    fn finish(&mut self, press: Option<PressId>, mut end: FinishedVerb) {
        if !end.verb.is_mutating() {
            return;
        }
        let ends_running =
            self.running.as_ref().is_some_and(|running| match (&running.operation, &end.operation) {
                (Some(running), Some(ended)) => running == ended,
                (None, Some(_)) => running.verb == end.verb,
                (None, None) => running.press == press,
                (Some(_), None) => false,
            });
        let outlived =
            self.outlived.iter().position(|o| o.operation.is_some() && o.operation == end.operation);
        let whole = match outlived {
            Some(at) => Some(self.outlived.remove(at)),
            None if ends_running => self.running.take(),
            None => None,
        };
        if let Some(whole) = whole {
            end.by = Some(whole.by);
            end.since = Some(whole.since);
            end.steps = whole.steps;
        } else if let Some((by, since)) = press.and_then(|press| self.presser(press)) {
            end.by = Some(by);
            end.since = Some(since);
        }
        // A joined press ends with the operation that it joined: one end, told once.
        let told = end.operation.is_some() && self.finished.iter().any(|f| f.operation == end.operation);
        if !told {
            self.finished.push(end);
        }
    }
}
