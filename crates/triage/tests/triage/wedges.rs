//! Each wedge as the lab shows it, with and without a learnt normal, and what is to be pressed.

use crate::build::{
    diagnosed, filesystem, flow, healthy, healthy_unlearnt, learnt, now, panic_sign, probe, seconds_ago,
    sign, silenced, waited, with_facts, with_status,
};
use breakglass_protocol::{BlockedTask, ConsoleSignKind, Facts, Part, PressureLine, RunState, Verb};
use breakglass_triage::{Action, Evidence, Health, HypervisorView, Inside, Normal, Reach, Wedge};

struct Expected {
    name: &'static str,
    evidence: Evidence,
    wedge: Wedge,
    health: Health,
    action: fn(&Action) -> bool,
    /// Fragments of the summary, the reasons, the findings and the remarks taken together.
    says: &'static [&'static str],
}

fn press_start(action: &Action) -> bool {
    *action == Action::Press(Verb::Start)
}
fn press_cycle(action: &Action) -> bool {
    *action == Action::Press(Verb::Cycle)
}
fn press_reset(action: &Action) -> bool {
    *action == Action::Press(Verb::Reset)
}
fn look(action: &Action) -> bool {
    *action == Action::Look
}
fn runs(action: &Action) -> bool {
    matches!(action, Action::Run(command) if !command.is_empty())
}

fn dead_guest(cpu: u64) -> Evidence {
    let silent = silenced(healthy_unlearnt(), Reach::NoBanner, Some(Reach::NoBanner));
    with_status(silent, |status| flow(status, 0, cpu))
}

fn in_state(state: RunState) -> Evidence {
    with_status(dead_guest(0), |status| status.state = state)
}

fn blocked(facts: &mut Facts, channel: &str) {
    let task = BlockedTask { pid: 321, command: "workload".to_owned(), wait_channel: channel.to_owned() };
    facts.blocked = Part::Yes(vec![task]);
}

fn memory(facts: &mut Facts, available: u64, change: impl FnOnce(&mut breakglass_protocol::MemoryFacts)) {
    if let Part::Yes(memory) = &mut facts.memory {
        memory.available_kib = available;
        change(memory);
    }
}

fn load(facts: &mut Facts, runnable: u32, one: f64, busiest: Vec<(String, u32, f64)>) {
    if let Part::Yes(load) = &mut facts.load {
        (load.runnable, load.one, load.busiest) = (runnable, one, busiest);
    }
}

fn held_by_the_hypervisor() -> Vec<Expected> {
    let down = Health::Down;
    vec![
        Expected {
            name: "paused",
            evidence: in_state(RunState::Paused),
            wedge: Wedge::Paused,
            health: down,
            action: press_start,
            says: &[
                "nothing in its memory is lost",
                "cycle:helps too",
                "reset:by itself leaves it held",
                "Lock=none",
            ],
        },
        Expected {
            name: "paused just after boot",
            evidence: with_status(in_state(RunState::Paused), |s| s.process_age_seconds = Some(4)),
            wedge: Wedge::Paused,
            health: down,
            action: press_start,
            says: &[],
        },
        Expected {
            name: "reset while paused",
            evidence: in_state(RunState::Prelaunch),
            wedge: Wedge::Paused,
            health: down,
            action: press_start,
            says: &["prelaunch"],
        },
        Expected {
            name: "paused, hypervisor's dead task left a lock",
            evidence: with_status(in_state(RunState::Paused), |s| {
                s.lock = Some(breakglass_protocol::LockState {
                    kind: "backup".to_owned(),
                    holder: None,
                    clearable: true,
                });
            }),
            wedge: Wedge::Paused,
            health: down,
            action: press_start,
            says: &["backup, and whoever held it is gone", "clears the lock"],
        },
        Expected {
            name: "io-error",
            evidence: in_state(RunState::IoError),
            wedge: Wedge::DiskFailure,
            health: down,
            action: look,
            says: &["Mend that first", "start:repeats the failed request"],
        },
        Expected {
            name: "guest told of its panic",
            evidence: in_state(RunState::GuestPanicked),
            wedge: Wedge::Panic,
            health: down,
            action: press_cycle,
            says: &["guest-panicked"],
        },
        Expected {
            name: "monitor silent",
            evidence: in_state(RunState::Unresponsive),
            wedge: Wedge::QemuUnresponsive,
            health: down,
            action: press_cycle,
            says: &["process 41873", "reset:goes through the monitor"],
        },
        Expected {
            name: "off",
            evidence: in_state(RunState::Stopped),
            wedge: Wedge::Off,
            health: down,
            action: press_start,
            says: &["no QEMU process", "No stop through this door was seen"],
        },
        Expected {
            name: "guest shut itself down",
            evidence: in_state(RunState::Other("shutdown".to_owned())),
            wedge: Wedge::Off,
            health: down,
            action: press_cycle,
            says: &["shut itself down"],
        },
    ]
}

fn panics() -> Vec<Expected> {
    let console = |line: &str, age| {
        with_status(dead_guest(100), |s| s.console = vec![sign(ConsoleSignKind::Panic, line, Some(age))])
    };
    vec![
        Expected {
            name: "panic",
            evidence: with_status(dead_guest(100), |s| s.console = vec![panic_sign(8)]),
            wedge: Wedge::Panic,
            health: Health::Down,
            action: press_reset,
            says: &["sysrq triggered crash", "8.0 s ago", "cycle:boots it too"],
        },
        Expected {
            name: "panic while booting",
            evidence: with_status(dead_guest(100), |s| {
                s.process_age_seconds = Some(9);
                s.console = vec![sign(ConsoleSignKind::Boot, "Linux version 6.1", Some(9)), panic_sign(3)];
            }),
            wedge: Wedge::Panic,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "the kernel gives up for lack of memory",
            evidence: console("Kernel panic - not syncing: System is deadlocked on memory", 5),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Down,
            action: press_reset,
            says: &["deadlocked on memory"],
        },
        Expected {
            name: "panic_on_oom",
            evidence: console("Kernel panic - not syncing: Out of memory: compulsory panic_on_oom", 5),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
    ]
}

fn memory_exhaustion() -> Vec<Expected> {
    let oom = |age| sign(ConsoleSignKind::OutOfMemory, "Out of memory: Killed process 88 (workload)", age);
    let hog = |m: &mut breakglass_protocol::MemoryFacts| {
        m.oom_kills = 3;
        m.largest.insert(0, ("memory-hog".to_owned(), 900, 120_000));
    };
    vec![
        Expected {
            name: "kills on the console, silence",
            evidence: with_status(dead_guest(90), |s| s.console = vec![oom(Some(20))]),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Down,
            action: press_reset,
            says: &["Killed process 88", "20 s ago"],
        },
        Expected {
            name: "the kernel killed sshd",
            evidence: with_status(silenced(healthy(), Reach::Closed, Some(Reach::Closed)), |s| {
                s.console = vec![oom(Some(40))];
            }),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "age of the line unknown",
            evidence: with_status(dead_guest(90), |s| s.console = vec![oom(None)]),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "banner, and the log-in dies",
            evidence: with_status(
                Evidence {
                    inside: Inside::Failed("closed by the other side".to_owned()),
                    ..healthy_unlearnt()
                },
                |s| s.console = vec![oom(Some(3))],
            ),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "seen inside, with the culprit",
            evidence: with_facts(healthy(), |f| memory(f, 2_000, hog)),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Degraded,
            action: |a| *a == Action::Run("sudo -n kill -TERM 900".to_owned()),
            says: &["memory-hog (process 900", "2000 KiB of 156 MiB"],
        },
        Expected {
            name: "seen inside, all tasks wait",
            evidence: with_facts(healthy(), |f| {
                memory(f, 4_000, |_| {});
                if let Part::Yes(pressure) = &mut f.pressure {
                    pressure.memory_full = Some(PressureLine { avg10: 55.0, avg60: 20.0 });
                }
            }),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Degraded,
            action: runs,
            says: &["waited for memory 55 %"],
        },
        Expected {
            name: "the kernel kills again and again, and what it frees is taken",
            evidence: with_status(with_facts(healthy(), |f| memory(f, 11_000, |_| {})), |s| {
                s.console = vec![oom(Some(2))]
            }),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Degraded,
            action: runs,
            says: &[],
        },
        Expected {
            name: "swap gone, and the load is only its symptom",
            evidence: with_facts(healthy(), |f| {
                memory(f, 4_000, |m| (m.swap_total_kib, m.swap_free_kib) = (100_000, 10));
                load(f, 40, 40.0, Vec::new());
            }),
            wedge: Wedge::MemoryExhaustion,
            health: Health::Degraded,
            action: runs,
            says: &[],
        },
    ]
}

fn block_stalls() -> Vec<Expected> {
    let stuck = |millis| {
        with_facts(with_status(healthy_unlearnt(), |s| flow(s, 0, 3)), |f| {
            f.sync = vec![probe(None, millis, None)]
        })
    };
    let quiet = |millis| Normal { quiet_millis: Some(millis), ..learnt() };
    let flat = || with_status(healthy(), |s| flow(s, 0, 3));
    vec![
        Expected {
            name: "a write hangs",
            evidence: stuck(Some(1_000)),
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &[
                "/data: stuck for 1.0 s",
                "0 in two samples",
                "reset:keeps QEMU process 41873, in which the stall lives: will not help",
                "no lock, no job",
                "disk is kept",
            ],
        },
        Expected {
            name: "a write hangs, for how long is unknown",
            evidence: stuck(None),
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &[],
        },
        Expected {
            name: "a write hangs while another disk writes",
            evidence: with_status(stuck(Some(5_000)), |s| flow(s, 30, 3)),
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &[],
        },
        Expected {
            name: "a write hangs, and the hypervisor did not say",
            evidence: Evidence { hypervisor: HypervisorView::TimedOut, ..stuck(Some(1_000)) },
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &["the hypervisor did not say"],
        },
        Expected {
            name: "a write hangs, load is high for it",
            evidence: with_facts(stuck(Some(1_500)), |f| {
                load(f, 2, 80.0, Vec::new());
                blocked(f, "io_schedule");
            }),
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &["workload in io_schedule"],
        },
        Expected {
            name: "tasks wait for the disk, nothing is written, no probe ran",
            evidence: with_facts(flat(), |f| {
                f.sync.clear();
                blocked(f, "jbd2_log_wait_commit");
            }),
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &["jbd2_log_wait_commit"],
        },
        Expected {
            name: "the log-in hangs and a busy machine writes nothing",
            evidence: Evidence { inside: Inside::TimedOut, normal: quiet(20_000), ..flat() },
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &["longest quiet while it was well: 1.5 s"],
        },
        Expected {
            name: "the log-in hangs and the kernel complains, nothing learnt",
            evidence: with_status(Evidence { inside: Inside::TimedOut, ..healthy_unlearnt() }, |s| {
                flow(s, 0, 3);
                s.console = vec![sign(
                    ConsoleSignKind::HungTask,
                    "INFO: task jbd2/vda-8:75 blocked for more than 120 seconds.",
                    Some(40),
                )];
            }),
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &["jbd2/vda-8:75 blocked"],
        },
        Expected {
            name: "only counters, against the machine's own normal",
            evidence: Evidence { inside: Inside::NoDoor, normal: quiet(90_000), ..flat() },
            wedge: Wedge::BlockStall,
            health: Health::Down,
            action: press_cycle,
            says: &["no write has completed for 90 s"],
        },
    ]
}

fn full_disks() -> Vec<Expected> {
    let disks = |all| with_facts(healthy(), |f| f.filesystems = Part::Yes(all));
    let mut inodes = filesystem("/srv", 60_000, 50_000);
    inodes.inodes_free = Some(3);
    vec![
        Expected {
            name: "no space",
            evidence: disks(vec![filesystem("/", 60_000, 50_000), filesystem("/data", 60_000, 4)]),
            wedge: Wedge::DiskFull,
            health: Health::Degraded,
            action: |a| *a == Action::Run("sudo -n du -x -d 2 /data".to_owned()),
            says: &["/data has 4 KiB", "nothing is deleted", "reset:a full disk stays full"],
        },
        Expected {
            name: "no inodes",
            evidence: disks(vec![inodes]),
            wedge: Wedge::DiskFull,
            health: Health::Degraded,
            action: runs,
            says: &["3 of 10000 inodes left"],
        },
        Expected {
            name: "a write says so",
            evidence: with_facts(healthy(), |f| {
                f.sync = vec![probe(None, None, Some("No space left on device (os error 28)"))]
            }),
            wedge: Wedge::DiskFull,
            health: Health::Degraded,
            action: runs,
            says: &["/data"],
        },
        Expected {
            name: "a mount point that no command line should hold",
            evidence: disks(vec![filesystem("/x; reboot", 60_000, 4)]),
            wedge: Wedge::DiskFull,
            health: Health::Degraded,
            action: |a| *a == Action::Run("df -k".to_owned()),
            says: &[],
        },
        Expected {
            name: "errors made it read-only",
            evidence: with_status(
                with_facts(healthy(), |f| {
                    let mut broken = filesystem("/data", 60_000, 50_000);
                    broken.read_only = true;
                    f.filesystems = Part::Yes(vec![broken]);
                }),
                |s| {
                    s.console = vec![sign(
                        ConsoleSignKind::DiskError,
                        "EXT4-fs (vda): Remounting filesystem read-only",
                        Some(30),
                    )]
                },
            ),
            wedge: Wedge::DiskFailure,
            health: Health::Degraded,
            action: look,
            says: &["/data is read-only"],
        },
    ]
}

fn runaway_load() -> Vec<Expected> {
    let loops = |n: u32| (0..n).map(|i| ("busy-loop".to_owned(), 700 + i, 20.0)).collect::<Vec<_>>();
    vec![
        Expected {
            name: "a mob, before the average has moved",
            evidence: with_facts(healthy(), |f| load(f, 150, 1.0, loops(5))),
            wedge: Wedge::RunawayLoad,
            health: Health::Degraded,
            action: |a| *a == Action::Run("sudo -n pkill -STOP -x busy-loop".to_owned()),
            says: &["150 tasks want 1 processors", "-CONT"],
        },
        Expected {
            name: "one that forks",
            evidence: with_facts(healthy(), |f| load(f, 12, 9.0, loops(1))),
            wedge: Wedge::RunawayLoad,
            health: Health::Degraded,
            action: |a| *a == Action::Run("sudo -n renice -n 19 -p 700".to_owned()),
            says: &[],
        },
        Expected {
            name: "a name that no command line should hold",
            evidence: with_facts(healthy(), |f| {
                load(f, 90, 9.0, vec![("$(reboot)".to_owned(), 7, 1.0), ("$(reboot)".to_owned(), 8, 1.0)])
            }),
            wedge: Wedge::RunawayLoad,
            health: Health::Degraded,
            action: |a| *a == Action::Run("sudo -n renice -n 19 -p 7".to_owned()),
            says: &[],
        },
        Expected {
            name: "banner, no log-in, all processor used",
            evidence: with_status(Evidence { inside: Inside::TimedOut, ..healthy_unlearnt() }, |s| {
                flow(s, 0, 99)
            }),
            wedge: Wedge::RunawayLoad,
            health: Health::Down,
            action: press_reset,
            says: &["99 % of a processor"],
        },
        Expected {
            name: "all that a crowded host gives",
            evidence: with_status(silenced(healthy(), Reach::NoBanner, Some(Reach::Closed)), |s| {
                flow(s, 0, 45);
                waited(s, 530);
            }),
            wedge: Wedge::RunawayLoad,
            health: Health::Down,
            action: press_reset,
            says: &["45 % of a processor, 96 % of what the crowded host gave it"],
        },
        Expected {
            name: "a guest with nothing to do on a crowded host",
            evidence: with_status(silenced(healthy(), Reach::NoBanner, Some(Reach::Closed)), |s| {
                flow(s, 0, 5);
                waited(s, 700);
            }),
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "not even a banner, and the kernel answers",
            evidence: with_status(silenced(healthy(), Reach::NoBanner, Some(Reach::Closed)), |s| {
                flow(s, 0, 100)
            }),
            wedge: Wedge::RunawayLoad,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
    ]
}

fn dead_doors() -> Vec<Expected> {
    let ssh = |reach, cpu| with_status(silenced(healthy(), reach, Some(Reach::Closed)), |s| flow(s, 3, cpu));
    vec![
        Expected {
            name: "sshd gone",
            evidence: ssh(Reach::Closed, 10),
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &["nothing listens", "refuses: the kernel answers"],
        },
        Expected {
            name: "sshd gone on a busy machine",
            evidence: ssh(Reach::Closed, 100),
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "sshd stopped where it stands",
            evidence: ssh(Reach::NoBanner, 10),
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &["no server greets"],
        },
        Expected {
            name: "sshd gone, nothing learnt",
            evidence: Evidence { normal: Normal::default(), ..ssh(Reach::Closed, 10) },
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "sshd gone, an old connection still works",
            evidence: Evidence { reach: Reach::Closed, ..healthy() },
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: |a| matches!(a, Action::Run(command) if command.contains("restart ssh")),
            says: &[],
        },
        Expected {
            name: "sshd gone soon after boot, seen well since",
            evidence: with_status(
                Evidence {
                    normal: Normal { last_well: Some(seconds_ago(4)), ..learnt() },
                    ..ssh(Reach::Closed, 10)
                },
                |s| s.process_age_seconds = Some(30),
            ),
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "network gone, it writes on",
            evidence: with_status(dead_guest(8), |s| flow(s, 5, 8)),
            wedge: Wedge::NetworkDead,
            health: Health::Down,
            action: press_reset,
            says: &["5 completed in 1.0 s: the guest works", "stop:the guest still hears"],
        },
        Expected {
            name: "network gone while something computes, and the writers go on",
            evidence: with_status(Evidence { normal: learnt(), ..dead_guest(8) }, |s| flow(s, 5, 103)),
            wedge: Wedge::NetworkDead,
            health: Health::Down,
            action: press_reset,
            says: &["the guest works"],
        },
        Expected {
            name: "sshd stopped while something computes, and the writers go on",
            evidence: with_status(ssh(Reach::NoBanner, 8), |s| flow(s, 5, 103)),
            wedge: Wedge::SshdDead,
            health: Health::Down,
            action: press_reset,
            says: &["no server greets"],
        },
        Expected {
            name: "network gone, idle",
            evidence: dead_guest(3),
            wedge: Wedge::NetworkDead,
            health: Health::Down,
            action: press_reset,
            says: &["it may be idle"],
        },
        Expected {
            name: "network gone on a real network",
            evidence: silenced(healthy(), Reach::Silent, Some(Reach::Silent)),
            wedge: Wedge::NetworkDead,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
        Expected {
            name: "network gone on a machine that always computes",
            evidence: with_status(
                Evidence { normal: Normal { cpu_percent: Some(98.0), ..learnt() }, ..dead_guest(100) },
                |s| s.at = now(),
            ),
            wedge: Wedge::NetworkDead,
            health: Health::Down,
            action: press_reset,
            says: &[],
        },
    ]
}

#[test]
fn every_wedge_is_named_with_its_remedy() {
    let tables = [
        held_by_the_hypervisor(),
        panics(),
        memory_exhaustion(),
        block_stalls(),
        full_disks(),
        runaway_load(),
        dead_doors(),
    ];
    let mut named = std::collections::HashSet::new();
    for Expected { name, evidence, wedge, health, action, says } in tables.into_iter().flatten() {
        let triage = diagnosed(&evidence);
        assert_eq!(triage.wedge, Some(wedge), "{name}: {triage:#?}");
        assert_eq!(triage.health, health, "{name}: {triage:#?}");
        assert!(action(&triage.action), "{name}: {:?}", triage.action);
        let findings = triage.findings.iter().map(|finding| format!("{}={}", finding.label, finding.seen));
        let remarks = triage.remarks.iter().map(|(verb, remark)| format!("{verb}:{remark}"));
        let told = [triage.summary.clone(), triage.because.clone(), triage.wrong_if.clone()];
        let told: Vec<String> = told.into_iter().chain(findings).chain(remarks).collect();
        for fragment in says {
            assert!(
                told.iter().any(|text| text.contains(fragment)),
                "{name}: `{fragment}` is missing in {told:#?}"
            );
        }
        named.insert(wedge);
    }
    for wedge in Wedge::ALL {
        assert!(named.contains(&wedge), "no evidence here is {wedge}");
    }
}
