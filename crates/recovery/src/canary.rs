//! The canary: the doors of every target are proven on a schedule, so that a way in which has gone is found by day.
//!
//! It stays out of the way. A target in an incident, with a verb running, down, or in a maintenance window is left alone until that is
//! over, and so is one whose hypervisor is; a run that such a thing overtakes is given up and tells nothing. What it finds is a
//! statement about doors: it turns no target red, opens no incident and presses nothing (ADR-0028).

use crate::Desk;
use crate::record::since;
use crate::verify::{self, Verified, verifiable};
use breakglass_incident::{Actor, EventBody};
use breakglass_protocol::Timestamp;
use breakglass_triage::Health;
use std::collections::HashMap;
use std::future::Future;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Targets that are tried at the same time.
const AT_A_TIME: usize = 4;
/// So far back it is looked for what was found before the start, in events.
const LOOK_BACK: u64 = 50_000;
/// A sleep is never longer, so that a clock that was set is noticed.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Proves the doors of every target each `[verify] every`, until `shutdown` ends.
pub async fn canary(desk: Desk, shutdown: impl Future<Output = ()> + Send) {
    tokio::select! {
        () = shutdown => {}
        () = run(desk) => {}
    }
}

async fn run(desk: Desk) {
    let start = desk.now();
    let mut found = recall(&desk).await;
    let Some(every) = desk.fleet.verify.every else { return };
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut loops = JoinSet::new();
    for target in verifiable(&desk.fleet) {
        let due = Schedule { every, start, desk: &desk }.first(&target, found.remove(&target));
        loops.spawn(each(desk.clone(), target, due, every, Arc::clone(&places)));
    }
    while loops.join_next().await.is_some() {}
}

async fn each(desk: Desk, target: String, mut due: Timestamp, every: Duration, places: Arc<Semaphore>) {
    loop {
        sleep_until(&desk, due).await;
        while hinders(&desk, &target) {
            tokio::time::sleep(desk.times.canary_put_off).await;
        }
        let Some(found) = undisturbed(&desk, &target, &places).await else { continue };
        verify::tell(&desk, &Actor::Server, &found).await;
        let last = Last { at: found.at, proven: found.is_proven() };
        due = Schedule { every, start: found.at, desk: &desk }.next(&target, last);
    }
}

/// A run that nothing overtakes; a failure counts when it is seen twice. `None` where the target became somebody's concern.
async fn undisturbed(desk: &Desk, target: &str, places: &Semaphore) -> Option<Verified> {
    let mut changes = desk.board.changes();
    let once = || async {
        // It is never closed, so there is always a place in the end.
        let _place = places.acquire().await;
        verify::attempt(desk, target).await
    };
    let trying = async {
        let first = once().await;
        if first.is_proven() {
            return first;
        }
        tokio::time::sleep(desk.times.canary_confirm).await;
        once().await
    };
    let overtaken = async {
        while !hinders(desk, target) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        biased;
        () = overtaken => None,
        found = trying => Some(found),
    }
}

/// Whether the target, or the host that it runs on, is somebody's concern now.
fn hinders(desk: &Desk, target: &str) -> bool {
    let now = desk.now().unix_millis();
    let host = desk.fleet.hypervisor_of(target).map(|host| host.name.as_str());
    let busy = |name: &str| {
        let view = desk.board.target(name);
        view.is_some_and(|view| {
            view.incident.is_some() || view.running.is_some() || view.settling || view.health == Health::Down
        })
    };
    busy(target) || host.is_some_and(busy) || desk.fleet.in_maintenance(target, now)
}

async fn sleep_until(desk: &Desk, due: Timestamp) {
    loop {
        let left = due.unix_millis().saturating_sub(desk.now().unix_millis());
        let Ok(left @ 1..) = u64::try_from(left) else { return };
        tokio::time::sleep(Duration::from_millis(left).min(LONGEST_SLEEP)).await;
    }
}

/// When a target was last tried.
#[derive(Debug, Clone, Copy)]
struct Last {
    at: Timestamp,
    proven: bool,
}

/// What was found before this start, shown on the board; and when each target was last tried.
async fn recall(desk: &Desk) -> HashMap<String, Last> {
    let mut found: HashMap<String, Last> = HashMap::new();
    let mut after = desk.journal.before_newest(LOOK_BACK).await;
    while let Some(events) = since(desk, after, None).await {
        let Some(last) = events.last() else { break };
        after = last.seq;
        for event in &events {
            let EventBody::Verified { target, doors, .. } = &event.body else { continue };
            let Actor::Server = event.actor else { continue };
            desk.board.show_proofs(event.at, doors);
            let proven = doors.iter().all(|proof| proof.proven);
            found.insert(target.clone(), Last { at: event.at, proven });
        }
    }
    found
}

/// When a target's turn is. Everything is worked out from its name and its last time, so a restart changes nothing.
struct Schedule<'a> {
    every: Duration,
    start: Timestamp,
    desk: &'a Desk,
}

impl Schedule<'_> {
    /// The first turn after a start: where it would have been, and what is overdue spread out.
    fn first(&self, target: &str, last: Option<Last>) -> Timestamp {
        let times = &self.desk.times;
        let settled = self.start.plus_millis(millis(times.canary_settle));
        let next = last.map(|last| self.next(target, last));
        // A clock that was set back must not silence the canary for longer than a period.
        let sane = self.start.plus_millis(millis(self.every));
        match next.filter(|next| *next > settled) {
            Some(next) => next.min(sane),
            None => settled.plus_millis(spread(target, times.canary_spread.min(self.every / 2))),
        }
    }

    /// The turn after that one: a period later, or sooner by up to a tenth, so that targets do not march in step.
    fn next(&self, target: &str, last: Last) -> Timestamp {
        let period = if last.proven { self.every } else { self.every.min(self.desk.times.canary_retry) };
        let sooner = spread(&format!("{target} {}", last.at.unix_millis()), period / 10);
        last.at.plus_millis(millis(period).saturating_sub(sooner))
    }
}

/// A number of milliseconds below that much time, the same for the same name.
fn spread(name: &str, within: Duration) -> u64 {
    let mut hasher = DefaultHasher::new();
    name.hash(&mut hasher);
    hasher.finish() % millis(within).max(1)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
