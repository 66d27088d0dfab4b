//! A read-only door on a stage, and what its client sees.

use crate::stage::Stage;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Output, Stdio};

const NOBODY: u32 = 65534;
pub(super) const GUARD: &str = "/usr/local/bin/breakglass-guard";
pub(super) const CONFIG: &str = "/etc/breakglass/guard.toml";
const RECORD: &str = "/var/log/breakglass/guard-nobody.jsonl";

/// What stands in for a program that cannot run here: it says how it was called, then what a file of its name says.
const STAND_IN: &str = "#!/bin/sh\nname=${0##*/}\necho \"called: $name $*\"\nenv | sort | sed 's/^/env: /'\n\
     [ -f /usr/share/stand-in/$name ] && exec cat /usr/share/stand-in/$name\nexit 0\n";

/// So many looks that no test but that of limits meets one.
pub(super) const WIDE: &str =
    "[diag]\n[diag.limits]\nper_minute = 100000\nat_a_time = 100\ndeadline_seconds = 20\n";

pub(super) struct Door {
    pub(super) stage: Stage,
}

pub(super) struct Answer {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Answer {
    /// Whether the marker of a secret shows, in either output.
    pub(super) fn discloses(&self) -> bool {
        self.stdout.contains("BGCANARY") || self.stderr.contains("BGCANARY")
    }
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

impl Door {
    /// A door with wide limits, so that only the test of limits meets them.
    pub(super) fn new() -> Option<Self> {
        Self::with(WIDE)
    }

    pub(super) fn with(diag: &str) -> Option<Self> {
        Self::of(env!("CARGO_BIN_EXE_breakglass-guard").as_ref(), diag)
    }

    /// A door of this guard.
    pub(super) fn of(guard: &Path, diag: &str) -> Option<Self> {
        let stage = Stage::new()?;
        stage.program(GUARD, &fs::read(guard).unwrap());
        let door = Self { stage };
        door.configure(diag);
        for directory in ["/run/state", "/var/log/breakglass"] {
            let at = door.stage.at(directory);
            fs::create_dir_all(&at).unwrap();
            chown(at, Some(NOBODY), Some(NOBODY)).unwrap();
        }
        Some(door)
    }

    pub(super) fn configure(&self, diag: &str) {
        let text = format!("state_dir = \"/run/state\"\n[record]\ndir = \"/var/log/breakglass\"\n{diag}");
        self.stage.write(CONFIG, text.as_bytes());
    }

    /// Puts a stand-in where a program stands, with what it has to say.
    pub(super) fn stand_in(&self, name: &str, says: &[u8]) {
        self.stage.program(&format!("/usr/bin/{name}"), STAND_IN.as_bytes());
        self.stage.write(&format!("/usr/share/stand-in/{name}"), says);
    }

    /// A guard as sshd would start it for this request, as an account without rights.
    pub(super) fn guard(&self, request: Option<&[u8]>) -> Command {
        let mut command = self.stage.command(true, GUARD);
        command.args(["diag", "--label", "laptop", "--config", CONFIG]).env_clear();
        command.env("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.10 22");
        if let Some(request) = request {
            command.env("SSH_ORIGINAL_COMMAND", OsStr::from_bytes(request));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(super) fn ask(&self, request: &str) -> Answer {
        self.guard(Some(request.as_bytes())).output().unwrap().into()
    }

    pub(super) fn record(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.stage.at(RECORD)).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(super) fn record_text(&self) -> String {
        fs::read_to_string(self.stage.at(RECORD)).unwrap_or_default()
    }

    /// Processes on the stage whose command line has this text.
    pub(super) fn running(&self, text: &str) -> usize {
        let ours = fs::read_link(self.stage.proc().join("ns/mnt")).unwrap();
        fs::read_dir("/proc")
            .unwrap()
            .flatten()
            .filter(|entry| fs::read_link(entry.path().join("ns/mnt")).is_ok_and(|theirs| theirs == ours))
            .filter(|entry| {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains(text)
            })
            .count()
    }
}
