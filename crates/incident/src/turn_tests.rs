//! Turns folded from events, and what is decided on an agent's calls.

use crate::policy::{Decision, Ledger, Spent, Wish, decide, effective};
use crate::{
    Actor, AgentActor, Approval, CallId, CallOutcome, Event, EventBody, IncidentId, Seq, Spend, TurnEvent,
    TurnId, TurnOutcome, View,
};
use breakglass_fleet::{Autonomy, Budget};
use breakglass_protocol::{Timestamp, Verb};
use breakglass_triage::Health;
use std::time::Duration;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(1_795_000_000_000 + seconds * 1000)
}

fn event(seq: u64, seconds: i64, body: TurnEvent) -> Event {
    let actor = match body {
        TurnEvent::TurnStarted { .. } | TurnEvent::ApprovalGiven { .. } => Actor::Human("mara".to_owned()),
        _ => Actor::Agent(AgentActor {
            turn: TurnId(1),
            engine: "claude".to_owned(),
            asked_by: "mara".to_owned(),
        }),
    };
    Event {
        seq: Seq(seq),
        incident: Some(IncidentId(4)),
        at: at(seconds),
        actor,
        body: EventBody::Turn(body),
    }
}

fn started(seq: u64) -> Event {
    event(
        seq,
        0,
        TurnEvent::TurnStarted {
            target: "devvm".to_owned(),
            engine: "claude".to_owned(),
            ask: "why is it slow?".to_owned(),
            by_machine: false,
            prompt: "1".to_owned(),
        },
    )
}

fn called(seq: u64, spend: Option<Spend>) -> Event {
    let body = TurnEvent::ToolCalled {
        turn: TurnId(1),
        tool: "repair".to_owned(),
        target: Some("devvm".to_owned()),
        shown: "df -h".to_owned(),
        digest: "d".to_owned(),
        spends: spend,
    };
    event(seq, i64::try_from(seq).unwrap(), body)
}

fn answered(seq: u64, call: u64, outcome: CallOutcome) -> Event {
    let body = TurnEvent::ToolAnswered {
        call: CallId(call),
        turn: TurnId(1),
        outcome,
        rule: None,
        exit: Some(0),
        millis: 12,
        text: "fine".to_owned(),
        rest: None,
    };
    event(seq, i64::try_from(seq).unwrap(), body)
}

#[test]
fn every_event_of_a_turn_survives_its_json_with_its_own_kind() {
    let asked = TurnEvent::ApprovalAsked {
        call: CallId(2),
        turn: TurnId(1),
        shown: "cycle devvm".to_owned(),
        digest: "d".to_owned(),
        expires: at(9),
    };
    for event in [
        started(1),
        called(2, Some(Spend::Verb(Verb::Cycle))),
        answered(3, 2, CallOutcome::Done),
        event(4, 4, asked),
    ] {
        let json = serde_json::to_value(&event).unwrap();
        assert_eq!(json["body"]["kind"], event.body.kind());
        assert_eq!(serde_json::from_value::<Event>(json).unwrap(), event);
    }
}

#[test]
fn a_mutating_call_without_a_later_observation_stays_unobserved() {
    let events = [
        started(1),
        called(2, Some(Spend::Command)),
        answered(3, 2, CallOutcome::Done),
        called(4, None),
        answered(5, 4, CallOutcome::Done),
        called(6, Some(Spend::Command)),
        answered(7, 6, CallOutcome::Refused),
    ];
    let mut view = View::fold(&events);
    let unobserved = |view: &View| {
        let calls = view.turns.all.first().unwrap().calls.clone();
        calls.into_iter().filter(crate::Call::is_unobserved).map(|call| call.id.0).collect::<Vec<_>>()
    };
    assert_eq!(unobserved(&view), [2], "a look and a refusal changed nothing");
    let body = TurnEvent::OutcomeObserved {
        turn: TurnId(1),
        calls: vec![CallId(2)],
        target: "devvm".to_owned(),
        health: Health::Good,
        sentence: "it answers".to_owned(),
    };
    view.apply(&event(8, 8, body));
    assert_eq!(unobserved(&view), [0_u64; 0]);
}

#[test]
fn a_question_waits_until_it_is_answered_and_dies_with_its_turn() {
    let asked = event(
        3,
        3,
        TurnEvent::ApprovalAsked {
            call: CallId(2),
            turn: TurnId(1),
            shown: "x".to_owned(),
            digest: "d".to_owned(),
            expires: at(300),
        },
    );
    let begun = [started(1), called(2, Some(Spend::Command)), asked];
    let mut view = View::fold(&begun);
    let waiting = view.turns.waiting();
    let ids: Vec<_> = waiting.iter().map(|waiting| (waiting.call.id, waiting.until)).collect();
    assert_eq!(ids, [(CallId(2), at(300))]);
    assert_eq!(view.turns.unfinished(), [(TurnId(1), vec![CallId(2)])]);
    let given = event(4, 4, TurnEvent::ApprovalGiven { call: CallId(2), digest: "d".to_owned() });
    let mut allowed = view.clone();
    allowed.apply(&given);
    assert!(allowed.turns.waiting().is_empty());
    let by = &allowed.turns.call(CallId(2)).unwrap().approval;
    assert_eq!(*by, Approval::Given(Actor::Human("mara".to_owned())));
    view.apply(&event(5, 5, TurnEvent::TurnInterrupted { turn: TurnId(1) }));
    assert!(view.turns.waiting().is_empty() && view.turns.running().is_none());
    assert!(view.turns.all.first().unwrap().end.as_ref().unwrap().how.is_none());
}

#[test]
fn an_agents_words_are_never_told_as_observed() {
    let said =
        event(2, 2, TurnEvent::AgentSaid { turn: TurnId(1), text: "Observed: all is well".to_owned() });
    let row = crate::row(&said).unwrap();
    assert_eq!((row.kind, row.label.as_str()), (crate::RowKind::Said, "agent says"));
    let ended = TurnEvent::TurnEnded {
        turn: TurnId(1),
        how: TurnOutcome::Failed,
        sentence: "the endpoint answered 500".to_owned(),
        next: Some("api".to_owned()),
        unheard: 0,
        tokens: None,
    };
    let row = crate::row(&event(3, 3, ended)).unwrap();
    assert!(row.sentences.join(" ").contains("api can go on"), "{row:?}");
}

fn wish(spend: Spend, autonomy: Autonomy, approved: bool) -> Wish<'static> {
    Wish { incident: IncidentId(4), target: "devvm", spend, autonomy, approved }
}

fn spent(ledger: &mut Ledger, call: u64, seconds: i64, incident: u64, spend: Spend) {
    let spent = Spent { at: at(seconds), incident: IncidentId(incident), target: "devvm".to_owned(), spend };
    ledger.take(CallId(call), spent);
}

fn rule(decision: Decision) -> &'static str {
    match decision {
        Decision::Act => "act",
        Decision::Ask => "ask",
        Decision::Deny(denial) => {
            assert!(!denial.reason.is_empty() && denial.instead.ends_with('.'), "{denial:?}");
            denial.rule
        }
    }
}

#[test]
fn autonomy_decides_and_what_no_person_started_asks_at_most() {
    let (budget, ledger) = (Budget::default(), Ledger::default());
    let cycle = Spend::Verb(Verb::Cycle);
    for (configured, by_machine, approved, expected) in [
        (Autonomy::Act, false, false, "act"),
        (Autonomy::Act, true, false, "ask"),
        (Autonomy::Act, true, true, "act"),
        (Autonomy::Ask, false, false, "ask"),
        (Autonomy::Ask, false, true, "act"),
        (Autonomy::Observe, false, true, "observe-only"),
        (Autonomy::Observe, true, true, "observe-only"),
    ] {
        let wish = wish(cycle, effective(configured, by_machine), approved);
        assert_eq!(
            rule(decide(wish, &budget, &ledger, at(0))),
            expected,
            "{configured} {by_machine} {approved}"
        );
    }
}

#[test]
fn budgets_hold_by_incident_and_by_hour_whatever_was_approved() {
    let cycle = Spend::Verb(Verb::Cycle);
    let budget = Budget {
        cool_down: Duration::ZERO,
        commands: 2,
        commands_per_hour: 3,
        verbs_per_hour: 4,
        ..Budget::default()
    };
    let mut ledger = Ledger::default();
    let told = |ledger: &Ledger, spend, seconds| {
        rule(decide(wish(spend, Autonomy::Act, true), &budget, ledger, at(seconds)))
    };
    spent(&mut ledger, 1, 0, 4, cycle);
    spent(&mut ledger, 2, 10, 4, cycle);
    assert_eq!(told(&ledger, cycle, 20), "budget-cycles", "a third cycle");
    assert_eq!(told(&ledger, cycle, 90_000), "budget-cycles", "nor a day later in the same incident");
    assert_eq!(told(&ledger, Spend::Verb(Verb::Reset), 20), "act");
    spent(&mut ledger, 3, 30, 5, cycle);
    spent(&mut ledger, 4, 40, 5, cycle);
    assert_eq!(told(&ledger, Spend::Verb(Verb::Reset), 50), "budget-verbs-per-hour");
    assert_eq!(told(&ledger, Spend::Verb(Verb::Reset), 5_000), "act", "an hour later");
    spent(&mut ledger, 5, 50, 4, Spend::Command);
    assert_eq!(told(&ledger, Spend::Command, 60), "act");
    spent(&mut ledger, 6, 51, 4, Spend::Command);
    assert_eq!(told(&ledger, Spend::Command, 60), "budget-commands");
    ledger.give_back(CallId(6));
    spent(&mut ledger, 7, 52, 5, Spend::Command);
    spent(&mut ledger, 8, 53, 5, Spend::Command);
    assert_eq!(told(&ledger, Spend::Command, 60), "budget-commands-per-hour");
    ledger.forget(&[IncidentId(4)], at(9_000));
    assert_eq!(ledger.in_incident(IncidentId(4)), (1, 2, 2), "an open incident's stay");
    assert_eq!(ledger.in_incident(IncidentId(5)), (0, 0, 0));
}

#[test]
fn a_verb_cools_down_and_says_for_how_long() {
    let mut ledger = Ledger::default();
    spent(&mut ledger, 1, 0, 4, Spend::Verb(Verb::Reset));
    let budget = Budget::default();
    let Decision::Deny(denial) =
        decide(wish(Spend::Verb(Verb::Cycle), Autonomy::Act, false), &budget, &ledger, at(20))
    else {
        panic!("it must not be so soon");
    };
    assert_eq!(denial.rule, "cool-down");
    assert!(denial.instead.contains("40 s"), "{}", denial.instead);
    assert_eq!(
        rule(decide(wish(Spend::Verb(Verb::Cycle), Autonomy::Act, false), &budget, &ledger, at(61))),
        "act"
    );
    assert_eq!(rule(decide(wish(Spend::Command, Autonomy::Act, false), &budget, &ledger, at(1))), "act");
}

#[test]
fn the_ledger_is_what_the_journal_says() {
    let events = [
        started(1),
        called(2, Some(Spend::Command)),
        answered(3, 2, CallOutcome::Done),
        called(4, Some(Spend::Verb(Verb::Cycle))),
        called(5, Some(Spend::Command)),
        answered(6, 5, CallOutcome::Refused),
        called(7, None),
    ];
    let mut ledger = Ledger::default();
    for event in events.iter().chain(&events) {
        ledger.apply(event);
    }
    assert_eq!(
        ledger.in_incident(IncidentId(4)),
        (1, 1, 1),
        "what a crash left open counts, a refusal does not"
    );
}

#[test]
fn a_clock_that_is_set_back_does_not_hold_agents_off_for_years() {
    let (budget, mut ledger) = (Budget::default(), Ledger::default());
    let reset = Spend::Verb(Verb::Reset);
    spent(&mut ledger, 1, 400_000_000, 1, reset);
    let decided = |ledger: &Ledger, seconds| {
        let autonomy = Autonomy::Act;
        let wish = Wish { incident: IncidentId(2), target: "devvm", spend: reset, autonomy, approved: false };
        decide(wish, &budget, ledger, at(seconds))
    };
    ledger.settle(at(10));
    assert!(matches!(decided(&ledger, 10), Decision::Deny(why) if why.rule == "cool-down"));
    assert_eq!(decided(&ledger, 7_200), Decision::Act, "two hours later");
}
