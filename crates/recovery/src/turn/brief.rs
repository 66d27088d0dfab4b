//! What an agent is told before it begins: our own words, this incident's doors and bounds, what was just measured, and
//! what earlier turns said and did.

use super::answer::{cut, marked, redacted};
use super::carry;
use super::engine::{Prompt, Told};
use super::runbooks;
use crate::Desk;
use breakglass_incident::policy::effective;
use breakglass_incident::{CallId, CallOutcome, Event, EventBody, IncidentId, TurnEvent, TurnId};
use breakglass_triage::Triage;
use std::collections::HashMap;
use std::fmt::Write as _;

/// How much of an earlier answer is told again.
const ANSWER: usize = 1_500;
/// How much is told of all earlier turns; the oldest goes first.
const HISTORY: usize = 48 << 10;

/// The system text: the same for every turn of an incident, as long as the fleet is.
pub(crate) async fn system(
    desk: &Desk,
    prompt: &Prompt,
    incident: IncidentId,
    target: &str,
    by_machine: bool,
) -> String {
    let mut text = prompt.text.trim_end().to_owned();
    let _ = write!(text, "\n\n# This incident\nIncident {incident}, about {target}. ");
    let agent = &desk.fleet.agent;
    for (what, door) in [("repair", desk.fleet.repair_door(target)), ("power", desk.fleet.power_door(target))]
    {
        let may = match door {
            Some(door) => match effective(agent.autonomy(door), by_machine) {
                breakglass_fleet::Autonomy::Act => "you may act within the budget",
                breakglass_fleet::Autonomy::Ask => "a person decides on each call",
                breakglass_fleet::Autonomy::Observe => "you may only look",
            },
            None => "there is no such door",
        };
        let _ = write!(text, "Through {what}: {may}. ");
    }
    let budget = &agent.budget;
    let _ = write!(
        text,
        "Budget in this incident: {} commands, {} verbs of which {} may be cycles, {} calls of tools a turn; {} minutes a turn.",
        budget.commands,
        budget.verbs,
        budget.cycles,
        budget.calls,
        agent.wall_clock.as_secs() / 60
    );
    let books = runbooks::list(desk).await;
    if !books.is_empty() {
        let _ = write!(text, "\n\n# Runbooks of this fleet (read one with the tool runbook)");
        for (name, title) in books {
            let _ = write!(text, "\n- {name}: {title}");
        }
    }
    text
}

/// What was measured just now.
pub(crate) fn situation(desk: &Desk, target: &str, triage: Option<&Triage>, interrupted: bool) -> String {
    let mut text = String::new();
    if let Some(view) = desk.board.target(target) {
        let _ = writeln!(text, "{target} now: {:?}. {}", view.health, redacted(&view.sentence));
        if let Some(running) = view.running {
            let _ = writeln!(text, "A {} by {} is running on it.", running.verb, running.by);
        }
    }
    if interrupted {
        text.push_str(
            "The turn before this one was cut off by a restart of the server. What it had begun may have been carried out: \
             look before you repeat anything.\n",
        );
    }
    match triage {
        Some(triage) => text.push_str(&marked("triage", &redacted(&carry::told(triage)))),
        None => text.push_str("No triage could be made."),
    }
    text
}

/// What the turns before this one said and did, oldest first, and whether the last of them was cut off.
pub(crate) fn history(events: &[Event], this: TurnId) -> (Vec<Told>, bool) {
    let mut all: Vec<Told> = Vec::new();
    let mut calls: HashMap<CallId, usize> = HashMap::new();
    let mut interrupted = false;
    for event in events {
        let EventBody::Turn(body) = &event.body else { continue };
        match body {
            TurnEvent::TurnStarted { ask, .. } if event.seq.0 != this.0 => {
                interrupted = false;
                all.push(Told::Asked(ask.clone()));
            }
            TurnEvent::AgentSaid { turn, text } if *turn != this => all.push(Told::Said(text.clone())),
            TurnEvent::ToolCalled { turn, tool, shown, .. } if *turn != this => {
                calls.insert(CallId(event.seq.0), all.len());
                all.push(Told::Called {
                    tool: tool.clone(),
                    arguments: match *turn {
                        // Whatever somebody else's agent did here matters as much, and is not the model's own doing.
                        TurnId::OUTSIDE => {
                            serde_json::json!({ "call": shown, "by": event.actor.to_string() })
                        }
                        _ => serde_json::json!({ "call": shown }),
                    },
                    answer: "Its end was not told: it may have been carried out. Look before you repeat it."
                        .to_owned(),
                    is_error: true,
                });
            }
            TurnEvent::ToolAnswered { call, text, outcome, .. } => {
                let told = calls.get(call).and_then(|at| all.get_mut(*at));
                if let Some(Told::Called { answer, is_error, .. }) = told {
                    *answer = marked("an earlier call", cut(text, ANSWER));
                    *is_error = *outcome != CallOutcome::Done;
                }
            }
            TurnEvent::TurnInterrupted { turn } if *turn != this => interrupted = true,
            _ => {}
        }
    }
    let mut room = HISTORY;
    let kept = all.iter().rev().take_while(|told| {
        let size = size_of(told);
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    });
    let kept = kept.count();
    (all.split_off(all.len() - kept), interrupted)
}

fn size_of(told: &Told) -> usize {
    match told {
        Told::Asked(text) | Told::Said(text) => text.len(),
        Told::Called { arguments, answer, .. } => arguments.to_string().len() + answer.len(),
    }
}
