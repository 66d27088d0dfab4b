//! The server goes and comes back: what ran is asked for and told to its end, nothing is sent again.

use crate::scripted::{Scripted, engines, finished};
use crate::site::{Site, alice, all, cycle, kinds, wait_for};
use crate::turns::{ask, ended, incident, turn_event};
use breakglass_incident::{EventBody, TurnEvent};
use breakglass_protocol::Outcome;
use breakglass_recovery::TargetView;
use breakglass_recovery::turn::{Told, start_turn};
use breakglass_recovery::{Pressed, Run, press, resume, run};
use std::sync::Arc;
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

/// The server dies while an agent waits for its cycle: the turn is marked, the verb is told to its end, the budget remembers,
/// and the next turn is told. Nothing is sent a second time.
#[test]
fn a_turn_that_a_restart_interrupted_is_marked_and_the_next_one_is_told() {
    [0, 120, 350, 700].into_iter().for_each(interrupted_after);
}

#[test]
#[ignore = "fifty restarts take minutes: runs in `cargo xtask test --full`"]
fn fifty_restarts_at_other_moments_of_a_turn_tell_the_whole_story() {
    // Over the whole of a cycle and somewhat beyond, and before the turn can have ended.
    (0..50).map(|n| n * 24).for_each(interrupted_after);
}

fn interrupted_after(millis: u64) {
    let site = Site::new();
    site.set("pace", "0.1");
    let first = runtime();
    let desk = site.desk_in(&first);
    let id = first.block_on(async {
        let id = incident(&desk).await;
        let script = Scripted::new("claude", |stage| async move {
            stage.say("I cycle it.").await;
            let _ = stage.call("power", serde_json::json!({ "verb": "cycle" })).await;
            finished("cycled")
        });
        desk.turns.set_engines(engines(vec![script]));
        start_turn(&desk, alice(), ask(id, "it is wedged")).await.unwrap();
        wait_for(&desk, "the press", |body| matches!(body, EventBody::VerbPressed { .. })).await;
        tokio::time::sleep(Duration::from_millis(millis)).await;
        id
    });
    drop(desk);
    killed(first);

    let second = runtime();
    let desk = site.desk_in(&second);
    second.block_on(async {
        assert_eq!(resume(&desk, "test").await.turns, 1, "after {millis} ms");
        wait_for(&desk, "the mark", |body| {
            matches!(turn_event(body), Some(TurnEvent::TurnInterrupted { .. }))
        })
        .await;
        assert_eq!(desk.turns.spent(id), (0, 1, 1), "after {millis} ms");
        wait_for(&desk, "the verb's end", |body| matches!(body, EventBody::VerbFinished { .. })).await;
        let script = Scripted::new("claude", |_| async move { finished("I look first.") });
        desk.turns.set_engines(engines(vec![Arc::clone(&script)]));
        if let Some(view) = desk.board.target("devvm").filter(|view| view.incident.is_none()) {
            desk.board.place(TargetView { incident: Some(id), ..view });
        }
        start_turn(&desk, alice(), ask(id, "go on")).await.unwrap();
        ended(&desk).await;
        let told = script.told.lock().unwrap();
        let brief = told.first().unwrap();
        assert!(brief.situation.contains("cut off by a restart"), "{}", brief.situation);
        let said = |told: &Told| matches!(told, Told::Said(text) if text == "I cycle it.");
        assert!(brief.history.iter().any(said), "{:?}", brief.history);
        let unknown =
            |told: &Told| matches!(told, Told::Called { answer, .. } if answer.contains("Look before"));
        assert!(brief.history.iter().any(unknown), "{:?}", brief.history);
    });
    assert!(site.count("cycle") <= 1, "after {millis} ms: {:?}", site.calls());
    drop(desk);
    killed(second);
}
