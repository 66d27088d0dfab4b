//! Triage through the built binary, blind to what the lab did: every wedge is named by the server that watched, and
//! nothing that only looks like one is, not even by a command line that knows nothing of the past.

use breakglass_e2e::night::{BOOT, Night, brisk, lab, rounds};
use breakglass_e2e::server;
use breakglass_lab::{Condition, Lab, VmOptions, Wedge};
use serde_json::Value;
use std::process::Command;
use std::time::{Duration, Instant};

/// What triage calls what the lab did.
const NAMES: [(Wedge, &str); 9] = [
    (Wedge::Pause, "paused"),
    (Wedge::BlockStall, "block-stall"),
    (Wedge::Panic, "panic"),
    (Wedge::MemoryExhaustion, "memory-exhaustion"),
    (Wedge::DiskFull, "disk-full"),
    (Wedge::SshdDead, "sshd-dead"),
    (Wedge::SshdHung, "sshd-dead"),
    (Wedge::NetworkDead, "network-dead"),
    (Wedge::RunawayLoad, "runaway-load"),
];

/// One triage of the first VM: its result and how long the whole command took.
fn triage(lab: &Lab) -> (Value, Duration) {
    let started = Instant::now();
    let output = Command::new(server::binary().unwrap())
        .args(["triage", "devvm", "--json", "--fleet"])
        .arg(lab.fleet_file())
        .output()
        .unwrap();
    let took = started.elapsed();
    let text = String::from_utf8_lossy(&output.stdout);
    let result = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}{}", String::from_utf8_lossy(&output.stderr)));
    (result, took)
}

/// Waits until the server has seen this very boot of the VM well, so that what follows is a change and no slow start.
fn settle(night: &Night) {
    let vm = night.vm().unwrap();
    vm.await_banner(BOOT).unwrap();
    let process = vm.process().unwrap();
    let started = Instant::now();
    loop {
        let target = night.server.read("/api/v1/targets/devvm").unwrap().json().unwrap();
        // Triage takes a silence for a slow boot unless the target was seen well some seconds into it.
        let this_boot = target["status"]["process"]["pid"] == process.pid;
        if target["health"] == "good"
            && this_boot
            && target["status"]["process_age_seconds"].as_u64() >= Some(8)
        {
            break;
        }
        assert!(started.elapsed() < BOOT, "never seen well: {target:#}\n{}", night.server.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    // The status may be newer than the look that found it well.
    std::thread::sleep(Duration::from_secs(2));
}

#[test]
#[ignore = "boots a VM for each of nine wedges: runs in `cargo xtask test --full`"]
fn every_wedge_is_named_by_a_triage_that_does_not_know_what_was_done() {
    let night = Night::begin(&brisk()).unwrap();
    let vm = night.vm().unwrap();
    let mut wrong = Vec::new();
    for round in 0..rounds(1, 5) {
        for (wedge, name) in NAMES {
            vm.renew().unwrap();
            settle(&night);
            vm.wedge(wedge).unwrap();
            let started = Instant::now();
            let answer = night.server.send("/api/v1/targets/devvm/triage", &serde_json::json!({})).unwrap();
            let took = started.elapsed();
            let result = answer.json().unwrap();
            let named = result["wedge"].as_str().unwrap_or("none");
            let told = |label: &str| {
                let all = result["findings"].as_array().cloned().unwrap_or_default();
                let one = all.iter().find(|finding| finding["label"] == label).cloned();
                one.map_or_else(String::new, |finding| format!("; {label}: {}", finding["seen"]))
            };
            println!(
                "round {round}: {wedge:?} -> {named} in {took:?}: {}{}{}",
                result["summary"],
                told("QEMU CPU"),
                told("Guest writes")
            );
            if named != name {
                wrong.push(format!("{wedge:?} was called {named}: {result:#}"));
            }
            if took > Duration::from_secs(7) {
                wrong.push(format!("{wedge:?} took {took:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_only_looks_like_a_wedge_is_left_alone() {
    let mut options = brisk();
    options.vms = vec![VmOptions { idle: true, ..VmOptions::default() }];
    let idle = lab(&options).unwrap();
    let mut wrong = Vec::new();
    let mut expect_none = |what: &str, lab: &Lab| {
        let (result, took) = triage(lab);
        println!("{what}: {} in {took:?}: {}", result["wedge"], result["summary"]);
        if !result["wedge"].is_null() {
            wrong.push(format!("{what} was called {result:#}"));
        }
    };
    for _ in 0..rounds(1, 20) {
        expect_none("idle", &idle);
    }
    drop(idle);
    let lab = lab(&brisk()).unwrap();
    let vm = lab.vm().unwrap();
    for _ in 0..rounds(1, 20) {
        expect_none("healthy", &lab);
    }
    for _ in 0..rounds(1, 20) {
        vm.condition(Condition::Booting).unwrap();
        expect_none("booting", &lab);
        vm.await_banner(BOOT).unwrap();
    }
    vm.condition(Condition::OwnerPaused).unwrap();
    for _ in 0..rounds(1, 20) {
        expect_none("paused by its owner", &lab);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Looks as fast as one follows the other, for three minutes: on a quiet machine as many as half an hour has at the default of 5 s.
#[test]
#[ignore = "watches for minutes: runs in `cargo xtask test --full`"]
fn an_idle_vm_stays_green_for_half_an_hour_of_looks() {
    let mut options = brisk();
    options.vms = vec![VmOptions { idle: true, ..VmOptions::default() }];
    let lab = lab(&options).unwrap();
    let machines = lab.fleet_toml().unwrap().replace("interval = \"1 s\"", "interval = \"250 ms\"");
    assert!(machines.contains("250 ms"), "{machines}");
    let (folder, state) = (lab.directory().join("server"), lab.directory().join("state"));
    let server = server::Server::start(&folder, &state, &machines).unwrap();
    let night = Night { server, lab };
    settle(&night);
    let began = Instant::now();
    let mut looks = std::collections::BTreeSet::new();
    while began.elapsed() < Duration::from_secs(180) {
        let target = night.server.read("/api/v1/targets/devvm").unwrap().json().unwrap();
        assert_eq!(target["health"], "good", "after {:?}: {target:#}", began.elapsed());
        looks.insert(target["status"]["at"].to_string());
        std::thread::sleep(Duration::from_millis(100));
    }
    println!("{} looks were seen", looks.len());
    assert!(looks.len() > 100, "the watch did not look often: {}", looks.len());
    let incidents = night.server.read("/api/v1/incidents").unwrap().json().unwrap();
    assert_eq!(incidents["incidents"], serde_json::json!([]), "{incidents}");
}
