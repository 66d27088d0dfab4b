//! By what right a call is made: in a turn that somebody started, or by an outside agent with what the fleet file grants it.
//!
//! The gate is one and the same (`tools`). This is all that differs: what may be named, in which incident a call stands,
//! what each door allows, and how calls are counted.

use super::observer::Observer;
use super::registry::Halt;
use super::request::Request;
use crate::words::incident_for;
use crate::{Desk, board::Board};
use breakglass_fleet::{Autonomy, Door, DoorKind, Fleet};
use breakglass_incident::policy::{Denial, effective};
use breakglass_incident::{Actor, IncidentId, TurnId};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

/// So many calls beyond the limit are answered one by one, each in the journal; later ones fill nobody's disk.
const BEYOND: u64 = 50;

/// By what right.
pub(crate) enum Standing {
    /// In a turn, which is about one target.
    Turn(InTurn),
    /// From outside, with a token; `looks_only`: at the command line, where there is no server.
    Outside { looks_only: bool },
}

/// What a turn's calls share.
pub(crate) struct InTurn {
    pub(crate) turn: TurnId,
    pub(crate) incident: IncidentId,
    pub(crate) home: String,
    pub(crate) by_machine: bool,
    pub(crate) observer: Observer,
    /// Asks that all that was said so far be written down first.
    pub(crate) before: mpsc::Sender<oneshot::Sender<()>>,
    pub(crate) calls: AtomicU64,
    /// Somebody's word that ends the turn, and the command that it is running.
    pub(crate) halt: Halt,
}

/// Where one call stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The incident that it is told in; none where an outside agent looks at something that has none.
    pub(crate) incident: Option<IncidentId>,
    /// The one target that the call may change; empty where there is none.
    pub(crate) home: String,
}

/// How a call counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    /// Within the limit.
    Within,
    /// Beyond this limit: refused.
    Beyond(u64),
    /// So far beyond it that nothing is written down any more.
    Endless,
}

impl Counted {
    pub(crate) fn of(number: u64, most: u64) -> Self {
        match number {
            within if within <= most => Self::Within,
            beyond if beyond <= most.saturating_add(BEYOND) => Self::Beyond(most),
            _ => Self::Endless,
        }
    }
}

impl Standing {
    pub(crate) const fn turn(&self) -> TurnId {
        match self {
            Self::Turn(turn) => turn.turn,
            Self::Outside { .. } => TurnId::OUTSIDE,
        }
    }

    /// The words that came before a call stand before it in the journal.
    pub(crate) async fn hear_first(&self) {
        let Self::Turn(turn) = self else { return };
        let (heard, wait) = oneshot::channel();
        if turn.before.send(heard).await.is_ok() {
            let _ = wait.await;
        }
    }

    /// Counts a call: in its turn, or in this hour of whatever let the agent in.
    pub(crate) fn count(&self, desk: &Desk, actor: &Actor) -> Counted {
        match (self, actor) {
            (Self::Turn(turn), _) => {
                let number = turn.calls.fetch_add(1, Ordering::Relaxed) + 1;
                Counted::of(number, u64::from(desk.fleet.agent.budget.calls))
            }
            (Self::Outside { .. }, Actor::Outside(agent)) => {
                let number = desk.turns.visits().count(&agent.by, desk.now());
                Counted::of(number, u64::from(desk.fleet.agent.outside.calls_per_hour))
            }
            (Self::Outside { .. }, _) => Counted::Endless,
        }
    }

    /// That the calls are spent.
    pub(crate) fn spent(&self, most: u64) -> Denial {
        match self {
            Self::Turn(_) => Denial::new(
                "budget-calls",
                format!("the {most} calls of one turn are spent"),
                "Report what you found, and end the turn.",
            ),
            Self::Outside { .. } => Denial::new(
                "budget-calls",
                format!("the {most} calls of one hour are spent"),
                "Report what you found; go on in an hour, or let a person go on by hand.",
            ),
        }
    }

    /// What may be named: in a turn nothing but its target may be touched; from outside the target has to be named.
    pub(crate) fn may_name(&self, request: &Request) -> Result<(), Denial> {
        match self {
            Self::Turn(turn)
                if request.touches() && request.named().is_some_and(|named| named != turn.home) =>
            {
                Err(Denial::new(
                    "another-target",
                    format!("this incident is about {}, and nothing else may be changed from it", turn.home),
                    format!(
                        "Leave the target out for {}; for another one a person opens an incident.",
                        turn.home
                    ),
                ))
            }
            Self::Outside { looks_only: true } if !matches!(request, Request::Diag { .. }) => {
                Err(Denial::new(
                    "no-server",
                    "no breakglass server answers, and without one there is diag alone",
                    "Use diag. For the rest start the server again, or let a person use the command line.",
                ))
            }
            Self::Outside { .. } if request.is_about_one() && request.named().is_none() => Err(Denial::new(
                "name-it",
                "you are in no incident, so nothing says which machine is meant",
                "Name it: `host` for diag, `target` for the others. Call hosts to see the names.",
            )),
            Self::Turn(_) | Self::Outside { .. } => Ok(()),
        }
    }

    /// Where the call stands. An outside agent that may change something, or ask to, does so in an incident, so that people
    /// watch it like everything else: one is opened where there is none.
    pub(crate) async fn place(&self, desk: &Desk, actor: &Actor, request: Option<&Request>) -> Place {
        let turn = match self {
            Self::Turn(turn) => turn,
            Self::Outside { .. } => return from_outside(desk, actor, request).await,
        };
        Place { incident: Some(turn.incident), home: turn.home.clone() }
    }

    /// What may be done through this door.
    pub(crate) fn autonomy(&self, fleet: &Fleet, door: &Door) -> Option<Autonomy> {
        match self {
            Self::Turn(turn) => Some(effective(fleet.agent.autonomy(door), turn.by_machine)),
            Self::Outside { .. } => fleet.agent.outside_autonomy(door),
        }
    }

    /// Whether what only looks is allowed: always in a turn; from outside what the diag doors show, and more where a door of
    /// that kind to this target was granted.
    pub(crate) fn may_look(&self, fleet: &Fleet, request: &Request, about: &str) -> Result<(), Denial> {
        let kinds: &[DoorKind] = match (self, request) {
            (Self::Turn(_), _) => return Ok(()),
            (_, Request::Triage { .. }) => &[DoorKind::Repair, DoorKind::Power],
            (_, Request::Power { .. }) => &[DoorKind::Power],
            _ => return Ok(()),
        };
        let granted = doors_to(fleet, about)
            .any(|door| kinds.contains(&door.kind) && fleet.agent.outside_autonomy(door).is_some());
        if granted { Ok(()) } else { Err(not_granted(about)) }
    }

    /// That whoever asked is not there any more.
    pub(crate) fn gone(&self) -> Denial {
        match self {
            Self::Turn(_) => Denial::new("turn-over", "the turn is over", "Stop."),
            Self::Outside { .. } => Denial::new(
                "asker-gone",
                "whoever asked for it went away before it was allowed",
                "Ask again.",
            ),
        }
    }
}

/// The doors that lead to a component.
pub(crate) fn doors_to<'a>(fleet: &'a Fleet, name: &'a str) -> impl Iterator<Item = &'a Door> {
    fleet.doors.iter().filter(move |door| door.controls.as_deref().unwrap_or(&door.to) == name)
}

/// That the fleet file grants nothing.
pub(crate) fn not_granted(about: &str) -> Denial {
    Denial::new(
        "not-granted",
        format!("the fleet file grants outside agents nothing of that on {about}"),
        "Look with diag, and say what you would do and why; a person has the same buttons on the page. What outside \
         agents may do stands in [agent.outside] of fleet.toml.",
    )
}

async fn from_outside(desk: &Desk, actor: &Actor, request: Option<&Request>) -> Place {
    let Some((request, home)) = request.and_then(|request| Some((request, request.named()?))) else {
        return Place::default();
    };
    let incident = match open_one(&desk.board, home) {
        None if may_change(&desk.fleet, request, home) => {
            let reason = format!("{actor} asks for {} here", request.tool());
            Some(incident_for(desk, actor, home, None, &reason).await)
        }
        open => open,
    };
    Place { incident, home: home.to_owned() }
}

fn open_one(board: &Board, target: &str) -> Option<IncidentId> {
    board.target(target)?.incident
}

/// Whether it would change something, and could be allowed to.
fn may_change(fleet: &Fleet, request: &Request, target: &str) -> bool {
    let Some(kind) = request.spends().map(|_| request.door()) else { return false };
    let may = |door: &Door| fleet.agent.outside_autonomy(door) > Some(Autonomy::Observe);
    doors_to(fleet, target).any(|door| door.kind == kind && may(door))
}
