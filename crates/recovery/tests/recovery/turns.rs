//! Turns with a scripted engine against real doors: what is told, what is stopped, what is asked, what is observed.

use crate::scripted::{Scripted, engines, finished};
use crate::site::{Site, alice, all, bob, kinds, wait_for};
use breakglass_incident::{
    Actor, Approval, CallOutcome, Event, EventBody, IncidentId, TurnEvent, TurnOutcome, View,
};
use breakglass_recovery::Desk;
use breakglass_recovery::turn::{
    ApprovalError, Says, StartError, StartTurn, Told, TurnEnd, answer_call, start_turn, stop_turn,
};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) async fn incident(desk: &Desk) -> IncidentId {
    breakglass_recovery::open_incident(desk, alice(), "devvm", "it is slow").await.unwrap()
}

pub(crate) fn ask(incident: IncidentId, text: &str) -> StartTurn {
    StartTurn { incident, ask: text.to_owned(), engine: None }
}

pub(crate) fn turn_event(body: &EventBody) -> Option<&TurnEvent> {
    match body {
        EventBody::Turn(event) => Some(event),
        _ => None,
    }
}

pub(crate) async fn ended(desk: &Desk) -> (TurnOutcome, String, Option<String>) {
    let end = wait_for(desk, "the end of the turn", |body| {
        matches!(turn_event(body), Some(TurnEvent::TurnEnded { .. }))
    })
    .await;
    let EventBody::Turn(TurnEvent::TurnEnded { how, sentence, next, .. }) = end.body else { panic!() };
    (how, sentence, next)
}

async fn view(desk: &Desk) -> View {
    View::fold(&all(desk).await)
}

fn place(events: &[Event], wanted: impl Fn(&TurnEvent) -> bool) -> usize {
    let found = events.iter().position(|event| turn_event(&event.body).is_some_and(&wanted));
    found.unwrap_or_else(|| panic!("not there: {:#?}", kinds(events)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repair_is_told_as_it_comes_and_its_outcome_is_observed_by_us() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    let secret = "password=hunter2hunter2";
    let script = Scripted::new("claude", move |stage| async move {
        stage.say("I look at the disk first.").await;
        let answer =
            stage.call("repair", json!({ "command": format!("echo room; echo '{secret}'; exit 3") })).await;
        assert!(!answer.is_error && answer.text.contains("Exit code 3"), "{answer:?}");
        assert!(answer.text.contains("[untrusted ") && answer.text.contains("room"), "{answer:?}");
        stage.say("There is room.").await;
        finished("There is room.")
    });
    desk.turns.set_engines(engines(vec![Arc::clone(&script)]));
    let mut tail = desk.journal.subscribe();
    let turn = start_turn(&desk, alice(), ask(id, "is the disk full?")).await.unwrap();
    let (how, ..) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Finished, "{:#?}", kinds(&all(&desk).await));
    wait_for(&desk, "the observation", |body| {
        matches!(turn_event(body), Some(TurnEvent::OutcomeObserved { .. }))
    })
    .await;
    let events = all(&desk).await;
    let order = [
        place(&events, |event| matches!(event, TurnEvent::TurnStarted { .. })),
        place(&events, |event| matches!(event, TurnEvent::TurnBriefed { told: Some(_), .. })),
        place(&events, |event| matches!(event, TurnEvent::AgentSaid { text, .. } if text.contains("first"))),
        place(&events, |event| matches!(event, TurnEvent::ToolCalled { spends: Some(_), .. })),
        place(&events, |event| matches!(event, TurnEvent::ToolAnswered { exit: Some(3), .. })),
        place(&events, |event| matches!(event, TurnEvent::AgentSaid { text, .. } if text.contains("There"))),
        place(&events, |event| matches!(event, TurnEvent::TurnEnded { .. })),
    ];
    assert!(order.is_sorted(), "{order:?} {:#?}", kinds(&events));
    let view = view(&desk).await;
    let call = view.turns.all.first().and_then(|turn| turn.calls.first()).unwrap();
    assert_eq!((call.outcome, call.is_unobserved()), (Some(CallOutcome::Done), false));
    let by: Vec<&Actor> = view.commands.iter().map(|command| &command.by).collect();
    assert!(
        matches!(by.as_slice(), [Actor::Agent(agent)] if agent.turn == turn && agent.asked_by == "alice")
    );
    let mut streamed = String::new();
    while let Some(frame) = tail.ready() {
        let json: serde_json::Value = serde_json::from_slice(&frame.json).unwrap();
        if json["live"] == "says" {
            streamed.push_str(json["text"].as_str().unwrap());
        }
    }
    let told = script.told.lock().unwrap();
    let brief = told.first().unwrap();
    assert!(brief.system.contains("You work in an incident.") && brief.system.contains("about devvm"));
    assert!(brief.situation.contains("recommended") && brief.message().ends_with("is the disk full?"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_stops_within_a_second_whatever_the_engine_does() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    let deaf = Scripted::new("claude", |stage| async move {
        let _ = stage.says.send(Says::Text("I begin and ".to_owned())).await;
        let _ = stage.call("repair", json!({ "command": "sleep 2; echo late" })).await;
        std::future::pending::<TurnEnd>().await
    });
    desk.turns.set_engines(engines(vec![deaf]));
    start_turn(&desk, alice(), ask(id, "go")).await.unwrap();
    let again = start_turn(&desk, bob(), ask(id, "me too")).await;
    assert_eq!(again, Err(StartError::Running { by: "alice".to_owned() }), "one at a time");
    wait_for(&desk, "the command", |body| matches!(body, EventBody::CommandStarted { .. })).await;
    let began = Instant::now();
    stop_turn(&desk, bob(), id).unwrap();
    let (how, ..) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Stopped);
    assert!(began.elapsed() < Duration::from_millis(1_500), "{:?}", began.elapsed());
    assert!(stop_turn(&desk, bob(), id).is_err(), "it is over");
    let events = all(&desk).await;
    let end =
        events.iter().find(|event| matches!(turn_event(&event.body), Some(TurnEvent::TurnEnded { .. })));
    assert_eq!(end.unwrap().actor, bob(), "who stopped it");
    place(&events, |event| matches!(event, TurnEvent::AgentSaid { text, .. } if text.contains("[…]")));
    // Its door has no harness that could stop it: that is said, and what had begun is followed to its end, and looked at.
    wait_for(&desk, "that nothing can stop it", |body| {
        matches!(body, EventBody::Note { text } if text.contains("NOT seen to stop") && text.contains("no harness"))
    })
    .await;
    wait_for(&desk, "the late answer", |body| {
        matches!(turn_event(body), Some(TurnEvent::ToolAnswered { exit: Some(0), text, .. }) if text.contains("late"))
    })
    .await;
    wait_for(&desk, "the observation", |body| {
        matches!(turn_event(body), Some(TurnEvent::OutcomeObserved { .. }))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_words_is_bounded_and_stops_like_any_other() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    let flood = Scripted::new("claude", |stage| async move {
        let line = "x".repeat(10_000);
        loop {
            for _ in 0..30 {
                let _ = stage.says.send(Says::Text(line.clone())).await;
            }
            if stage.says.send(Says::TextDone(line.repeat(30))).await.is_err() {
                // Nobody listens any more: a send then never waits, so this would never let go of its thread.
                std::future::pending::<()>().await;
            }
        }
    });
    desk.turns.set_engines(engines(vec![flood]));
    start_turn(&desk, alice(), ask(id, "talk")).await.unwrap();
    wait_for(&desk, "the silence", |body| {
        matches!(turn_event(body), Some(TurnEvent::EngineNoted { text, .. }) if text.contains("mebibyte"))
    })
    .await;
    let began = Instant::now();
    stop_turn(&desk, alice(), id).unwrap();
    let (how, ..) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Stopped);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    let events = all(&desk).await;
    let kept: usize = events
        .iter()
        .filter_map(|event| match turn_event(&event.body)? {
            TurnEvent::AgentSaid { text, .. } => Some(text.len()),
            _ => None,
        })
        .sum();
    assert!(kept < 2 << 20, "{kept}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn time_runs_out_for_an_engine_that_hangs() {
    let site = Site::with_agent("[agent]\nwall_clock = \"2 s\"");
    let desk = site.desk();
    let id = incident(&desk).await;
    let hangs = Scripted::new("claude", |_| std::future::pending::<TurnEnd>());
    desk.turns.set_engines(engines(vec![hangs]));
    start_turn(&desk, alice(), ask(id, "go")).await.unwrap();
    let (how, sentence, _) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::OutOfTime, "{sentence}");
    while desk.turns.running(id).is_some() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_that_can_start_is_used_and_a_failure_offers_the_next() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    assert_eq!(start_turn(&desk, alice(), ask(id, "go")).await, Err(StartError::NoAgent));
    let missing = Scripted::broken("claude", "the program is not installed");
    let failing = Scripted::new("api", |stage| async move {
        let _ = stage.says.send(Says::Text("Half a sent".to_owned())).await;
        TurnEnd::Failed { sentence: "the endpoint answered 500".to_owned(), retry_other: true }
    });
    let panics = Scripted::new("local", |stage| async move {
        assert!(stage.brief.ask.is_empty(), "this engine breaks");
        finished("")
    });
    desk.turns.set_engines(engines(vec![missing, failing, panics]));
    start_turn(&desk, alice(), ask(id, "go")).await.unwrap();
    let (how, sentence, next) = ended(&desk).await;
    assert_eq!((how, next.as_deref()), (TurnOutcome::Failed, Some("local")));
    assert!(sentence.contains("500"), "{sentence}");
    let events = all(&desk).await;
    let failed = place(
        &events,
        |event| matches!(event, TurnEvent::EngineFailed { engine, next, .. } if engine == "claude" && next.as_deref() == Some("api")),
    );
    let end = place(&events, |event| matches!(event, TurnEvent::TurnEnded { .. }));
    let fresh = events.iter().rposition(|event| matches!(event.body, EventBody::Triaged { .. })).unwrap();
    assert!(failed < fresh && fresh < end, "a fresh triage stands before the end");
    let next = StartTurn { engine: Some("local".to_owned()), ..ask(id, "go on") };
    start_turn(&desk, alice(), next).await.unwrap();
    let broke = wait_for(
        &desk,
        "the second end",
        |body| matches!(turn_event(body), Some(TurnEvent::TurnEnded { sentence, .. }) if sentence.contains("broke off")),
    );
    broke.await;
    let none = StartTurn { engine: Some("gpt".to_owned()), ..ask(id, "go on") };
    assert!(matches!(start_turn(&desk, alice(), none).await, Err(StartError::NoSuchAgent { .. })));
    assert!(matches!(
        start_turn(&desk, alice(), ask(IncidentId(99), "x")).await,
        Err(StartError::NotOpen { .. })
    ));
    assert!(matches!(start_turn(&desk, alice(), ask(id, " ")).await, Err(StartError::Length { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cycle_follows_a_triage_and_is_seen_to_its_end() {
    let site = Site::new();
    site.set("wedge", "stall");
    let desk = site.desk();
    let id = incident(&desk).await;
    let script = Scripted::new("claude", |stage| async move {
        let answer = stage.call("power", json!({ "verb": "cycle" })).await;
        assert!(!answer.is_error && answer.text.contains("seen running"), "{answer:?}");
        finished("cycled")
    });
    desk.turns.set_engines(engines(vec![script]));
    start_turn(&desk, alice(), ask(id, "it is wedged")).await.unwrap();
    let (how, sentence, _) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Finished, "{sentence} {:#?}", kinds(&all(&desk).await));
    assert_eq!(site.count("cycle"), 1);
    let events = all(&desk).await;
    let triage = events.iter().position(|event| matches!(event.body, EventBody::Triaged { .. })).unwrap();
    let press = events.iter().position(|event| matches!(event.body, EventBody::VerbPressed { .. })).unwrap();
    assert!(triage < press);
    assert!(matches!(&events.get(press).unwrap().actor, Actor::Agent(agent) if agent.asked_by == "alice"));
    let spent = desk.turns.spent(id);
    assert_eq!(spent, (0, 1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_person_started_asks_and_a_yes_is_for_one_exact_call() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    let script = Scripted::new("claude", |stage| async move {
        let first = stage.call("repair", json!({ "command": "echo first" })).await;
        assert!(!first.is_error && first.text.contains("first"), "{first:?}");
        let second = stage.call("repair", json!({ "command": "echo second" })).await;
        assert!(second.is_error && second.text.contains("refused-by-person"), "{second:?}");
        finished("done")
    });
    desk.turns.set_engines(engines(vec![script]));
    let machine = Actor::Token("nightly".to_owned());
    start_turn(&desk, machine.clone(), ask(id, "go")).await.unwrap();
    let waits = |text: &'static str| {
        let desk = desk.clone();
        async move {
            let asked = wait_for(&desk, "the question", move |body| {
                matches!(turn_event(body), Some(TurnEvent::ApprovalAsked { shown, .. }) if shown == text)
            })
            .await;
            let EventBody::Turn(TurnEvent::ApprovalAsked { call, digest, .. }) = asked.body else { panic!() };
            (call, digest)
        }
    };
    let (call, digest) = waits("echo first").await;
    let agent = view(&desk).await.turns.all.first().map(|turn| turn.by.clone());
    assert_eq!(agent, Some(machine.clone()));
    let not_a_person = answer_call(&desk, machine, id, call, &digest, true).await;
    assert_eq!(not_a_person, Err(ApprovalError::NotAPerson));
    let other = answer_call(&desk, bob(), id, call, "another digest", true).await;
    assert_eq!(other, Err(ApprovalError::OtherCall));
    let elsewhere = answer_call(&desk, bob(), IncidentId(77), call, &digest, true).await;
    assert_eq!(elsewhere, Err(ApprovalError::OtherCall));
    assert!(site.inside_calls().iter().all(|line| !line.contains("first")), "nothing ran before the yes");
    answer_call(&desk, bob(), id, call, &digest, true).await.unwrap();
    let twice = answer_call(&desk, bob(), id, call, &digest, true).await;
    assert_eq!(twice, Err(ApprovalError::NotWaiting { call }));
    let (second, digest_2) = waits("echo second").await;
    assert_ne!(digest, digest_2);
    assert_eq!(answer_call(&desk, bob(), id, second, &digest, true).await, Err(ApprovalError::OtherCall));
    answer_call(&desk, bob(), id, second, &digest_2, false).await.unwrap();
    let (how, ..) = ended(&desk).await;
    assert_eq!(how, TurnOutcome::Finished);
    assert!(site.inside_calls().iter().all(|line| !line.contains("second")));
    let view = view(&desk).await;
    assert_eq!(view.turns.call(call).unwrap().approval, Approval::Given(bob()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_turn_knows_what_the_last_one_did() {
    let site = Site::new();
    let desk = site.desk();
    let id = incident(&desk).await;
    let script = Scripted::new("claude", |stage| async move {
        let _ = stage.call("repair", json!({ "command": "echo marker-of-turn" })).await;
        stage.say("I echoed.").await;
        finished("I echoed.")
    });
    desk.turns.set_engines(engines(vec![Arc::clone(&script)]));
    for text in ["first question", "second question"] {
        while start_turn(&desk, alice(), ask(id, text)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    let both = Instant::now();
    while script.told.lock().unwrap().len() < 2 {
        assert!(both.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let told = script.told.lock().unwrap();
    let history = &told.get(1).unwrap().history;
    assert!(told.first().unwrap().history.is_empty());
    assert_eq!(history.first(), Some(&Told::Asked("first question".to_owned())));
    let called = |one: &Told| matches!(one, Told::Called { answer, is_error: false, .. } if answer.contains("marker-of-turn") && answer.contains("untrusted"));
    assert!(history.iter().any(called), "{history:?}");
    assert!(history.contains(&Told::Said("I echoed.".to_owned())));
}
