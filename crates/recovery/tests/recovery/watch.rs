//! The watch: red in time, green again, one incident for one trouble.

use crate::site::{Site, alice, all, cycle, kinds, now, wait_for};
use breakglass_incident::{Event, EventBody};
use breakglass_recovery::{Desk, Pressed, dependencies, press, watch};
use breakglass_triage::{Health, Wedge};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

struct Watching {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

fn begin(desk: &Desk) -> Watching {
    let (stop, stopped) = oneshot::channel::<()>();
    let desk = desk.clone();
    let task = tokio::spawn(async move {
        watch(desk, async {
            let _ = stopped.await;
        })
        .await;
    });
    Watching { stop, task }
}

impl Watching {
    async fn end(self) {
        let _ = self.stop.send(());
        self.task.await.unwrap();
    }
}

async fn until(desk: &Desk, target: &str, health: Health) -> Instant {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let view = desk.board.target(target).unwrap();
        if view.health == health {
            return Instant::now();
        }
        assert!(Instant::now() < deadline, "{target} never became {health:?}: {view:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn opened(events: &[Event]) -> Vec<String> {
    let targets = events.iter().filter_map(|event| match &event.body {
        EventBody::IncidentOpened { target, .. } => Some(target.clone()),
        _ => None,
    });
    targets.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_block_stall_turns_red_in_time_and_green_again() {
    let site = Site::watching("interval = \"500 ms\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    let began = Instant::now();
    site.set("wedge", "stall");
    let red = until(&desk, "devvm", Health::Down).await;
    assert!(
        red.duration_since(began) < Duration::from_secs(3),
        "two intervals and 2 s: {:?}",
        red.duration_since(began)
    );
    assert_eq!(desk.board.target("devvm").unwrap().wedge, Some(Wedge::BlockStall));
    wait_for(&desk, "the triage", |body| matches!(body, EventBody::Triaged { .. })).await;
    site.unset("wedge");
    wait_for(&desk, "the close", |body| {
        matches!(body, EventBody::IncidentClosed { away_millis: Some(_), .. })
    })
    .await;
    until(&desk, "devvm", Health::Good).await;
    assert_eq!(opened(&all(&desk).await), ["devvm"]);
    watching.end().await;
    assert!(site.state().join("normal.json").exists(), "what was learnt is written down");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hanging_login_while_no_write_completes_turns_red_in_time() {
    let site = Site::watching("interval = \"1 s\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    let began = Instant::now();
    site.set("wedge", "hang");
    // The counters stand still too.
    site.set("writes", "0");
    let still = tokio::spawn({
        let file = site.file("writes");
        async move {
            loop {
                std::fs::write(&file, "0").unwrap();
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    let red = until(&desk, "devvm", Health::Down).await;
    still.abort();
    assert!(red.duration_since(began) < Duration::from_secs(4), "{:?}", red.duration_since(began));
    let probes = site.inside_calls().iter().filter(|call| call.contains("sync-probe")).count();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let later = site.inside_calls().iter().filter(|call| call.contains("sync-probe")).count();
    assert_eq!(probes, later, "never a second one while the first is stuck");
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_well_target_stays_green_and_untold() {
    let site = Site::watching("interval = \"100 ms\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    for _ in 0..40 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(desk.board.target("devvm").unwrap().health, Health::Good);
    }
    let events = all(&desk).await;
    assert!(opened(&events).is_empty(), "{:#?}", kinds(&events));
    assert!(
        events.iter().all(|event| !matches!(event.body, EventBody::Observed { .. })),
        "{:#?}",
        kinds(&events)
    );
    assert!(desk.board.target("devvm").unwrap().writes.len() > 5);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_hypervisor_down_is_one_incident() {
    let mut site = Site::watching("interval = \"300 ms\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    site.hypervisor.stop();
    site.target.stop();
    desk.doors.hang_up("devvm-power");
    desk.doors.hang_up("devvm-repair");
    until(&desk, "pve", Health::Down).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let events = all(&desk).await;
    assert_eq!(opened(&events), ["pve"], "{:#?}", kinds(&events));
    assert_eq!(desk.board.target("devvm").unwrap().health, Health::Unknown);
    site.target.start_again();
    site.hypervisor.start_again();
    until(&desk, "pve", Health::Good).await;
    until(&desk, "devvm", Health::Good).await;
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_verb_is_no_outage() {
    let mut site = Site::watching("interval = \"200 ms\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    site.set("pace", "0.2");
    assert!(matches!(press(&desk, alice(), cycle()).await, Pressed::Accepted { .. }));
    site.target.stop();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let events = all(&desk).await;
    assert!(
        events.iter().all(|event| !matches!(event.body, EventBody::Observed { .. })),
        "{:#?}",
        kinds(&events)
    );
    site.target.start_again();
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    assert_eq!(opened(&all(&desk).await), ["devvm"]);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_page_depends_on_is_known_without_asking() {
    let site = Site::watching("interval = \"200 ms\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        let all = dependencies(&desk);
        if all.iter().all(|one| one.health == Health::Good) {
            let names: Vec<&str> = all.iter().map(|one| one.name.as_str()).collect();
            assert_eq!(names, ["journal", "keyholder", "door devvm-power", "names"]);
            break;
        }
        assert!(Instant::now() < deadline, "{all:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_operation_is_followed_and_is_no_outage() {
    let site = Site::watching("interval = \"200 ms\"");
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    site.set("pace", "0.15");
    // Another desk stands for plain ssh: it shares nothing with this one but the guard.
    let other = site.desk_with(breakglass_journal::Journal::open(&site.state().join("other"), now).unwrap());
    assert!(matches!(press(&other, alice(), cycle()).await, Pressed::Accepted { .. }));
    let end = wait_for(&desk, "its end", |body| matches!(body, EventBody::VerbFinished { .. })).await;
    assert!(matches!(end.body, EventBody::VerbFinished { press: None, operation: Some(_), .. }), "{end:?}");
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    let events = all(&desk).await;
    let steps = events.iter().filter(|event| matches!(event.body, EventBody::VerbProgress { .. })).count();
    assert_eq!(steps, 10, "{:#?}", kinds(&events));
    assert_eq!(site.count("cycle"), 1);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_on_its_way_up_after_its_hypervisor_is_no_incident_of_its_own_until_it_takes_too_long() {
    let mut site = Site::watching("interval = \"300 ms\"");
    let mut desk = site.desk();
    desk.times.waking = Duration::from_secs(4);
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    site.hypervisor.stop();
    site.target.stop();
    desk.doors.hang_up("devvm-power");
    desk.doors.hang_up("devvm-repair");
    until(&desk, "pve", Health::Down).await;
    site.hypervisor.start_again();
    let back = wait_for(&desk, "the hypervisor", |body| {
        matches!(body, EventBody::Observed { target, state, .. } if target == "pve" && state.health == Health::Good)
    })
    .await;
    let own = wait_for(
        &desk,
        "the guest's own incident",
        |body| matches!(body, EventBody::IncidentOpened { target, .. } if target == "devvm"),
    )
    .await;
    let waited = own.at.millis_since(back.at);
    assert!(waited >= 4_000, "{waited} ms after the hypervisor came back");
    assert_eq!(opened(&all(&desk).await), ["pve", "devvm"]);
    watching.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_for_a_hypervisor_is_one_for_its_guests() {
    let site = Site::watching(
        "interval = \"300 ms\"\n[[watch.maintenance]]\ntargets = [\"pve\"]\nfrom = \"00:00\"\nlasts = \"24 h\"",
    );
    let desk = site.desk();
    let watching = begin(&desk);
    until(&desk, "devvm", Health::Good).await;
    assert!(desk.board.target("devvm").unwrap().maintenance);
    site.set("wedge", "stall");
    until(&desk, "devvm", Health::Down).await;
    wait_for(&desk, "what was seen", |body| matches!(body, EventBody::Observed { .. })).await;
    assert!(opened(&all(&desk).await).is_empty(), "{:#?}", kinds(&all(&desk).await));
    watching.end().await;
}
