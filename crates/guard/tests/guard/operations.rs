//! Operations outlive their callers, are joined, superseded, and survive the death of anyone at any step.

use crate::support::{Door, alive, kill, until};
use breakglass_protocol::{Line, Outcome, Phase, Rule, RunState};
use std::time::{Duration, Instant};

#[test]
fn two_people_press_cycle_together() {
    let mut door = Door::new();
    door.set("grace_seconds", "2");
    door.write();
    door.start();
    let before = door.operations(102).len();
    let running: Vec<_> = (0..4).map(|_| door.begin("cycle")).collect();
    let ends: Vec<_> = running.into_iter().map(crate::support::Running::end).collect();
    let (id, _) = ends[0].started().unwrap();
    let fresh = ends.iter().filter(|lines| !lines.started().unwrap().1).count();
    assert_eq!(fresh, 1, "one begins it, the others join");
    for lines in &ends {
        assert_eq!(lines.started().unwrap().0, id);
        assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
        assert_eq!(
            lines.phases().first(),
            Some(&Phase::Accepted),
            "a joined caller gets it from the beginning"
        );
        assert_eq!(lines.phases(), ends[0].phases());
        let captured = |line: &Line| matches!(line, Line::Forensics { part, base64, .. } if part == "config" && !base64.is_empty());
        assert!(lines.all.iter().any(captured), "everyone who watches gets what was captured");
    }
    assert_eq!(door.operations(102).len(), before + 1);
    assert_eq!(door.qemus(102).len(), 1);
}

#[test]
fn another_verb_is_told_who_does_what_since_when() {
    let mut door = Door::new();
    door.set("grace_seconds", "2");
    door.write();
    door.start();
    let mut cycle = door.begin("cycle");
    cycle.reach("guest-asked");
    for verb in ["stop", "start", "reset"] {
        let lines = door.lines(verb);
        assert_eq!((lines.end.outcome, lines.end.exit), (Outcome::Busy, 75), "{verb}");
        let refusal = lines.end.refusal.unwrap();
        assert_eq!(refusal.rule, Rule::Busy);
        for word in ["cycle", "phone", "192.0.2.2", "since", "guest-asked"] {
            assert!(refusal.reason.contains(word), "{word}: {}", refusal.reason);
        }
    }
    let status = door.status("devvm").last_operation.unwrap();
    assert!(status.running && status.outcome.is_none());
    assert_eq!(cycle.end().end.outcome, Outcome::Done);
}

#[test]
fn cycle_supersedes_a_stop_in_its_grace() {
    let mut door = Door::new();
    door.set("stop_grace_seconds", "60");
    door.write();
    let old = door.start();
    let mut stop = door.begin("stop");
    stop.reach("guest-asked");
    let begun = Instant::now();
    let cycle = door.lines("cycle");
    assert_eq!(cycle.end.outcome, Outcome::Done, "{}", cycle.end.message);
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    let stop = stop.end();
    assert_eq!((stop.end.outcome, stop.end.exit), (Outcome::Superseded, 75));
    assert!(
        stop.phases().contains(&Phase::Superseded) && stop.end.message.contains("phone"),
        "{}",
        stop.end.message
    );
    assert!(!alive(old));
    assert_eq!(door.qemus(102).len(), 1);
}

#[test]
fn a_stop_that_does_not_give_way_is_made_to() {
    let mut door = Door::new();
    door.set("stop_grace_seconds", "60");
    door.write();
    door.start();
    let mut stop = door.begin("stop");
    stop.reach("guest-asked");
    let runner = door.runner(102).unwrap();
    kill(runner, "STOP");
    let begun = Instant::now();
    let cycle = door.lines("cycle");
    assert_eq!(cycle.end.outcome, Outcome::Done, "{}", cycle.end.message);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(!alive(runner));
    assert_eq!(stop.end().end.outcome, Outcome::Superseded);
    assert_eq!(door.qemus(102).len(), 1);
}

/// The connection dies at every named step: the cycle completes, with one new process.
#[test]
fn a_caller_that_vanishes_at_any_step_takes_nothing_with_it() {
    let door = Door::new();
    let mut old = door.start();
    for phase in [
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
    ] {
        let count = door.operations(102).len();
        let mut cycle = door.begin("cycle");
        cycle.reach(phase);
        cycle.cut();
        until("the operation has ended", || {
            door.status("devvm")
                .last_operation
                .is_some_and(|last| last.outcome == Some(Outcome::Done) && !last.running)
                && door.operations(102).len() == count + 1
        });
        let now = door.qemus(102);
        assert_eq!(now.len(), 1, "{phase}");
        assert_ne!(now, [old], "{phase}");
        old = now[0];
    }
}

/// The signals that end a session reach the whole group; the runner is not in it.
#[test]
fn hangup_and_termination_of_the_session_do_not_reach_the_runner() {
    let door = Door::new();
    door.start();
    let mut cycle = door.begin("cycle");
    cycle.reach("forensics-begun");
    let runner = door.runner(102).unwrap();
    for signal in ["HUP", "TERM", "INT", "PIPE"] {
        kill(runner, signal);
    }
    assert_eq!(cycle.end().end.outcome, Outcome::Done);
}

/// The runner itself is killed at every step: that is seen as such, and the next verb brings the VM back.
#[test]
fn a_runner_that_is_killed_at_any_step_leaves_a_vm_that_the_next_verb_brings_back() {
    let door = Door::new();
    door.start();
    for phase in [
        "accepted",
        "forensics-begun",
        "forensics-done",
        "guest-asked",
        "grace-ended",
        "process-killed",
        "process-gone",
        "lock-checked",
        "process-started",
    ] {
        let mut cycle = door.begin("cycle");
        cycle.reach(phase);
        let runner = door.runner(102).unwrap();
        kill(runner, "KILL");
        let lines = cycle.end();
        // Late kills may find the operation ended; earlier ones never do.
        if lines.end.outcome != Outcome::Done {
            assert_eq!((lines.end.outcome, lines.end.exit), (Outcome::NotObserved, 70), "{phase}");
            let last = door.status("devvm").last_operation.unwrap();
            assert!(last.outcome.is_none() && !last.running, "{phase}: {last:?}");
        }
        assert!(door.qemus(102).len() <= 1, "{phase}");
        let next = door.lines("cycle");
        assert_eq!(next.end.outcome, Outcome::Done, "after {phase}: {}", next.end.message);
        assert_eq!(next.end.status.unwrap().state, RunState::Running);
        assert_eq!(door.qemus(102).len(), 1, "{phase}");
    }
}

#[test]
fn concurrent_starts_never_give_two_processes() {
    for _ in 0..3 {
        let door = Door::new();
        let running: Vec<_> =
            (0..6).map(|at| door.begin(if at % 2 == 0 { "start" } else { "cycle" })).collect();
        for lines in running.into_iter().map(crate::support::Running::end) {
            assert!(matches!(lines.end.outcome, Outcome::Done | Outcome::Busy), "{}", lines.end.message);
        }
        assert_eq!(door.qemus(102).len(), 1);
    }
}

#[test]
fn old_operations_are_forgotten_and_ids_sort_by_time() {
    let door = Door::new();
    let mut ids = Vec::new();
    for _ in 0..23 {
        ids.push(door.lines("stop").started().unwrap().0);
    }
    assert!(ids.is_sorted());
    until("the last runner has tidied up", || door.operations(102).len() == 20);
    assert!(door.operations(102).last().unwrap().starts_with(ids.last().unwrap()));
}

#[test]
fn only_this_vm_is_touched() {
    let door = Door::to(&[(102, "devvm"), (1020, "gitvm")]);
    let pid = |name: &str| door.lines(&format!("start {name}")).end.status.unwrap().process.unwrap().pid;
    let (devvm, gitvm) = (pid("devvm"), pid("gitvm"));
    for _ in 0..2 {
        assert_eq!(door.lines("cycle devvm").end.outcome, Outcome::Done);
        assert_eq!(door.lines("stop devvm").end.outcome, Outcome::Done);
        assert_eq!(door.qemus(1020), [gitvm]);
        assert!(!alive(devvm) && door.qemus(102).is_empty());
    }
    // The neighbour's number in our pid file: nothing is signalled, nothing is started.
    std::fs::write(door.file(102, "pid"), gitvm.to_string()).unwrap();
    for verb in ["start", "stop", "cycle", "reset"] {
        let lines = door.lines(&format!("{verb} devvm"));
        assert_eq!(lines.end.refusal.map(|refusal| refusal.rule), Some(Rule::UnsafeState), "{verb}");
    }
    assert_eq!(door.qemus(1020), [gitvm]);
    assert!(door.qemus(102).is_empty());
}
