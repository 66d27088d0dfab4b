//! Every verb on a Proxmox host that is well, and the wedges that the verbs are for.

use crate::boot;
use crate::proxmox::{Proxmox, monitor};
use crate::support::{alive, until};
use breakglass_protocol::{Line, Outcome, Phase, RunState};
use breakglass_qmp::{Disk, IoLimits};

#[test]
fn every_verb_goes_through_qm() {
    let host = Proxmox::new();
    let off = host.status();
    assert_eq!((off.state, off.process), (RunState::Stopped, None), "{:?}", off.notes);

    let lines = host.lines("start");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    let first = host.pid(102);
    assert_eq!(lines.end.status.unwrap().process.unwrap().pid, first);
    assert!(host.read("var/log/pve/tasks/active").contains(":qmstart:102:"), "a task of the host's");

    let lines = host.lines("reset");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(lines.notes().contains("`qm reset 102`") && host.pid(102) == first);

    let lines = host.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    let second = host.pid(102);
    assert!(second != first && !alive(first) && alive(second));
    let order = lines.phases();
    let at = |phase| order.iter().position(|it| *it == phase).unwrap();
    assert!(at(Phase::ForensicsDone) < at(Phase::GuestAsked));
    assert!(at(Phase::ProcessGone) < at(Phase::ProcessStarted), "started only after the end was seen");
    assert!(lines.notes().contains("the hypervisor ended process"), "{}", lines.notes());

    assert_eq!(host.lines("stop").end.outcome, Outcome::Done);
    assert!(!alive(second));
    assert_eq!(host.lines("cycle").end.outcome, Outcome::Done, "a stopped VM cycles too");
}

#[test]
fn forensics_ask_the_host_and_keep_its_history_of_the_disks() {
    let host = Proxmox::new();
    host.start();
    let pvesh = host.path("usr/bin/pvesh");
    std::fs::write(&pvesh, "#!/bin/sh\necho \"$@\"\necho '[{\"time\":1,\"diskwrite\":0}]'\n").unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&pvesh, mode).unwrap();
    assert_eq!(host.ask("forensics").code, 0);
    let kept =
        walk(&host.path("forensics")).into_iter().find(|path| path.ends_with("hypervisor.txt")).unwrap();
    let text = std::fs::read_to_string(kept).unwrap();
    for word in [
        "status: running",
        "name: devvm",
        "get /nodes/localhost/qemu/102/rrddata",
        "\"diskwrite\":0",
        "is not there",
    ] {
        assert!(text.contains(word), "{word}: {text}");
    }
}

fn walk(path: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] }).collect()
}

#[test]
fn what_is_staged_and_passed_through_is_told_before_and_applied_by_a_cycle() {
    let host = Proxmox::new();
    host.start();
    host.configure(
        102,
        "name: devvm\nmemory: 64\nhostpci9: 0000:01:00.0\n\n[PENDING]\nmemory: 128\ndelete: tablet\n",
    );
    let status = host.status();
    let told: Vec<_> =
        status.staged.iter().map(|change| (change.running.as_deref(), change.staged.as_deref())).collect();
    assert_eq!(told, [(Some("memory: 64"), Some("memory: 128"))]);
    assert_eq!(status.passthrough, ["hostpci9: 0000:01:00.0"]);
    let lines = host.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert_eq!(lines.end.status.unwrap().staged, []);
    assert!(host.configuration().contains("memory: 128"));
}

#[test]
fn one_of_several_vms_is_cycled_and_its_neighbour_is_not() {
    let host = Proxmox::new();
    host.configure(1020, "name: other\n");
    host.policy("[[power.machines]]\nvm = 102\nname = \"devvm\"\n[[power.machines]]\nvm = 1020\n", &[]);
    host.start();
    assert_eq!(host.lines("start vm1020").end.outcome, Outcome::Done);
    let (one, other) = (host.pid(102), host.pid(1020));
    assert_eq!(host.lines("cycle devvm").end.outcome, Outcome::Done);
    assert!(!alive(one) && alive(other));
    assert_eq!(host.pid(1020), other);
    // Number 102 of the neighbour's pid file is not believed.
    host.write("var/run/qemu-server/102.pid", &other.to_string());
    let lines = host.lines("stop devvm");
    assert!(lines.end.refusal.is_some() && alive(other), "{}", lines.end.message);
}

#[test]
fn a_paused_vm_goes_on_as_the_same_process() {
    let host = Proxmox::new();
    let pid = host.start();
    monitor(&host.path("var/run/qemu-server/102.qmp")).stop().unwrap();
    assert_eq!(host.status().state, RunState::Paused);
    let lines = host.lines("start");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(lines.phases().contains(&Phase::Resumed) && host.pid(102) == pid);
}

fn guest(host: &Proxmox, code: &[u8]) {
    boot::disk(&host.path("disk"), code);
    let disk = host.path("disk").display().to_string();
    let args = format!("-machine q35 -device pvpanic -drive file={disk},format=raw,if=virtio");
    host.configure(102, &format!("name: devvm\nargs: {args}\n"));
}

#[test]
fn a_panic_is_seen_and_cycled_away() {
    let host = Proxmox::new();
    guest(&host, boot::PANICS);
    let pid = host.start();
    until("the guest has panicked", || host.status().state == RunState::GuestPanicked);
    boot::disk(&host.path("disk"), boot::IDLES);
    let lines = host.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    assert!(!alive(pid) && !lines.phases().contains(&Phase::GuestAsked), "a panicked guest cannot hear");
    assert_eq!(host.status().state, RunState::Running);
}

#[test]
fn a_block_stall_shows_in_the_counters_and_a_cycle_ends_it() {
    let host = Proxmox::new();
    guest(&host, boot::WRITES);
    host.start();
    let written = || {
        let status = host.status();
        let of = |at: usize| status.samples[at].disks.iter().map(|disk| disk.writes).sum::<u64>();
        (status.state.clone(), of(0), of(1))
    };
    until("the guest writes", || matches!(written(), (RunState::Running, before, after) if after > before));
    let limits = IoLimits { bytes_per_second: 1, ..IoLimits::default() };
    let mut client = monitor(&host.path("var/run/qemu-server/102.qmp"));
    let disks = client.query_block().unwrap();
    let name = disks.iter().find(|disk| !disk.inserted.is_null()).map(|disk| disk.device.clone()).unwrap();
    client.block_set_io_throttle(Disk::Drive(&name), limits).unwrap();
    drop(client);
    until(
        "the writes stand still",
        || matches!(written(), (RunState::Running, before, after) if after == before),
    );
    let lines = host.lines("cycle");
    assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
    until("it writes again", || matches!(written(), (RunState::Running, before, after) if after > before));
    let captured = lines.all.iter().any(|line| matches!(line, Line::Forensics { part, .. } if part == "qmp"));
    assert!(captured, "what explains it was captured first");
}
