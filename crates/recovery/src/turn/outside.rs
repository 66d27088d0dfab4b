//! Calls of outside agents: the same tools through the same gate, in no turn.
//!
//! What an outside agent may do is `[agent.outside]` of the fleet file; without a word there it looks through diag doors,
//! and nothing else. Each call is told in the open incident of what it names, or in none.

use super::engine::{ToolAnswer, ToolSpec};
use super::request::specs_outside;
use super::standing::{Standing, doors_to};
use super::tools::Gate;
use crate::Desk;
use breakglass_fleet::{Autonomy, DoorKind, Fleet};
use breakglass_incident::{Actor, OutsideAgent};
use serde_json::Value;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What outside agents reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// A server stands behind it: all that the fleet file grants.
    Granted,
    /// No server does: looks through diag doors.
    LooksOnly,
}

/// The tools that an outside agent is offered. The gate decides on each call anyway; what could only be refused is left out.
#[must_use]
pub fn outside_tools(fleet: &Fleet, reach: Reach) -> Vec<ToolSpec> {
    let agent = &fleet.agent;
    let granted = |kind: DoorKind, least: Autonomy| {
        let mut doors = fleet.doors.iter();
        doors.any(|door| door.kind == kind && agent.outside_autonomy(door) >= Some(least))
    };
    let offered = |tool: &str| match (reach, tool) {
        (Reach::LooksOnly, tool) => tool == "diag",
        (_, "triage") => {
            granted(DoorKind::Repair, Autonomy::Observe) || granted(DoorKind::Power, Autonomy::Observe)
        }
        (_, "repair") => granted(DoorKind::Repair, Autonomy::Ask),
        (_, "power") => granted(DoorKind::Power, Autonomy::Observe),
        _ => true,
    };
    let hosts: Vec<&str> = fleet.hosts().map(|host| host.name.as_str()).collect();
    specs_outside(&hosts, reach == Reach::LooksOnly).into_iter().filter(|spec| offered(&spec.name)).collect()
}

/// One call. It is carried out to its end although `gone` is cancelled, which says that whoever asked went away: a question
/// that still waits for a person is withdrawn then, and what has begun on a machine goes on and is told.
pub async fn call_outside(
    desk: &Desk,
    who: OutsideAgent,
    reach: Reach,
    tool: String,
    arguments: Value,
    gone: CancellationToken,
) -> ToolAnswer {
    let standing = Standing::Outside { looks_only: reach == Reach::LooksOnly };
    let lanes = desk.turns.visits().lanes(&who.by, desk.now());
    let lane = if matches!(tool.as_str(), "repair" | "power") { lanes.changes } else { lanes.looks };
    let place = tokio::select! {
        place = lane.acquire_owned() => place,
        () = gone.cancelled() => return away(),
    };
    let gate = Arc::new(Gate::new(desk.clone(), Actor::Outside(who), gone, standing));
    // A task of its own: what has begun on a machine is followed to its end, whoever stops listening.
    let call = tokio::spawn(async move {
        let answer = gate.pass(&tool, arguments).await;
        drop(place);
        answer
    });
    call.await.unwrap_or_else(|_| ToolAnswer {
        text: "The server failed at this call. Look before you repeat it.".to_owned(),
        is_error: true,
    })
}

fn away() -> ToolAnswer {
    ToolAnswer { text: "Nothing was done: whoever asked went away.".to_owned(), is_error: true }
}

/// What outside agents may do on a component beyond looking, door by door, for people to read: `repair: ask`.
#[must_use]
pub fn outside_grants(fleet: &Fleet, name: &str) -> Vec<(DoorKind, Autonomy)> {
    doors_to(fleet, name)
        .filter(|door| matches!(door.kind, DoorKind::Repair | DoorKind::Power))
        .filter_map(|door| Some((door.kind, fleet.agent.outside_autonomy(door)?)))
        .collect()
}
