//! The watch: the cheap part of triage, all the time, so that no person has to be the one who notices.
//!
//! One loop for each target and hypervisor. A look ends within two seconds whatever hangs; a state counts once it was
//! seen `confirm` times in a row. While a verb runs, or its target is being waited for, the watch looks and keeps quiet.

use crate::damper::Damper;
use crate::judge::Verdict;
use crate::operation::Operation;
use crate::{Desk, dependencies, host_key, normals, observe, prober, rejoin, words};
use breakglass_fleet::DoorKind;
use breakglass_incident::Actor;
use breakglass_protocol::Timestamp;
use breakglass_triage::{Health, Reach};
use bytes::Bytes;
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

/// How long a hypervisor's banner may take.
const HYPERVISOR_BANNER: Duration = Duration::from_millis(1_500);
/// How often what was learnt is written down.
const SAVE_EVERY: Duration = Duration::from_secs(60);

/// Watches every target until `shutdown` ends; then writes down what it learnt.
pub async fn watch(desk: Desk, shutdown: impl Future<Output = ()> + Send) {
    normals::recall_normals(&desk).await;
    let names: Vec<String> = desk.board.targets().into_iter().map(|view| view.name).collect();
    let count = u32::try_from(names.len()).unwrap_or(u32::MAX).max(1);
    let interval = desk.fleet.watch.interval.max(Duration::from_millis(50));
    let mut loops = JoinSet::new();
    for (place, name) in (0_u32..).zip(names) {
        // Spread over the interval, so that many targets are not one burst.
        let first = interval * place / count;
        loops.spawn(watch_one(desk.clone(), name, first, interval));
    }
    loops.spawn(surroundings(desk.clone(), interval));
    loops.spawn(save_now_and_then(desk.clone()));
    shutdown.await;
    loops.shutdown().await;
    normals::save(&desk).await;
}

async fn watch_one(desk: Desk, name: String, first: Duration, interval: Duration) {
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + first, interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut damper = Damper::default();
    loop {
        ticks.tick().await;
        look_once(&desk, &name, &mut damper).await;
    }
}

async fn look_once(desk: &Desk, name: &str, damper: &mut Damper) {
    let Some(before) = desk.board.target(name) else { return };
    let verdict = if before.only_hypervisor {
        hypervisor(desk, name).await
    } else {
        desk.board.prober(name).lock().await.look(desk, name).await
    };
    let now = desk.now();
    let maintenance = desk.fleet.in_maintenance(name, now.unix_millis());
    desk.board.update(name, |view| view.maintenance = maintenance);
    adopt(desk, name).await;
    let Some(view) = desk.board.target(name) else { return };
    let busy = |view: &crate::TargetView| view.running.is_some() || view.settling;
    if busy(&before) || busy(&view) {
        damper.forget();
    } else if !verdict.pending {
        // At the start nothing is known, and good news needs no second look.
        let first_good = view.health == Health::Unknown && verdict.state.health == Health::Good;
        if damper.counts(&verdict, &desk.fleet.watch) || first_good {
            let alarm = verdict.alarm && !host_only_just_back(desk, name, now);
            let verdict = Verdict { alarm, ..verdict };
            observe::tell(desk, name, &Actor::Watch, verdict).await;
        }
    }
    tell_live(desk, name);
}

/// Whether the host of this target is down, or has come back so recently that its guests are still being started.
fn host_only_just_back(desk: &Desk, name: &str, now: Timestamp) -> bool {
    let Some(host) = desk.fleet.hypervisor_of(name).and_then(|host| desk.board.target(&host.name)) else {
        return false;
    };
    let waking = || {
        let back = desk.board.back_at(&host.name);
        back.is_some_and(|at| u128::from(now.millis_since(at)) < desk.times.waking.as_millis())
    };
    host.health == Health::Down || waking()
}

/// An operation that runs and that nobody here pressed (plain `ssh`, the command line, another server) is followed all
/// the same: it is part of the story, and what it does to the target is no outage. Presses of our own are on the board
/// before the guard hears of them, so they are never taken for somebody else's.
async fn adopt(desk: &Desk, name: &str) {
    let Some(view) = desk.board.target(name).filter(|view| view.running.is_none()) else { return };
    let last = view.status.and_then(|status| status.last_operation.clone());
    let Some(last) = last.filter(|last| last.running && last.outcome.is_none()) else { return };
    let (Some(door), Some(claim)) = (desk.fleet.power_door(name), desk.board.claim(&last.id)) else { return };
    let by = Actor::Guard(door.name.clone());
    let reason =
        format!("a {} that key {} asked for from {} was found running", last.verb, last.key, last.source);
    let incident = words::incident_for(desk, &by, name, None, &reason).await;
    let operation = Operation {
        incident,
        press: None,
        target: name.to_owned(),
        door: door.name.clone(),
        verb: last.verb,
        id: last.id,
        pressed: desk.now(),
        told: HashSet::new(),
    };
    operation.show(desk, &Actor::Guard(last.key));
    let desk = desk.clone();
    tokio::spawn(async move {
        rejoin::to_the_end(&desk, operation).await;
        drop(claim);
    });
}

/// A host without doors of its own is looked at by its banner alone.
async fn hypervisor(desk: &Desk, name: &str) -> Verdict {
    let door = desk.fleet.doors.iter().find(|door| door.kind == DoorKind::Power && door.to == name);
    let reach = prober::banner(desk, name, door.map_or(22, |door| door.port), HYPERVISOR_BANNER).await;
    let now = desk.now();
    desk.board.update(name, |view| view.seen_at = Some(now));
    let (health, sentence) = match reach {
        Reach::Banner(millis) => (Health::Good, format!("SSH answers in {millis} ms")),
        Reach::NoBanner => (Health::Down, "connections are accepted and no SSH banner comes".to_owned()),
        Reach::Closed => (Health::Down, "SSH connections are refused or closed at once".to_owned()),
        Reach::Silent => {
            (Health::Down, "the hypervisor does not answer; nothing can be said of its guests".to_owned())
        }
        Reach::NotTried => (Health::Unknown, "the fleet declares no address to look at".to_owned()),
    };
    Verdict::new(health, None, sentence)
}

/// What changes at every look goes to pages as a live frame; it is no event.
fn tell_live(desk: &Desk, name: &str) {
    let Some(view) = desk.board.target(name) else { return };
    let frame = serde_json::json!({
        "live": "target",
        "target": name,
        "health": view.health,
        "sentence": view.sentence,
        "wedge": view.wedge,
        "seen_at": view.seen_at,
        "writes": view.writes.back(),
        "cpu_percent": view.cpu_percent,
        "incident": view.incident,
    });
    desk.journal.live(view.incident, Bytes::from(frame.to_string()));
}

/// What the server itself needs, and what hosts show as their keys.
async fn surroundings(desk: Desk, interval: Duration) {
    let mut keys = HashMap::new();
    loop {
        dependencies::refresh(&desk).await;
        host_key::tell_news(&desk, &mut keys).await;
        tokio::time::sleep(interval.max(Duration::from_secs(1))).await;
    }
}

async fn save_now_and_then(desk: Desk) {
    loop {
        tokio::time::sleep(SAVE_EVERY).await;
        normals::save(&desk).await;
    }
}
