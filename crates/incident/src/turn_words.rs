//! The events of turns in words. What an agent says is somebody's words; only what was seen is observed.

use crate::words::{RowKind, Told, duration, sentence};
use crate::{CallOutcome, TurnEvent, TurnOutcome};

/// The row of one event of a turn; `None` for those that a timeline does not show.
pub(crate) fn tell(event: &TurnEvent) -> Option<Told> {
    use RowKind::{Did, Note, Observed, Said};
    Some(match event {
        TurnEvent::TurnBriefed { .. } => return None,
        TurnEvent::TurnStarted { engine, ask, .. } => {
            Told::new(Said, &format!("to the agent {engine}"), ask.clone())
        }
        TurnEvent::AgentSaid { text, .. } => Told::new(Said, "agent says", text.clone()),
        TurnEvent::EngineNoted { text, .. } => Told::new(Note, "agent", sentence(text)),
        TurnEvent::EngineFailed { engine, sentence: why, next, .. } => {
            let told =
                Told::new(Note, "agent", format!("The agent {engine} cannot be used: {}", sentence(why)));
            match next {
                Some(next) => told.and(format!("Next: {next}.")),
                None => told.and("There is no other agent; triage and the buttons work without."),
            }
        }
        TurnEvent::ToolCalled { tool, target, shown, .. } => {
            let on = target.as_ref().map_or_else(String::new, |target| format!(" on {target}"));
            let mut told = Told::new(Did, "tool", format!("Called {tool}{on}."));
            told.detail.push(shown.clone());
            told
        }
        TurnEvent::ToolAnswered { call, outcome, rule, exit, millis, text, rest, .. } => {
            let ended = match outcome {
                CallOutcome::Done => "carried out",
                CallOutcome::Refused => "refused; nothing was done",
                CallOutcome::Failed => "failed",
            };
            let mut told =
                Told::new(Observed, "tool", format!("Call {call} was {ended}, after {}.", duration(*millis)))
                    .when(rule.is_some(), || format!("Rule: {}.", rule.as_deref().unwrap_or_default()))
                    .when(exit.is_some(), || format!("Exit code {}.", exit.unwrap_or_default()));
            told.detail.extend(text.lines().map(str::to_owned));
            told.artifacts.extend(rest.clone());
            told
        }
        TurnEvent::ApprovalAsked { shown, expires, .. } => {
            let mut told = Told::new(
                Did,
                "asks",
                format!("Asks a person to allow exactly this, until {}.", expires.time_of_day()),
            );
            told.detail.push(shown.clone());
            told
        }
        TurnEvent::ApprovalGiven { call, .. } => {
            Told::new(Did, "decision", format!("Allowed call {call}, once."))
        }
        TurnEvent::ApprovalRefused { call } => Told::new(Did, "decision", format!("Refused call {call}.")),
        TurnEvent::ApprovalExpired { call } => {
            Told::new(Note, "decision", format!("Nobody answered in time: call {call} was not made."))
        }
        TurnEvent::OutcomeObserved { target, health, sentence: seen, .. } => {
            Told::new(Observed, "after the agent", format!("{target}: {}", sentence(seen))).health(*health)
        }
        TurnEvent::TurnEnded { how, sentence: why, next, .. } => {
            let how = match how {
                TurnOutcome::Finished => "The turn is over.",
                TurnOutcome::Stopped => "The turn was stopped.",
                TurnOutcome::Failed => "The turn failed.",
                TurnOutcome::OutOfTime => "The turn ran out of time.",
            };
            Told::new(Note, "turn", how)
                .and(sentence(why))
                .when(next.is_some(), || format!("{} can go on.", next.as_deref().unwrap_or_default()))
        }
        TurnEvent::TurnInterrupted { .. } => {
            Told::new(Note, "turn", "The server was restarted in the middle of this turn.")
                .and("What it had begun is asked for and never done again; ask the agent anew to go on.")
        }
    })
}
