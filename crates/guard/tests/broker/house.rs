//! A host with a door, a broker behind a socket of root's as systemd would hand its connections over, and an engine.

use crate::stage::Stage;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

pub(super) const NOBODY: u32 = 65534;
pub(super) const SOCKET: &str = "/run/breakglass/broker.sock";
const GUARD: &str = "/usr/local/bin/breakglass-guard";
const CONFIG: &str = "/etc/breakglass/guard.toml";

pub(super) struct House {
    pub(super) stage: Arc<Stage>,
    /// What the brokers said on their error output.
    pub(super) log: Arc<Mutex<String>>,
}

pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}

impl House {
    pub(super) fn new() -> Option<Self> {
        let stage = Arc::new(Stage::new()?);
        stage.program(GUARD, &fs::read(env!("CARGO_BIN_EXE_breakglass-guard")).unwrap());
        let house = Self { stage, log: Arc::default() };
        house.configure("");
        for directory in [
            "/run/state/record/guard-nobody",
            "/run/state/looks/nobody",
            "/var/log/breakglass",
            "/run/breakglass",
        ] {
            fs::create_dir_all(house.stage.at(directory)).unwrap();
        }
        for own in ["/run/state/record/guard-nobody", "/run/state/looks/nobody", "/var/log/breakglass"] {
            chown(house.stage.at(own), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        for open in
            ["/run/state", "/run/state/record", "/run/state/looks", "/run/breakglass", "/var/log/breakglass"]
        {
            fs::set_permissions(house.stage.at(open), fs::Permissions::from_mode(0o755)).unwrap();
        }
        house.listen();
        Some(house)
    }

    pub(super) fn configure(&self, more: &str) {
        let text = format!(
            "state_dir = \"/run/state\"\n[record]\ndir = \"/var/log/breakglass\"\n[diag]\nbroker = {SOCKET:?}\n{more}"
        );
        self.stage.write(CONFIG, text.as_bytes());
    }

    /// As the unit's socket does: root's, for one group, one process a connection.
    fn listen(&self) {
        let at = self.stage.at(SOCKET);
        let listener = UnixListener::bind(&at).unwrap();
        chown(&at, Some(0), Some(NOBODY)).unwrap();
        fs::set_permissions(&at, fs::Permissions::from_mode(0o660)).unwrap();
        let (stage, log) = (Arc::downgrade(&self.stage), Arc::clone(&self.log));
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let Some(stage) = stage.upgrade() else { return };
                let mut command = broker(&stage, connection);
                drop(stage);
                let log = Arc::clone(&log);
                std::thread::spawn(move || {
                    let output = command.output().unwrap();
                    drop(command);
                    log.lock().unwrap().push_str(&String::from_utf8_lossy(&output.stderr));
                });
            }
        });
    }

    pub(super) fn guard(&self, request: &str) -> Command {
        let mut command = self.stage.command(true, GUARD);
        command.args(["diag", "--label", "laptop", "--config", CONFIG]).env_clear();
        command.env("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.10 22").env("SSH_ORIGINAL_COMMAND", request);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn ask(&self, request: &str) -> Answer {
        self.guard(request).output().unwrap().into()
    }

    /// Processes on the stage whose command line has this text.
    pub(super) fn running(&self, text: &str) -> usize {
        let ours = fs::read_link(self.stage.proc().join("ns/mnt")).unwrap();
        let is_here = |at: &Path| fs::read_link(at.join("ns/mnt")).is_ok_and(|theirs| theirs == ours);
        let has = |at: &Path| {
            String::from_utf8_lossy(&fs::read(at.join("cmdline")).unwrap_or_default()).contains(text)
        };
        fs::read_dir("/proc").unwrap().flatten().filter(|it| is_here(&it.path()) && has(&it.path())).count()
    }

    /// The record of root's half.
    pub(super) fn record(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.stage.at("/var/log/breakglass/guard.jsonl")).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A broker for this connection; its output is no pipe of ours.
pub(super) fn broker(stage: &Stage, connection: UnixStream) -> Command {
    let mut command = stage.command(false, GUARD);
    command.args(["broker", "--config", CONFIG]).env_clear();
    let output = connection.try_clone().unwrap();
    command.stdin(std::os::fd::OwnedFd::from(connection)).stdout(std::os::fd::OwnedFd::from(output));
    command.stderr(Stdio::piped());
    command
}
