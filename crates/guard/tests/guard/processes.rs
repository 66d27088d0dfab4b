//! Which process may be signalled, and which never.

use crate::support::{Door, alive, kill, processes_with};
use breakglass_protocol::{Outcome, Rule};
use std::fs;
use std::process::{Command, Stdio};

#[test]
fn a_pid_file_that_names_no_vm_refuses_every_verb() {
    let door = Door::new();
    let mut stranger = Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    for text in ["1", "0", "-1", "no number", "4194304 5", &stranger.id().to_string()] {
        fs::write(door.file(102, "pid"), text).unwrap();
        for verb in ["stop", "cycle", "reset", "start"] {
            let lines = door.lines(verb);
            assert_eq!((lines.end.outcome, lines.end.exit), (Outcome::Refused, 77), "{verb} with {text}");
            assert_eq!(lines.end.refusal.unwrap().rule, Rule::UnsafeState, "{verb} with {text}");
        }
        assert!(door.operations(102).is_empty() && door.qemus(102).is_empty(), "{text}");
    }
    assert!(alive(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[test]
fn a_number_that_was_reused_is_recognised() {
    let door = Door::new();
    let pid = door.start();
    // QEMU is killed by somebody else, so its pid file stays; then the number means another process.
    kill(pid, "KILL");
    // Until its last thread has ended it is a process that ends, and still holds the socket.
    crate::support::until("it is gone", || !std::path::Path::new(&format!("/proc/{pid}")).exists());
    let mut stranger = Command::new("/bin/sleep").arg("60").stdin(Stdio::null()).spawn().unwrap();
    fs::write(door.file(102, "pid"), stranger.id().to_string()).unwrap();
    let refused = door.lines("stop").end.refusal.unwrap();
    assert!(refused.reason.contains("reused"), "{}", refused.reason);
    assert!(alive(stranger.id()));
    stranger.kill().unwrap();
    stranger.wait().unwrap();
    // What is left is a number that nobody has: the VM is off, and starts.
    assert_eq!(door.lines("start").end.outcome, Outcome::Done);
    assert_eq!(door.qemus(102).len(), 1);
}

#[test]
fn a_vm_that_was_started_by_hand_is_found_and_cycled_once() {
    let door = Door::new();
    let command = door.vms[0].command.clone();
    let mut by_hand = Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).spawn().unwrap();
    crate::support::until("its monitor is there", || {
        door.file(102, "side").exists() && door.file(102, "pid").exists()
    });
    let status = door.status("devvm");
    assert_eq!(status.process.unwrap().pid, by_hand.id());
    assert!(status.notes.iter().any(|note| note.contains("did not start")), "{:?}", status.notes);
    assert_eq!(door.lines("start").end.outcome, Outcome::Done);
    assert_eq!(door.qemus(102), [by_hand.id()]);
    // It stays a zombie of this test until it is waited for, and counts as gone all the same.
    assert_eq!(door.lines("cycle").end.outcome, Outcome::Done);
    assert_eq!(door.qemus(102).len(), 1);
    by_hand.wait().unwrap();
}

#[test]
fn nothing_is_left_behind() {
    let door = Door::new();
    door.start();
    for verb in ["status", "cycle", "reset", "stop"] {
        door.lines(verb);
    }
    door.ask("nonsense");
    let own = door.path().display().to_string();
    crate::support::until("all helpers have ended", || processes_with(&own).is_empty());
}
