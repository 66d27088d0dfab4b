//! Pressing a verb: told from press to well again, whatever happens to the line.

use crate::site::{Site, alice, all, bob, cycle, kinds, now, wait_for};
use breakglass_incident::{Actor, Event, EventBody, Seq};
use breakglass_journal::{Journal, Keeping, OpenError};
use breakglass_protocol::{Outcome, Phase, Verb};
use breakglass_recovery::{AcceptError, Desk, Press, Pressed, accept_host_key, press};
use breakglass_triage::Health;
use std::time::Duration;

const STEPS: usize = 10;

async fn finished(desk: &Desk) -> Event {
    wait_for(desk, "the end of the verb", |body| matches!(body, EventBody::VerbFinished { .. })).await
}

fn steps(events: &[Event]) -> Vec<Phase> {
    let phases = events.iter().filter_map(|event| match &event.body {
        EventBody::VerbProgress { phase, .. } => Some(*phase),
        _ => None,
    });
    phases.collect()
}

fn count(events: &[Event], wanted: impl Fn(&EventBody) -> bool) -> usize {
    events.iter().filter(|event| wanted(&event.body)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_is_told_from_the_press_to_well_again() {
    let site = Site::new();
    let desk = site.desk();
    let pressed = press(&desk, alice(), cycle()).await;
    let Pressed::Accepted { incident, joined: false, .. } = pressed else { panic!("{pressed:?}") };
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    let events = all(&desk).await;
    assert!(events.iter().all(|event| event.incident == Some(incident)), "{:#?}", kinds(&events));
    let order: Vec<&str> = events
        .iter()
        .filter_map(|event| match &event.body {
            EventBody::IncidentOpened { .. } => Some("opened"),
            EventBody::VerbPressed { .. } => Some("pressed"),
            EventBody::VerbAccepted { .. } => Some("accepted"),
            EventBody::ForensicsCaptured { .. } => Some("forensics"),
            EventBody::VerbFinished { outcome: Outcome::Done, status: Some(_), .. } => Some("done"),
            EventBody::Observed { state, .. } if state.health == Health::Good => Some("well"),
            EventBody::IncidentClosed { away_millis: Some(_), .. } => Some("closed"),
            _ => None,
        })
        .collect();
    assert_eq!(
        order,
        ["opened", "pressed", "accepted", "forensics", "done", "well", "closed"],
        "{:#?}",
        kinds(&events)
    );
    assert_eq!(steps(&events).len(), STEPS);
    let parts = events.iter().find_map(|event| match &event.body {
        EventBody::ForensicsCaptured { parts, .. } => Some(parts.clone()),
        _ => None,
    });
    let parts = parts.unwrap();
    assert_eq!(parts.len(), 2);
    let kept = parts[0].artifact.clone().unwrap();
    assert_eq!(desk.journal.artifact(&kept.sha256).await.unwrap(), b"{\"status\":\"running\"}");
    assert!(parts[1].artifact.is_none());
    assert_eq!(site.count("cycle"), 1);
    let view = desk.board.target("devvm").unwrap();
    assert_eq!((view.running, view.incident, view.health), (None, None, Health::Good));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_cut_at_any_step_loses_no_step_and_sends_nothing_twice() {
    let cuts = [
        "started",
        "accepted",
        "forensics-begun",
        "forensics-done",
        "guest-asked",
        "grace-ended",
        "process-killed",
        "process-gone",
        "lock-checked",
        "process-started",
        "state-observed",
        "finished",
    ];
    let mut tests = tokio::task::JoinSet::new();
    for cut in cuts {
        tests.spawn(async move {
            let site = Site::new();
            let desk = site.desk();
            let before = if cut == "started" { "before" } else { "at" };
            site.set("mode", &format!("cut-{before}-{cut}"));
            let pressed = press(&desk, alice(), cycle()).await;
            if cut == "started" {
                assert!(matches!(pressed, Pressed::Unsure { .. }), "{cut}: {pressed:?}");
            } else {
                assert!(matches!(pressed, Pressed::Accepted { .. }), "{cut}: {pressed:?}");
            }
            let end = finished(&desk).await;
            let events = all(&desk).await;
            let EventBody::VerbFinished { outcome, operation: Some(_), press: Some(_), .. } = end.body else {
                panic!("{cut}: {:#?}", kinds(&events))
            };
            assert_eq!(outcome, Outcome::Done, "{cut}");
            assert_eq!(steps(&events).len(), STEPS, "{cut}: {:#?}", kinds(&events));
            assert_eq!(count(&events, |body| matches!(body, EventBody::LineLost { .. })), 1, "{cut}");
            assert_eq!(count(&events, |body| matches!(body, EventBody::VerbAccepted { .. })), 1, "{cut}");
            // Parts that went down the lost line are not here: then the incident names where they lie.
            let missed = ["started", "accepted", "forensics-begun", "forensics-done"].contains(&cut);
            let tells = |body: &EventBody| {
                matches!(body, EventBody::Note { text } if text.contains("scp -r root@127.0.0.1:/var/lib/breakglass/forensics/devvm/one ."))
            };
            assert_eq!(count(&events, tells), usize::from(missed), "{cut}: {:#?}", kinds(&events));
            assert_eq!(site.count("cycle"), 1, "{cut}: {:?}", site.calls());
        });
        // A handful side by side: each brings two sshds and an agent.
        if tests.len() >= 4 {
            tests.join_next().await.unwrap().unwrap();
        }
    }
    while let Some(test) = tests.join_next().await {
        test.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_the_guard_never_took_is_told_as_that_and_not_sent_again() {
    let site = Site::new();
    let desk = site.desk();
    site.set("mode", "cut-before-acting");
    let pressed = press(&desk, alice(), cycle()).await;
    assert!(matches!(pressed, Pressed::Unsure { .. }), "{pressed:?}");
    let EventBody::VerbFinished { outcome, message, operation, .. } = finished(&desk).await.body else {
        panic!()
    };
    assert_eq!((outcome, operation), (Outcome::Failed, None));
    assert!(message.contains("not carried out"), "{message}");
    assert_eq!(site.count("cycle"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_older_operation_is_never_taken_for_this_press() {
    let site = Site::new();
    let desk = site.desk();
    assert!(matches!(press(&desk, alice(), cycle()).await, Pressed::Accepted { .. }));
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    site.set("mode", "cut-before-acting");
    let pressed = press(&desk, alice(), cycle()).await;
    let Pressed::Unsure { press: ours, .. } = pressed else { panic!("{pressed:?}") };
    let end = wait_for(
        &desk,
        "the end of the second press",
        |body| matches!(body, EventBody::VerbFinished { press, .. } if *press == Some(ours)),
    );
    let EventBody::VerbFinished { outcome, operation, .. } = end.await.body else { panic!() };
    assert_eq!((outcome, operation), (Outcome::Failed, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_that_died_half_way_is_told_as_that() {
    let site = Site::new();
    let desk = site.desk();
    site.set("die", "process-gone");
    site.set("mode", "cut-at-process-killed");
    assert!(matches!(press(&desk, alice(), cycle()).await, Pressed::Accepted { .. }));
    let EventBody::VerbFinished { outcome, message, .. } = finished(&desk).await.body else { panic!() };
    assert_eq!(outcome, Outcome::Failed);
    assert!(message.contains("runner"), "{message}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_who_press_together_are_in_one_operation_and_both_see_it() {
    let site = Site::new();
    let desk = site.desk();
    site.set("pace", "0.1");
    let seen = Some(Seq(0));
    let both = tokio::join!(
        press(&desk, alice(), Press { seen, ..cycle() }),
        press(&desk, bob(), Press { seen, ..cycle() })
    );
    let (
        Pressed::Accepted { incident: one, operation: a, .. },
        Pressed::Accepted { incident: two, operation: b, .. },
    ) = both
    else {
        panic!("{both:?}")
    };
    assert_eq!((one, a), (two, b));
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    let events = all(&desk).await;
    assert_eq!(steps(&events).len(), STEPS, "{:#?}", kinds(&events));
    assert_eq!(count(&events, |body| matches!(body, EventBody::VerbAccepted { .. })), 2);
    assert_eq!(count(&events, |body| matches!(body, EventBody::VerbFinished { .. })), 1);
    assert_eq!(count(&events, |body| matches!(body, EventBody::IncidentOpened { .. })), 1);
    assert_eq!(site.count("cycle"), 2, "each asks once; the guard joins them");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn busy_and_refused_are_answers_and_the_vm_is_left_alone() {
    let site = Site::new();
    let desk = site.desk();
    site.set("mode", "busy");
    let Pressed::Busy { message, .. } = press(&desk, alice(), cycle()).await else { panic!() };
    assert!(message.contains("alice"), "{message}");
    site.set("mode", "refused");
    let Pressed::Refused { refusal, .. } = press(&desk, alice(), cycle()).await else { panic!() };
    assert!(refusal.hint.contains("wait"), "{refusal}");
    let events = all(&desk).await;
    let outcomes = [Outcome::Busy, Outcome::Refused];
    for outcome in outcomes {
        assert_eq!(
            count(
                &events,
                |body| matches!(body, EventBody::VerbFinished { outcome: o, .. } if *o == outcome)
            ),
            1
        );
    }
    assert_eq!(desk.board.target("devvm").unwrap().running, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_press_on_a_stale_page_is_answered_with_what_happened_since() {
    let site = Site::new();
    let desk = site.desk();
    assert!(matches!(press(&desk, alice(), cycle()).await, Pressed::Accepted { .. }));
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    let Pressed::Stale { since } = press(&desk, bob(), Press { seen: Some(Seq(1)), ..cycle() }).await else {
        panic!()
    };
    assert!(since.iter().any(|event| matches!(event.body, EventBody::VerbFinished { .. })));
    assert_eq!(site.count("cycle"), 1, "nothing was sent");
    let newest = all(&desk).await.last().unwrap().seq;
    let fresh = press(&desk, bob(), Press { seen: Some(newest), ..cycle() }).await;
    assert!(matches!(fresh, Pressed::Accepted { .. }), "{fresh:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_host_key_closes_the_door_until_a_person_accepts_it() {
    let mut site = Site::new();
    let desk = site.desk();
    let look = || Press { verb: Verb::Status, ..cycle() };
    assert!(matches!(press(&desk, alice(), look()).await, Pressed::Looked { status: Some(_), .. }));
    site.hypervisor.with_another_host_key();
    desk.doors.hang_up("devvm-power");
    let Pressed::Failed { message, .. } = press(&desk, alice(), cycle()).await else { panic!() };
    assert!(message.contains("host key"), "{message}");
    assert_eq!(site.count("cycle"), 0);
    let changed =
        wait_for(&desk, "the change", |body| matches!(body, EventBody::HostKeyChanged { .. })).await;
    let EventBody::HostKeyChanged { shown, .. } = changed.body else { panic!() };
    let by_token = accept_host_key(&desk, Actor::Token("deploy".into()), "pve", None).await;
    assert!(matches!(by_token, Err(AcceptError::NotAPerson)));
    let another = accept_host_key(&desk, alice(), "pve", Some("SHA256:another")).await;
    assert!(matches!(another, Err(AcceptError::Doors { .. })), "{another:?}");
    let accepted = accept_host_key(&desk, alice(), "pve", Some(&shown)).await.unwrap();
    assert!(shown.starts_with(&accepted), "{accepted}, of {shown}");
    wait_for(&desk, "the acceptance", |body| matches!(body, EventBody::HostKeyAccepted { .. })).await;
    assert!(matches!(press(&desk, alice(), cycle()).await, Pressed::Accepted { .. }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hypervisor_that_is_not_there_fails_the_press_and_nothing_is_sent_later() {
    let mut site = Site::new();
    let mut desk = site.desk();
    desk.times.reach = Duration::from_secs(2);
    site.hypervisor.stop();
    let Pressed::Failed { message, .. } = press(&desk, alice(), cycle()).await else { panic!() };
    assert!(message.contains("Nothing was sent"), "{message}");
    site.hypervisor.start_again();
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(site.calls(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_goes_away_leaves_nothing_unheard() {
    let site = Site::new();
    let desk = site.desk();
    site.set("pace", "0.05");
    let gone = tokio::time::timeout(Duration::from_millis(30), press(&desk, alice(), cycle())).await;
    assert!(gone.is_err(), "the client was to go before the answer");
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    assert_eq!(site.count("cycle"), 1);
    assert_eq!(steps(&all(&desk).await).len(), STEPS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn forensics_are_kept_and_a_bare_status_is_not_journaled() {
    let site = Site::new();
    let desk = site.desk();
    let looked = press(&desk, alice(), Press { verb: Verb::Status, ..cycle() }).await;
    assert!(matches!(looked, Pressed::Looked { status: Some(_), .. }));
    assert_eq!(all(&desk).await.len(), 0);
    let looked = press(&desk, alice(), Press { verb: Verb::Forensics, ..cycle() }).await;
    assert!(matches!(looked, Pressed::Looked { status: Some(_), .. }), "{looked:?}");
    finished(&desk).await;
    let events = all(&desk).await;
    assert_eq!(
        count(&events, |body| matches!(body, EventBody::ForensicsCaptured { .. })),
        1,
        "{:#?}",
        kinds(&events)
    );
    assert_eq!(count(&events, |body| matches!(body, EventBody::IncidentOpened { .. })), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_keeps_nothing_stops_no_rescue_and_shows() {
    let site = Site::new();
    let why = OpenError::Directory { path: site.state(), source: std::io::Error::other("no disk") };
    let desk = site.desk_with(Journal::open_degraded(&site.state(), now, &why));
    let pressed = press(&desk, alice(), cycle()).await;
    assert!(matches!(pressed, Pressed::Accepted { .. }), "{pressed:?}");
    wait_for(&desk, "the close", |body| matches!(body, EventBody::IncidentClosed { .. })).await;
    assert_eq!(steps(&all(&desk).await).len(), STEPS);
    assert!(matches!(desk.journal.keeping(), Keeping::NotKeeping { .. }));
    let journal = breakglass_recovery::dependencies(&desk).remove(0);
    assert_eq!((journal.name.as_str(), journal.health), ("journal", Health::Down));
}
