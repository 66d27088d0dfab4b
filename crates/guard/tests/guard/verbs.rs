//! What each verb promises, seen on a real QEMU.

use crate::support::{Door, QEMU, alive, kill, until};
use breakglass_protocol::{Outcome, Phase, Rule, RunState};
use std::fs;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

#[test]
fn starts_what_is_off_and_says_what_runs() {
    let door = Door::new();
    let off = door.status("devvm");
    assert_eq!((off.state, off.process, off.last_operation.is_none()), (RunState::Stopped, None, true));

    let lines = door.lines("start");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    let order = lines.phases();
    let expected = [
        Phase::Accepted,
        Phase::ForensicsBegun,
        Phase::ForensicsDone,
        Phase::LockChecked,
        Phase::ProcessStarted,
        Phase::StateObserved,
    ];
    assert_eq!(order, expected);
    let pid = lines.end.status.unwrap().process.unwrap().pid;
    assert_eq!(door.qemus(102), [pid]);

    let status = door.status("devvm");
    assert_eq!((status.state, status.process.unwrap().pid), (RunState::Running, pid));
    assert_eq!(status.samples.len(), 2);
    assert!(status.answered_in_millis.is_some() && status.staged.is_empty(), "{:?}", status.notes);
    let last = status.last_operation.unwrap();
    assert_eq!(
        (last.outcome, last.running, last.key.as_str(), last.source.as_str()),
        (Some(Outcome::Done), false, "phone", "192.0.2.2")
    );

    let again = door.lines("start");
    assert_eq!(again.end.outcome, Outcome::Done);
    assert!(again.end.message.contains(&format!("already as process {pid}")), "{}", again.end.message);
    assert_eq!(door.qemus(102), [pid]);
}

#[test]
fn the_new_process_has_nothing_of_the_guard() {
    let door = Door::new();
    let pid = door.start();
    let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap();
    assert_eq!(read("oom_score_adj"), b"0\n");
    let environment = String::from_utf8(read("environ")).unwrap();
    assert!(environment.starts_with("PATH=") && environment.matches('=').count() == 1, "{environment}");
    let status = String::from_utf8(read("status")).unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    let session_signals = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14;
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() & session_signals, 0, "{ignored}");
    let stat = String::from_utf8(read("stat")).unwrap();
    let session = stat.rsplit_once(") ").unwrap().1.split(' ').nth(3).unwrap().to_owned();
    assert_eq!(session, pid.to_string(), "a session of its own");
    for descriptor in fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten() {
        let target = fs::read_link(descriptor.path()).unwrap_or_default();
        let target = target.to_string_lossy();
        assert!(!target.contains("/state/") && !target.contains("guard.jsonl"), "{target}");
    }
}

#[test]
fn cycle_replaces_the_process_and_applies_what_is_staged() {
    let mut door = Door::new();
    let old = door.start();
    let more = ["-name".to_owned(), "staged".to_owned()];
    door.vms[0].command.extend(more);
    door.write();
    let staged = door.status("devvm").staged;
    assert_eq!(staged.len(), 1);
    assert_eq!(staged[0].staged.as_deref(), Some("-name staged"));

    let lines = door.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    let order = lines.phases();
    let position = |phase: Phase| {
        order.iter().position(|it| *it == phase).unwrap_or_else(|| panic!("{phase:?} in {order:?}"))
    };
    assert!(position(Phase::ForensicsDone) < position(Phase::GuestAsked));
    assert!(position(Phase::GuestAsked) < position(Phase::GraceEnded), "its grace ran out, and that is told");
    assert!(position(Phase::GraceEnded) < position(Phase::ProcessKilled));
    assert!(position(Phase::ProcessKilled) < position(Phase::ProcessGone));
    assert!(
        position(Phase::ProcessGone) < position(Phase::ProcessStarted),
        "started only after the end was seen"
    );
    let new = lines.end.status.unwrap();
    assert_eq!(new.staged, []);
    assert_ne!(new.process.unwrap().pid, old);
    assert!(!alive(old));
    assert_eq!(door.qemus(102).len(), 1);
}

#[test]
fn cycle_starts_a_vm_that_is_off() {
    let door = Door::new();
    let lines = door.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert_eq!(door.qemus(102).len(), 1);
}

#[test]
fn a_paused_vm_is_cycled_without_waiting_for_a_guest_that_cannot_hear() {
    let mut door = Door::new();
    door.set("grace_seconds", "8");
    door.write();
    let old = door.start();
    door.monitor(102, "stop");
    assert_eq!(door.status("devvm").state, RunState::Paused);
    let begun = Instant::now();
    let lines = door.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(!lines.phases().contains(&Phase::GuestAsked));
    assert_ne!(door.qemus(102), [old]);
}

#[test]
fn start_lets_a_paused_vm_go_on_and_reset_does_too() {
    let door = Door::new();
    let pid = door.start();
    for verb in ["start", "reset"] {
        door.monitor(102, "stop");
        let lines = door.lines(verb);
        assert_eq!(lines.end.outcome, Outcome::Done, "{verb}: {}", lines.end.message);
        assert!(lines.phases().contains(&Phase::Resumed), "{verb}");
        let status = lines.end.status.unwrap();
        assert_eq!((status.state, status.process.unwrap().pid), (RunState::Running, pid), "{verb}");
    }
    let lines = door.lines("reset");
    assert_eq!(lines.end.outcome, Outcome::Done);
    assert!(lines.phases().contains(&Phase::ResetSent));
}

#[test]
fn a_vm_that_is_started_held_is_let_go_on() {
    let mut door = Door::new();
    door.vms[0].command.push("-S".to_owned());
    door.write();
    let lines = door.lines("start");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(lines.phases().contains(&Phase::Resumed));
}

#[test]
fn stop_waits_for_the_guest_and_then_does_not() {
    let mut door = Door::new();
    door.set("stop_grace_seconds", "8");
    door.write();
    let pid = door.start();
    let mut running = door.begin("stop");
    running.reach("guest-asked");
    door.monitor(102, "quit");
    let begun = Instant::now();
    let lines = running.end();
    assert!(begun.elapsed() < Duration::from_secs(4), "the end is noticed at once");
    assert_eq!(lines.end.outcome, Outcome::Done);
    assert!(lines.phases().contains(&Phase::GuestStopped) && !lines.phases().contains(&Phase::ProcessKilled));
    assert!(!alive(pid));
    assert_eq!(lines.end.status.unwrap().state, RunState::Stopped);

    door.set("stop_grace_seconds", "1");
    door.write();
    let pid = door.start();
    let lines = door.lines("stop");
    assert_eq!(lines.end.outcome, Outcome::Done);
    assert!(lines.phases().contains(&Phase::ProcessKilled));
    assert!(!alive(pid) && !door.file(102, "pid").exists(), "a killed QEMU leaves no pid file behind");
    assert_eq!(door.lines("stop").end.outcome, Outcome::Done, "a VM that is off is stopped already");
    assert_eq!(door.lines("reset").end.refusal.unwrap().rule, Rule::UnsafeState);
}

#[test]
fn a_hung_qemu_delays_no_verb_beyond_its_deadlines() {
    let door = Door::new();
    let pid = door.start();
    kill(pid, "STOP");
    let begun = Instant::now();
    let status = door.status("devvm");
    assert_eq!((status.state, status.process.unwrap().pid), (RunState::Unresponsive, pid));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());

    let reset = door.lines("reset");
    assert_eq!((reset.end.outcome, reset.end.exit), (Outcome::Failed, 69));
    let begun = Instant::now();
    let lines = door.lines("cycle");
    // Forensics 2 s, one question to the monitor 1 s; the grace is not waited for, since nobody could be asked.
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(!alive(pid));
    assert_eq!(door.qemus(102).len(), 1);
}

#[test]
fn a_socket_that_never_answers_and_is_no_qemu_is_never_killed() {
    let door = Door::new();
    let _listener = UnixListener::bind(door.file(102, "qmp")).unwrap();
    for verb in ["stop", "cycle", "start", "reset"] {
        let begun = Instant::now();
        let refusal = door.lines(verb).end.refusal.unwrap();
        assert_eq!(refusal.rule, Rule::UnsafeState, "{verb}");
        assert!(refusal.reason.contains("configured program"), "{}", refusal.reason);
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
    let begun = Instant::now();
    assert_eq!(door.status("devvm").state, RunState::Unknown);
    assert!(begun.elapsed() < Duration::from_secs(2));
}

#[test]
fn locks_stop_a_start_and_a_cycle_before_anything_is_touched() {
    let door = Door::new();
    let pid = door.start();
    let lock = door.file(102, "lock");
    for kind in ["migrate", "clone", "rollback", "snapshot", "suspended", "backup 1"] {
        fs::write(&lock, kind).unwrap();
        let lines = door.lines("cycle");
        assert_eq!(lines.end.refusal.as_ref().unwrap().rule, Rule::UnsafeState, "{kind}");
        assert!(alive(pid) && lines.started().is_none() && lock.exists());
    }
    fs::write(&lock, "backup 4194305").unwrap();
    assert!(door.status("devvm").lock.unwrap().clearable);
    let lines = door.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(!lock.exists() && lines.phases().contains(&Phase::LockChecked));
    fs::write(&lock, "migrate 4194305").unwrap();
    assert_eq!(door.lines("stop").end.outcome, Outcome::Done);
    let refused = door.lines("start").end.refusal.unwrap();
    assert!(refused.reason.contains("migrate") && lock.exists(), "{}", refused.reason);
}

#[test]
fn a_qemu_that_ends_at_once_is_told_with_its_own_words() {
    let mut door = Door::new();
    door.vms[0].command.push("-nonsense".to_owned());
    door.write();
    let lines = door.lines("start");
    assert_eq!((lines.end.outcome, lines.end.exit), (Outcome::Failed, 69));
    assert!(lines.end.message.contains("nonsense"), "{}", lines.end.message);
    door.vms[0].command = vec!["/nonexistent/qemu".to_owned()];
    door.write();
    let lines = door.lines("start");
    assert_eq!(lines.end.outcome, Outcome::Failed);
    assert!(lines.end.message.contains("cannot be run"), "{}", lines.end.message);
    door.vms[0].command = vec![QEMU.to_owned(), "-daemonize".to_owned()];
    door.write();
    assert_eq!(door.ask("start").code, 78);
}

#[test]
fn people_get_sentences() {
    let door = Door::new();
    door.start();
    let status = door.ask("status");
    assert_eq!(status.code, 0);
    assert!(status.stdout.starts_with("devvm (102): running\nprocess "), "{}", status.stdout);
    assert!(status.stderr.is_empty());
    let cycle = door.ask("cycle");
    assert_eq!(cycle.code, 0, "{}", cycle.stderr);
    for word in
        ["accepted as", "forensics-begun", "process-gone", "process-started", "the VM runs as process"]
    {
        assert!(cycle.stdout.contains(word), "{word}: {}", cycle.stdout);
    }
    until("the runner has gone", || door.runner(102).is_none_or(|runner| !alive(runner)));
}
