//! What is learnt of a target, at whatever interval it is looked at.

use crate::build::{now, sample, status};
use breakglass_protocol::{ProcessIdentity, Timestamp};
use breakglass_triage::{Normal, NormalLearner};

/// Watches for `seconds`, looking every `interval` milliseconds at a machine whose counters follow `at`.
fn watch(
    learner: &mut NormalLearner,
    from: u64,
    seconds: u64,
    interval: u64,
    writes_at: impl Fn(u64) -> u64,
    healthy: bool,
) {
    let mut millis = from * 1000;
    while millis <= (from + seconds) * 1000 {
        let at = now().plus_millis(millis);
        learner.observe(at, &sample(at, writes_at(millis), millis / 10), healthy);
        millis += interval;
    }
}

fn at(seconds: u64) -> Timestamp {
    now().plus_millis(seconds * 1000)
}

#[test]
fn the_interval_does_not_matter() {
    // Four writes a second, but for eight seconds of quiet once a minute.
    let writes = |millis: u64| {
        let (minutes, rest) = (millis / 60_000, millis % 60_000);
        minutes * 208 + rest.min(52_000) / 250
    };
    for interval in [250, 1_000, 2_000, 5_000] {
        let mut learner = NormalLearner::default();
        watch(&mut learner, 0, 600, interval, writes, true);
        let normal = learner.normal(at(600));
        let rate = normal.writes_per_second.expect("enough was seen");
        assert!((3.6..=4.4).contains(&rate), "{interval}: {rate}");
        let longest = normal.longest_quiet_millis.expect("enough was seen");
        assert!((8_000..=8_000 + 2 * interval).contains(&longest), "{interval}: {longest}");
        let cpu = normal.cpu_percent.expect("enough was seen");
        assert!((9.0..=11.0).contains(&cpu), "{interval}: {cpu}");
        assert_eq!(normal.last_well, Some(at(600)), "{interval}");
    }
}

#[test]
fn an_idle_machine_has_a_rate_of_nothing() {
    let mut learner = NormalLearner::default();
    watch(&mut learner, 0, 900, 1_000, |millis| millis / 300_000, true);
    assert_eq!(learner.normal(at(900)).writes_per_second, Some(0.0));
}

#[test]
fn what_is_unwell_teaches_nothing_and_a_stall_is_not_learnt_as_quiet() {
    let mut learner = NormalLearner::default();
    watch(&mut learner, 0, 120, 1_000, |millis| millis / 100, true);
    let before = learner.normal(at(120));
    // The stall begins, and for a while nobody has noticed.
    watch(&mut learner, 121, 10, 1_000, |_| 1_200, true);
    watch(&mut learner, 132, 300, 1_000, |_| 1_200, false);
    let stalled = learner.normal(at(432));
    assert_eq!(stalled.longest_quiet_millis, before.longest_quiet_millis);
    assert_eq!(stalled.last_well, Some(at(131)));
    assert!(stalled.quiet_millis.expect("counters came") >= 310_000);
    // The disk comes back in the same process: the stall was no quiet of the target's own.
    let mut same = learner.clone();
    watch(&mut same, 433, 60, 1_000, |millis| 1_200 + (millis - 432_000) / 100, true);
    assert_eq!(same.normal(at(493)).longest_quiet_millis, before.longest_quiet_millis);
    // A fresh process begins anew, and the quiet that a cycle ended was no quiet of its own.
    watch(&mut learner, 433, 60, 1_000, |millis| (millis - 433_000) / 100, true);
    let again = learner.normal(at(493));
    assert_eq!(again.longest_quiet_millis, before.longest_quiet_millis);
    assert!(again.quiet_millis.expect("counters came") <= 1_000);
}

#[test]
fn too_little_is_no_normal_and_much_is_bounded() {
    let mut learner = NormalLearner::default();
    assert_eq!(learner.normal(now()), Normal::default());
    watch(&mut learner, 0, 5, 1_000, |millis| millis / 100, true);
    assert_eq!(learner.normal(at(5)).writes_per_second, None);
    watch(&mut learner, 6, 20_000, 5_000, |millis| millis / 100, true);
    assert!((2_995_000..=3_010_000).contains(&learner.learnt_millis()), "{}", learner.learnt_millis());
    assert!(learner.normal(at(20_006)).writes_per_second.is_some());
}

#[test]
fn a_status_teaches_once_it_was_well_and_a_new_process_starts_over() {
    let mut learner = NormalLearner::default();
    let mut seen = status();
    for second in 0..40_u64 {
        seen.samples = vec![
            sample(at(second), second * 6, second * 50),
            sample(at(second).plus_millis(500), second * 6 + 3, second * 50 + 25),
        ];
        learner.status(&seen);
        learner.well(at(second), true);
    }
    let rate = learner.normal(at(40)).writes_per_second.expect("enough was seen");
    assert!((5.5..=6.5).contains(&rate), "{rate}");
    // More writes in another process are no writes between the two.
    seen.process = Some(ProcessIdentity { pid: 9, start_ticks: 9 });
    seen.samples = vec![sample(at(41), 1_000_000, 1_000_000)];
    learner.status(&seen);
    learner.well(at(41), true);
    let rate = learner.normal(at(42)).writes_per_second.expect("still known");
    assert!((5.5..=6.5).contains(&rate), "{rate}");
    learner.refusing_port(true);
    learner.refusing_port(false);
    assert_eq!(learner.normal(at(42)).refusing_port_refused, Some(true));
}

#[test]
fn it_survives_a_restart() {
    let mut learner = NormalLearner::default();
    watch(&mut learner, 0, 60, 1_000, |millis| millis / 100, true);
    let kept = serde_json::to_string(&learner).expect("serialises");
    let back: NormalLearner = serde_json::from_str(&kept).expect("reads back");
    assert_eq!(back.normal(at(61)), learner.normal(at(61)));
    assert!(kept.len() < 100_000, "{}", kept.len());
}
