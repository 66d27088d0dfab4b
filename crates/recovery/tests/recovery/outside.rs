//! Agents that no turn runs: what they may by default, what a grant changes, and that they pass the same gate.

use crate::scripted::{Scripted, engines, finished};
use crate::site::{Site, alice, all, bob, kinds, wait_for};
use crate::turns::{ask, incident, turn_event};
use breakglass_incident::{
    Actor, Approval, CallId, CallOutcome, EventBody, OutsideAgent, TurnEvent, TurnId, View,
};
use breakglass_recovery::turn::{Reach, ToolAnswer, answer_call, call_outside, outside_tools, start_turn};
use breakglass_recovery::{Desk, resume};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

fn who() -> OutsideAgent {
    OutsideAgent::new("claude-code 2.1\n<script>", "token laptop")
}

async fn call(desk: &Desk, tool: &str, arguments: Value) -> ToolAnswer {
    call_outside(desk, who(), Reach::Granted, tool.to_owned(), arguments, CancellationToken::new()).await
}

fn calling(
    desk: &Desk,
    tool: &'static str,
    arguments: Value,
    gone: CancellationToken,
) -> tokio::task::JoinHandle<ToolAnswer> {
    let desk = desk.clone();
    tokio::spawn(
        async move { call_outside(&desk, who(), Reach::Granted, tool.to_owned(), arguments, gone).await },
    )
}

async fn asked(desk: &Desk, text: &'static str) -> (CallId, String) {
    let asked = wait_for(
        desk,
        "the question",
        move |body| matches!(turn_event(body), Some(TurnEvent::ApprovalAsked { shown, .. }) if shown == text),
    )
    .await;
    let EventBody::Turn(TurnEvent::ApprovalAsked { call, digest, .. }) = asked.body else { panic!() };
    (call, digest)
}

fn names(desk: &Desk, reach: Reach) -> Vec<String> {
    outside_tools(&desk.fleet, reach).into_iter().map(|tool| tool.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_grant_they_look_and_nothing_else() {
    let site = Site::new();
    let desk = site.desk();
    assert_eq!(names(&desk, Reach::Granted), ["hosts", "diag", "runbook"]);
    assert_eq!(names(&desk, Reach::LooksOnly), ["diag"]);
    let looked =
        call(&desk, "diag", json!({ "host": "devvm", "command": "echo 'password = hunter2-BGCANARY-x9K2'" }))
            .await;
    assert!(!looked.is_error && looked.text.contains("[untrusted "), "{looked:?}");
    assert!(!looked.text.contains("BGCANARY"), "{looked:?}");
    let listed = call(&desk, "hosts", json!({})).await;
    assert!(
        listed.text.contains("devvm-repair: not granted") && listed.text.contains("devvm-diag: look"),
        "{listed:?}"
    );
    for (tool, arguments, rule) in [
        ("triage", json!({ "target": "devvm" }), "not-granted"),
        ("repair", json!({ "target": "devvm", "command": "id" }), "not-granted"),
        ("power", json!({ "target": "devvm", "verb": "cycle" }), "not-granted"),
        ("power", json!({ "target": "devvm", "verb": "forensics" }), "not-granted"),
        ("power", json!({ "target": "devvm", "verb": "status" }), "not-granted"),
        ("repair", json!({ "command": "id" }), "name-it"),
        ("diag", json!({ "command": "id" }), "name-it"),
        ("diag", json!({ "host": "pve", "command": "id" }), "no-diag-door"),
        ("diag", json!({ "host": "nowhere", "command": "id" }), "no-such-host"),
        ("diag", json!({ "host": "devvm", "command": "x".repeat(5 << 20) }), "too-large"),
        ("approve", json!({ "call": 1 }), "unknown-tool"),
    ] {
        let answer = call(&desk, tool, arguments).await;
        assert!(answer.is_error && answer.text.contains(&format!("({rule})")), "{tool} {rule}: {answer:?}");
    }
    let only =
        call_outside(&desk, who(), Reach::LooksOnly, "hosts".to_owned(), json!({}), CancellationToken::new())
            .await;
    assert!(only.text.contains("(no-server)"), "{only:?}");
    let events = all(&desk).await;
    assert!(events.iter().all(|event| event.incident.is_none()), "nothing was opened: {:#?}", kinds(&events));
    let started = events.iter().find(|event| matches!(event.body, EventBody::CommandStarted { .. })).unwrap();
    assert_eq!(started.actor.to_string(), "outside agent claude-code 2.1script (token laptop)");
    assert!(!started.actor.is_person());
    let called = events
        .iter()
        .filter(|e| matches!(turn_event(&e.body), Some(TurnEvent::ToolCalled { turn: TurnId::OUTSIDE, .. })));
    assert_eq!(called.count(), 14, "each is in the journal: {:#?}", kinds(&events));
    assert!(site.calls().is_empty(), "{:?}", site.calls());
    assert_eq!(site.inside_calls().len(), 1, "{:?}", site.inside_calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_is_asked_for_what_they_could_not_see() {
    let site = Site::with_agent("interval = \"200 ms\"\n[agent.outside]\nrepair = \"ask\"");
    let desk = site.desk();
    for hidden in
        ["df -h \u{1b}]0; echo hidden \u{7}", "echo hidden\r", "echo \u{202e}neddih", "echo hidden\u{e0041}"]
    {
        let answer = call(&desk, "repair", json!({ "target": "devvm", "command": hidden })).await;
        assert!(answer.is_error && answer.text.contains("(cannot-be-shown)"), "{hidden:?}: {answer:?}");
    }
    assert!(desk.turns.asked().is_empty());
    assert!(site.inside_calls().iter().all(|line| !line.contains("hidden") && !line.contains("neddih")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_granted_to_be_asked_waits_for_a_person_in_an_incident_of_its_own() {
    let site = Site::with_agent("interval = \"200 ms\"\n[agent.outside]\nrepair = \"ask\"");
    let desk = site.desk();
    assert_eq!(names(&desk, Reach::Granted), ["hosts", "triage", "diag", "repair", "runbook"]);
    let gone = CancellationToken::new();
    let first = calling(&desk, "repair", json!({ "target": "devvm", "command": "echo first" }), gone.clone());
    let (id, digest) = asked(&desk, "echo first").await;
    let waiting = desk.turns.asked();
    let one = waiting.first().expect("the board knows");
    assert_eq!((one.call, one.target.as_str(), one.shown.as_str()), (id, "devvm", "echo first"));
    let incident = one.incident;
    // It keeps nobody from looking, its own agent included.
    assert!(!call(&desk, "diag", json!({ "host": "devvm", "command": "echo look" })).await.is_error);
    assert!(site.inside_calls().iter().all(|line| !line.contains("first")), "nothing ran before the yes");
    let own = Actor::Outside(who());
    assert!(answer_call(&desk, own, incident, id, &digest, true).await.is_err(), "not by itself");
    answer_call(&desk, bob(), incident, id, &digest, true).await.unwrap();
    let answer = first.await.unwrap();
    assert!(!answer.is_error && answer.text.contains("first"), "{answer:?}");
    wait_for(&desk, "what became of it", |body| {
        matches!(turn_event(body), Some(TurnEvent::OutcomeObserved { calls, .. }) if calls.contains(&id))
    })
    .await;
    assert!(desk.turns.asked().is_empty());

    let second =
        calling(&desk, "repair", json!({ "target": "devvm", "command": "echo second" }), gone.clone());
    let (id, digest) = asked(&desk, "echo second").await;
    answer_call(&desk, bob(), incident, id, &digest, false).await.unwrap();
    assert!(second.await.unwrap().text.contains("(refused-by-person)"));

    let third = calling(&desk, "repair", json!({ "target": "devvm", "command": "echo third" }), gone.clone());
    let (id, digest) = asked(&desk, "echo third").await;
    gone.cancel();
    let answer = third.await.unwrap();
    assert!(answer.text.contains("(asker-gone)"), "{answer:?}");
    assert!(
        answer_call(&desk, bob(), incident, id, &digest, true).await.is_err(),
        "the question went with its asker"
    );
    assert!(site.inside_calls().iter().all(|line| !line.contains("second") && !line.contains("third")));
    let events = desk.journal.incident(incident).await;
    let opened = events.first().unwrap();
    assert!(
        matches!(&opened.body, EventBody::IncidentOpened { reason, .. } if reason.contains("outside agent")),
        "{opened:?}"
    );
    let view = View::fold(&events);
    let approvals: Vec<_> =
        view.turns.outside.iter().filter(|call| call.tool == "repair").map(|call| &call.approval).collect();
    assert_eq!(approvals, [&Approval::Given(bob()), &Approval::Refused(bob()), &Approval::Expired]);
    assert_eq!(desk.turns.spent(incident), (1, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_budget_is_one_for_all_and_a_turn_has_the_target_for_itself() {
    let extra = "interval = \"200 ms\"\n[agent.outside]\nrepair = \"act\"\n[agent.budget]\ncommands = 2";
    let site = Site::with_agent(extra);
    let desk = site.desk();
    let id = incident(&desk).await;
    let script = Scripted::new("claude", |stage| async move {
        let _ = stage.call("repair", json!({ "command": "echo inside" })).await;
        tokio::time::sleep(Duration::from_millis(600)).await;
        finished("done")
    });
    desk.turns.set_engines(engines(vec![script]));
    start_turn(&desk, alice(), ask(id, "go")).await.unwrap();
    let command = |text: &str| json!({ "target": "devvm", "command": text });
    let meanwhile = call(&desk, "repair", command("echo meanwhile")).await;
    assert!(meanwhile.text.contains("(turn-runs)"), "{meanwhile:?}");
    while desk.turns.running(id).is_some() {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let after = call(&desk, "repair", command("echo after")).await;
    assert!(!after.is_error && after.text.contains("after"), "{after:?}");
    let beyond = call(&desk, "repair", command("echo beyond")).await;
    assert!(beyond.text.contains("(budget-commands)"), "{beyond:?}");
    assert_eq!(desk.turns.spent(id), (2, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_calls_is_counted_and_does_not_fill_the_journal() {
    let site = Site::with_agent("interval = \"200 ms\"\n[agent.outside]\ncalls_per_hour = 3");
    let desk = site.desk();
    for number in 0..300 {
        let answer = call(&desk, "runbook", json!({})).await;
        assert_eq!(answer.is_error, number >= 3, "{number}: {answer:?}");
    }
    assert_eq!(all(&desk).await.len(), 2 * 53);
    let other = OutsideAgent::new("other", "token desk");
    let fresh =
        call_outside(&desk, other, Reach::Granted, "runbook".to_owned(), json!({}), CancellationToken::new())
            .await;
    assert!(!fresh.is_error, "another token has its own count");
}

#[test]
fn a_restart_withdraws_the_question_and_tells_an_end_that_nobody_saw() {
    let site = Site::with_agent("interval = \"200 ms\"\n[agent.outside]\nrepair = \"ask\"");
    let runtime =
        || tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let first = runtime();
    let desk = site.desk_in(&first);
    let (id, digest) = first.block_on(async {
        let _waits = calling(
            &desk,
            "repair",
            json!({ "target": "devvm", "command": "echo late" }),
            CancellationToken::new(),
        );
        asked(&desk, "echo late").await
    });
    drop(desk);
    first.shutdown_timeout(Duration::from_secs(2));
    let second = runtime();
    let desk = site.desk_in(&second);
    second.block_on(async {
        resume(&desk, "test").await;
        let incident = desk.board.target("devvm").and_then(|view| view.incident).expect("it is still open");
        assert!(answer_call(&desk, bob(), incident, id, &digest, true).await.is_err());
        let events = desk.journal.incident(incident).await;
        let view = View::fold(&events);
        let call = view.turns.call(id).unwrap();
        assert_eq!((&call.approval, call.outcome), (&Approval::Expired, Some(CallOutcome::Refused)));
        assert!(view.turns.waiting().is_empty());
        assert!(site.inside_calls().iter().all(|line| !line.contains("late")));
    });
    drop(desk);
    second.shutdown_timeout(Duration::from_secs(2));
    // A second start has nothing left to tell.
    let third = runtime();
    let desk = site.desk_in(&third);
    third.block_on(async {
        let before = all(&desk).await.len();
        resume(&desk, "test").await;
        assert_eq!(all(&desk).await.len(), before + 1);
    });
}
