//! Whatever did not answer: no rule panics, none makes a name out of nothing, and every answer says what to do.

use crate::build::{facts, healthy, now, sample, seconds_ago, status};
use breakglass_protocol::{Facts, Part, RunState, Status};
use breakglass_triage::{Action, Evidence, HypervisorView, Inside, Normal, Reach, diagnose};

fn reaches() -> Vec<Reach> {
    vec![Reach::Banner(9), Reach::NoBanner, Reach::Closed, Reach::Silent, Reach::NotTried]
}

/// Facts with some parts missing, by the bits of `mask`.
fn partial(mask: u32) -> Facts {
    let mut facts = facts();
    let bit = |n: u32| mask & (1 << n) != 0;
    if bit(0) {
        facts.load = Part::TimedOut;
    }
    if bit(1) {
        facts.memory = Part::No("no such file".to_owned());
    }
    if bit(2) {
        facts.pressure = Part::TimedOut;
    }
    if bit(3) {
        facts.filesystems = Part::TimedOut;
    }
    if bit(4) {
        facts.blocked = Part::No("not allowed".to_owned());
    }
    if bit(5) {
        facts.failed_units = Part::TimedOut;
    }
    if bit(6) {
        facts.clock = Part::TimedOut;
    }
    if bit(7) {
        facts.sync.clear();
    }
    facts
}

/// A running VM of which only some was seen, by the bits of `mask`.
fn bare(mask: u32) -> Status {
    let mut status = status();
    let bit = |n: u32| mask & (1 << n) != 0;
    if bit(0) {
        status.samples.clear();
    }
    if bit(1) {
        status.samples.truncate(1);
    }
    if bit(2) {
        status.process = None;
    }
    if bit(3) {
        status.process_age_seconds = None;
    }
    if bit(4) {
        status.answered_in_millis = None;
    }
    if bit(5) {
        status.console_bytes = None;
    }
    if bit(6) {
        status.state = RunState::Unknown;
    }
    if bit(7) {
        status.samples.iter_mut().for_each(|sample| sample.disks.clear());
    }
    status
}

fn complete(evidence: &Evidence) -> breakglass_triage::Triage {
    let triage = diagnose(evidence, 5_900);
    assert!(
        !triage.summary.is_empty() && !triage.because.is_empty() && !triage.wrong_if.is_empty(),
        "{triage:#?}"
    );
    triage
}

#[test]
fn nothing_at_all_names_nothing() {
    let views =
        [HypervisorView::NoDoor, HypervisorView::TimedOut, HypervisorView::Failed("refused".to_owned())];
    let insides = [Inside::NoDoor, Inside::TimedOut, Inside::Failed("refused".to_owned())];
    for reach in reaches() {
        for refusing in reaches().into_iter().map(Some).chain([None]) {
            for inside in &insides {
                for hypervisor in &views {
                    let evidence = Evidence {
                        at: now(),
                        reach: reach.clone(),
                        refusing_port: refusing.clone(),
                        inside: inside.clone(),
                        hypervisor: hypervisor.clone(),
                        normal: Normal::default(),
                    };
                    let triage = complete(&evidence);
                    assert_eq!(triage.wedge, None, "{evidence:#?}");
                    assert!(!matches!(triage.action, Action::Press(_)), "{evidence:#?} {triage:#?}");
                }
            }
        }
    }
}

#[test]
fn parts_that_are_missing_name_nothing_where_the_rest_is_well() {
    for mask in 0..256 {
        let evidence = Evidence { inside: Inside::Facts(Box::new(partial(mask))), ..healthy() };
        assert_eq!(complete(&evidence).wedge, None, "facts {mask:08b}");
        let evidence = Evidence { hypervisor: HypervisorView::Status(Box::new(bare(mask))), ..healthy() };
        assert_eq!(complete(&evidence).wedge, None, "status {mask:08b}");
        // A status that was hardly seen, and silence, are not enough for a name either.
        let silent =
            Evidence { reach: Reach::NoBanner, refusing_port: None, inside: Inside::TimedOut, ..evidence };
        assert_eq!(complete(&silent).wedge, None, "silent, status {mask:08b}");
        let unsampled = Evidence { refusing_port: Some(Reach::NoBanner), ..silent };
        if mask & 0b11 != 0 {
            assert_eq!(complete(&unsampled).wedge, None, "silent, unsampled, status {mask:08b}");
        }
    }
}

#[test]
fn numbers_at_their_ends_do_not_break_it() {
    let mut odd = status();
    odd.samples = vec![sample(now(), u64::MAX, u64::MAX), sample(seconds_ago(9), 0, 0)];
    odd.process_age_seconds = Some(u64::MAX);
    odd.answered_in_millis = Some(u64::MAX);
    let mut inside = partial(0);
    if let Part::Yes(memory) = &mut inside.memory {
        (memory.total_kib, memory.available_kib) = (0, u64::MAX);
    }
    if let Part::Yes(load) = &mut inside.load {
        (load.processors, load.runnable, load.one) = (0, 0, f64::NAN);
    }
    inside.sync.iter_mut().for_each(|probe| probe.millis = Some(u64::MAX));
    let normal = Normal {
        writes_per_second: Some(f64::NAN),
        longest_quiet_millis: Some(u64::MAX),
        quiet_millis: Some(u64::MAX),
        cpu_percent: Some(f64::INFINITY),
        last_well: Some(now()),
        refusing_port_refused: None,
    };
    let evidence = Evidence {
        hypervisor: HypervisorView::Status(Box::new(odd)),
        inside: Inside::Facts(Box::new(inside)),
        normal,
        ..healthy()
    };
    assert_eq!(complete(&evidence).wedge, None);
    let silent = Evidence { reach: Reach::NoBanner, inside: Inside::TimedOut, ..evidence };
    complete(&silent);
}
