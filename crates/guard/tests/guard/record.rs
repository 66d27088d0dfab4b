//! The record: what it holds, how tampering shows, and disks that do not take it.

use crate::support::{Door, GUARD, answer};
use std::fs;
use std::process::Command;
use std::time::Duration;

/// Where a session comes without standard descriptors, the first files that are opened would get their numbers, and a sentence
/// for the caller would be written into the record.
#[test]
fn a_session_without_its_three_descriptors_writes_into_no_file() {
    let door = Door::new();
    door.ask("nonsense");
    for closed in ["<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-"] {
        let plain = door.guard(Some(b"nonsense"));
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", &format!("exec \"$@\" {closed}"), "sh"])
            .arg(plain.get_program())
            .args(plain.get_args());
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        assert_eq!(answer(&mut command).code, 77, "{closed}");
    }
    assert_eq!(door.record_lines().len(), 6);
    assert_eq!(door.verify(&[]).code, 0);
}

/// A caller who is gone is no reason to end without a record of how it went on.
#[test]
fn a_broken_pipe_is_an_error_and_no_end() {
    let door = Door::new();
    for request in ["status", "--json status"] {
        let before = door.record_lines().len();
        let mut command = door.guard(Some(request.as_bytes()));
        let (reading, writing) = std::io::pipe().unwrap();
        drop(reading);
        let status = command.stdout(writing.try_clone().unwrap()).stderr(writing).status().unwrap();
        assert!(status.code().is_some(), "{request}: {status}");
        assert_eq!(door.record_lines().len(), before + 2, "{request}");
    }
}

#[test]
fn holds_one_line_for_a_denial_and_two_for_an_act() {
    let door = Door::new();
    door.ask("nonsense\n");
    door.ask("status");
    door.lines("start");
    crate::support::until("the runner has recorded", || door.record_lines().len() == 5);
    let lines = door.record_lines();
    let told: Vec<(String, String, bool)> = lines
        .iter()
        .map(|line| {
            (
                line["request"].as_str().unwrap().to_owned(),
                line["decision"].as_str().unwrap().to_owned(),
                line.get("outcome").is_some(),
            )
        })
        .collect();
    let row = |request: &str, decision: &str, outcome| (request.to_owned(), decision.to_owned(), outcome);
    assert_eq!(
        told,
        [
            row("nonsense\\n", "deny", true),
            row("status", "allow", false),
            row("status", "allow", true),
            row("--json start", "allow", false),
            row("start", "allow", true),
        ]
    );
    assert_eq!(lines[4]["outcome"], "done");
    assert!(lines[4]["operation"].is_string());
    for (line, seq) in lines.iter().zip(1..) {
        assert_eq!(
            (line["seq"].as_u64(), line["key"].as_str(), line["user"].as_str()),
            (Some(seq), Some("phone"), Some("root"))
        );
        assert!(line["prev"].as_str().unwrap().len() == 64 && line["time"].as_str().unwrap().ends_with('Z'));
    }
}

#[test]
fn an_edit_a_cut_and_a_swap_are_detected() {
    let door = Door::new();
    for _ in 0..4 {
        door.ask("nonsense");
    }
    let sound = fs::read_to_string(door.record()).unwrap();
    let head = answer(Command::new(GUARD).args(["record", "head"]).arg(door.record()));
    let head = head.stdout.trim().to_owned();
    assert_eq!(door.verify(&["--head", &head]).code, 0);
    assert!(door.verify(&[]).stdout.contains("4 lines"));
    let lines: Vec<&str> = sound.lines().collect();
    let join = |order: &[usize]| order.iter().map(|at| format!("{}\n", lines[*at])).collect::<String>();
    for (what, text, needs_head) in [
        ("edited", sound.replacen("nonsense", "nonsence", 1), false),
        ("last line edited", join(&[0, 1, 2]) + &lines[3].replace("nonsense", "status") + "\n", true),
        ("beginning cut", join(&[1, 2, 3]), false),
        ("middle cut", join(&[0, 1, 3]), false),
        ("tail cut", join(&[0, 1, 2]), true),
        ("swapped", join(&[0, 2, 1, 3]), false),
        ("doubled", join(&[0, 1, 1, 2, 3]), false),
        ("emptied", String::new(), true),
    ] {
        fs::write(door.record(), text).unwrap();
        let without = door.verify(&[]);
        assert_eq!(without.code == 0, needs_head, "{what}: {}{}", without.stdout, without.stderr);
        assert_eq!(door.verify(&["--head", &head]).code, 1, "{what}");
    }
    assert_eq!(answer(Command::new(GUARD).args(["record", "verify", "/nonexistent"])).code, 69);
}

#[test]
fn a_cut_tail_shows_by_itself_at_the_next_line() {
    let door = Door::new();
    for _ in 0..3 {
        door.ask("nonsense");
    }
    let text = fs::read_to_string(door.record()).unwrap();
    fs::write(door.record(), text.lines().take(1).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    door.ask("nonsense");
    assert!(
        door.verify(&[]).stdout.contains("1 gaps, 2 lines known to be lost"),
        "{}",
        door.verify(&[]).stdout
    );
}

#[test]
fn many_writers_make_one_chain() {
    let door = Door::new();
    let mut guards: Vec<_> = (0..24).map(|_| door.guard(Some(b"nonsense")).spawn().unwrap()).collect();
    for guard in &mut guards {
        guard.wait().unwrap();
    }
    assert_eq!(door.record_lines().len(), 24);
    assert_eq!(door.verify(&[]).code, 0);
}

#[test]
fn a_full_disk_stops_no_verb_and_the_gap_is_marked() {
    let mut door = Door::new();
    let disk = door.path().join("full");
    fs::create_dir(&disk).unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=16k,mode=700", "none"], &disk) {
        println!("skipped: only root may mount a disk that is full");
        return;
    }
    let _mounted = Mounted(disk.clone());
    door.record_dir.clone_from(&disk);
    door.write();
    door.ask("nonsense");
    fs::write(disk.join("ballast"), vec![0; 16 << 10]).unwrap_err();
    // The page that the record has already takes a few more lines; then a line is torn half way.
    let refused = (0..20)
        .map(|_| door.ask("nonsense"))
        .find(|refused| refused.stderr.contains("record not kept: "))
        .unwrap();
    assert_eq!(refused.code, 77);
    assert!(refused.stderr.contains("in the ring"), "{}", refused.stderr);
    let lines = door.lines("start");
    assert_eq!(lines.end.exit, 0, "{}", lines.end.message);

    fs::remove_file(disk.join("ballast")).unwrap();
    let mended = door.ask("nonsense");
    assert!(!mended.stderr.contains("record not kept"), "{}", mended.stderr);
    let text = fs::read_to_string(door.record()).unwrap();
    assert_eq!(text.matches("\"type\":\"gap\"").count(), 1, "{text}");
    assert!(text.contains("--json start"), "the ring's lines were taken in: {text}");
    assert_eq!(door.verify(&[]).code, 0, "{}", door.verify(&[]).stderr);
}

#[test]
fn a_read_only_disk_stops_no_verb() {
    let mut door = Door::new();
    let disk = door.path().join("readonly");
    fs::create_dir(&disk).unwrap();
    if !mount(&["-t", "tmpfs", "-o", "size=64k,mode=700", "none"], &disk) {
        println!("skipped: only root may mount a read-only disk");
        return;
    }
    let _mounted = Mounted(disk.clone());
    door.record_dir.clone_from(&disk);
    door.forensics_dir = disk.join("forensics");
    door.write();
    door.ask("status");
    assert!(mount(&["-o", "remount,ro"], &disk));
    let answer = door.ask("cycle");
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    assert!(answer.stderr.contains("record not kept: "), "{}", answer.stderr);
    assert!(answer.took < Duration::from_secs(6));
    assert!(mount(&["-o", "remount,rw"], &disk));
    assert!(!door.ask("status").stderr.contains("record not kept"));
    let verified = door.verify(&[]);
    assert!(
        verified.stdout.contains(" 1 gaps, 0 lines known to be lost"),
        "{}{}",
        verified.stdout,
        verified.stderr
    );
}

/// A mounted file system, unmounted whatever happens.
pub(crate) struct Mounted(pub(crate) std::path::PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("/bin/umount").arg("-l").arg(&self.0).status();
    }
}

pub(crate) fn mount(options: &[&str], at: &std::path::Path) -> bool {
    Command::new("/bin/mount").args(options).arg(at).status().is_ok_and(|status| status.success())
}
