//! Beginning and ending a turn: what a person (or a program) asks, and the word that ends it.

use super::drive;
use crate::Desk;
use crate::record::keep;
use breakglass_incident::{Actor, EventBody, IncidentId, TurnEvent, TurnId};

/// A question is no file.
const LONGEST_ASK: usize = 16 << 10;

/// What somebody asks of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTurn {
    /// In which incident; it must be open.
    pub incident: IncidentId,
    /// What is asked.
    pub ask: String,
    /// Which agent is tried first; `None`: the fleet's order.
    pub engine: Option<String>,
}

/// Why no turn was started.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// There is no such incident, or it is closed.
    #[error("incident {incident} is not open; open one for the target first")]
    NotOpen {
        /// The incident.
        incident: IncidentId,
    },
    /// One at a time.
    #[error("a turn of {by} runs in this incident; wait for its end, or stop it")]
    Running {
        /// Who started it.
        by: String,
    },
    /// There are no engines.
    #[error("no agent is configured ([agent] in fleet.toml); triage and the buttons work without one")]
    NoAgent,
    /// There is none of that name.
    #[error("there is no agent `{name}`; there is {known}")]
    NoSuchAgent {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
    /// The question is empty or too long.
    #[error("a question has between 1 and {limit} bytes")]
    Length {
        /// The limit in bytes.
        limit: usize,
    },
}

/// Why no turn was stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no turn runs in incident {incident}")]
pub struct NotRunning {
    /// The incident.
    pub incident: IncidentId,
}

/// Starts a turn and returns as soon as that is in the journal; it runs on its own then, whoever goes away. What no person
/// starts may ask for whatever changes something, and do nothing of it by itself.
///
/// # Errors
/// [`StartError`], when nothing was started.
pub async fn start_turn(desk: &Desk, who: Actor, start: StartTurn) -> Result<TurnId, StartError> {
    let ask = start.ask.trim().to_owned();
    if ask.is_empty() || ask.len() > LONGEST_ASK {
        return Err(StartError::Length { limit: LONGEST_ASK });
    }
    let engines = desk.turns.engines();
    let first = engines.list.first().ok_or(StartError::NoAgent)?.name().to_owned();
    let known: Vec<&str> = engines.list.iter().map(|engine| engine.name()).collect();
    if let Some(name) = start.engine.as_ref().filter(|name| !known.contains(&name.as_str())) {
        let name = name.chars().take(40).collect();
        return Err(StartError::NoSuchAgent { name, known: known.join(", ") });
    }
    let open = desk.board.targets().into_iter().find(|view| view.incident == Some(start.incident));
    let target = open.ok_or(StartError::NotOpen { incident: start.incident })?.name;
    let slot =
        desk.turns.enter(start.incident, &who).map_err(|by| StartError::Running { by: by.to_string() })?;
    let by_machine = !who.is_person();
    let engine = start.engine.unwrap_or(first);
    let body = TurnEvent::TurnStarted {
        target: target.clone(),
        engine: engine.clone(),
        ask: ask.clone(),
        by_machine,
        prompt: engines.prompt.version.clone(),
    };
    let event = keep(desk, Some(start.incident), who.clone(), EventBody::Turn(body)).await;
    let turn = TurnId(event.seq.0);
    slot.is(turn);
    let begun = drive::Begun { incident: start.incident, turn, target, by: who, by_machine, ask, engine };
    let desk = desk.clone();
    tokio::spawn(async move { drive::drive(&desk, slot, engines, begun).await });
    Ok(turn)
}

/// Ends the turn of an incident within a second. A command that it runs is told to stop, a verb goes on; how they ended is told
/// when it is known.
///
/// # Errors
/// [`NotRunning`].
pub fn stop_turn(desk: &Desk, who: Actor, incident: IncidentId) -> Result<TurnId, NotRunning> {
    desk.turns.stop(incident, who).ok_or(NotRunning { incident })
}
