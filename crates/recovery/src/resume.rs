//! After a restart: what was pressed and not finished is asked for, never sent again; what was open is open again.
//!
//! The journal is read from its end back to a bound, so that a long one does not delay the start. A server that was away
//! for longer than that many events ago has nothing left to rejoin.

use crate::operation::Operation;
use crate::record::{keep, since};
use crate::rejoin::{self, Unheard};
use crate::turn::LeftTurns;
use crate::{Desk, RunningView};
use breakglass_incident::{Actor, CommandId, Event, EventBody, IncidentId, PressId};
use breakglass_protocol::{OperationId, Phase, Timestamp, Verb};
use std::collections::{BTreeMap, HashMap, HashSet};

/// How far back it is looked for what was left unfinished.
const LOOK_BACK: u64 = 50_000;

/// What was found in the journal when the server came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Resumed {
    /// Whether the run before ended without a word.
    pub unclean: bool,
    /// Presses whose end is being asked for now.
    pub presses: usize,
    /// Commands that were marked as interrupted.
    pub commands: usize,
    /// Turns of agents that were marked as interrupted.
    pub turns: usize,
}

/// Tells the journal that the server is up, asks each guard with an unfinished press for its last operation (in the
/// background), and marks interrupted commands.
pub async fn resume(desk: &Desk, version: &str) -> Resumed {
    let mut left = left_behind(desk).await;
    left.unclean = desk.journal.ended_in_order() == Some(false);
    let started = EventBody::ServerStarted { version: version.to_owned(), unclean: left.unclean };
    keep(desk, None, Actor::Server, started).await;
    take_up(desk, left).await
}

/// After a start at which the journal could not be read: waits until it can, and then does what [`resume`] could not.
pub async fn catch_up(desk: &Desk) -> Resumed {
    desk.journal.opened().await;
    let left = left_behind(desk).await;
    take_up(desk, left).await
}

async fn take_up(desk: &Desk, left: LeftBehind) -> Resumed {
    for (target, incident) in &left.open {
        desk.board.update(target, |view| {
            view.incident.get_or_insert(*incident);
        });
    }
    let open: Vec<IncidentId> = left.open.values().copied().collect();
    let resumed = Resumed {
        unclean: left.unclean,
        presses: left.presses.len(),
        commands: left.commands.len(),
        turns: left.turns.mark(desk, &open).await,
    };
    for (command, (incident, target)) in left.commands {
        let body = EventBody::CommandFinished {
            command,
            target,
            exit: None,
            message: "the server was restarted while this command ran; how it ended is not known, and it may still be \
                      running there: look before you repeat it"
                .to_owned(),
            millis: 0,
            output: String::new(),
            rest: None,
        };
        keep(desk, incident, Actor::Server, body).await;
    }
    for press in left.presses.into_values() {
        ask_again(desk, press);
    }
    resumed
}

/// Only what the command line needs of the same: which incidents are open. Tells nothing.
pub async fn recall(desk: &Desk) {
    for (target, incident) in left_behind(desk).await.open {
        desk.board.update(&target, |view| view.incident = Some(incident));
    }
}

fn ask_again(desk: &Desk, left: LeftPress) {
    let desk = desk.clone();
    tokio::spawn(async move {
        let Some(operation) = left.operation else {
            let running = RunningView {
                verb: left.verb,
                operation: None,
                by: left.by.to_string(),
                since: left.at,
                phase: None,
                note: "the guard is being asked what became of it".to_owned(),
            };
            desk.board.update(&left.target, |view| {
                view.running.get_or_insert(running);
            });
            let unheard = Unheard {
                incident: left.incident,
                press: left.press,
                by: left.by,
                target: left.target,
                door: left.door,
                verb: left.verb,
                pressed: left.at,
                known_before: left.known_before,
            };
            return rejoin::find_and_follow(&desk, unheard).await;
        };
        // Several presses may have joined one operation: one of them tells its end.
        let Some(_claim) = desk.board.claim(&operation) else { return };
        let operation = Operation {
            incident: left.incident,
            press: Some(left.press),
            target: left.target,
            door: left.door,
            verb: left.verb,
            id: operation,
            pressed: left.at,
            told: left.told,
        };
        operation.show(&desk, &left.by);
        rejoin::to_the_end(&desk, operation).await;
    });
}

/// A press without an end.
#[derive(Debug)]
struct LeftPress {
    incident: IncidentId,
    press: PressId,
    by: Actor,
    target: String,
    door: String,
    verb: Verb,
    at: Timestamp,
    operation: Option<OperationId>,
    told: HashSet<(Phase, Timestamp)>,
    known_before: Option<OperationId>,
}

/// What the last run left behind.
#[derive(Debug, Default)]
struct LeftBehind {
    unclean: bool,
    open: HashMap<String, IncidentId>,
    presses: BTreeMap<PressId, LeftPress>,
    commands: BTreeMap<CommandId, (Option<IncidentId>, String)>,
    newest_of: HashMap<String, OperationId>,
    turns: LeftTurns,
}

async fn left_behind(desk: &Desk) -> LeftBehind {
    let mut left = LeftBehind::default();
    for summary in desk.journal.incidents().await {
        if summary.closed.is_none() {
            left.open.insert(summary.target, summary.id);
        }
    }
    // What has a number of this run was not left by an earlier one.
    let first = desk.journal.first();
    let mut after = desk.journal.before_newest(LOOK_BACK).await;
    while let Some(events) = since(desk, after, None).await {
        let Some(last) = events.last() else { break };
        after = last.seq;
        let is_ours = last.seq >= first;
        for event in events.into_iter().filter(|event| event.seq < first) {
            left.take(event);
        }
        if is_ours {
            break;
        }
    }
    left
}

impl LeftBehind {
    fn take(&mut self, event: Event) {
        self.turns.take(&event);
        match event.body {
            EventBody::VerbPressed { target, verb, door, .. } if verb.is_mutating() => {
                let Some(incident) = event.incident else { return };
                let press = PressId(event.seq.0);
                let known_before = self.newest_of.get(&target).cloned();
                let left = LeftPress {
                    incident,
                    press,
                    by: event.actor,
                    target,
                    door,
                    verb,
                    at: event.at,
                    operation: None,
                    told: HashSet::new(),
                    known_before,
                };
                self.presses.insert(press, left);
            }
            EventBody::VerbAccepted { press, operation, .. } => {
                if let Some(left) = self.presses.get_mut(&press) {
                    left.operation = Some(operation);
                }
            }
            EventBody::VerbProgress { operation, phase, seen_at, .. } => {
                for left in
                    self.presses.values_mut().filter(|left| left.operation.as_ref() == Some(&operation))
                {
                    left.told.insert((phase, seen_at));
                }
            }
            EventBody::VerbFinished { press, operation, target, .. } => {
                self.presses.retain(|id, left| {
                    Some(*id) != press && (operation.is_none() || left.operation != operation)
                });
                if let Some(operation) = operation {
                    self.newest_of.insert(target, operation);
                }
            }
            EventBody::CommandStarted { target, .. } => {
                self.commands.insert(CommandId(event.seq.0), (event.incident, target));
            }
            EventBody::CommandFinished { command, .. } => {
                self.commands.remove(&command);
            }
            _ => {}
        }
    }
}
