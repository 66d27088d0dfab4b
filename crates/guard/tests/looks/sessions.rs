//! Through a real sshd with a forced command, from stock ssh.

use super::sshd::{DIAG_KEY, Sshd};
use super::support::Door;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[test]
fn stock_ssh_through_a_real_forced_command() {
    let Some(door) = Door::new() else { return };
    door.stage.write("/etc/shadow", b"root:BGCANARY:1:0:99999:7:::\nnobody:*:1:0:99999:7:::\n");
    let sshd = Sshd::new(&door);
    for (request, code) in [
        ("uptime", 0),
        ("df -h | tail -n 2", 0),
        ("cat /etc/hostname", 0),
        ("grep -c nothing-like-this /etc/hosts", 1),
        ("cat /etc/shadow", 77),
        ("cat /proc/1/root/etc/shadow", 77),
        ("uptime; id", 77),
        ("uptime\nid", 77),
        ("uptime\u{1b}[2J", 77),
        ("$(id)", 77),
        ("bash -i", 77),
        ("scp -t /tmp", 77),
        ("systemctl restart nginx", 77),
    ] {
        let before = door.record().len();
        let answer = sshd.ssh(&[request]);
        assert_eq!(answer.code, code, "{request}: {} {}", answer.stdout, answer.stderr);
        assert!(!answer.discloses(), "{request}");
        let lines = door.record();
        assert_eq!(lines.len(), before + if code == 77 { 1 } else { 2 }, "{request}");
        let last = lines.last().unwrap();
        assert_eq!((last["source"].as_str(), last["key"].as_str()), (Some("127.0.0.1"), Some("laptop")));
    }
    // No request at all is a client that wants a shell; a subsystem is a request like any other.
    assert_eq!(sshd.ssh(&[]).code, 77);
    assert_eq!(sshd.ssh(&["-s", "sftp"]).code, 77);
    // A client that goes leaves nothing behind.
    door.stage.program("/usr/bin/journalctl", b"#!/bin/sh\nexec sleep 598\n");
    let mut client = sshd.client(DIAG_KEY);
    client.args(["--", "nobody@127.0.0.1", "journalctl -n 5"]);
    let mut client = client.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let until = Instant::now() + Duration::from_secs(15);
    while door.running("sleep\x00598") == 0 {
        assert!(Instant::now() < until, "it never began");
        std::thread::sleep(Duration::from_millis(5));
    }
    client.kill().unwrap();
    client.wait().unwrap();
    while door.running("sleep\x00598") > 0 {
        assert!(Instant::now() < until, "it is left");
        std::thread::sleep(Duration::from_millis(5));
    }
}
