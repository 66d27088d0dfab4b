//! A whole capture: of a real QEMU, of a monitor that is silent, onto a disk that hangs.

use super::frozen::{Disk, may_mount};
use super::qemu::Qemu;
use crate::{alone, guard};
use breakglass_protocol::{Line, PartOutcome, parse_line};
use serde_json::{Value, json};
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PARTS: [&str; 9] =
    ["backtrace", "cgroup", "config", "console", "guest-agent", "host", "qmp", "screen", "threads"];

struct Whole {
    took: Duration,
    parts: Vec<(String, PartOutcome, u64, String)>,
    kept: Option<PathBuf>,
    millis: u64,
    notes: Vec<String>,
}

impl Whole {
    fn outcome(&self, part: &str) -> PartOutcome {
        self.parts.iter().find(|(name, ..)| name == part).unwrap().1
    }
}

/// A plan with nothing to look at but the host; `changes` go over it.
fn plan(dir: &Path, deadline: Duration, changes: Value) -> Value {
    let mut plan = json!({
        "vm_name": "devvm", "vm_id": 102, "operation": null, "taken": "2026-11-22T03:08:40.125Z",
        "qmp_socket": null, "process": null, "guest_agent": null, "console": null,
        "dir": dir, "limits": {"keep_bytes": 100 << 20, "keep_count": 3, "free_floor_bytes": 0},
        "deadline": {"secs": deadline.as_secs(), "nanos": deadline.subsec_nanos()},
        "ends_process": false, "config_text": "vm = 102", "status_json": null
    });
    for (key, value) in changes.as_object().unwrap() {
        plan[key] = value.clone();
    }
    plan
}

fn capture(plan: &Value) -> Whole {
    let began = Instant::now();
    let mut child =
        guard().args(["capture", "whole"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(plan.to_string().as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    let took = began.elapsed();
    assert!(done.status.success(), "{done:?}");
    let text = String::from_utf8(done.stdout).unwrap();
    let mut lines: Vec<&str> = text.lines().collect();
    let summary: Value = serde_json::from_str(lines.pop().unwrap()).unwrap();
    let mut parts: Vec<_> = lines
        .iter()
        .map(|line| match parse_line(line).unwrap() {
            Line::Forensics { part, outcome, millis, media, base64, .. } => {
                assert!(!base64.is_empty(), "{part} says nothing");
                (part, outcome, millis, media)
            }
            other => panic!("{other:?}"),
        })
        .collect();
    parts.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(
        parts.iter().map(|(part, ..)| part.as_str()).collect::<Vec<_>>(),
        PARTS,
        "each part exactly once"
    );
    Whole {
        took,
        parts,
        kept: summary["kept"].as_str().map(PathBuf::from),
        millis: summary["millis"].as_u64().unwrap(),
        notes: serde_json::from_value(summary["notes"].clone()).unwrap(),
    }
}

#[test]
fn a_real_qemu_is_captured_whole_and_goes_on() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let qemu = Qemu::start(dir.path());
    std::fs::write(&qemu.console, "[    1.0] \x1b[31mKernel panic - not syncing\x1b[0m\n").unwrap();
    let keep = dir.path().join("forensics");
    let whole = capture(&plan(
        &keep,
        Duration::from_secs(8),
        json!({
            "qmp_socket": qemu.socket, "process": qemu.identity(), "console": qemu.console, "ends_process": true,
            "operation": "op-1",
        }),
    ));
    let expected = |part: &str| match part {
        "guest-agent" => PartOutcome::NotHere,
        "backtrace" if !Path::new("/usr/bin/gdb").exists() => PartOutcome::NotHere,
        _ => PartOutcome::Captured,
    };
    for (part, outcome, ..) in &whole.parts {
        assert_eq!(*outcome, expected(part), "{part}: {:?} {:?}", whole.parts, whole.notes);
    }
    assert_eq!(whole.notes, Vec::<String>::new());
    // The parts run side by side; the generous rest is for a busy machine.
    let longest = whole.parts.iter().map(|part| part.2).max().unwrap();
    assert!(whole.millis <= longest + 500, "{} against {longest}: {:?}", whole.millis, whole.parts);

    let kept = whole.kept.unwrap();
    assert_eq!(kept, keep.join("devvm/op-1"));
    assert!(std::fs::read(kept.join("screen.png")).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    let qmp: Value = serde_json::from_slice(&std::fs::read(kept.join("qmp.json")).unwrap()).unwrap();
    assert_eq!(qmp["query-status"]["status"], "running");
    assert_eq!(qmp["query-blockstats"].as_array().unwrap().len(), 2, "{qmp}");
    assert_eq!(qmp["query-blockstats"][1]["disks"][0]["device"], "disk0");
    assert_eq!(qmp["query-block"][0]["device"], "disk0", "asked since the process ends anyway");
    let threads = std::fs::read_to_string(kept.join("threads.txt")).unwrap();
    assert!(threads.contains("waits in") && threads.contains("system call"), "{threads}");
    let console = std::fs::read_to_string(kept.join("console.txt")).unwrap();
    assert!(console.contains("Kernel panic") && !console.contains('\x1b'), "{console}");
    assert!(std::fs::read_to_string(kept.join("host.txt")).unwrap().contains("== meminfo"));
    assert!(std::fs::read_to_string(kept.join("config.txt")).unwrap().contains("virtio-blk-pci,drive=disk0"));
    assert_eq!(std::fs::read_to_string(kept.join("parts.jsonl")).unwrap().lines().count(), PARTS.len());
    assert_eq!(qemu.state(), "running");
}

#[test]
fn a_verb_that_keeps_the_process_asks_nothing_dangerous() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let qemu = Qemu::start(dir.path());
    let whole =
        capture(&plan(&dir.path().join("k"), Duration::from_secs(4), json!({ "qmp_socket": qemu.socket })));
    let qmp: Value =
        serde_json::from_slice(&std::fs::read(whole.kept.unwrap().join("qmp.json")).unwrap()).unwrap();
    assert!(qmp.get("query-block").is_none() && qmp.get("query-jobs").is_some(), "{qmp}");
}

#[test]
fn a_debugger_that_is_cut_short_leaves_qemu_running() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let qemu = Qemu::start(dir.path());
    // Around the moment at which the debugger attaches.
    for millis in [420, 470, 520, 570, 640, 720] {
        let changes = json!({ "process": qemu.identity() });
        let whole = capture(&plan(&dir.path().join("k"), Duration::from_millis(millis), changes));
        assert!(whole.took < Duration::from_millis(millis + 200), "{:?}", whole.took);
        assert_eq!(qemu.state(), "running", "after {millis} ms");
    }
}

#[test]
fn a_monitor_that_never_answers_costs_the_deadline_and_no_more() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("qmp");
    // It accepts, by its backlog, and says nothing.
    let _listener = UnixListener::bind(&socket).unwrap();
    let deadline = Duration::from_millis(1500);
    let changes = json!({ "qmp_socket": socket, "guest_agent": socket });
    let whole = capture(&plan(&dir.path().join("k"), deadline, changes));
    assert!(whole.took < deadline + Duration::from_millis(200), "{:?}", whole.took);
    assert_eq!(whole.outcome("qmp"), PartOutcome::TimedOut);
    assert_eq!(whole.outcome("guest-agent"), PartOutcome::TimedOut);
    assert_eq!(whole.outcome("screen"), PartOutcome::Failed);
    assert_eq!(whole.outcome("host"), PartOutcome::Captured);
    let qmp = std::fs::read_to_string(whole.kept.unwrap().join("qmp.json")).unwrap();
    assert!(qmp.contains("did not answer"), "{qmp}");
}

#[test]
fn a_disk_that_hangs_costs_the_deadline_and_no_more() {
    let _alone = alone();
    if !may_mount("disk that hangs under forensics") {
        return;
    }
    let mut disk = Disk::new();
    let keep = disk.mount.join("forensics");
    disk.freeze();
    let deadline = Duration::from_millis(1500);
    let whole = capture(&plan(&keep, deadline, json!({})));
    assert!(whole.took < deadline + Duration::from_millis(200), "{:?}", whole.took);
    assert_eq!(whole.outcome("host"), PartOutcome::Captured);
    assert_eq!(whole.kept, None);
    assert!(whole.notes.iter().any(|note| note.contains("the disk hangs: process")), "{:?}", whole.notes);
    disk.thaw();
    // The disk is back, and nothing of the first capture stands in the way of the next.
    let whole = capture(&plan(&keep, deadline, json!({})));
    assert!(whole.kept.unwrap().join("host.txt").exists());
}

#[test]
fn keeps_the_newest_and_leaves_the_floor_free() {
    let _alone = alone();
    let dir = tempfile::tempdir().unwrap();
    for n in 1..=5 {
        let whole =
            capture(&plan(dir.path(), Duration::from_secs(2), json!({ "operation": format!("op-{n}") })));
        assert!(whole.kept.is_some(), "{:?}", whole.notes);
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut left: Vec<_> =
        std::fs::read_dir(dir.path().join("devvm")).unwrap().map(|e| e.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["op-3", "op-4", "op-5"]);

    let limits = json!({"keep_bytes": 100 << 20, "keep_count": 3, "free_floor_bytes": 1_u64 << 60});
    let whole = capture(&plan(dir.path(), Duration::from_secs(2), json!({ "limits": limits })));
    assert_eq!(whole.kept, None);
    assert!(whole.notes[0].contains("stay free always"), "{:?}", whole.notes);
    assert_eq!(whole.outcome("host"), PartOutcome::Captured);
}
