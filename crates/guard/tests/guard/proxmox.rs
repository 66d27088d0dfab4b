//! A Proxmox host in a scratch directory: the stand-in `qm`, the files that it and the guard look at, real QEMUs.

use crate::support::{Answer, GUARD, Lines, Running, answer, kill, processes_with};
use breakglass_protocol::Status;
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const STAND_IN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-ins/qm");

pub(crate) struct Proxmox {
    scratch: tempfile::TempDir,
    others: Vec<Child>,
}

impl Proxmox {
    /// A node with VM 102, `devvm`, that is off.
    pub(crate) fn new() -> Self {
        let scratch = tempfile::Builder::new().prefix("bgp").tempdir().unwrap();
        let host = Self { scratch, others: Vec::new() };
        for directory in
            ["usr/sbin", "usr/bin", "etc/pve/qemu-server", "etc/pve/ha", "var/run/qemu-server", "test"]
        {
            fs::create_dir_all(host.path(directory)).unwrap();
        }
        for directory in ["var/lock/qemu-server", "var/log/pve/tasks"] {
            fs::create_dir_all(host.path(directory)).unwrap();
        }
        // By a child: a fork of another test would hold open what this process writes, and it could not be started.
        assert!(Command::new("cp").arg(STAND_IN).arg(host.path("usr/sbin/qm")).status().unwrap().success());
        host.write("etc/pve/.members", "{\"nodename\":\"pve\",\"version\":3}");
        host.write("test/lock-timeout", "0.6");
        host.configure(102, "name: devvm\nmemory: 64\n");
        host.policy("vm = 102\nname = \"devvm\"\n", &[]);
        host
    }

    /// Writes the guard's policy; settings of a name replace the usual ones.
    pub(crate) fn policy(&self, machines: &str, settings: &[(&str, u32)]) {
        let mut text = format!(
            "state_dir = {:?}\n[record]\ndir = {:?}\n[power]\nbackend = \"qm\"\n",
            self.path("state"),
            self.path("log")
        );
        for (name, usual) in [
            ("grace_seconds", 1),
            ("stop_grace_seconds", 1),
            ("kill_wait_seconds", 2),
            ("start_wait_seconds", 8),
            ("tool_seconds", 2),
        ] {
            let value = settings.iter().find(|(have, _)| *have == name).map_or(usual, |(_, value)| *value);
            text.push_str(&format!("{name} = {value}\n"));
        }
        let tables = machines.find("[[").unwrap_or(machines.len());
        text.push_str(&machines[..tables]);
        text.push_str(&format!("root = {:?}\n", self.scratch.path()));
        let forensics = self.path("forensics");
        text.push_str(&format!("[power.forensics]\ndir = {forensics:?}\ndeadline_seconds = 2\n"));
        text.push_str(&machines[tables..]);
        fs::write(self.path("guard.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.scratch.path().join(path)
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        fs::write(self.path(path), text).unwrap();
    }

    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_default()
    }

    pub(crate) fn configure(&self, id: u32, text: &str) {
        self.write(&format!("etc/pve/qemu-server/{id}.conf"), text);
    }

    pub(crate) fn configuration(&self) -> String {
        self.read("etc/pve/qemu-server/102.conf")
    }

    /// Puts a lock into the configuration, as Proxmox's tasks do.
    pub(crate) fn lock(&self, kind: &str) {
        let rest: String = self
            .configuration()
            .lines()
            .filter(|line| !line.starts_with("lock: "))
            .map(|l| format!("{l}\n"))
            .collect();
        self.configure(102, &format!("lock: {kind}\n{rest}"));
    }

    pub(crate) fn qm(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.path("usr/sbin/qm"));
        command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// What somebody else at the host has `qm` do meanwhile.
    pub(crate) fn meanwhile(&mut self, words: &[&str]) {
        let child = self.qm(words).spawn().unwrap();
        self.others.push(child);
    }

    /// Starts the VM as somebody at the host would.
    pub(crate) fn start(&self) -> u32 {
        assert!(self.qm(&["start", "102"]).status().unwrap().success());
        self.pid(102)
    }

    pub(crate) fn pid(&self, id: u32) -> u32 {
        self.read(&format!("var/run/qemu-server/{id}.pid")).trim().parse().unwrap()
    }

    /// A task of another that runs: its process and its entry in the list.
    pub(crate) fn task(&mut self, kind: &str, of: &str) -> u32 {
        let child = Command::new("/bin/sleep").arg("600").spawn().unwrap();
        let pid = child.id();
        self.others.push(child);
        self.list_task(kind, of, pid);
        pid
    }

    /// An entry in the list of running tasks.
    pub(crate) fn list_task(&self, kind: &str, of: &str, pid: u32) {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit_once(") ").map_or("", |(_, rest)| rest);
        let start: u64 = fields.split(' ').nth(19).map_or(7, |field| field.parse().unwrap());
        let list = self.read("var/log/pve/tasks/active");
        let line = format!("UPID:pve:{pid:08X}:{start:08X}:65A0B0C0:{kind}:{of}:root@pam: 0\n");
        self.write("var/log/pve/tasks/active", &(list + &line));
    }

    /// Holds the VM's configuration as a task that hangs would, until the result is dropped.
    pub(crate) fn hold_configuration(&self) -> File {
        let path = self.path("var/lock/qemu-server/lock-102.conf");
        let file = File::options().create(true).append(true).open(path).unwrap();
        flock(&file, FlockOperation::LockExclusive).unwrap();
        file
    }

    pub(crate) fn managed(&self, wanted: &str, now: &str) {
        let text = format!("ct: 7\n\tstate started\n\nvm: 102\n\tmax_restart 2\n\tstate {wanted}\n");
        self.write("etc/pve/ha/resources.cfg", &text);
        let status =
            format!("{{\"service_status\":{{\"vm:102\":{{\"state\":\"{now}\",\"node\":\"pve\"}}}}}}");
        self.write("etc/pve/ha/manager_status", &status);
    }

    pub(crate) fn guard(&self, request: &str) -> Command {
        let mut command = Command::new(GUARD);
        command.args(["power", "--label", "phone", "--config"]).arg(self.path("guard.toml")).env_clear();
        command.env("SSH_CONNECTION", "192.0.2.2 50000 192.0.2.10 22").env("SSH_ORIGINAL_COMMAND", request);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub(crate) fn ask(&self, request: &str) -> Answer {
        answer(&mut self.guard(request))
    }

    pub(crate) fn lines(&self, request: &str) -> Lines {
        self.ask(&format!("--json {request}")).lines()
    }

    pub(crate) fn begin(&self, request: &str) -> Running {
        Running::begin(&mut self.guard(&format!("--json {request}")))
    }

    pub(crate) fn status(&self) -> Status {
        *self.lines("status").end.status.unwrap()
    }
}

impl Drop for Proxmox {
    fn drop(&mut self) {
        let own = self.scratch.path().display().to_string();
        for pid in processes_with(&own) {
            kill(pid, "KILL");
        }
        for child in &mut self.others {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Talks to a VM's monitor as Proxmox's daemons do; while this lives nobody else is served.
pub(crate) fn monitor(socket: &Path) -> breakglass_qmp::Client<breakglass_qmp::Deadlined> {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    breakglass_qmp::Client::open(socket, deadline).unwrap()
}
