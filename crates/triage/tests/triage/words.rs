//! How it reads.

use crate::build::{
    diagnosed, flow, healthy, healthy_unlearnt, now, panic_sign, probe, silenced, with_facts, with_status,
};
use breakglass_protocol::{ConsoleSignKind, Part};
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
