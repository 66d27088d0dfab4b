//! What one look at a target says: triage's quick rules, and on top of them the few things that only a watch knows.
//!
//! A watch knows that a question of its own has been hanging since an earlier look, that the hypervisor's own port is
//! silent, and what should wake nobody. Where it is not sure it says so and wakes nobody either.

use breakglass_incident::TargetState;
use breakglass_protocol::{BlockSample, Outcome, Status, SyncProbe, Timestamp, Verb};
use breakglass_triage::{Health, Normal, Quick, Reach, Wedge, quick};
use std::time::Duration;

/// A command through the repair door that has not come back for longer than this counts. A machine that is merely busy
/// answers within it.
const STUCK_COMMAND_MILLIS: u64 = 2_300;
/// Without counters to tell a stalled disk from a busy machine, that is down only after this long.
const HOPELESS_COMMAND_MILLIS: u64 = 15_000;

/// What the write-and-sync through the repair door did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyncSeen {
    /// Not tried: no repair door, or the fleet file turns it off.
    NotTried,
    /// It ended.
    Probes(Vec<SyncProbe>),
    /// The command has not come back for so long, in milliseconds.
    Stuck(u64),
    /// A command runs there, and no guard is installed.
    NoGuard,
    /// The door did not open, or something else came.
    Failed(String),
}

/// One look.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) at: Timestamp,
    pub(crate) reach: Reach,
    pub(crate) sync: SyncSeen,
    /// The status, or why there is none; `None` where there is no power door.
    pub(crate) hypervisor: Option<Result<Box<Status>, String>>,
    /// Whether the hypervisor's own SSH port is silent.
    pub(crate) hypervisor_silent: bool,
    /// The newest block counters of the look before this one, of the same QEMU process.
    pub(crate) before: Option<BlockSample>,
    pub(crate) normal: Normal,
}

impl Look {
    pub(crate) fn status(&self) -> Option<&Status> {
        self.hypervisor.as_ref()?.as_ref().ok().map(Box::as_ref)
    }
}

/// What a look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) state: TargetState,
    /// Whether somebody should be woken when this lasts.
    pub(crate) alarm: bool,
    /// For how long this is known to have been so already, where one question has been asking it all the time.
    pub(crate) lasted: Duration,
    /// Whether a question is still open whose answer decides: such a look neither confirms nor contradicts anything.
    pub(crate) pending: bool,
}

impl Verdict {
    pub(crate) fn new(health: Health, wedge: Option<Wedge>, sentence: impl Into<String>) -> Self {
        let state = TargetState { health, sentence: sentence.into(), wedge };
        Self { state, alarm: health == Health::Down, lasted: Duration::ZERO, pending: false }
    }
}

/// Judges one look.
pub(crate) fn judge(look: &Look) -> Verdict {
    let status = look.status();
    let answers = matches!(look.reach, Reach::Banner(_));
    if look.hypervisor_silent && !answers && status.is_none() {
        return Verdict::new(
            Health::Unknown,
            None,
            "its hypervisor does not answer, so nothing can be said of it",
        );
    }
    let probes = match &look.sync {
        SyncSeen::Probes(probes) => Some(probes.as_slice()),
        _ => None,
    };
    let Quick { health, sentence, wedge } = quick(look.at, &look.reach, probes, status, &look.normal);
    let verdict = Verdict::new(health, wedge, sentence);
    let verdict = Verdict { alarm: verdict.alarm && !off_as_asked(status), ..verdict };
    if !answers || health > Health::Unknown {
        return verdict;
    }
    match &look.sync {
        SyncSeen::Stuck(millis) if *millis >= STUCK_COMMAND_MILLIS => {
            Verdict { lasted: Duration::from_millis(*millis), ..stuck_command(look, *millis) }
        }
        SyncSeen::Stuck(_) => {
            let state = TargetState {
                health: Health::Unknown,
                sentence: "a write is being tried".to_owned(),
                wedge: None,
            };
            Verdict { state, pending: true, ..verdict }
        }
        SyncSeen::Failed(why) => Verdict::new(
            Health::Degraded,
            None,
            format!("SSH greets, and the repair door does not open: {why}"),
        ),
        _ => verdict,
    }
}

/// Off because somebody stopped it wakes nobody.
fn off_as_asked(status: Option<&Status>) -> bool {
    let last = status.and_then(|status| status.last_operation.as_ref());
    last.is_some_and(|last| last.verb == Verb::Stop && last.outcome == Some(Outcome::Done))
}

fn stuck_command(look: &Look, millis: u64) -> Verdict {
    let flat = match (look.before.as_ref(), look.status().and_then(|status| status.samples.last())) {
        (Some(before), Some(now)) => Some(writes_between(before, now) == 0),
        _ => None,
    };
    let sentence = |what: &str| {
        format!(
            "SSH greets, and a command through the repair door has been hanging for {:.1} s{what}",
            seconds(millis)
        )
    };
    match flat {
        Some(true) => {
            Verdict::new(Health::Down, Some(Wedge::BlockStall), sentence(" while no write completes"))
        }
        _ if millis >= HOPELESS_COMMAND_MILLIS => Verdict::new(Health::Down, None, sentence("")),
        _ => Verdict::new(Health::Degraded, None, sentence("")),
    }
}

#[expect(clippy::cast_precision_loss, reason = "for a reader, rounded to a tenth of a second")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// Completed writes between two samples of one process.
fn writes_between(before: &BlockSample, now: &BlockSample) -> u64 {
    total(now).saturating_sub(total(before))
}

fn total(sample: &BlockSample) -> u64 {
    sample.disks.iter().map(|disk| disk.writes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::{BlockCounters, LastOperation, OperationId, RunState, VmName};

    fn sample(at: i64, writes: u64) -> BlockSample {
        let disk = BlockCounters {
            device: "disk0".into(),
            reads: 9,
            writes,
            flushes: 0,
            read_bytes: 0,
            written_bytes: 0,
            failed: 0,
        };
        BlockSample { at: Timestamp::from_unix_millis(at), disks: vec![disk], cpu_millis: 10, wait_millis: 0 }
    }

    fn status(state: RunState, writes: u64) -> Box<Status> {
        Box::new(Status {
            vm: VmName::new("devvm").unwrap(),
            vm_id: 102,
            at: Timestamp::from_unix_millis(10_000),
            state,
            process: None,
            process_age_seconds: Some(4_000),
            answered_in_millis: Some(1),
            samples: vec![sample(9_900, writes), sample(10_000, writes)],
            lock: None,
            jobs: Vec::new(),
            staged: Vec::new(),
            passthrough: Vec::new(),
            console: Vec::new(),
            console_bytes: None,
            last_operation: None,
            notes: Vec::new(),
        })
    }

    fn look(reach: Reach, sync: SyncSeen, hypervisor: Option<Result<Box<Status>, String>>) -> Look {
        Look {
            at: Timestamp::from_unix_millis(10_000),
            reach,
            sync,
            hypervisor,
            hypervisor_silent: false,
            before: Some(sample(5_000, 70)),
            normal: Normal::default(),
        }
    }

    fn durable() -> SyncSeen {
        SyncSeen::Probes(vec![SyncProbe {
            mount: "/".into(),
            millis: Some(3),
            stuck_millis: None,
            error: None,
        }])
    }

    #[test]
    fn a_served_target_is_well_and_a_silent_one_is_down() {
        let running = || Some(Ok(status(RunState::Running, 70)));
        assert_eq!(judge(&look(Reach::Banner(2), durable(), running())).state.health, Health::Good);
        let silent = judge(&look(Reach::NoBanner, SyncSeen::Stuck(300), running()));
        assert_eq!((silent.state.health, silent.alarm), (Health::Down, true), "{}", silent.state.sentence);
        let paused =
            judge(&look(Reach::NoBanner, SyncSeen::Stuck(300), Some(Ok(status(RunState::Paused, 70)))));
        assert_eq!((paused.state.wedge, paused.alarm), (Some(Wedge::Paused), true));
    }

    #[test]
    fn a_stop_that_was_asked_for_wakes_nobody() {
        let mut off = status(RunState::Stopped, 0);
        let silent = |status: &Status| {
            judge(&look(Reach::Silent, SyncSeen::Stuck(300), Some(Ok(Box::new(status.clone())))))
        };
        assert!(silent(&off).alarm);
        off.last_operation = Some(LastOperation {
            id: OperationId("1".into()),
            verb: Verb::Stop,
            key: "devvm-power".into(),
            source: "127.0.0.1".into(),
            accepted: Timestamp::from_unix_millis(0),
            steps: Vec::new(),
            outcome: Some(Outcome::Done),
            message: String::new(),
            running: false,
        });
        assert!(!silent(&off).alarm);
        assert_eq!(silent(&off).state.health, Health::Down);
    }

    #[test]
    fn a_hanging_command_is_a_stall_only_while_no_write_completes() {
        let flat =
            judge(&look(Reach::Banner(2), SyncSeen::Stuck(3_000), Some(Ok(status(RunState::Running, 70)))));
        assert_eq!(flat.state.wedge, Some(Wedge::BlockStall));
        assert!(flat.alarm && flat.lasted == Duration::from_secs(3));
        let busy =
            judge(&look(Reach::Banner(2), SyncSeen::Stuck(3_000), Some(Ok(status(RunState::Running, 90)))));
        assert_eq!((busy.state.health, busy.alarm), (Health::Degraded, false));
        let long =
            judge(&look(Reach::Banner(2), SyncSeen::Stuck(20_000), Some(Ok(status(RunState::Running, 90)))));
        assert_eq!((long.state.health, long.alarm), (Health::Down, true));
        let brief =
            judge(&look(Reach::Banner(2), SyncSeen::Stuck(900), Some(Ok(status(RunState::Running, 70)))));
        assert!(
            brief.pending && brief.state.health != Health::Good,
            "not well before the write has come back"
        );
    }

    #[test]
    fn a_silent_hypervisor_is_the_hypervisors_trouble() {
        let mut seen = look(Reach::Silent, SyncSeen::NotTried, Some(Err("unreachable".into())));
        assert_eq!(judge(&seen).state.health, Health::Down);
        seen.hypervisor_silent = true;
        let verdict = judge(&seen);
        assert_eq!((verdict.state.health, verdict.alarm), (Health::Unknown, false));
        seen.reach = Reach::Banner(3);
        assert_eq!(judge(&seen).state.health, Health::Good, "it serves, whatever its hypervisor does");
    }
}
