//! Evidence to start from: a target that is well, and small ways to make it otherwise.

use breakglass_protocol::{
    BlockCounters, BlockSample, ClockFacts, ConsoleSign, ConsoleSignKind, Facts, Filesystem, LastOperation,
    LoadFacts, MemoryFacts, OperationId, Outcome, Part, Phase, PressureFacts, PressureLine, ProcessIdentity,
    RunState, Status, Step, SyncProbe, Timestamp, Verb, VmName,
};
use breakglass_triage::{Evidence, HypervisorView, Inside, Normal, Reach, Triage, diagnose};

/// The moment at which all evidence here is gathered.
pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_millis(1_795_316_920_000)
}

pub(crate) fn seconds_ago(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(now().unix_millis() - seconds * 1000)
}

pub(crate) fn sample(at: Timestamp, writes: u64, cpu_millis: u64) -> BlockSample {
    let disk = BlockCounters {
        device: "data".to_owned(),
        reads: 100,
        writes,
        flushes: 10,
        read_bytes: 1 << 20,
        written_bytes: writes.saturating_mul(4096),
        failed: 0,
    };
    BlockSample { at, disks: vec![disk], cpu_millis, wait_millis: 0 }
}

/// A QEMU that has run for an hour, its guest writing and using a tenth of a processor.
pub(crate) fn status() -> Status {
    Status {
        vm: VmName::new("devvm").expect("a name"),
        vm_id: 102,
        at: now(),
        state: RunState::Running,
        process: Some(ProcessIdentity { pid: 41_873, start_ticks: 5_000 }),
        process_age_seconds: Some(3_600),
        answered_in_millis: Some(4),
        samples: vec![sample(seconds_ago(1), 1_000, 360_000), sample(now(), 1_004, 360_100)],
        lock: None,
        jobs: Vec::new(),
        staged: Vec::new(),
        passthrough: Vec::new(),
        console: Vec::new(),
        console_bytes: Some(20_000),
        last_operation: None,
        notes: Vec::new(),
    }
}

pub(crate) fn filesystem(mount: &str, size_kib: u64, available_kib: u64) -> Filesystem {
    Filesystem {
        mount: mount.to_owned(),
        source: "/dev/vda".to_owned(),
        kind: "ext4".to_owned(),
        read_only: false,
        size_kib: Some(size_kib),
        available_kib: Some(available_kib),
        inodes: Some(10_000),
        inodes_free: Some(9_000),
    }
}

pub(crate) fn probe(millis: Option<u64>, stuck_millis: Option<u64>, error: Option<&str>) -> SyncProbe {
    SyncProbe { mount: "/data".to_owned(), millis, stuck_millis, error: error.map(str::to_owned) }
}

/// A small machine that is well.
pub(crate) fn facts() -> Facts {
    let calm = Some(PressureLine { avg10: 0.0, avg60: 0.0 });
    Facts {
        uptime_seconds: 3_590,
        kernel: "6.1.0-cloud-amd64".to_owned(),
        load: Part::Yes(LoadFacts {
            one: 0.1,
            five: 0.1,
            fifteen: 0.1,
            runnable: 1,
            tasks: 60,
            processors: 1,
            busiest: vec![("workload".to_owned(), 321, 6.0)],
        }),
        memory: Part::Yes(MemoryFacts {
            total_kib: 160_000,
            available_kib: 90_000,
            swap_total_kib: 0,
            swap_free_kib: 0,
            oom_kills: 0,
            oom_lines: Vec::new(),
            largest: vec![("workload".to_owned(), 321, 9_000), ("sshd".to_owned(), 200, 7_000)],
        }),
        pressure: Part::Yes(PressureFacts {
            cpu_some: calm,
            memory_some: calm,
            memory_full: calm,
            io_some: Some(PressureLine { avg10: 70.0, avg60: 65.0 }),
            io_full: Some(PressureLine { avg10: 60.0, avg60: 60.0 }),
        }),
        filesystems: Part::Yes(vec![filesystem("/data", 60_000, 50_000)]),
        blocked: Part::Yes(Vec::new()),
        failed_units: Part::No("no systemd here".to_owned()),
        changes: Part::Yes(Vec::new()),
        clock: Part::Yes(ClockFacts { at: now(), synchronised: false, offset_minutes: Some(60) }),
        sync: vec![probe(Some(12), None, None)],
        millis: 1_010,
    }
}

/// What a watch has learnt of it.
pub(crate) fn learnt() -> Normal {
    Normal {
        writes_per_second: Some(4.0),
        longest_quiet_millis: Some(1_500),
        quiet_millis: Some(200),
        cpu_percent: Some(10.0),
        last_well: Some(seconds_ago(5)),
        refusing_port_refused: Some(true),
    }
}

/// Everything was asked, everything answered, all is well.
pub(crate) fn healthy() -> Evidence {
    Evidence {
        at: now(),
        reach: Reach::Banner(30),
        refusing_port: Some(Reach::Closed),
        inside: Inside::Facts(Box::new(facts())),
        hypervisor: HypervisorView::Status(Box::new(status())),
        normal: learnt(),
    }
}

/// The same, with nothing learnt: a triage from a laptop.
pub(crate) fn healthy_unlearnt() -> Evidence {
    Evidence { normal: Normal::default(), ..healthy() }
}

pub(crate) fn with_status(mut evidence: Evidence, change: impl FnOnce(&mut Status)) -> Evidence {
    if let HypervisorView::Status(status) = &mut evidence.hypervisor {
        change(status);
    }
    evidence
}

pub(crate) fn with_facts(mut evidence: Evidence, change: impl FnOnce(&mut Facts)) -> Evidence {
    if let Inside::Facts(facts) = &mut evidence.inside {
        change(facts);
    }
    evidence
}

/// No banner, a log-in that hangs, and the unused port as given.
pub(crate) fn silenced(evidence: Evidence, reach: Reach, refusing: Option<Reach>) -> Evidence {
    Evidence { reach, refusing_port: refusing, inside: Inside::TimedOut, ..evidence }
}

/// Writes and processor use between the two samples.
pub(crate) fn flow(status: &mut Status, writes: u64, cpu_percent: u64) {
    status.samples = vec![
        sample(seconds_ago(1), 1_000, 360_000),
        sample(now(), 1_000 + writes, 360_000 + cpu_percent * 10),
    ];
}

/// For how long of the second between the samples the host had no processor for QEMU.
pub(crate) fn waited(status: &mut Status, millis: u64) {
    status.samples.last_mut().unwrap().wait_millis = millis;
}

pub(crate) fn sign(kind: ConsoleSignKind, line: &str, age_seconds: Option<u64>) -> ConsoleSign {
    ConsoleSign { kind, line: line.to_owned(), age_seconds, count: 1 }
}

pub(crate) fn panic_sign(age_seconds: u64) -> ConsoleSign {
    sign(
        ConsoleSignKind::Panic,
        "[ 99.1] Kernel panic - not syncing: sysrq triggered crash",
        Some(age_seconds),
    )
}

pub(crate) fn operation(
    verb: Verb,
    accepted: Timestamp,
    phase: Phase,
    outcome: Option<Outcome>,
) -> LastOperation {
    LastOperation {
        id: OperationId("0123456789abcdef".to_owned()),
        verb,
        key: "mara".to_owned(),
        source: "192.0.2.2".to_owned(),
        accepted,
        steps: vec![Step { at: accepted, phase, note: "as far as that".to_owned() }],
        outcome,
        message: "as far as that".to_owned(),
        running: outcome.is_none(),
    }
}

pub(crate) fn diagnosed(evidence: &Evidence) -> Triage {
    diagnose(evidence, 2_100)
}
