//! What only looks like a wedge must never be called one.

use crate::build::{
    diagnosed, facts, filesystem, flow, healthy, healthy_unlearnt, learnt, operation, panic_sign, probe,
    seconds_ago, sign, silenced, status, with_facts, with_status,
};
use breakglass_protocol::{
    BlockedTask, ConsoleSignKind, LockState, Outcome, Part, Phase, RunState, RunningJob, Timestamp, Verb,
};
use breakglass_triage::{Action, Evidence, Health, HypervisorView, Inside, Normal, Reach};

fn booting(reach: Reach, refusing: Reach, age: u64) -> Evidence {
    with_status(silenced(healthy_unlearnt(), reach, Some(refusing)), |status| {
        status.process_age_seconds = Some(age);
        flow(status, 20, 100);
    })
}

fn paused_with(lock: &str) -> Evidence {
    with_status(silenced(healthy(), Reach::NoBanner, Some(Reach::NoBanner)), |status| {
        status.state = RunState::Paused;
        flow(status, 0, 0);
        status.lock = Some(LockState { kind: lock.to_owned(), holder: None, clearable: false });
    })
}

fn quiet(millis: u64) -> Normal {
    Normal { quiet_millis: Some(millis), ..learnt() }
}

#[test]
fn what_is_well_is_called_well() {
    let idle = || with_status(healthy(), |status| flow(status, 0, 0));
    let busy_disk = with_facts(healthy(), |facts| {
        let task =
            BlockedTask { pid: 321, command: "workload".to_owned(), wait_channel: "io_schedule".to_owned() };
        facts.blocked = Part::Yes(vec![task]);
    });
    let well = [
        ("healthy", healthy()),
        ("nothing learnt", healthy_unlearnt()),
        ("idle", idle()),
        ("idle, nothing learnt", Evidence { normal: Normal::default(), ..idle() }),
        ("its work is done: it was busy and is idle now", Evidence { normal: quiet(3_600_000), ..idle() }),
        (
            "idle for ever, without a way inside",
            Evidence {
                inside: Inside::NoDoor,
                normal: Normal { writes_per_second: Some(0.0), ..quiet(3_600_000) },
                ..idle()
            },
        ),
        (
            "idle, without a way inside, nothing learnt",
            Evidence { inside: Inside::NoDoor, normal: Normal::default(), ..idle() },
        ),
        ("a disk that works hard", busy_disk),
        ("no power door", Evidence { hypervisor: HypervisorView::NoDoor, ..healthy() }),
        ("banner only", Evidence { hypervisor: HypervisorView::NoDoor, inside: Inside::NoDoor, ..healthy() }),
        (
            "booted a second ago and answers",
            with_status(healthy_unlearnt(), |status| status.process_age_seconds = Some(5)),
        ),
        (
            "a spike of ready tasks",
            with_facts(healthy(), |facts| {
                if let Part::Yes(load) = &mut facts.load {
                    load.runnable = 12;
                }
            }),
        ),
        (
            "the load of a job that is over",
            with_facts(healthy(), |facts| {
                if let Part::Yes(load) = &mut facts.load {
                    load.one = 6.0;
                }
            }),
        ),
        (
            "a hundredth of a large disk",
            with_facts(healthy(), |facts| {
                facts.filesystems = Part::Yes(vec![filesystem("/data", 8_000_000_000, 70_000_000)]);
            }),
        ),
        (
            "a file system without inodes of its own",
            with_facts(healthy(), |facts| {
                let mut fat = filesystem("/boot/efi", 100_000, 90_000);
                (fat.inodes, fat.inodes_free) = (Some(0), Some(0));
                facts.filesystems = Part::Yes(vec![fat]);
            }),
        ),
        (
            "a read-only image is always full",
            with_facts(healthy(), |facts| {
                let mut image = filesystem("/snap/core", 60_000, 0);
                (image.read_only, image.kind) = (true, "squashfs".to_owned());
                facts.filesystems = Part::Yes(vec![image, filesystem("/", 60_000, 50_000)]);
            }),
        ),
        (
            "three hundredths of much memory",
            with_facts(healthy(), |facts| {
                if let Part::Yes(memory) = &mut facts.memory {
                    (memory.total_kib, memory.available_kib, memory.oom_kills) = (128 << 20, 3 << 20, 4);
                }
            }),
        ),
        (
            "a backup runs and all else is well",
            with_status(healthy(), |status| {
                status.lock =
                    Some(LockState { kind: "backup".to_owned(), holder: Some(7), clearable: false });
            }),
        ),
    ];
    for (name, evidence) in well {
        let triage = diagnosed(&evidence);
        assert_eq!(triage.wedge, None, "{name}: {triage:#?}");
        assert_eq!(triage.health, Health::Good, "{name}: {triage:#?}");
        assert_eq!(triage.action, Action::Nothing, "{name}: {triage:#?}");
    }
}

#[test]
fn what_boots_is_waited_for() {
    let starts = |verb, phase| {
        with_status(silenced(healthy_unlearnt(), Reach::NoBanner, Some(Reach::NoBanner)), |status| {
            let mut done = operation(verb, seconds_ago(40), phase, Some(Outcome::Done));
            if let Some(step) = done.steps.first_mut() {
                step.at = seconds_ago(8);
            }
            status.last_operation = Some(done);
        })
    };
    let cases = [
        ("no network yet", booting(Reach::NoBanner, Reach::NoBanner, 3)),
        ("network, no sshd yet", booting(Reach::Closed, Reach::Closed, 12)),
        ("no route yet", booting(Reach::Silent, Reach::Silent, 30)),
        (
            "sshd greets, nobody may log in yet",
            Evidence { reach: Reach::Banner(10), ..booting(Reach::NoBanner, Reach::Closed, 20) },
        ),
        (
            "a look that began before this boot ended after it",
            Evidence {
                normal: Normal { last_well: Some(seconds_ago(1)), ..learnt() },
                ..booting(Reach::NoBanner, Reach::NoBanner, 2)
            },
        ),
        (
            "well only before this boot",
            Evidence {
                normal: Normal { last_well: Some(seconds_ago(300)), ..learnt() },
                ..booting(Reach::NoBanner, Reach::NoBanner, 20)
            },
        ),
        (
            "rebooted inside",
            with_status(silenced(healthy_unlearnt(), Reach::NoBanner, Some(Reach::NoBanner)), |status| {
                status.console = vec![sign(ConsoleSignKind::Boot, "Linux version 6.1", Some(5))];
            }),
        ),
        ("reset", starts(Verb::Reset, Phase::ResetSent)),
        ("cycled", starts(Verb::Cycle, Phase::ProcessStarted)),
        (
            "the panic is of the kernel before",
            with_status(booting(Reach::NoBanner, Reach::NoBanner, 3), |status| {
                status.console = vec![panic_sign(300)];
            }),
        ),
        (
            "the panic is of the kernel before the reset",
            with_status(starts(Verb::Reset, Phase::ResetSent), |status| {
                status.console = vec![panic_sign(60)];
            }),
        ),
        (
            "the kill is of the kernel before",
            with_status(booting(Reach::NoBanner, Reach::NoBanner, 3), |status| {
                status.console =
                    vec![sign(ConsoleSignKind::OutOfMemory, "Out of memory: Killed process 1", None)];
            }),
        ),
        (
            "created and not let go yet",
            with_status(booting(Reach::NoBanner, Reach::NoBanner, 1), |status| {
                status.state = RunState::Prelaunch;
            }),
        ),
    ];
    for (name, evidence) in cases {
        let triage = diagnosed(&evidence);
        assert_eq!((triage.wedge, &triage.action), (None, &Action::Wait), "{name}: {triage:#?}");
        assert_eq!(triage.health, Health::Unknown, "{name}");
        assert!(triage.summary.contains("Booting for"), "{name}: {}", triage.summary);
    }
}

#[test]
fn what_is_held_on_purpose_is_left_alone() {
    let suspended = diagnosed(&paused_with("suspended"));
    assert_eq!((suspended.wedge, &suspended.action), (None, &Action::Nothing), "{suspended:#?}");
    assert!(suspended.summary.contains("on purpose"));
    let moved = with_status(paused_with("x"), |status| {
        status.lock = None;
        status.state = RunState::Other("finish-migrate".to_owned());
    });
    let job = with_status(paused_with("x"), |status| {
        status.lock = None;
        status.jobs =
            vec![RunningJob { id: "j1".to_owned(), kind: "mirror".to_owned(), state: "ready".to_owned() }];
    });
    for evidence in [paused_with("snapshot"), paused_with("migrate"), paused_with("backup"), moved, job] {
        let triage = diagnosed(&evidence);
        assert_eq!((triage.wedge, &triage.action), (None, &Action::Wait), "{triage:#?}");
        assert_ne!(triage.health, Health::Down, "{triage:#?}");
    }
}

#[test]
fn what_the_evidence_does_not_name_stays_without_a_name() {
    let unnamed = [
        ("nothing is known of a port that refuses", silenced(healthy(), Reach::NoBanner, None), Health::Down),
        (
            "a firewall swallows what goes to the unused port",
            Evidence {
                normal: Normal { refusing_port_refused: Some(false), ..learnt() },
                ..silenced(healthy(), Reach::Silent, Some(Reach::Silent))
            },
            Health::Down,
        ),
        (
            "it spins, and no console was kept",
            with_status(silenced(healthy_unlearnt(), Reach::NoBanner, Some(Reach::NoBanner)), |status| {
                status.console_bytes = None;
                flow(status, 0, 100);
            }),
            Health::Down,
        ),
        (
            "a log-in that waits for a name service",
            Evidence { inside: Inside::TimedOut, ..healthy_unlearnt() },
            Health::Degraded,
        ),
        (
            "an idle machine, and a log-in that waits",
            with_status(Evidence { inside: Inside::TimedOut, ..healthy_unlearnt() }, |status| {
                flow(status, 0, 1);
            }),
            Health::Degraded,
        ),
        (
            "our own writes stopped with the door",
            with_status(
                Evidence {
                    inside: Inside::Failed("the key was refused".to_owned()),
                    normal: quiet(3_600_000),
                    ..healthy()
                },
                |status| flow(status, 0, 1),
            ),
            Health::Degraded,
        ),
        (
            "a slow disk",
            with_status(
                with_facts(healthy(), |facts| facts.sync = vec![probe(None, Some(1_000), None)]),
                |status| {
                    flow(status, 9, 5);
                },
            ),
            Health::Degraded,
        ),
        (
            "neither it nor its hypervisor answers",
            Evidence {
                hypervisor: HypervisorView::TimedOut,
                ..silenced(healthy(), Reach::Silent, Some(Reach::Silent))
            },
            Health::Down,
        ),
        (
            "QEMU met an error of its own",
            with_status(silenced(healthy(), Reach::NoBanner, None), |status| {
                status.state = RunState::InternalError;
            }),
            Health::Down,
        ),
        (
            "a group of processes reached its limit long ago",
            with_status(silenced(healthy(), Reach::NoBanner, None), |status| {
                status.console = vec![sign(
                    ConsoleSignKind::OutOfMemory,
                    "Memory cgroup out of memory: Killed process 9",
                    Some(5),
                )];
            }),
            Health::Down,
        ),
        (
            "a failed unit",
            with_facts(healthy(), |facts| {
                let unit = breakglass_protocol::FailedUnit {
                    unit: "nightly.service".to_owned(),
                    state: "failed".to_owned(),
                };
                facts.failed_units = Part::Yes(vec![unit]);
            }),
            Health::Degraded,
        ),
        (
            "a clock that is off",
            with_facts(healthy(), |facts| {
                let at = Timestamp::from_unix_millis(0);
                facts.clock = Part::Yes(breakglass_protocol::ClockFacts {
                    at,
                    synchronised: false,
                    offset_minutes: None,
                });
            }),
            Health::Degraded,
        ),
        (
            "a process was killed for lack of memory, and there is enough now",
            with_status(healthy(), |status| {
                status.console =
                    vec![sign(ConsoleSignKind::OutOfMemory, "Out of memory: Killed process 9", Some(5))];
            }),
            Health::Degraded,
        ),
        (
            "a panic line on the console of a machine that answers",
            with_status(healthy(), |status| {
                status.console = vec![panic_sign(30)];
            }),
            Health::Degraded,
        ),
    ];
    for (name, evidence, health) in unnamed {
        let triage = diagnosed(&evidence);
        assert_eq!(triage.wedge, None, "{name}: {triage:#?}");
        assert_eq!(triage.health, health, "{name}: {triage:#?}");
        assert!(!triage.because.is_empty() && !triage.wrong_if.is_empty(), "{name}");
    }
}

#[test]
fn an_idle_hour_never_names_a_wedge() {
    // As a watch sees it: counters that stand still, except for the system's own rare writes.
    for minute in 0..60 {
        let mut idle = status();
        flow(&mut idle, u64::from(minute % 7 == 0), 1);
        let normal = Normal { writes_per_second: Some(0.0), quiet_millis: Some(minute * 60_000), ..learnt() };
        let inside = Inside::Facts(Box::new(facts()));
        let evidence =
            Evidence { hypervisor: HypervisorView::Status(Box::new(idle)), normal, inside, ..healthy() };
        assert_eq!(diagnosed(&evidence).health, Health::Good, "minute {minute}");
    }
}
