//! What an end takes with it: a stopped turn its command, a closed incident its questions; and what a yes that comes late is
//! still worth.

use crate::scripted::{Scripted, engines, finished};
use crate::site::{Site, alice, all, bob, kinds, wait_for};
use crate::turns::{ask, ended, incident, turn_event};
use breakglass_incident::{
    Actor, CallId, CallOutcome, EventBody, IncidentId, OutsideAgent, TurnEvent, TurnOutcome,
};
use breakglass_recovery::turn::{
    ApprovalError, Reach, ToolAnswer, answer_call, call_outside, start_turn, stop_turn,
};
use breakglass_recovery::{Desk, TargetView, close};
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// An outside agent of its own token asks for a command; nothing runs before a yes.
fn asks(desk: &Desk, by: &str, command: &'static str) -> JoinHandle<ToolAnswer> {
    let (desk, who) = (desk.clone(), OutsideAgent::new("test", by.to_owned()));
    let arguments = json!({ "target": "devvm", "command": command });
    let gone = CancellationToken::new();
    tokio::spawn(async move {
        call_outside(&desk, who, Reach::Granted, "repair".to_owned(), arguments, gone).await
    })
}

/// The question: its incident, its call and the digest that answers it.
async fn question(desk: &Desk, command: &'static str) -> (IncidentId, CallId, String) {
    let asked = wait_for(
        desk,
        "the question",
        |body| matches!(turn_event(body), Some(TurnEvent::ApprovalAsked { shown, .. }) if shown == command),
    )
    .await;
    let EventBody::Turn(TurnEvent::ApprovalAsked { call, digest, .. }) = asked.body else { panic!() };
    (asked.incident.unwrap(), call, digest)
}

/// Nothing of `command` reached the machine.
fn nothing_ran(site: &Site, command: &str) {
    assert!(site.inside_calls().iter().all(|line| !line.contains(command)), "{:?}", site.inside_calls());
}

const ASKING: &str = "[agent.outside]\nrepair = \"ask\"\n[agent.budget]\ncommands = 1\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_turn_whose_command_cannot_be_stopped_says_so_and_follows_it() {
    let site = Site::with_deaf_harness();
    let desk = site.desk();
    let id = incident(&desk).await;
    let script = Scripted::new("claude", |stage| async move {
        let _ = stage.call("repair", json!({ "command": "sleep 3; echo late" })).await;
        std::future::pending().await
    });
    desk.turns.set_engines(engines(vec![script]));
    start_turn(&desk, alice(), ask(id, "go")).await.unwrap();
    let started = wait_for(
        &desk,
        "the command",
        |body| matches!(body, EventBody::CommandStarted { command, .. } if command.contains("late")),
    )
    .await;
    // Even before the host's guard has named it.
    let began = Instant::now();
    stop_turn(&desk, bob(), id).unwrap();
    let (how, ..) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Stopped);
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    let number = format!("at event {}", started.seq);
    let told = wait_for(&desk, "the stop", |body| {
        matches!(body, EventBody::Note { text } if text.contains("Stops, with its turn") && text.contains(&number))
    })
    .await;
    assert_eq!(told.actor, bob(), "it is the word of whoever stopped the turn");
    let told = wait_for(&desk, "that it goes on", |body| {
        matches!(body, EventBody::Note { text } if text.contains("NOT seen to stop") && text.contains("still runs"))
    })
    .await;
    assert_eq!(told.actor, Actor::Server);
    wait_for(&desk, "its own end", |body| {
        matches!(body, EventBody::CommandFinished { exit: Some(0), output, .. } if output.contains("late"))
    })
    .await;
    let stops = site.inside_calls().iter().filter(|line| line.starts_with("--json --stop ")).count();
    assert_eq!(stops, 1, "{:?}", site.inside_calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_incident_takes_its_questions_with_it() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    let script = Scripted::new("claude", |stage| async move {
        let answer = stage.call("repair", json!({ "command": "echo too-late" })).await;
        assert!(answer.is_error && answer.text.contains("(incident-closed)"), "{answer:?}");
        finished("it is closed")
    });
    desk.turns.set_engines(engines(vec![script]));
    start_turn(&desk, Actor::Token("nightly".to_owned()), ask(id, "go")).await.unwrap();
    let (_, call, digest) = question(&desk, "echo too-late").await;
    close(&desk, bob(), id, "done by hand").await.unwrap();
    let (how, sentence, _) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Finished, "{sentence} {:#?}", kinds(&all(&desk).await));
    assert!(desk.turns.asked().is_empty(), "nothing waits any more");
    let late = answer_call(&desk, bob(), id, call, &digest, true).await;
    assert_eq!(late, Err(ApprovalError::NotWaiting { call }));
    let events = all(&desk).await;
    let expired = |body: &EventBody| matches!(turn_event(body), Some(TurnEvent::ApprovalExpired { call: of }) if *of == call);
    assert_eq!(events.iter().filter(|event| expired(&event.body)).count(), 1);
    let refused = |body: &EventBody| {
        matches!(turn_event(body), Some(TurnEvent::ToolAnswered { outcome: CallOutcome::Refused, rule: Some(rule), .. })
            if rule == "incident-closed")
    };
    assert!(events.iter().any(|event| refused(&event.body)), "{:#?}", kinds(&events));
    assert_eq!(desk.turns.spent(id), (0, 0, 0));
    nothing_ran(&site, "too-late");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_is_worth_nothing_once_the_budget_is_spent_or_a_turn_runs_or_the_incident_is_over() {
    let site = Site::with_agent(ASKING);
    let desk = site.desk();
    // Both are asked while there is budget for one; whoever is allowed first takes it.
    let (first, second) =
        (asks(&desk, "token a", "echo first-of-two"), asks(&desk, "token b", "echo second-of-two"));
    let (id, one, digest) = question(&desk, "echo first-of-two").await;
    let (_, two, other) = question(&desk, "echo second-of-two").await;
    answer_call(&desk, bob(), id, one, &digest, true).await.unwrap();
    assert!(!first.await.unwrap().is_error);
    answer_call(&desk, bob(), id, two, &other, true).await.unwrap();
    let answer = second.await.unwrap();
    assert!(answer.is_error && answer.text.contains("(budget-commands)"), "{answer:?}");
    nothing_ran(&site, "second-of-two");

    // A turn began while the question stood.
    let site = Site::with_agent(ASKING);
    let desk = site.desk();
    let asking = asks(&desk, "token a", "echo beside-a-turn");
    let (id, call, digest) = question(&desk, "echo beside-a-turn").await;
    let waits = Scripted::new("claude", |stage| async move {
        stage.brief.stop.cancelled().await;
        finished("")
    });
    desk.turns.set_engines(engines(vec![waits]));
    start_turn(&desk, alice(), ask(id, "go")).await.unwrap();
    answer_call(&desk, bob(), id, call, &digest, true).await.unwrap();
    let answer = asking.await.unwrap();
    assert!(answer.is_error && answer.text.contains("(turn-runs)"), "{answer:?}");
    stop_turn(&desk, alice(), id).unwrap();
    ended(&desk).await;
    nothing_ran(&site, "beside-a-turn");

    // The incident was closed in the very moment of the yes: the question was answered, and not yet heard.
    let asking = asks(&desk, "token b", "echo after-all");
    let (id, call, digest) = question(&desk, "echo after-all").await;
    let view = desk.board.target("devvm").unwrap();
    desk.board.place(TargetView { incident: None, ..view });
    answer_call(&desk, bob(), id, call, &digest, true).await.unwrap();
    let answer = asking.await.unwrap();
    assert!(answer.is_error && answer.text.contains("(incident-closed)"), "{answer:?}");
    nothing_ran(&site, "after-all");
}
