//! Triage ends in time whatever hangs.

use crate::site::{Site, alice, now};
use breakglass_recovery::{look_now, open_incident, triage};
use breakglass_triage::Health;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_healthy_target_takes_less_than_three_seconds_without_a_guard_inside() {
    let site = Site::new();
    let desk = site.desk();
    let began = Instant::now();
    let triage = triage(&desk, &alice(), "devvm", None).await;
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    assert!(triage.health <= Health::Degraded, "{triage:?}");
    assert!(triage.wedge.is_none(), "{triage:?}");
    assert!(triage.at <= now());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_where_everything_hangs_takes_less_than_six() {
    let site = Site::new();
    let desk = site.desk();
    let incident = open_incident(&desk, alice(), "devvm", "a look").await.unwrap();
    site.set("wedge", "hang");
    site.set("no-answer", "");
    let began = Instant::now();
    let triage = triage(&desk, &alice(), "devvm", Some(incident)).await;
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    assert!(triage.wedge.is_none(), "too little was seen to name one: {triage:?}");
    let events = desk.journal.incident(incident).await;
    assert!(events.iter().any(|event| matches!(event.body, breakglass_incident::EventBody::Triaged { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_look_shows_the_target_on_the_board() {
    let site = Site::new();
    let desk = site.desk();
    let view = look_now(&desk, "devvm").await.unwrap();
    assert_eq!(view.health, Health::Good, "{}", view.sentence);
    assert!(view.status.is_some());
    assert!(view.doors.iter().all(|door| door.health == Health::Good), "{:?}", view.doors);
    assert!(look_now(&desk, "nobody").await.is_none());
}
