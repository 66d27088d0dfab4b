//! How it reads.

use crate::build::{
    diagnosed, facts, flow, healthy, healthy_unlearnt, now, panic_sign, probe, seconds_ago, silenced,
    with_facts, with_status,
};
use breakglass_protocol::{Change, ChangeKind, ConsoleSignKind, Facts, Part};
use breakglass_triage::{Health, Reach};

#[test]
fn the_most_telling_stands_first_and_nothing_twice() {
    let flat = with_status(healthy_unlearnt(), |status| flow(status, 0, 2));
    let triage = diagnosed(&with_facts(flat, |facts| facts.sync = vec![probe(None, Some(2_000), None)]));
    let labels: Vec<&str> = triage.findings.iter().map(|finding| finding.label.as_str()).collect();
    assert_eq!(labels[..3], ["Write and sync", "Guest writes", "QEMU"]);
    for label in [
        "SSH",
        "Log-in",
        "Lock",
        "Jobs",
        "Load",
        "Memory",
        "Pressure",
        "Disks",
        "Blocked tasks",
        "Clock",
        "QEMU CPU",
    ] {
        assert_eq!(labels.iter().filter(|other| **other == label).count(), 1, "{label} in {labels:?}");
    }
    assert_eq!((triage.at, triage.millis), (now(), 2_100));
    assert!(triage.wrong_if.contains("none was seen: no lock, no job"), "{}", triage.wrong_if);
}

#[test]
fn what_is_out_of_order_stands_before_what_is_not() {
    let evidence = with_facts(healthy(), |facts| facts.pressure = Part::TimedOut);
    let triage = diagnosed(&evidence);
    assert_eq!(triage.findings[0].label, "Pressure");
    assert_eq!(triage.health, Health::Degraded);
    assert!(triage.summary.contains("one thing"), "{}", triage.summary);
}

#[test]
fn what_a_guest_wrote_cannot_move_the_cursor_or_fill_the_page() {
    let silent = silenced(healthy_unlearnt(), Reach::NoBanner, Some(Reach::NoBanner));
    let evidence = with_status(silent, |status| {
        let mut forged = panic_sign(4);
        forged.kind = ConsoleSignKind::Panic;
        forged.line = format!("Kernel panic - not syncing: \u{1b}[2J\r\n{}", "x".repeat(10_000));
        status.console = vec![forged];
    });
    let shown = format!("{:?}", diagnosed(&evidence));
    assert!(!shown.contains("\\u{1b}") && !shown.contains("\\r"), "control characters came through");
    assert!(shown.len() < 5_000, "{}", shown.len());
}

#[test]
fn what_was_changed_stands_beside_the_evidence_and_decides_nothing() {
    let before = diagnosed(&healthy());
    let changes: Vec<Change> = (1..=9)
        .map(|n| (n, ChangeKind::Package, format!("upgraded p{n}")))
        .chain([(30, ChangeKind::Login, "mara\u{1b} from 192.0.2.7".to_owned())])
        .map(|(minutes, kind, what)| Change { at: seconds_ago(minutes * 60), kind, what })
        .collect();
    let after = diagnosed(&with_facts(healthy(), |facts| facts.changes = Part::Yes(changes)));
    let told: Vec<String> = after.changed.iter().map(|one| format!("{}: {}", one.label, one.seen)).collect();
    assert_eq!(told[1], "Log-ins: mara from 192.0.2.7 30 min ago");
    assert!(told[0].starts_with("Packages: upgraded p1 60 s ago; upgraded p2 2 min ago;"), "{told:?}");
    assert!(told[0].ends_with("; and 3 more"), "{told:?}");
    assert_eq!((after.health, &after.summary), (before.health, &before.summary));
    assert!(before.changed.iter().all(|one| one.seen.starts_with("nothing that")), "{:?}", before.changed);
    // An older guard does not tell; it is still understood.
    let mut json = serde_json::to_value(facts()).unwrap();
    json.as_object_mut().unwrap().remove("changes");
    json["clock"]["value"].as_object_mut().unwrap().remove("offset_minutes");
    let older: Facts = serde_json::from_value(json).unwrap();
    assert!(diagnosed(&with_facts(healthy(), |facts| *facts = older)).changed[0].seen.contains("older"));
}
