//! The awkward states of a Proxmox host, one test each: what the guard does, and what it says.

use crate::proxmox::{Proxmox, monitor};
use crate::support::{Lines, alive, kill, until};
use breakglass_protocol::{Outcome, Phase, Rule, RunState};
use std::fs;
use std::time::{Duration, Instant};

/// Refused, with this in the reason, and nothing was begun.
fn refused(lines: &Lines, word: &str) {
    let refusal = lines.end.refusal.as_ref().unwrap_or_else(|| panic!("{}", lines.end.message));
    assert_eq!(refusal.rule, Rule::UnsafeState);
    assert!(refusal.reason.contains(word), "{}", refusal.reason);
    assert!(lines.started().is_none());
}

/// Done.
fn done(lines: &Lines) {
    assert_eq!(lines.end.outcome, Outcome::Done, "{} {}", lines.end.message, lines.notes());
}

/// 69, with this in the message.
fn unavailable(lines: &Lines, word: &str) {
    assert_eq!((lines.end.outcome, lines.end.exit), (Outcome::Failed, 69), "{}", lines.end.message);
    assert!(lines.end.message.contains(word), "{}", lines.end.message);
}

/// While such a lock stands nothing is done, whether or not its holder lives.
fn lock_forbids(kind: &str, task: &str) {
    let mut host = Proxmox::new();
    let pid = host.start();
    host.lock(kind);
    for verb in ["cycle", "stop", "reset"] {
        refused(&host.lines(verb), kind);
    }
    let holder = host.task(task, "102");
    let status = host.status();
    let lock = status.lock.unwrap();
    assert_eq!((lock.kind.as_str(), lock.holder, lock.clearable), (kind, Some(holder), false));
    assert!(status.jobs.iter().any(|job| job.kind == task));
    refused(&host.lines("cycle"), &format!("process {holder} holds it"));
    assert!(alive(pid) && host.configuration().contains(kind));
}

#[test]
fn locked_for_a_migration() {
    lock_forbids("migrate", "qmigrate");
}

#[test]
fn locked_for_a_clone() {
    lock_forbids("clone", "qmclone");
}

#[test]
fn locked_for_a_restore() {
    lock_forbids("create", "qmrestore");
}

#[test]
fn locked_for_a_rollback() {
    lock_forbids("rollback", "qmrollback");
}

#[test]
fn locked_for_a_snapshot() {
    lock_forbids("snapshot", "qmsnapshot");
}

#[test]
fn locked_for_the_removal_of_a_snapshot() {
    lock_forbids("snapshot-delete", "qmdelsnapshot");
}

#[test]
fn locked_while_it_is_being_suspended() {
    lock_forbids("suspending", "qmsuspend");
}

#[test]
fn suspended_to_disk_by_its_owner() {
    let host = Proxmox::new();
    host.lock("suspended");
    assert_eq!(host.status().state, RunState::Stopped);
    for verb in ["start", "cycle"] {
        refused(&host.lines(verb), "suspended");
    }
    assert!(host.configuration().contains("lock: suspended"));
}

#[test]
fn a_backup_that_runs_forbids_a_cycle_and_not_a_stop() {
    let mut host = Proxmox::new();
    let pid = host.start();
    host.lock("backup");
    // A job over all VMs names none.
    let holder = host.task("vzdump", "");
    let status = host.status();
    assert_eq!(status.lock.unwrap().holder, Some(holder));
    assert_eq!(status.jobs.first().unwrap().kind, "vzdump");
    refused(&host.lines("cycle"), "backup");
    assert!(alive(pid));
    done(&host.lines("stop"));
    assert!(
        !alive(pid) && host.configuration().contains("lock: backup"),
        "the lock is not the guard's to clear"
    );
    refused(&host.lines("start"), "backup");
}

#[test]
fn a_backup_that_died_is_cleared_away_by_a_cycle() {
    let host = Proxmox::new();
    let pid = host.start();
    host.lock("backup");
    host.list_task("vzdump", "102", 4_194_305);
    assert!(host.status().lock.unwrap().clearable);
    let lines = host.lines("cycle");
    done(&lines);
    assert!(!alive(pid) && !host.configuration().contains("lock"));
    assert!(lines.notes().contains("its holder is gone"), "{}", lines.notes());
}

#[test]
fn whether_a_backup_lives_cannot_be_told() {
    let host = Proxmox::new();
    let pid = host.start();
    host.lock("backup");
    fs::remove_file(host.path("var/log/pve/tasks/active")).unwrap();
    fs::create_dir(host.path("var/log/pve/tasks/active")).unwrap();
    let status = host.status();
    assert!(!status.lock.unwrap().clearable);
    assert!(status.notes.join(" ").contains("list of running tasks"), "{:?}", status.notes);
    refused(&host.lines("cycle"), "backup");
    assert!(alive(pid));
}

#[test]
fn under_high_availability_the_manager_is_asked_and_obeyed() {
    let host = Proxmox::new();
    let pid = host.start();
    host.managed("started", "started");
    host.write("test/ha-works", "");
    assert!(host.status().notes.join(" ").contains("under high availability"));
    let lines = host.lines("cycle");
    done(&lines);
    assert!(!lines.phases().contains(&Phase::ProcessKilled), "nobody but the manager ended it");
    assert!(!alive(pid) && alive(host.pid(102)));
    assert_eq!(host.read("test/ha-asked"), "stop --timeout 1\nstart \n");
}

#[test]
fn under_high_availability_a_manager_that_only_queues_is_not_overruled() {
    let host = Proxmox::new();
    let pid = host.start();
    host.managed("started", "started");
    host.policy("vm = 102\n", &[("start_wait_seconds", 1), ("kill_wait_seconds", 1)]);
    let lines = host.lines("stop");
    assert_eq!(lines.end.outcome, Outcome::NotObserved, "{}", lines.end.message);
    assert!(lines.end.message.contains("nothing was killed"), "{}", lines.end.message);
    assert!(alive(pid));
}

#[test]
fn under_high_availability_in_error_everything_is_refused() {
    let host = Proxmox::new();
    let pid = host.start();
    host.managed("started", "error");
    for verb in ["cycle", "stop"] {
        refused(&host.lines(verb), "`error`");
    }
    assert!(alive(pid) && host.read("test/ha-asked").is_empty());
}

#[test]
fn a_vm_that_high_availability_ignores_is_nobody_elses() {
    let host = Proxmox::new();
    let pid = host.start();
    host.managed("ignored", "started");
    done(&host.lines("cycle"));
    assert!(!alive(pid) && host.read("test/ha-asked").is_empty());
}

#[test]
fn a_shutdown_that_waits_for_a_deaf_guest_is_overruled() {
    let mut host = Proxmox::new();
    let pid = host.start();
    host.meanwhile(&["shutdown", "102", "--timeout", "600"]);
    until("the shutdown is under way", || host.status().jobs.iter().any(|job| job.kind == "qmshutdown"));
    let notes = host.status().notes.join(" ");
    assert!(notes.contains("holds the VM's configuration"), "{notes}");
    let lines = host.lines("stop");
    done(&lines);
    assert!(!alive(pid));
    assert!(lines.notes().contains("the hypervisor ended process"), "{}", lines.notes());
}

#[test]
fn a_configuration_that_is_held_delays_no_kill() {
    let host = Proxmox::new();
    let pid = host.start();
    let held = host.hold_configuration();
    let lines = host.lines("stop");
    done(&lines);
    assert!(!alive(pid) && lines.phases().contains(&Phase::ProcessKilled));
    assert!(lines.notes().contains("can't lock file"), "{}", lines.notes());
    drop(held);
}

#[test]
fn a_start_waits_for_a_configuration_that_comes_free() {
    let host = Proxmox::new();
    let held = host.hold_configuration();
    let mut running = host.begin("cycle");
    running.reach_line("it is asked again");
    drop(held);
    done(&running.end());
    assert!(alive(host.pid(102)));
}

#[test]
fn a_configuration_that_stays_held_is_told_and_the_vm_stays_off() {
    let host = Proxmox::new();
    host.policy("vm = 102\n", &[("start_wait_seconds", 2)]);
    let _held = host.hold_configuration();
    let lines = host.lines("start");
    assert_eq!(lines.end.outcome, Outcome::NotObserved, "{}", lines.end.message);
    assert!(lines.end.message.contains("may still start the VM"), "{}", lines.end.message);
    assert!(lines.notes().contains("can't lock file"), "{}", lines.notes());
}

#[test]
fn a_stop_that_was_superseded_does_not_come_back_to_end_the_new_process() {
    let host = Proxmox::new();
    host.write("test/lock-timeout", "60");
    host.policy("vm = 102\n", &[("kill_wait_seconds", 20), ("stop_grace_seconds", 0)]);
    let old = host.start();
    let held = host.hold_configuration();
    let mut stop = host.begin("stop");
    let waits =
        || host.read("var/log/pve/tasks/active").lines().any(|l| l.contains(":qmstop:") && l.ends_with(" 0"));
    stop.reach("forensics-done");
    until("`qm stop` waits for the configuration", waits);
    host.policy("vm = 102\n", &[]);
    let mut cycle = host.begin("cycle");
    assert_eq!(stop.end().end.outcome, Outcome::Superseded);
    cycle.reach("process-gone");
    drop(held);
    done(&cycle.end());
    let new = host.pid(102);
    // Had its worker lived on, it would have the lock within a moment and end this.
    std::thread::sleep(Duration::from_millis(500));
    assert!(new != old && !alive(old) && alive(new));
    for line in
        host.read("var/log/pve/tasks/active").lines().filter(|l| l.contains(":qmstop:") && l.ends_with(" 0"))
    {
        let pid = u32::from_str_radix(line.split(':').nth(2).unwrap(), 16).unwrap();
        assert!(!alive(pid), "{line}");
    }
}

#[test]
fn a_vm_that_this_node_does_not_have() {
    let host = Proxmox::new();
    host.policy("vm = 999\n", &[]);
    let lines = host.lines("status");
    unavailable(&lines, "VM 999 does not exist on this node");
    assert_eq!(lines.end.status.as_ref().unwrap().state, RunState::Unknown);
    for verb in ["start", "cycle", "stop"] {
        refused(&host.lines(verb), "does not exist");
    }
}

#[test]
fn the_tool_is_missing() {
    let host = Proxmox::new();
    let pid = host.start();
    fs::remove_file(host.path("usr/sbin/qm")).unwrap();
    let lines = host.lines("status");
    done(&lines);
    assert_eq!(lines.end.status.unwrap().state, RunState::Running, "the monitor tells it all the same");
    for verb in ["cycle", "reset", "start"] {
        unavailable(&host.lines(verb), "nothing was touched");
    }
    assert!(alive(pid));
    let lines = host.lines("stop");
    done(&lines);
    assert!(!alive(pid) && lines.notes().contains("known by its pid file"), "{}", lines.notes());
    unavailable(&host.lines("status"), "/usr/sbin/qm is not there");
}

#[test]
fn the_tool_hangs_when_it_is_asked_to_stop() {
    let host = Proxmox::new();
    let pid = host.start();
    host.write("test/hang-stop", "");
    let begun = Instant::now();
    let lines = host.lines("stop");
    done(&lines);
    assert!(begun.elapsed() < Duration::from_secs(20) && !alive(pid));
    assert!(lines.notes().contains("gave no answer in time"), "{}", lines.notes());
}

#[test]
fn the_tool_hangs_when_it_is_asked_to_start_or_reset() {
    let host = Proxmox::new();
    host.policy("vm = 102\n", &[("start_wait_seconds", 2)]);
    host.write("test/hang-start", "");
    let lines = host.lines("start");
    assert_eq!(lines.end.outcome, Outcome::NotObserved, "{}", lines.end.message);
    assert!(lines.end.message.contains("gave no answer in time"), "{}", lines.end.message);
    fs::remove_file(host.path("test/hang-start")).unwrap();
    let pid = host.start();
    host.write("test/hang-reset", "");
    unavailable(&host.lines("reset"), "it is as it was");
    assert!(alive(pid));
}

#[test]
fn a_cluster_without_quorum_starts_nothing_so_nothing_is_cycled() {
    let host = Proxmox::new();
    let pid = host.start();
    host.write("etc/pve/.members", "{\"nodename\":\"pve\",\"cluster\":{\"nodes\":2,\"quorate\":0}}");
    assert!(host.status().notes.join(" ").contains("no quorum"));
    refused(&host.lines("cycle"), "pvecm expected 1");
    assert!(alive(pid));
    done(&host.lines("stop"));
    refused(&host.lines("start"), "no quorum");
    host.write("etc/pve/.members", "{\"nodename\":\"pve\",\"cluster\":{\"nodes\":2,\"quorate\":1}}");
    done(&host.lines("start"));
}

#[test]
fn the_cluster_file_system_hangs() {
    let host = Proxmox::new();
    let pid = host.start();
    let config = host.path("etc/pve/qemu-server/102.conf");
    fs::remove_file(&config).unwrap();
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &config, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let begun = Instant::now();
    let lines = host.lines("status");
    done(&lines);
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    let status = lines.end.status.unwrap();
    assert!(status.notes.join(" ").contains("/etc/pve gave no answer in time"), "{:?}", status.notes);
    assert_eq!(status.state, RunState::Running);
    unavailable(&host.lines("cycle"), "`stop` can still end its process");
    assert!(alive(pid));
    done(&host.lines("stop"));
    assert!(!alive(pid));
}

#[test]
fn the_cluster_file_system_is_not_mounted() {
    let host = Proxmox::new();
    fs::remove_dir_all(host.path("etc/pve")).unwrap();
    unavailable(&host.lines("status"), "not mounted at /etc/pve");
    unavailable(&host.lines("start"), "nothing was touched");
}

#[test]
fn the_monitor_serves_another_client_for_a_moment() {
    let host = Proxmox::new();
    host.start();
    let client = monitor(&host.path("var/run/qemu-server/102.qmp"));
    let waits = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        drop(client);
    });
    let status = host.status();
    assert_eq!(status.state, RunState::Running, "{:?}", status.notes);
    waits.join().unwrap();
}

#[test]
fn the_monitor_serves_another_client_for_good() {
    let host = Proxmox::new();
    let pid = host.start();
    let client = monitor(&host.path("var/run/qemu-server/102.qmp"));
    assert_eq!(host.status().state, RunState::Unresponsive);
    let lines = host.lines("cycle");
    done(&lines);
    assert!(!alive(pid) && alive(host.pid(102)));
    drop(client);
}

#[test]
fn a_frozen_qemu_is_killed_where_qm_does_not_manage() {
    let host = Proxmox::new();
    let pid = host.start();
    kill(pid, "STOP");
    let lines = host.lines("cycle");
    done(&lines);
    assert!(!alive(pid) && lines.phases().contains(&Phase::ProcessKilled));
    assert_ne!(host.pid(102), pid);
}
