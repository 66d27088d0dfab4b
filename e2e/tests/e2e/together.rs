//! Several hands at one power door, through the API and through plain ssh: one operation, everybody told.

use breakglass_e2e::night::{BOOT, Night, brisk};
use breakglass_lab::{Options, Wedge};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn press(night: &Night, verb: &str, body: &Value) -> (u16, Value) {
    let answer = night.server.send(&format!("/api/v1/targets/devvm/verbs/{verb}"), body).unwrap();
    (answer.status, answer.json().unwrap())
}

/// The events of an incident that have this kind.
fn events(night: &Night, kind: &str) -> Vec<Value> {
    let output = night.server.cli(&["journal", "tail", "-n", "10000", "--json"]).unwrap();
    assert_eq!(output.0, Some(0), "{}", output.2);
    let lines = output.1.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|event| event["body"]["kind"] == kind).collect()
}

fn await_events(night: &Night, kind: &str, count: usize) -> Vec<Value> {
    let started = Instant::now();
    loop {
        let found = events(night, kind);
        if found.len() >= count {
            return found;
        }
        assert!(started.elapsed() < BOOT, "{} of {count} {kind}: {}", found.len(), night.server.log());
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn two_who_press_cycle_together_share_one_operation() {
    let night = Night::begin(&brisk()).unwrap();
    night.vm().unwrap().wedge(Wedge::Pause).unwrap();
    let (first, second) = std::thread::scope(|scope| {
        let one = scope.spawn(|| press(&night, "cycle", &json!({})));
        let two = scope.spawn(|| press(&night, "cycle", &json!({})));
        (one.join().unwrap(), two.join().unwrap())
    });
    println!("{first:?}\n{second:?}");
    assert_eq!(first.1["operation"], second.1["operation"], "{first:?} {second:?}");
    assert!(first.1["operation"].is_string(), "{first:?}");
    let joined: Vec<bool> =
        [&first, &second].iter().map(|(_, answer)| answer["joined"].as_bool().unwrap()).collect();
    assert_eq!(joined.iter().filter(|joined| **joined).count(), 1, "{joined:?}");
    // Both presses and both acceptances are told, and the one operation ends once.
    await_events(&night, "verb-finished", 1);
    assert_eq!(events(&night, "verb-accepted").len(), 2);
    night.vm().unwrap().await_banner(BOOT).unwrap();
    assert_eq!(night.vm().unwrap().starts().len(), 2, "one cycle, one fresh QEMU");
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn another_verb_is_told_who_does_what_and_a_cycle_takes_over_from_a_stop_that_hangs() {
    let options = Options { grace: Duration::from_secs(8), ..brisk() };
    let night = Night::begin(&options).unwrap();
    let vm = night.vm().unwrap();
    vm.wedge(Wedge::Panic).unwrap();
    let (status, cycle) = press(&night, "cycle", &json!({}));
    assert!(status < 300, "{cycle}");
    let (status, stop) = press(&night, "stop", &json!({}));
    assert_eq!(status, 409, "{stop}");
    let told = stop.to_string();
    assert!(told.contains("cycle"), "says what runs: {told}");
    await_events(&night, "verb-finished", 2);
    vm.await_banner(BOOT).unwrap();
    assert_eq!(vm.starts().len(), 2);

    vm.wedge(Wedge::Panic).unwrap();
    let (status, stop) = press(&night, "stop", &json!({}));
    assert!(status < 300, "{stop}");
    // The stop now waits for a guest that will never answer; a cycle is stronger.
    std::thread::sleep(Duration::from_secs(5));
    let (status, cycle) = press(&night, "cycle", &json!({}));
    assert!(status < 300, "{cycle}");
    vm.await_banner(BOOT).unwrap();
    let finished = await_events(&night, "verb-finished", 4);
    assert!(finished.iter().any(|event| event["body"]["outcome"] == "superseded"), "{finished:#?}");
    assert_eq!(vm.starts().len(), 3);
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn a_press_from_a_stale_page_is_answered_with_what_happened_since() {
    let night = Night::begin(&brisk()).unwrap();
    let (status, first) = press(&night, "cycle", &json!({ "seen": 1 }));
    assert!(status < 300, "nothing had happened: {first}");
    await_events(&night, "verb-finished", 1);
    night.vm().unwrap().await_banner(BOOT).unwrap();
    let starts = night.vm().unwrap().starts().len();
    let (status, stale) = press(&night, "cycle", &json!({ "seen": 1 }));
    assert_eq!(status, 409, "{stale}");
    assert!(stale.to_string().contains("cycle"), "says what happened: {stale}");
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(night.vm().unwrap().starts().len(), starts, "nothing was started");
}

#[test]
#[ignore = "boots VMs for minutes: runs in `cargo xtask test --full`"]
fn plain_ssh_shares_the_operation_of_the_page() {
    let night = Night::begin(&brisk()).unwrap();
    let lab = &night.lab;
    night.vm().unwrap().wedge(Wedge::Panic).unwrap();
    let (status, pressed) = press(&night, "cycle", &json!({}));
    assert!(status < 300, "{pressed}");
    let joined = lab.power("--json cycle", BOOT).unwrap();
    let operation = pressed["operation"].as_str().unwrap();
    assert!(joined.stdout.contains(operation), "{joined:?} is not {operation}");
    assert!(joined.stdout.contains("\"joined\":true"), "{joined:?}");
    assert_eq!(joined.code, Some(0), "{joined:?}");
    night.vm().unwrap().await_banner(BOOT).unwrap();
    assert_eq!(night.vm().unwrap().starts().len(), 2);
}
