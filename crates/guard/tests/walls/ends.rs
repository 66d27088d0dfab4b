//! How programs end: by themselves, at a bound, with their caller; and that nothing of them stays.

use super::support::{Ground, Tried, Who};
use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Processes of this program that live.
fn alive(program: &Path) -> usize {
    fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter(|entry| fs::read_link(entry.path().join("exe")).is_ok_and(|exe| exe == program))
        .count()
}

fn none_left(ground: &Ground) {
    let until = Instant::now() + Duration::from_secs(5);
    while alive(&ground.attack()) > 0 {
        assert!(Instant::now() < until, "children are left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn what_a_program_leaves_running_ends_with_it() {
    for who in Who::all() {
        let ground = Ground::new(who);
        let tried = ground.attack_behind(&[], &["leave-children"]);
        assert_eq!((tried.code, tried.stdout.as_str()), (0, "left\n"), "{tried:?}");
        assert_eq!(alive(&ground.attack()), 0);
    }
}

#[test]
fn a_program_that_says_nothing_is_ended_at_the_deadline() {
    let ground = Ground::new(Who::all()[0]);
    for attack in ["silent", "spin"] {
        let begun = Instant::now();
        let tried = ground.attack_behind(&["--deadline", "1"], &[attack]);
        assert_eq!(tried.code, 70);
        assert!(tried.stderr.contains("Ended(Deadline, Seen)"), "{tried:?}");
        assert!(begun.elapsed() >= Duration::from_secs(1) && begun.elapsed() < Duration::from_secs(20));
        assert_eq!(alive(&ground.attack()), 0);
    }
}

#[test]
fn an_endless_output_is_cut_and_its_source_ended() {
    let ground = Ground::new(Who::all()[0]);
    let tried = ground.attack_behind(&[], &["endless"]);
    assert_eq!(tried.stdout.len(), 4 << 20);
    assert!(tried.stderr.contains("Ended(TooMuch, Seen)"), "{}", tried.stderr);
    assert_eq!(alive(&ground.attack()), 0);
}

#[test]
fn memory_has_an_end() {
    let ground = Ground::new(Who::all()[0]);
    let tried = ground.attack_behind(&[], &["memory-hog"]);
    assert!([12, 137, 139].contains(&tried.code), "{tried:?}");
}

#[test]
fn a_reader_that_never_reads_is_waited_for_until_the_deadline_only() {
    let ground = Ground::new(Who::all()[0]);
    let mut command = ground.behind(&["--deadline", "1"]);
    let mut guard = command.arg("endless").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let status = guard.wait().unwrap();
    assert_eq!(status.code(), Some(70));
    let mut said = String::new();
    guard.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("Ended(Deadline, Seen)"), "{said}");
    assert_eq!(alive(&ground.attack()), 0);
}

#[test]
fn a_client_that_vanishes_takes_its_look_along() {
    for attack in ["endless", "silent"] {
        let ground = Ground::new(Who::all()[0]);
        let mut command = ground.behind(&["--deadline", "600"]);
        let mut guard = command.arg(attack).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while alive(&ground.attack()) == 0 {
            assert!(Instant::now() < until, "it never began");
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(guard.stdout.take());
        assert_eq!(guard.wait().unwrap().code(), Some(70), "{attack}");
        none_left(&ground);
    }
}

#[test]
fn a_guard_that_is_killed_takes_its_program_along() {
    let ground = Ground::new(Who::all()[0]);
    let mut command = ground.behind(&["--deadline", "600"]);
    let mut guard = command.arg("silent").stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(10);
    while alive(&ground.attack()) == 0 {
        assert!(Instant::now() < until, "it never began");
        std::thread::sleep(Duration::from_millis(2));
    }
    guard.kill().unwrap();
    guard.wait().unwrap();
    none_left(&ground);
}

#[test]
fn what_is_not_there_and_what_is_no_program_is_said() {
    let ground = Ground::new(Who::all()[0]);
    let mut command = ground.who.command(&ground.guard());
    let missing = Tried::from(command.args(["behind-walls", "x", "/nonexistent/x"]).output().unwrap());
    assert!(missing.stderr.contains("NotHere"), "{missing:?}");
    let mut command = ground.who.command(&ground.guard());
    let victim = ground.victim();
    let no_program = Tried::from(command.args(["behind-walls", "x"]).arg(victim).output().unwrap());
    assert!(no_program.stderr.contains("cannot be started"), "{no_program:?}");
}

#[test]
fn the_environment_and_the_limits_are_the_guards() {
    let ground = Ground::new(Who::all()[0]);
    let mut command = ground.who.command(&ground.guard());
    command
        .env("LD_PRELOAD", "/tmp/x.so")
        .env("PAGER", "vi")
        .env("SYSTEMD_PAGER", "vi")
        .env("BASH_ENV", "/tmp/x");
    let shown = Tried::from(command.args(["behind-walls", "env", "/usr/bin/env"]).output().unwrap());
    let mut names: Vec<&str> = shown.stdout.lines().filter_map(|line| line.split('=').next()).collect();
    names.sort_unstable();
    let expected = [
        "HOME",
        "LC_ALL",
        "LESSSECURE",
        "PAGER",
        "PATH",
        "SYSTEMD_COLORS",
        "SYSTEMD_LESS",
        "SYSTEMD_PAGER",
        "SYSTEMD_URLIFY",
        "TERM",
        "XTABLES_LOCKFILE",
    ];
    assert_eq!(names, expected, "{shown:?}");
    assert!(shown.stdout.contains("\nPAGER=cat\n") && !shown.stdout.contains("/tmp/x"));
    let mut command = ground.who.command(&ground.guard());
    let status = command.args(["behind-walls", "cat", "/bin/cat", "/proc/self/status", "/proc/self/limits"]);
    let shown = Tried::from(status.output().unwrap());
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"] {
        // Whoever is not root cannot give the bounding set away, and gains nothing from it.
        let applies = ground.who == Who::Root || !line.starts_with("CapBnd");
        assert!(!applies || shown.stdout.contains(line), "{line}: {}", shown.stdout);
    }
    let limit = |name: &str| {
        let line = shown.stdout.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(
        (limit("Max file size"), limit("Max core file size"), limit("Max cpu time")),
        ("0".into(), "0".into(), "31".into())
    );
}
