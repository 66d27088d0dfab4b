//! A door with its VMs in a scratch directory, and what a client of it sees.

use breakglass_protocol::{EndedBy, Line, Outcome, Phase, Refusal, Status, parse_line};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub(crate) const GUARD: &str = env!("CARGO_BIN_EXE_breakglass-guard");
pub(crate) const QEMU: &str = "/usr/bin/qemu-system-x86_64";

/// One VM of a door, as the test wants it.
#[derive(Clone)]
pub(crate) struct Vm {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) command: Vec<String>,
}

/// A door in a scratch directory. Whatever was started from it is killed when it goes.
pub(crate) struct Door {
    scratch: tempfile::TempDir,
    pub(crate) vms: Vec<Vm>,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) record_dir: PathBuf,
    pub(crate) forensics_dir: PathBuf,
}

pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Door {
    /// A door to one VM, 102 or `devvm`, that is off.
    pub(crate) fn new() -> Self {
        Self::to(&[(102, "devvm")])
    }

    pub(crate) fn to(vms: &[(u32, &str)]) -> Self {
        let scratch = tempfile::Builder::new().prefix("bgg").tempdir().unwrap();
        let record_dir = scratch.path().join("log");
        let forensics_dir = scratch.path().join("forensics");
        let mut door = Self { scratch, vms: Vec::new(), settings: Vec::new(), record_dir, forensics_dir };
        for (id, name) in vms {
            let command = door.qemu(*id, &[]);
            door.vms.push(Vm { id: *id, name: (*name).to_owned(), command });
        }
        for (key, value) in [("grace_seconds", "1"), ("stop_grace_seconds", "1"), ("kill_wait_seconds", "2")]
        {
            door.set(key, value);
        }
        door.write();
        door
    }

    /// The command line of a QEMU that costs next to nothing: no machine, only its monitors.
    pub(crate) fn qemu(&self, id: u32, more: &[&str]) -> Vec<String> {
        let socket = |ending: &str| format!("unix:{},server=on,wait=off", self.file(id, ending).display());
        let mut words: Vec<String> =
            [QEMU, "-machine", "none", "-nodefaults", "-display", "none"].map(String::from).to_vec();
        words.extend(["-qmp".to_owned(), socket("qmp"), "-qmp".to_owned(), socket("side")]);
        words.extend(["-pidfile".to_owned(), self.file(id, "pid").display().to_string()]);
        words.extend(more.iter().map(|word| (*word).to_owned()));
        words
    }

    pub(crate) fn set(&mut self, key: &str, value: &str) {
        self.settings.retain(|(have, _)| have != key);
        self.settings.push((key.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path().join("guard.toml")
    }

    pub(crate) fn record(&self) -> PathBuf {
        self.record_dir.join("guard.jsonl")
    }

    pub(crate) fn state(&self, id: u32) -> PathBuf {
        self.path().join(format!("state/vm-{id}"))
    }

    pub(crate) fn file(&self, id: u32, ending: &str) -> PathBuf {
        self.path().join(format!("{id}.{ending}"))
    }

    pub(crate) fn write(&self) {
        let mut text =
            format!("state_dir = {:?}\n[record]\ndir = {:?}\n", self.path().join("state"), self.record_dir);
        text.push_str("[power]\nbackend = \"qmp\"\n");
        for (key, value) in &self.settings {
            writeln!(text, "{key} = {value}").unwrap();
        }
        writeln!(text, "[power.forensics]\ndir = {:?}\ndeadline_seconds = 2", self.forensics_dir).unwrap();
        for vm in &self.vms {
            writeln!(text, "[[power.machines]]\nvm = {}\nname = {:?}\n[power.machines.qmp]", vm.id, vm.name)
                .unwrap();
            for (key, ending) in
                [("socket", "qmp"), ("pid_file", "pid"), ("lock_file", "lock"), ("log", "log")]
            {
                writeln!(text, "{key} = {:?}", self.file(vm.id, ending)).unwrap();
            }
            writeln!(text, "command = {:?}", vm.command).unwrap();
        }
        fs::write(self.config(), text).unwrap();
    }

    /// A guard as sshd would start it for this request; `None` is a client that wants a shell.
    pub(crate) fn guard(&self, request: Option<&[u8]>) -> Command {
        let mut command = Command::new(GUARD);
        command.args(["power", "--label", "phone", "--config"]).arg(self.config()).env_clear();
        command.env("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.10 22");
        if let Some(request) = request {
            command.env("SSH_ORIGINAL_COMMAND", OsStr::from_bytes(request));
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn ask(&self, request: &str) -> Answer {
        answer(&mut self.guard(Some(request.as_bytes())))
    }

    /// Asks for machine output and gives its lines; the last one must be `finished`.
    pub(crate) fn lines(&self, request: &str) -> Lines {
        self.ask(&format!("--json {request}")).lines()
    }

    pub(crate) fn status(&self, name: &str) -> Status {
        let request = if self.vms.len() > 1 { format!("status {name}") } else { "status".to_owned() };
        *self.lines(&request).end.status.unwrap()
    }

    /// Starts the VM and gives its process.
    pub(crate) fn start(&self) -> u32 {
        let lines = self.lines("start");
        assert_eq!(lines.end.exit, 0, "{:?}", lines.end);
        lines.end.status.unwrap().process.unwrap().pid
    }

    /// A verb in the background; its lines are read as they come.
    pub(crate) fn begin(&self, request: &str) -> Running {
        Running::begin(&mut self.guard(Some(format!("--json {request}").as_bytes())))
    }

    /// What a person at the hypervisor would tell the VM's second monitor.
    pub(crate) fn monitor(&self, id: u32, command: &str) {
        let mut stream = UnixStream::connect(self.file(id, "side")).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        for command in ["qmp_capabilities", command] {
            writeln!(stream, "{{\"execute\":\"{command}\"}}").unwrap();
            loop {
                line.clear();
                if reader.read_line(&mut line).unwrap_or(0) == 0 || line.contains("\"return\"") {
                    break;
                }
                assert!(!line.contains("\"error\""), "{command}: {line}");
            }
        }
    }

    pub(crate) fn record_lines(&self) -> Vec<serde_json::Value> {
        let text = fs::read_to_string(self.record()).unwrap_or_default();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    pub(crate) fn verify(&self, more: &[&str]) -> Answer {
        answer(Command::new(GUARD).args(["record", "verify"]).arg(self.record()).args(more))
    }

    /// Ids of the operations that were ever accepted and are still kept.
    pub(crate) fn operations(&self, id: u32) -> Vec<String> {
        let entries = fs::read_dir(self.state(id).join("ops")).into_iter().flatten().flatten();
        let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".jsonl")).collect();
        names.sort();
        names
    }

    /// All QEMUs of a VM of this door that live, by what only a test may read: their command lines.
    pub(crate) fn qemus(&self, id: u32) -> Vec<u32> {
        let socket = self.file(id, "qmp").display().to_string();
        processes_with(&format!("unix:{socket},")).into_iter().filter(|pid| is_qemu(*pid)).collect()
    }

    /// The runner of the newest operation.
    pub(crate) fn runner(&self, id: u32) -> Option<u32> {
        let newest = self.operations(id).pop()?;
        let text = fs::read_to_string(self.state(id).join("ops").join(newest)).ok()?;
        let header: serde_json::Value = serde_json::from_str(text.lines().next()?).ok()?;
        u32::try_from(header.pointer("/runner/pid")?.as_u64()?).ok()
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        let own = self.path().display().to_string();
        for pid in processes_with(&own) {
            kill(pid, "KILL");
        }
    }
}

fn is_qemu(pid: u32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("qemu-system-x86_64"))
}

/// Living processes whose command line holds `text`, this one excepted.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let pids =
        fs::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id() && alive(*pid))
        .filter(|pid| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            line.windows(text.len()).any(|window| window == text.as_bytes())
        })
        .collect()
}

/// Whether a process is there and no zombie.
pub(crate) fn alive(pid: u32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

pub(crate) fn state(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

pub(crate) fn kill(pid: u32, signal: &str) {
    assert!(pid > 1);
    let _ = Command::new("/bin/kill")
        .args([&format!("-{signal}"), &pid.to_string()])
        .stderr(Stdio::null())
        .status();
}

pub(crate) fn answer(command: &mut Command) -> Answer {
    let begun = Instant::now();
    let output = command.output().unwrap();
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        took: begun.elapsed(),
    }
}

/// Waits until something holds, at most ten seconds.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The last line of an answer.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) exit: u8,
    pub(crate) outcome: Outcome,
    pub(crate) message: String,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) status: Option<Box<Status>>,
}

/// The lines of an answer.
pub(crate) struct Lines {
    pub(crate) all: Vec<Line>,
    pub(crate) end: End,
}

impl Lines {
    /// All that the steps said.
    pub(crate) fn notes(&self) -> String {
        let note =
            |line: &Line| if let Line::Progress { note, .. } = line { Some(note.clone()) } else { None };
        self.all.iter().filter_map(note).collect::<Vec<_>>().join("\n")
    }

    pub(crate) fn phases(&self) -> Vec<Phase> {
        let phase = |line: &Line| if let Line::Progress { phase, .. } = line { Some(*phase) } else { None };
        self.all.iter().filter_map(phase).collect()
    }

    /// The operation, and whether it was joined.
    pub(crate) fn started(&self) -> Option<(String, bool)> {
        self.all.iter().find_map(|line| match line {
            Line::Started { operation: Some(id), joined, .. } => Some((id.0.clone(), *joined)),
            _ => None,
        })
    }
}

impl Answer {
    pub(crate) fn lines(&self) -> Lines {
        let all: Vec<Line> = self.stdout.lines().map(|line| parse_line(line).unwrap()).collect();
        let Some(Line::Finished { by, exit, outcome, message, refusal, status, .. }) = all.last().cloned()
        else {
            panic!("no last line: {} {}", self.stdout, self.stderr);
        };
        assert_eq!(by, EndedBy::Guard);
        assert_eq!(i32::from(exit), self.code, "{}", self.stdout);
        let ends = all.iter().filter(|line| matches!(line, Line::Finished { .. })).count();
        assert_eq!(ends, 1);
        Lines { all, end: End { exit, outcome, message, refusal, status } }
    }
}

/// A guard that runs.
pub(crate) struct Running {
    pub(crate) child: Child,
    output: BufReader<std::process::ChildStdout>,
    seen: Vec<String>,
}

impl Running {
    pub(crate) fn begin(guard: &mut Command) -> Self {
        let mut child = guard.spawn().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output, seen: Vec::new() }
    }

    /// Reads until this step was reached.
    pub(crate) fn reach(&mut self, phase: &str) {
        self.reach_line(&format!("\"phase\":\"{phase}\""));
    }

    pub(crate) fn reach_line(&mut self, text: &str) {
        if self.seen.iter().any(|line| line.contains(text)) {
            return;
        }
        loop {
            let mut line = String::new();
            assert!(
                self.output.read_line(&mut line).unwrap() > 0,
                "{text} was not reached: {:#?}",
                self.seen
            );
            let found = line.contains(text);
            self.seen.push(line);
            if found {
                return;
            }
        }
    }

    pub(crate) fn end(mut self) -> Lines {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let stdout = self.seen.concat() + &rest;
        Answer { code, stdout, stderr: String::new(), took: Duration::ZERO }.lines()
    }

    /// The connection breaks: the guard of this caller is killed.
    pub(crate) fn cut(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
