//! The server killed, and separately the line cut, at every step of a cycle and at random moments: the VM ends running,
//! QEMU changes exactly once a cycle, and the restarted server shows the whole incident without having pressed again.

use breakglass_e2e::night::{BOOT, Night, brisk, rounds};
use breakglass_lab::Wedge;
use rand::RngExt as _;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

/// The steps that a cycle of a VM whose guest does not answer goes through.
const STEPS: [&str; 10] = [
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
];

/// Every third step, beginning with the one at `first`; all of them in a full run.
fn steps(first: usize) -> impl Iterator<Item = &'static str> {
    STEPS.into_iter().skip(rounds(first, 0)).step_by(rounds(3, 1))
}

/// The newest events of the journal, read from its file: the server may be dead.
fn journal(night: &Night) -> Vec<Value> {
    let (code, lines, error) = night.server.cli(&["journal", "tail", "-n", "10000", "--json"]).unwrap();
    assert_eq!(code, Some(0), "{error}");
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn count(events: &[Value], kind: &str) -> usize {
    events.iter().filter(|event| event["body"]["kind"] == kind).count()
}

/// How many operations of the guard have reached a step, by their logs on the hypervisor; the server is not in this.
fn reached(night: &Night, step: &str) -> usize {
    let logs = night.lab.directory().join("guard-state");
    let pattern = format!("\"phase\":\"{step}\"");
    let out = Command::new("grep").args(["-rlF", &pattern, "--include=*.jsonl"]).arg(&logs).output().unwrap();
    String::from_utf8_lossy(&out.stdout).lines().count()
}

/// Waits until one more operation than `before` has reached the step; whether it did.
fn await_step(night: &Night, step: &str, before: usize) -> bool {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(20) {
        if reached(night, step) > before {
            return true;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    false
}

fn press_cycle(night: &Night) {
    let answer = night.server.send("/api/v1/targets/devvm/verbs/cycle", &json!({})).unwrap();
    assert!(answer.status < 300, "{}", answer.body);
}

/// What must hold whatever was killed: the VM serves, one more QEMU was started, and the journal says how it ended.
fn holds(night: &Night, what: &str, starts: usize, cycles: usize) {
    let vm = night.vm().unwrap();
    vm.await_banner(BOOT).unwrap_or_else(|error| panic!("{what}: {error}"));
    assert_eq!(vm.starts().len(), starts + 1, "{what}: QEMU starts");
    let started = Instant::now();
    loop {
        let events = journal(night);
        if count(&events, "verb-finished") >= cycles {
            assert_eq!(count(&events, "verb-pressed"), cycles, "{what}: presses");
            let finished: Vec<_> =
                events.iter().filter(|event| event["body"]["kind"] == "verb-finished").collect();
            assert_eq!(finished.last().unwrap()["body"]["outcome"], "done", "{what}: {finished:#?}");
            break;
        }
        assert!(
            started.elapsed() < BOOT,
            "{what}: {} of {cycles} finished\n{}",
            count(&events, "verb-finished"),
            night.server.log()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
    let (code, _, error) = night.server.cli(&["journal", "verify"]).unwrap();
    assert_eq!(code, Some(0), "{what}: {error}");
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn the_server_may_die_at_any_step_of_a_cycle() {
    let mut night = Night::begin(&brisk()).unwrap();
    let mut cycles = 0;
    for step in steps(0) {
        let starts = night.vm().unwrap().starts().len();
        night.vm().unwrap().wedge(Wedge::Panic).unwrap();
        let before = reached(&night, step);
        press_cycle(&night);
        cycles += 1;
        let reached = await_step(&night, step, before);
        night.server.kill();
        assert!(reached, "{step} was never reached");
        night.server.run().unwrap();
        holds(&night, &format!("server killed at {step}"), starts, cycles);
    }
    for round in 0..rounds(1, 50) {
        let starts = night.vm().unwrap().starts().len();
        night.vm().unwrap().wedge(Wedge::Panic).unwrap();
        press_cycle(&night);
        cycles += 1;
        let wait = rand::rng().random_range(0..6000);
        std::thread::sleep(Duration::from_millis(wait));
        night.server.kill();
        night.server.run().unwrap();
        holds(&night, &format!("round {round}: server killed after {wait} ms"), starts, cycles);
    }
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn the_line_may_be_cut_at_any_step_of_a_cycle() {
    let night = Night::begin(&brisk()).unwrap();
    let mut cycles = 0;
    for step in steps(1) {
        let starts = night.vm().unwrap().starts().len();
        night.vm().unwrap().wedge(Wedge::Panic).unwrap();
        let before = reached(&night, step);
        press_cycle(&night);
        cycles += 1;
        let reached = await_step(&night, step, before);
        cut(&night);
        assert!(reached, "{step} was never reached");
        holds(&night, &format!("line cut at {step}"), starts, cycles);
    }
    for round in 0..rounds(1, 50) {
        let starts = night.vm().unwrap().starts().len();
        night.vm().unwrap().wedge(Wedge::Panic).unwrap();
        press_cycle(&night);
        cycles += 1;
        let wait = rand::rng().random_range(0..6000);
        std::thread::sleep(Duration::from_millis(wait));
        cut(&night);
        holds(&night, &format!("round {round}: line cut after {wait} ms"), starts, cycles);
    }
}

/// Kills every process that the hypervisor's sshd serves a connection with; its listener stays.
fn cut(night: &Night) {
    for pid in night.lab.connections().unwrap() {
        let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
    }
}
