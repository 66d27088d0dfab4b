//! Doors that are proven, and doors that are not: through real sshds, with a guard, without one, with another host's key, dead, hung;
//! and the canary that does it by itself.

use crate::site::{Site, alice, all, cycle, kinds, wait_for};
use breakglass_doors::HostKeyState;
use breakglass_incident::{Actor, Event, EventBody, Proof};
use breakglass_recovery::{Desk, Pressed, Verified, canary, close, open_incident, press, verify};
use breakglass_triage::Health;
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

fn guarded() -> Site {
    let site = Site::watching("interval = \"200 ms\"\n[verify]\nevery = \"1 min\"");
    site.set("guarded", "");
    site
}

fn proof<'a>(found: &'a Verified, door: &str) -> &'a Proof {
    found.doors.iter().find(|proof| proof.door == door).unwrap()
}

fn failed(found: &Verified, door: &str) -> Vec<String> {
    let trials = proof(found, door).trials.iter().filter(|trial| !trial.held);
    trials.map(|trial| format!("{}: {}", trial.what, trial.seen)).collect()
}

fn runs(events: &[Event]) -> Vec<bool> {
    let runs = events.iter().filter_map(|event| match &event.body {
        EventBody::Verified { doors, .. } => Some(doors.iter().all(|proof| proof.proven)),
        _ => None,
    });
    runs.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_door_is_proven_anew_and_nothing_is_changed() {
    let site = guarded();
    let desk = site.desk();
    desk.doors.warm("devvm-power").await;
    let found = verify(&desk, &alice(), "devvm").await;
    assert!(found.is_proven(), "{found:#?}");
    let kinds_of: Vec<&str> = found.doors.iter().map(|proof| proof.kind.as_str()).collect();
    assert_eq!(kinds_of, ["power", "repair", "diag"]);
    assert_eq!(site.calls(), ["--json status", "breakglass-canary", "/bin/echo breakglass-canary"]);
    let mut inside = site.inside_calls();
    inside.sort();
    assert_eq!(
        inside,
        ["/bin/echo breakglass-canary", "/bin/echo breakglass-canary", "uptime", "uptime >/dev/null"]
    );
    assert_eq!(desk.doors.state("devvm-power").connections, 1, "what is held was not used, nor given up");
    assert_eq!(desk.doors.state("devvm-diag").connections, 0);
    let events = all(&desk).await;
    assert_eq!(runs(&events), [true]);
    let only = events.iter().find(|event| matches!(event.body, EventBody::Verified { .. })).unwrap();
    assert_eq!((&only.actor, only.incident), (&alice(), None));
    let view = desk.board.target("devvm").unwrap();
    assert_eq!((view.health, view.incident), (Health::Unknown, None), "it says nothing of the target");
    let shown = desk.board.proof("devvm-diag").unwrap();
    assert!(shown.failure.is_none() && shown.proven_at == Some(found.at), "{shown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_harness_is_proven_to_hold_its_command() {
    let site = Site::with_deaf_harness();
    site.set("guarded", "");
    let found = verify(&site.desk(), &alice(), "devvm").await;
    assert!(found.is_proven(), "{found:#?}");
    let tried: Vec<&str> =
        proof(&found, "devvm-repair").trials.iter().map(|trial| trial.what.as_str()).collect();
    assert!(tried.contains(&"a terminal is refused"), "{tried:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_shell_behind_a_key_is_found_and_named() {
    let site = guarded();
    site.hypervisor.without_forced_commands();
    site.unset("guarded");
    let found = verify(&site.desk(), &alice(), "devvm").await;
    let power = failed(&found, "devvm-power");
    assert!(
        power.iter().any(|line| line == "a plain shell command is refused: a shell answered: it was run"),
        "{power:#?}"
    );
    assert!(
        power.iter().any(|line| line.starts_with("a request that it does not know is refused: no guard")),
        "{power:#?}"
    );
    assert!(
        power.iter().any(|line| line == "a forwarding into the host's network is refused: it was given"),
        "{power:#?}"
    );
    assert!(power.iter().any(|line| line == "a terminal is refused: it was given"), "{power:#?}");
    assert!(proof(&found, "devvm-power").next.contains("put the forced command back"), "{found:#?}");
    let diag = failed(&found, "devvm-diag");
    assert_eq!(diag[0], "a command outside the grammar is refused: a shell answered: it was run");
    assert!(diag[1].starts_with("a write is refused: no guard refused it: done"), "{diag:#?}");
    assert_eq!(diag.len(), 2, "restricted it still is: {diag:#?}");
    assert!(proof(&found, "devvm-repair").proven);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hosts_key_closes_the_door_and_is_told_as_that() {
    let mut site = guarded();
    let desk = site.desk();
    assert!(verify(&desk, &alice(), "devvm").await.is_proven());
    site.hypervisor.with_another_host_key();
    let found = verify(&desk, &alice(), "devvm").await;
    let power = failed(&found, "devvm-power");
    assert_eq!(power.len(), 1, "{power:#?}");
    assert!(power[0].starts_with("the host key is the pinned one: the door is closed"), "{power:#?}");
    assert!(proof(&found, "devvm-power").next.contains("accept-host-key pve"), "{found:#?}");
    assert!(proof(&found, "devvm-repair").proven && proof(&found, "devvm-diag").proven);
    assert!(matches!(desk.doors.state("devvm-power").host_key, HostKeyState::Changed { .. }));
    verify(&desk, &alice(), "devvm").await;
    let events = all(&desk).await;
    let changed = events.iter().filter(|event| matches!(event.body, EventBody::HostKeyChanged { .. }));
    assert_eq!(changed.count(), 1, "{:#?}", kinds(&events));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_door_and_a_hung_one_hold_up_no_other() {
    let mut site = guarded();
    let mut desk = site.desk();
    desk.times.verify = Duration::from_secs(6);
    site.target.stop();
    let found = verify(&desk, &alice(), "devvm").await;
    assert!(proof(&found, "devvm-power").proven, "{found:#?}");
    for door in ["devvm-repair", "devvm-diag"] {
        let lines = failed(&found, door);
        assert!(
            lines.len() == 1 && lines[0].starts_with("a new connection opens: unreachable"),
            "{lines:#?}"
        );
        assert!(proof(&found, door).next.contains("whether devvm is up"), "{found:#?}");
    }
    site.target.start_again();
    site.set("no-answer", "");
    let began = Instant::now();
    let found = verify(&desk, &alice(), "devvm").await;
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    let power = failed(&found, "devvm-power");
    assert!(power[0].starts_with("`status` answers: "), "{power:#?}");
    assert!(proof(&found, "devvm-power").next.contains("hangs"), "{found:#?}");
    assert!(proof(&found, "devvm-repair").proven && proof(&found, "devvm-diag").proven, "{found:#?}");
}

struct Canary {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// With a night's times in fractions of a second; the period stays a minute, so that a second run is nobody's but a retry's.
fn begin(desk: &Desk) -> Canary {
    let (stop, stopped) = oneshot::channel::<()>();
    let millis = Duration::from_millis;
    let mut desk = desk.clone();
    desk.times.canary_settle = millis(50);
    desk.times.canary_spread = millis(50);
    desk.times.canary_confirm = millis(100);
    desk.times.canary_retry = millis(300);
    desk.times.canary_put_off = millis(50);
    let task = tokio::spawn(canary(desk, async {
        let _ = stopped.await;
    }));
    Canary { stop, task }
}

impl Canary {
    async fn end(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

async fn wait_run(desk: &Desk, proven: bool) {
    wait_for(desk, "a run of the canary", |body| {
        matches!(body, EventBody::Verified { doors, .. } if doors.iter().all(|proof| proof.proven) == proven)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_canary_survives_a_restart_without_a_burst() {
    let site = guarded();
    let desk = site.desk();
    let first = begin(&desk);
    wait_run(&desk, true).await;
    first.end().await;
    assert!(all(&desk).await.iter().all(|event| event.actor == Actor::Server));
    desk.journal.close(Duration::from_secs(10)).await;
    drop(desk);

    let desk = site.desk();
    let second = begin(&desk);
    let deadline = Instant::now() + Duration::from_secs(10);
    while desk.board.proof("devvm-power").is_none() {
        assert!(Instant::now() < deadline, "what was found before the restart is not shown");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert_eq!(runs(&all(&desk).await), [true], "its turn is in a minute, restart or not");
    second.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_seen_twice_told_and_recovered_from_and_opens_no_incident() {
    let site = guarded();
    site.unset("guarded");
    let desk = site.desk();
    let running = begin(&desk);
    wait_run(&desk, false).await;
    let looks = site.inside_calls().iter().filter(|call| *call == "uptime").count();
    assert!(looks >= 2, "one failure alone does not count: {looks}");
    let shown = desk.board.proof("devvm-diag").unwrap();
    assert!(shown.failure.as_deref().is_some_and(|said| said.contains("a shell answered")), "{shown:?}");
    site.set("guarded", "");
    wait_run(&desk, true).await;
    running.end().await;
    let events = all(&desk).await;
    assert!(
        events
            .iter()
            .all(|event| matches!(event.body, EventBody::Verified { .. } | EventBody::HostKeyPinned { .. })),
        "{:#?}",
        kinds(&events)
    );
    assert_eq!(desk.board.target("devvm").unwrap().health, Health::Unknown);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_canary_leaves_an_incident_alone_and_gives_up_a_run_that_one_overtakes() {
    let site = guarded();
    let desk = site.desk();
    let incident = open_incident(&desk, alice(), "devvm", "it smells").await.unwrap();
    let running = begin(&desk);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(site.calls(), [""; 0], "an incident is open");
    // A door that hangs holds the run until somebody needs the target.
    site.set("no-answer", "");
    close(&desk, alice(), incident, "it does not").await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while site.calls().is_empty() {
        assert!(Instant::now() < deadline, "the incident is closed and nothing is tried");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let incident = open_incident(&desk, alice(), "devvm", "it does smell").await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    site.unset("no-answer");
    assert!(runs(&all(&desk).await).is_empty(), "{:#?}", kinds(&all(&desk).await));
    // A verb is no hindrance to a verb: what the canary sent was given up, not waited for.
    assert!(matches!(press(&desk, alice(), cycle()).await, Pressed::Accepted { .. }));
    wait_for(&desk, "the end of the verb", |body| matches!(body, EventBody::VerbFinished { .. })).await;
    let _ = close(&desk, alice(), incident, "well again").await;
    wait_run(&desk, true).await;
    running.end().await;
}
