//! Disks that hang: a loop-mounted file system under `fsfreeze`, whose writers go into state D and cannot be killed.
//! A freeze always ends with its test, whatever the test does.

use crate::record::{Mounted, mount};
use crate::support::{Door, alive, state, until};
use breakglass_protocol::{Outcome, RunState};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A small file system on a loop device.
struct Disk {
    at: PathBuf,
    _mounted: Mounted,
}

impl Disk {
    fn new(door: &Door) -> Option<Self> {
        let image = door.path().join("disk.img");
        let at = door.path().join("disk");
        File::create(&image).unwrap().set_len(16 << 20).unwrap();
        fs::create_dir(&at).unwrap();
        let made = Command::new("/sbin/mkfs.ext4").args(["-q", "-F"]).arg(&image).status();
        let mounted =
            made.is_ok_and(|status| status.success()) && mount(&["-o", "loop", image.to_str().unwrap()], &at);
        if !mounted {
            println!("skipped: only root may mount a disk to freeze");
            return None;
        }
        Some(Self { _mounted: Mounted(at.clone()), at })
    }

    fn freeze(&self) -> Frozen<'_> {
        assert!(Command::new("/sbin/fsfreeze").arg("-f").arg(&self.at).status().unwrap().success());
        Frozen(&self.at)
    }
}

struct Frozen<'a>(&'a Path);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("/sbin/fsfreeze").arg("-u").arg(self.0).status();
    }
}

#[test]
fn a_hung_record_delays_a_verb_once_and_loses_nothing() {
    let mut door = Door::new();
    let Some(disk) = Disk::new(&door) else { return };
    door.record_dir = disk.at.join("log");
    door.write();
    door.ask("nonsense");
    {
        let _frozen = disk.freeze();
        let first = door.ask("nonsense");
        assert_eq!(first.code, 77);
        assert!(
            first.stderr.contains("record not kept: the disk did not take it within 500 ms"),
            "{}",
            first.stderr
        );
        assert!(
            first.took > Duration::from_millis(450) && first.took < Duration::from_millis(900),
            "{:?}",
            first.took
        );
        // The next one does not wait for the same disk again.
        let second = door.ask("nonsense");
        assert!(second.took < Duration::from_millis(300), "{:?}", second.took);
        assert!(second.stderr.contains("still hangs in process"), "{}", second.stderr);
        let begun = Instant::now();
        let lines = door.lines("start");
        assert_eq!(lines.end.outcome, Outcome::Done, "{}", lines.end.message);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    until("the disk takes lines again", || !door.ask("nonsense").stderr.contains("record not kept"));
    assert_eq!(door.verify(&[]).code, 0, "{}", door.verify(&[]).stderr);
    let text = fs::read_to_string(door.record()).unwrap();
    assert!(text.contains("\"type\":\"gap\"") && text.contains("--json start"), "{text}");
    let denials = door.record_lines().iter().filter(|line| line["decision"] == "deny").count();
    assert!(denials >= 4, "nothing is lost and nothing doubled: {text}");
    let times: Vec<String> = door
        .record_lines()
        .iter()
        .filter(|it| it["type"] != "gap")
        .map(|it| format!("{}{}", it["time"], it["outcome"]))
        .collect();
    let mut distinct = times.clone();
    distinct.sort();
    distinct.dedup();
    assert_eq!(distinct.len(), times.len(), "{text}");
}

#[test]
fn a_running_vm_is_looked_at_and_cycled_while_every_disk_of_the_guard_hangs() {
    let mut door = Door::new();
    let Some(disk) = Disk::new(&door) else { return };
    door.record_dir = disk.at.join("log");
    door.forensics_dir = disk.at.join("forensics");
    door.write();
    let before = door.start();
    let well = door.ask("status");
    {
        let _frozen = disk.freeze();
        for _ in 0..3 {
            let status = door.ask("status");
            assert_eq!(status.code, 0, "{}", status.stderr);
            assert!(status.stderr.contains("record not kept"), "{}", status.stderr);
            // The record's deadline is half a second, and waited for once; the second above it is for a busy machine.
            let longest = well.took + Duration::from_millis(1500);
            assert!(status.took < longest, "{:?}, and {:?} with a disk that is well", status.took, well.took);
        }
        let cycle = door.lines("cycle");
        assert_eq!(cycle.end.outcome, Outcome::Done, "{}", cycle.end.message);
        let after = cycle.end.status.unwrap().process.unwrap().pid;
        assert!(after != before && !alive(before), "another process runs");
        assert_eq!(door.qemus(102), [after], "and only it");
        assert_eq!(door.ask("forensics").code, 0, "forensics reach the caller, kept or not");
    }
    until("the disk takes lines again", || !door.ask("nonsense").stderr.contains("record not kept"));
    let verified = door.verify(&[]);
    assert_eq!(verified.code, 0, "{}", verified.stderr);
    assert!(verified.stdout.contains(" 1 gaps, 0 lines known to be lost"), "{}", verified.stdout);
    let lines = door.record_lines();
    for request in ["status", "--json cycle", "forensics"] {
        assert!(
            lines.iter().any(|line| line["request"] == request && line["decision"] == "allow"),
            "{request}"
        );
    }
}

#[test]
fn a_process_that_cannot_die_means_that_no_second_one_is_started() {
    let mut door = Door::new();
    let Some(disk) = Disk::new(&door) else { return };
    let image = disk.at.join("image");
    fs::write(&image, "").unwrap();
    // The guard itself starts a program that writes to a disk; it is frozen before the first write.
    let words = [
        "/bin/dd".to_owned(),
        "if=/dev/zero".to_owned(),
        format!("of={}", image.display()),
        "conv=notrunc".to_owned(),
    ];
    door.vms[0].command = words.to_vec();
    door.set("start_wait_seconds", "1");
    door.write();
    let _frozen = disk.freeze();
    let start = door.lines("start");
    assert_eq!(start.end.outcome, Outcome::NotObserved, "{}", start.end.message);
    let pid = start.end.status.unwrap().process.unwrap().pid;
    until("it hangs", || state(pid) == Some('D'));

    let begun = Instant::now();
    let cycle = door.lines("cycle");
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    assert_eq!(cycle.end.outcome, Outcome::Failed);
    for word in ["cannot die", "state D", "waits in", "no second one is started"] {
        assert!(cycle.end.message.contains(word), "{}", cycle.end.message);
    }
    assert_eq!(cycle.end.status.unwrap().state, RunState::Unresponsive);
    for verb in ["start", "cycle", "stop"] {
        let again = door.lines(verb);
        assert_eq!(again.end.outcome, Outcome::Failed, "{verb}");
    }
    assert!(alive(pid));
    let writers = crate::support::processes_with(&format!("of={}", image.display()));
    assert_eq!(writers, [pid], "no second writer, ever");
}
