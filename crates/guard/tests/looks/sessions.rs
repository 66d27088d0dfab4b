//! Through a real sshd with a forced command, from stock ssh.

use super::support::{Answer, Door, GUARD};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

struct Sshd<'a> {
    door: &'a Door,
    process: Child,
}

impl Drop for Sshd<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const PORT: &str = "2222";

impl<'a> Sshd<'a> {
    /// In the stage's own network, with the account that has no rights behind the forced command.
    fn new(door: &'a Door) -> Self {
        let stage = &door.stage;
        let run = |words: &[&str]| {
            let output = stage.command(false, words[0]).args(&words[1..]).output().unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        fs::create_dir_all(stage.at("/run/sshd")).unwrap();
        for key in ["/run/host_key", "/run/client_key"] {
            run(&["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key]);
        }
        let passwd = fs::read_to_string(stage.at("/etc/passwd")).unwrap();
        let lines: String = passwd
            .lines()
            .filter(|line| !line.starts_with("nobody:"))
            .map(|line| format!("{line}\n"))
            .collect();
        stage.write(
            "/etc/passwd",
            format!("{lines}nobody:*:65534:65534:nobody:/nonexistent:/bin/sh\n").as_bytes(),
        );
        let key = fs::read_to_string(stage.at("/run/client_key.pub")).unwrap();
        let forced = format!(
            "restrict,command=\"{GUARD} diag --label laptop --config /etc/breakglass/guard.toml\" {key}"
        );
        stage.write("/etc/ssh/looks.keys", forced.as_bytes());
        let config = format!(
            "Port {PORT}\nListenAddress 127.0.0.1\nHostKey /run/host_key\nAuthorizedKeysFile /etc/ssh/looks.keys\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\nAcceptEnv LC_* LANG\n\
             Subsystem sftp internal-sftp\nStrictModes no\n"
        );
        stage.write("/etc/ssh/looks.conf", config.as_bytes());
        fs::set_permissions(stage.at("/run/host_key"), fs::Permissions::from_mode(0o600)).unwrap();
        let mut command = stage.command(false, "/usr/sbin/sshd");
        let process =
            command.args(["-D", "-f", "/etc/ssh/looks.conf"]).stderr(Stdio::null()).spawn().unwrap();
        let sshd = Self { door, process };
        let until = Instant::now() + Duration::from_secs(10);
        while sshd.ssh(&["true"]).stderr.contains("refused\r\n") || sshd.ssh(&["true"]).code == 255 {
            assert!(Instant::now() < until, "sshd does not answer: {}", sshd.ssh(&["true"]).stderr);
            std::thread::sleep(Duration::from_millis(50));
        }
        sshd
    }

    fn ssh(&self, words: &[&str]) -> Answer {
        let mut command = self.door.stage.command(false, "/usr/bin/ssh");
        command.args(["-F", "none", "-i", "/run/client_key", "-p", PORT, "-o", "StrictHostKeyChecking=no"]);
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]);
        command.arg("nobody@127.0.0.1").args(words);
        command.output().unwrap().into()
    }
}

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
    let mut client = door.stage.command(false, "/usr/bin/ssh");
    client.args(["-F", "none", "-i", "/run/client_key", "-p", PORT, "-o", "StrictHostKeyChecking=no"]);
    client.args(["-o", "UserKnownHostsFile=/dev/null", "nobody@127.0.0.1", "journalctl -n 5"]);
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
