//! A good remedy at the wrong moment: operations, locks, jobs and doors that are not there.

use crate::build::{
    diagnosed, flow, healthy_unlearnt, operation, probe, seconds_ago, silenced, with_facts, with_status,
};
use breakglass_protocol::{LockState, Outcome, Phase, RunState, RunningJob, StagedChange, Verb};
use breakglass_triage::{Action, Evidence, HypervisorView, Inside, Reach, Triage, Wedge};

fn stalled() -> Evidence {
    let flat = with_status(healthy_unlearnt(), |status| flow(status, 0, 2));
    with_facts(flat, |facts| facts.sync = vec![probe(None, Some(2_000), None)])
}

fn remark(triage: &Triage, verb: Verb) -> String {
    triage.remarks.iter().find(|(of, _)| *of == verb).map(|(_, text)| text.clone()).unwrap_or_default()
}

#[test]
fn a_running_operation_is_waited_for_and_named() {
    let evidence = with_status(stalled(), |status| {
        status.last_operation = Some(operation(Verb::Cycle, seconds_ago(4), Phase::ForensicsBegun, None));
    });
    let triage = diagnosed(&evidence);
    assert_eq!((triage.wedge, &triage.action), (Some(Wedge::BlockStall), &Action::Wait));
    assert!(triage.because.contains("cycle that key mara asked for at"), "{}", triage.because);
    assert!(triage.because.contains("as far as that"), "{}", triage.because);
}

#[test]
fn a_backup_leaves_the_press_to_a_person() {
    let job = with_status(stalled(), |status| {
        status.jobs =
            vec![RunningJob { id: "b1".to_owned(), kind: "backup".to_owned(), state: "running".to_owned() }];
    });
    let lock = with_status(stalled(), |status| {
        status.lock = Some(LockState { kind: "migrate".to_owned(), holder: Some(5), clearable: false });
    });
    for (evidence, named) in [(job, "backup b1 (running)"), (lock, "lock migrate")] {
        let triage = diagnosed(&evidence);
        assert_eq!((triage.wedge, &triage.action), (Some(Wedge::BlockStall), &Action::Look));
        assert!(triage.because.contains(named), "{}", triage.because);
    }
}

#[test]
fn a_door_that_is_not_there_is_not_pressed() {
    let none = diagnosed(&Evidence { hypervisor: HypervisorView::NoDoor, ..stalled() });
    assert_eq!((none.wedge, &none.action), (Some(Wedge::BlockStall), &Action::Look));
    assert!(none.because.contains("no power door"), "{}", none.because);
    let silent = diagnosed(&Evidence { hypervisor: HypervisorView::TimedOut, ..stalled() });
    assert_eq!(silent.action, Action::Press(Verb::Cycle));
    assert!(silent.because.contains("did not answer just now"), "{}", silent.because);
}

#[test]
fn what_else_a_cycle_would_do_is_said() {
    let evidence = with_status(stalled(), |status| {
        status.staged =
            vec![StagedChange { running: Some("-m 192".to_owned()), staged: Some("-m 256".to_owned()) }];
        status.passthrough = vec!["vfio-pci".to_owned()];
    });
    let triage = diagnosed(&evidence);
    assert!(remark(&triage, Verb::Cycle).contains("applies 1 staged change(s)"));
    assert!(remark(&triage, Verb::Cycle).contains("vfio-pci"));
    assert!(remark(&triage, Verb::Reset).contains("will not help"));
    let verbs: Vec<Verb> = triage.remarks.iter().map(|(verb, _)| *verb).collect();
    assert_eq!(
        verbs.iter().collect::<std::collections::HashSet<_>>().len(),
        verbs.len(),
        "one remark a verb"
    );
}

#[test]
fn who_stopped_it_is_named_and_a_broken_cycle_too() {
    let off = |verb, outcome, running| {
        with_status(silenced(healthy_unlearnt(), Reach::Closed, Some(Reach::Closed)), |status| {
            status.state = RunState::Stopped;
            let mut last = operation(verb, seconds_ago(90), Phase::ProcessGone, outcome);
            last.running = running;
            status.last_operation = Some(last);
        })
    };
    let stopped = diagnosed(&off(Verb::Stop, Some(Outcome::Done), false));
    assert_eq!((stopped.wedge, &stopped.action), (Some(Wedge::Off), &Action::Press(Verb::Start)));
    assert!(stopped.summary.contains("key mara from 192.0.2.2"), "{}", stopped.summary);
    let broken = diagnosed(&off(Verb::Cycle, None, false));
    assert!(broken.summary.contains("a cycle ended before its start"), "{}", broken.summary);
    let running = diagnosed(&off(Verb::Cycle, None, true));
    assert_eq!(running.action, Action::Wait);
}

#[test]
fn the_inside_is_preferred_where_it_answers() {
    let evidence =
        Evidence { reach: Reach::NoBanner, inside: healthy_unlearnt().inside, ..healthy_unlearnt() };
    let triage = diagnosed(&evidence);
    assert!(matches!(triage.action, Action::Run(_)), "{triage:#?}");
    let outside = diagnosed(&Evidence { inside: Inside::TimedOut, ..evidence });
    assert_eq!(outside.action, Action::Press(Verb::Reset));
}
