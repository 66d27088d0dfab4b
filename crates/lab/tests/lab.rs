//! The lab held against what it promises: a VM that serves, wedges that are real, and nothing left behind.
//!
//! Boots real VMs: run by `cargo xtask test`, or by plain `cargo test` after `eval "$(cargo xtask env)"`. It does not
//! test what breakglass makes of a wedge; that is for the end-to-end tests.

#![expect(clippy::unwrap_used, reason = "a failed test should stop loudly")]

use breakglass_lab::{Banner, Condition, Lab, Options, Vm, VmOptions, Wedge, alive};
use breakglass_qmp::BlockCounts;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Long enough for an emulated guest to boot beside a build.
const BOOT: Duration = Duration::from_secs(60);
/// Long enough for a healthy guest to show its banner beside a build, or to run a small command.
const ANSWER: Duration = Duration::from_secs(10);

/// One at a time, so that no test ends what another has left behind on purpose.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn shown(banner: &Banner) -> bool {
    matches!(banner, Banner::Shown(_))
}

fn counts(vm: &Vm) -> BlockCounts {
    let disks = vm.monitor(ANSWER).unwrap().query_blockstats().unwrap();
    disks.iter().find(|disk| disk.name() == "data").unwrap().stats
}

fn writes_within(vm: &Vm, span: Duration) -> u64 {
    let before = counts(vm).wr_operations;
    std::thread::sleep(span);
    counts(vm).wr_operations - before
}

fn inside(vm: &Vm, command: &str) -> String {
    let finished = vm.inside(command, BOOT).unwrap();
    assert!(finished.succeeded(), "`{command}`: {finished:?}");
    finished.stdout
}

fn started(vm: &Vm) -> Duration {
    vm.start().unwrap();
    vm.await_banner(BOOT).unwrap()
}

#[test]
fn a_guest_serves_and_goes_down_when_it_is_asked_to() {
    let _turn = turn();
    let lab = Lab::from_environment(&Options::default()).unwrap();
    let vm = lab.vm().unwrap();
    let booted = started(vm);
    let process = vm.process().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid)).unwrap();
    let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap();
    println!("boot to banner {booted:?}; QEMU {resident}");

    let login = vm.login("id -un; sudo -n id -u; breakglass-guard facts | head -c 1", seconds(30)).unwrap();
    assert_eq!((login.code, login.stdout.as_str()), (Some(0), "breakglass\n0\n{"), "{login:?}");
    println!("log-in with sudo and facts {:?}", login.took);
    assert_eq!(inside(vm, "hostname; cat /proc/pressure/io | head -c 4"), "devvm\nsome");
    let writes = writes_within(vm, seconds(2));
    assert!(writes >= 20, "the workload wrote {writes} times in 2 s");
    assert_eq!(vm.starts(), [process]);

    vm.monitor(ANSWER).unwrap().system_powerdown().unwrap();
    let asked = std::time::Instant::now();
    while alive(process) {
        assert!(asked.elapsed() < seconds(10), "still up: {}", vm.console());
        std::thread::sleep(Duration::from_millis(20));
    }
    println!("power button to end of process {:?}", asked.elapsed());
}

#[test]
#[ignore = "boots a VM for each wedge: runs in `cargo xtask test --full`"]
fn every_wedge_is_real() {
    let _turn = turn();
    let lab = Lab::from_environment(&Options::default()).unwrap();
    let vm = lab.vm().unwrap();
    started(vm);
    for wedge in Wedge::ALL {
        vm.await_banner(BOOT).unwrap();
        let begun = std::time::Instant::now();
        vm.wedge(wedge).unwrap();
        println!("{} took {:?}", wedge.slug(), begun.elapsed());
        holds(vm, wedge);
        lift(vm, wedge);
    }
}

/// What the table of wedges says is to be seen from outside.
fn holds(vm: &Vm, wedge: Wedge) {
    let status = vm.monitor(ANSWER).unwrap().query_status().unwrap().status;
    assert_eq!(status, if wedge == Wedge::Pause { "paused" } else { "running" });
    let banner = vm.banner(seconds(4));
    println!("{}: {banner:?}", wedge.slug());
    match wedge {
        Wedge::Pause | Wedge::SshdHung => assert_eq!(banner, Banner::Silent),
        Wedge::BlockStall => {
            assert!(shown(&banner), "{banner:?}");
            assert_eq!(writes_within(vm, seconds(2)), 0);
            let states = inside(vm, "cat /proc/[0-9]*/stat 2> /dev/null; true");
            assert!(states.lines().any(|line| line.contains("(workload) D")), "{states}");
        }
        Wedge::Panic => {
            assert_eq!(banner, Banner::Silent);
            assert!(vm.console().contains("Kernel panic - not syncing"));
        }
        Wedge::MemoryExhaustion => {
            // Sooner or later the kernel has nobody left to kill; until then a banner may slip through, a log-in not.
            let login = vm.login("true", seconds(10));
            assert!(login.is_err() || login.is_ok_and(|login| login.code == Some(255)));
        }
        Wedge::DiskFull => {
            assert!(shown(&banner), "{banner:?}");
            let more = vm.inside("echo more > /data/more && sync", ANSWER).unwrap();
            assert!(
                more.stdout.contains("No space left"),
                "{more:?}; {}",
                inside(vm, "df -k /data; ls -la /data /data/work")
            );
        }
        Wedge::SshdDead => {
            assert_eq!(banner, Banner::Closed);
            assert!(writes_within(vm, seconds(1)) > 0);
        }
        Wedge::NetworkDead => {
            assert_eq!(banner, Banner::Silent);
            assert!(writes_within(vm, seconds(1)) > 0);
        }
        Wedge::RunawayLoad => {
            // On a busy host they take a moment to all get going.
            let runnable = || {
                let load = inside(vm, "cat /proc/loadavg");
                println!("{load}");
                load.split(&[' ', '/'][..]).nth(3).unwrap().parse::<u32>().unwrap()
            };
            assert!((0..5).any(|_| runnable() >= 100));
        }
    }
}

/// Takes the wedge away by the lab's other hand where that can be done, and by a fresh VM where not.
fn lift(vm: &Vm, wedge: Wedge) {
    match wedge {
        Wedge::Pause => vm.monitor(ANSWER).unwrap().cont().unwrap(),
        Wedge::BlockStall => vm.throttle(0).unwrap(),
        Wedge::DiskFull => drop(inside(vm, "rm /data/full /data/fuller")),
        Wedge::SshdDead => drop(inside(vm, "/usr/sbin/sshd -r")),
        Wedge::SshdHung => drop(inside(vm, "killall -CONT sshd")),
        Wedge::NetworkDead => drop(inside(vm, "ip link set eth0 up; ip route add default via 10.0.2.2")),
        Wedge::RunawayLoad => drop(inside(vm, "killall -KILL busy-loop")),
        Wedge::Panic | Wedge::MemoryExhaustion => println!("renewed in {:?}", vm.renew().unwrap()),
    }
}

#[test]
fn a_cycle_through_the_forced_command_brings_a_paused_vm_back() {
    let _turn = turn();
    let options = Options {
        vms: vec![
            VmOptions { number: 102, memory_mib: 192, ..VmOptions::default() },
            VmOptions { number: 1020, name: "other".into(), idle: true, memory_mib: 192 },
        ],
        grace: seconds(2),
        ..Options::default()
    };
    let lab = Lab::from_environment(&options).unwrap();
    let [vm, other] = lab.vms() else { panic!("two VMs") };
    started(vm);
    started(other);
    assert_eq!(writes_within(other, seconds(1)), 0, "an idle VM writes nothing");
    let (first, bystander) = (vm.process().unwrap(), other.process().unwrap());

    vm.wedge(Wedge::Pause).unwrap();
    let cycle = lab.power(&vm.request("cycle"), seconds(90)).unwrap();
    assert!(cycle.succeeded(), "{cycle:?}");
    println!("cycle {:?}, banner {:?} later", cycle.took, vm.await_banner(BOOT).unwrap());
    let login = vm.login("true", seconds(30)).unwrap();
    assert!(login.succeeded(), "the re-created VM kept its host key: {login:?}");
    assert_eq!(vm.starts().len(), 2);
    assert!(!alive(first));
    assert_eq!(other.starts(), [bystander]);
    assert!(alive(bystander));

    let refused = lab.power("rm -rf /", seconds(20)).unwrap();
    assert_eq!(refused.code, Some(77), "{refused:?}");
    vm.condition(Condition::OwnerPaused).unwrap();
    assert!(!shown(&vm.banner(seconds(1))));
}

/// Set for the process that is to die with its lab.
const DIES: &str = "BREAKGLASS_LAB_DIES";

/// Run as a process of its own by the test below: raises a lab and dies without a word.
#[test]
fn dies_with_its_lab() {
    if std::env::var_os(DIES).is_none() {
        return;
    }
    let lab = Lab::from_environment(&Options::default()).unwrap();
    started(lab.vm().unwrap());
    println!("\nqemu {}", lab.vm().unwrap().process().unwrap().pid);
    std::process::abort();
}

#[test]
fn what_a_killed_test_left_behind_is_ended_by_the_next() {
    let _turn = turn();
    let myself = std::env::current_exe().unwrap();
    let dead = Command::new(myself)
        .args(["--exact", "dies_with_its_lab", "--nocapture"])
        .env(DIES, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&dead.stdout);
    let qemu: u32 = said.lines().find_map(|line| line.strip_prefix("qemu ")).unwrap().parse().unwrap();
    let qemu = breakglass_lab::identity(qemu).expect("QEMU outlives the test that started it");
    let lab = Lab::from_environment(&Options::default()).unwrap();
    assert!(!alive(qemu));
    drop(lab);
}
