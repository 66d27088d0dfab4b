//! The server goes and comes back: what ran is asked for and told to its end, nothing is sent again.

use crate::site::{Site, alice, all, cycle, kinds, wait_for};
use breakglass_incident::EventBody;
use breakglass_protocol::Outcome;
use breakglass_recovery::{Pressed, Run, press, resume, run};
use std::time::Duration;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// As when the process is killed: every task ends where it stands.
fn killed(runtime: tokio::runtime::Runtime) {
    runtime.shutdown_timeout(Duration::from_secs(2));
}

#[test]
fn a_restart_at_any_moment_tells_the_whole_story_and_sends_nothing_again() {
    for millis in [0, 60, 150, 350, 900] {
        let site = Site::new();
        site.set("pace", "0.05");
        let first = runtime();
        let desk = site.desk_in(&first);
        first.block_on(async {
            assert!(!resume(&desk, "test").await.unclean, "there was no run before");
            let pressed = press(&desk, alice(), cycle()).await;
            assert!(matches!(pressed, Pressed::Accepted { .. }), "{pressed:?}");
            tokio::time::sleep(Duration::from_millis(millis)).await;
        });
        drop(desk);
        killed(first);

        let second = runtime();
        let desk = site.desk_in(&second);
        second.block_on(async {
            resume(&desk, "test").await;
            wait_for(&desk, "the end", |body| {
                matches!(body, EventBody::VerbFinished { outcome: Outcome::Done, .. })
            })
            .await;
            let events = all(&desk).await;
            let steps =
                events.iter().filter(|event| matches!(event.body, EventBody::VerbProgress { .. })).count();
            assert_eq!(steps, 10, "after {millis} ms: {:#?}", kinds(&events));
            let ends =
                events.iter().filter(|event| matches!(event.body, EventBody::VerbFinished { .. })).count();
            assert_eq!(ends, 1, "after {millis} ms");
            let started = events.iter().filter_map(|event| match event.body {
                EventBody::ServerStarted { unclean, .. } => Some(unclean),
                _ => None,
            });
            assert_eq!(started.collect::<Vec<_>>(), [false, true]);
        });
        assert_eq!(site.count("cycle"), 1);
        drop(desk);
        killed(second);
    }
}

#[test]
fn a_restart_before_the_acceptance_was_heard_finds_the_operation() {
    let site = Site::new();
    site.set("pace", "0.15");
    site.set("mode", "cut-before-started");
    let first = runtime();
    let desk = site.desk_in(&first);
    first.block_on(async {
        let pressed = press(&desk, alice(), cycle()).await;
        assert!(matches!(pressed, Pressed::Unsure { .. }), "{pressed:?}");
    });
    drop(desk);
    killed(first);
    let second = runtime();
    let desk = site.desk_in(&second);
    second.block_on(async {
        let resumed = resume(&desk, "test").await;
        assert_eq!(resumed.presses, 1);
        wait_for(&desk, "the acceptance", |body| matches!(body, EventBody::VerbAccepted { .. })).await;
        wait_for(&desk, "the end", |body| {
            matches!(body, EventBody::VerbFinished { outcome: Outcome::Done, operation: Some(_), .. })
        })
        .await;
    });
    assert_eq!(site.count("cycle"), 1);
    drop(desk);
    killed(second);
}

#[test]
fn a_command_that_a_restart_interrupted_is_told_as_of_unknown_fate() {
    let site = Site::new();
    let first = runtime();
    let desk = site.desk_in(&first);
    let command = first.block_on(async {
        let wanted =
            Run { target: "devvm".into(), command: "sleep 2".into(), incident: None, deadline: None };
        run(&desk, alice(), wanted).await.unwrap()
    });
    drop(desk);
    killed(first);
    let second = runtime();
    let desk = site.desk_in(&second);
    second.block_on(async {
        assert_eq!(resume(&desk, "test").await.commands, 1);
        let end = wait_for(&desk, "the end", |body| matches!(body, EventBody::CommandFinished { .. })).await;
        let EventBody::CommandFinished { command: ended, exit, message, .. } = end.body else { panic!() };
        assert_eq!((ended, exit), (command, None));
        assert!(message.contains("not known"), "{message}");
    });
    drop(desk);
    killed(second);
}
