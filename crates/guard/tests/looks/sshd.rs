//! A real sshd on the stage, with a forced command for the account that has no rights, and stock clients.

use super::support::{Answer, CONFIG, Door, GUARD};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Opens the read-only door.
pub(super) const DIAG_KEY: &str = "/run/diag_key";
/// Opens the power door.
pub(super) const POWER_KEY: &str = "/run/power_key";
const HOST: &str = "nobody@127.0.0.1";

pub(super) struct Sshd<'a> {
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
    pub(super) fn new(door: &'a Door) -> Self {
        let stage = &door.stage;
        let run = |words: &[&str]| {
            let output = stage.command(false, words[0]).args(&words[1..]).output().unwrap();
            assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        fs::create_dir_all(stage.at("/run/sshd")).unwrap();
        for key in ["/run/host_key", DIAG_KEY, POWER_KEY] {
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
        let forced = |kind: &str, key: &str| {
            let key = fs::read_to_string(stage.at(&format!("{key}.pub"))).unwrap();
            format!("restrict,command=\"{GUARD} {kind} --label laptop --config {CONFIG}\" {key}")
        };
        let keys = forced("diag", DIAG_KEY) + &forced("power", POWER_KEY);
        stage.write("/etc/ssh/looks.keys", keys.as_bytes());
        let config = format!(
            "Port {PORT}\nListenAddress 127.0.0.1\nHostKey /run/host_key\nAuthorizedKeysFile /etc/ssh/looks.keys\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPidFile none\nAcceptEnv *\n\
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

    /// A client with this key, up to the name of the host. What it is started with travels along, and sshd takes all of it.
    pub(super) fn client(&self, key: &str) -> Command {
        let mut command = self.door.stage.command(false, "/usr/bin/ssh");
        command.args(["-F", "none", "-T", "-i", key, "-p", PORT, "-o", "StrictHostKeyChecking=no"]);
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o", "BatchMode=yes"]);
        command.args(["-o", "SendEnv=*"]).env_clear();
        command
    }

    pub(super) fn ssh(&self, words: &[&str]) -> Answer {
        self.client(DIAG_KEY).args(["--", HOST]).args(words).output().unwrap().into()
    }
}

/// One connection that many requests share.
pub(super) struct Shared<'a> {
    sshd: &'a Sshd<'a>,
    key: &'static str,
    master: Child,
}

impl<'a> Shared<'a> {
    pub(super) fn new(sshd: &'a Sshd<'a>, key: &'static str) -> Self {
        let mut master = sshd.client(key);
        master.args(["-M", "-N", "-S"]).arg(format!("{key}.shared")).args(["--", HOST]);
        let master = master.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let shared = Self { sshd, key, master };
        let until = Instant::now() + Duration::from_secs(20);
        while !shared.client().args(["-O", "check", "--", HOST]).output().unwrap().status.success() {
            assert!(Instant::now() < until, "no connection to share");
            std::thread::sleep(Duration::from_millis(20));
        }
        shared
    }

    fn client(&self) -> Command {
        let mut command = self.sshd.client(self.key);
        command.arg("-S").arg(format!("{}.shared", self.key));
        command
    }

    /// A request of any bytes; `prepare` sees the client before it starts. Nothing where it cannot be started with them.
    pub(super) fn ask(&self, request: &[u8], prepare: impl FnOnce(&mut Command)) -> Option<Answer> {
        let mut command = self.client();
        prepare(&mut command);
        let output = command.args(["--", HOST]).arg(OsStr::from_bytes(request)).output();
        output.ok().map(Answer::from)
    }
}

impl Drop for Shared<'_> {
    fn drop(&mut self) {
        let _ = self.master.kill();
        let _ = self.master.wait();
    }
}
