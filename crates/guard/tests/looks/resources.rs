//! Looks that want to be endless, and clients that want the guard to be: bounded, with one record, and nothing left.

use super::support::{Answer, Door};
use std::io::Read as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

fn gone(door: &Door, text: &str) {
    let until = Instant::now() + Duration::from_secs(10);
    while door.running(text) > 0 {
        assert!(Instant::now() < until, "{text} is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One line before and one after, whatever happens between.
fn recorded(door: &Door, outcome: &str) {
    let lines = door.record();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!((lines[0]["decision"].as_str(), lines[1]["outcome"].as_str()), (Some("allow"), Some(outcome)));
}

#[test]
fn a_request_of_any_size_and_of_any_bytes_is_one_line_of_the_record() {
    let Some(door) = Door::new() else { return };
    let long = b"a".repeat(131_000);
    let words = b"cat /etc/hostname ".repeat(7_200);
    for request in [&long[..], &words, b"uptime\xff\xfe", b"\x1b[2Juptime", b"", b"uptime\n"] {
        let before = door.record().len();
        let answer: Answer = door.guard(Some(request)).output().unwrap().into();
        assert_eq!((answer.code, answer.stdout.as_str()), (77, ""), "{}", answer.stderr);
        assert!(answer.stderr.is_ascii() && answer.stderr.len() < 1000, "{}", answer.stderr);
        assert_eq!(door.record().len(), before + 1);
    }
    let answer: Answer = door.guard(None).output().unwrap().into();
    assert_eq!(answer.code, 77);
}

#[test]
fn an_endless_output_is_cut_and_said_so() {
    let Some(door) = Door::new() else { return };
    door.stage.program("/usr/bin/journalctl", b"#!/bin/sh\nexec yes an-endless-line\n");
    let answer = door.ask("journalctl -n 5");
    assert_eq!(answer.code, 75);
    assert!(answer.stdout.len() <= 4 << 20 && answer.stdout.len() > 3 << 20, "{}", answer.stdout.len());
    assert!(answer.stderr.contains("the output was cut after"), "{}", answer.stderr);
    gone(&door, "an-endless-line");
    recorded(&door, "not-observed");
}

#[test]
fn enough_ends_the_source() {
    let Some(door) = Door::new() else { return };
    door.stage.program("/usr/bin/journalctl", b"#!/bin/sh\nexec yes an-endless-line\n");
    let answer = door.ask("journalctl -n 5 | head -n 3");
    assert_eq!((answer.code, answer.stdout.lines().count()), (0, 3), "{}", answer.stderr);
    gone(&door, "an-endless-line");
    recorded(&door, "done");
}

#[test]
fn a_program_without_an_end_is_ended_at_the_deadline() {
    let Some(door) = Door::with("[diag]\n[diag.limits]\ndeadline_seconds = 1\n") else { return };
    door.stage.program("/usr/bin/journalctl", b"#!/bin/sh\ntrap '' TERM\nsleep 600 & sleep 601 & wait\n");
    let answer = door.ask("journalctl -n 5");
    assert_eq!(answer.code, 75, "{}", answer.stderr);
    assert!(
        answer.stderr.contains("was not done after 1 s; it was ended, and that was seen"),
        "{}",
        answer.stderr
    );
    gone(&door, "sleep");
    recorded(&door, "timed-out");
}

#[test]
fn a_reader_that_never_reads_ends_with_the_deadline() {
    let Some(door) = Door::with("[diag]\n[diag.limits]\ndeadline_seconds = 1\n") else { return };
    door.stage.program("/usr/bin/journalctl", b"#!/bin/sh\nexec yes an-endless-line\n");
    let mut guard = door.guard(Some(b"journalctl -n 5")).spawn().unwrap();
    assert_eq!(guard.wait().unwrap().code(), Some(75));
    let mut said = String::new();
    guard.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("was not done after 1 s"), "{said}");
    gone(&door, "an-endless-line");
    recorded(&door, "timed-out");
}

#[test]
fn a_client_that_vanishes_takes_the_program_along() {
    let Some(door) = Door::new() else { return };
    for (script, request) in [
        (&b"#!/bin/sh\nexec yes an-endless-line\n"[..], "journalctl -n 5"),
        (b"#!/bin/sh\nexec sleep 599\n", "journalctl -n 5"),
    ] {
        door.stage.program("/usr/bin/journalctl", script);
        let before = door.record().len();
        let mut guard = door.guard(Some(request.as_bytes())).stderr(Stdio::null()).spawn().unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        while door.running("an-endless-line") + door.running("599") == 0 {
            assert!(Instant::now() < until);
            std::thread::sleep(Duration::from_millis(2));
        }
        drop(guard.stdout.take());
        assert_eq!(guard.wait().unwrap().code(), Some(75));
        gone(&door, "an-endless-line");
        gone(&door, "599");
        assert_eq!(door.record().len(), before + 2);
    }
}

#[test]
fn a_line_of_ten_megabytes_is_bounded() {
    let Some(door) = Door::new() else { return };
    door.stage.write("/var/log/huge.log", &b"x".repeat(10 << 20));
    for request in [
        "cat /var/log/huge.log",
        "tail -n 5 /var/log/huge.log",
        "cat /var/log/huge.log | grep -c x",
        "grep -E '(x+x+)+y' /var/log/huge.log",
    ] {
        let answer = door.ask(request);
        assert!([0, 1, 2, 75].contains(&answer.code), "{request}: {} {}", answer.code, answer.stderr);
        assert!(answer.stdout.len() <= 4 << 20);
    }
}

#[test]
fn fifty_sessions_at_once_are_all_recorded() {
    let Some(door) = Door::with("[diag]\n[diag.limits]\nat_a_time = 8\nper_minute = 60\n") else { return };
    let guards: Vec<_> = (0..50).map(|_| door.guard(Some(b"uptime")).spawn().unwrap()).collect();
    let answers: Vec<Answer> =
        guards.into_iter().map(|guard| guard.wait_with_output().unwrap().into()).collect();
    let (mut ran, mut refused) = (0, 0);
    for answer in &answers {
        match answer.code {
            0 => ran += 1,
            75 => {
                assert!(answer.stderr.contains("refused (concurrency)"), "{}", answer.stderr);
                refused += 1;
            }
            code => panic!("{code}: {}", answer.stderr),
        }
    }
    assert!(ran >= 8, "{ran}");
    let lines = door.record();
    let count = |what: &str| lines.iter().filter(|line| line["decision"] == what).count();
    assert_eq!((count("allow"), count("deny")), (2 * ran, refused));
    // All places are free again.
    assert_eq!(door.ask("uptime").code, 0);
}

#[test]
fn the_one_too_many_in_a_minute_is_refused_and_recorded() {
    let Some(door) = Door::with("[diag]\n[diag.limits]\nper_minute = 3\n") else { return };
    let codes: Vec<i32> = (0..5).map(|_| door.ask("uptime").code).collect();
    assert_eq!(codes, [0, 0, 0, 75, 75]);
    let rules: Vec<_> = door.record().iter().filter(|line| line["rule"] == "rate").cloned().collect();
    assert_eq!(rules.len(), 2);
}
