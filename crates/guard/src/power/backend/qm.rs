//! Proxmox: what its cluster file system, its task list and `qm` tell of a VM, and what `qm` is asked.
//!
//! Looking reads files, since `qm` takes half a second to start and waits for locks; acting goes through `qm`, so that
//! the host's own task log, hooks, storage and high availability stay in charge. Formats are those of Proxmox's sources:
//! `qemu-server` (configuration, locks, tasks), `pve-cluster` (`.members`), `pve-ha-manager` (`resources.cfg`, `manager_status`).

use super::{Backend, Directory, Found, View, differences, forbids, lock};
use crate::policy::{Machine, Qm};
use crate::power::{identity::Process, proc_file};
use crate::tool::{Does, Said, ask, ask_all};
use breakglass_protocol::{LockState, ProcessIdentity, RunningJob};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

/// Which tasks leave which lock.
const TASKS: [(&str, &[&str]); 8] = [
    ("backup", &["vzdump"]),
    ("migrate", &["qmigrate", "hamigrate"]),
    ("clone", &["qmclone"]),
    ("create", &["qmcreate", "qmrestore"]),
    ("rollback", &["qmrollback"]),
    ("snapshot", &["qmsnapshot"]),
    ("snapshot-delete", &["qmdelsnapshot"]),
    ("suspending", &["qmsuspend"]),
];
/// States in which the HA manager follows what it is asked.
const HA_CALM: [&str; 5] = ["queued", "started", "stopped", "request_start", "request_stop"];
/// Settings that hold a secret.
const SECRET: [&str; 1] = ["cipassword"];

impl Backend for Qm {
    fn view(&self, machine: &Machine, _: Option<&Directory>, _: &Found) -> View {
        let read = |path: &str| (Does::Read, vec![self.path(path).display().to_string()]);
        let id = self.vm_id;
        let config = format!("etc/pve/qemu-server/{id}.conf");
        let deadline = Instant::now() + machine.patience.tool;
        let [conf, members, resources, manager, active] = ask_all(
            [
                read(&config),
                read("etc/pve/.members"),
                read("etc/pve/ha/resources.cfg"),
                read("etc/pve/ha/manager_status"),
                read("var/log/pve/tasks/active"),
            ],
            deadline,
        );
        let mut view = View::default();
        if !self.path("usr/sbin/qm").is_file() {
            view.dead = Some("Proxmox's tool /usr/sbin/qm is not there".to_owned());
        }
        let conf = match (&conf, &members) {
            (Said::Yes(conf), _) => conf.as_str(),
            (Said::Absent, Said::Yes(_)) => {
                let why = format!("VM {id} does not exist on this node: /{config} is not there");
                view.forbid_all(&why);
                view.unknown = Some(why);
                return view;
            }
            (Said::Absent, _) => {
                view.dead = Some("Proxmox's cluster file system is not mounted at /etc/pve".to_owned());
                return view;
            }
            (other, _) => {
                let why = other.text().err().unwrap_or_default();
                view.dead = Some(format!("Proxmox's cluster file system /etc/pve {why}"));
                return view;
            }
        };
        let [current, pending] = sections(conf);
        self.tasks(&active, &mut view);
        self.read_lock(&current, &active, &mut view);
        view.staged = staged(&current, &pending);
        let handed =
            |line: &&&str| line.starts_with("hostpci") || (line.starts_with("usb") && line.contains("host="));
        view.passthrough = current.iter().filter(handed).map(|line| (*line).to_owned()).collect();
        let quorate = quorate(&members);
        self.high_availability(&resources, &manager, quorate, &mut view);
        if !quorate {
            let why = "this node's cluster has no quorum, so nothing starts here; bring its other nodes back, or run \
                       `pvecm expected 1` at the host if they stay away";
            view.forbids_start.get_or_insert(why.to_owned());
            view.notes.push("this node's cluster has no quorum".to_owned());
        }
        if let Some(holder) = flock_holder(&self.path(&format!("var/lock/qemu-server/lock-{id}.conf"))) {
            view.notes.push(format!("process {holder} holds the VM's configuration: `qm` waits for it"));
        }
        view
    }

    fn clear_lock(&self, machine: &Machine, lock: &LockState) -> Result<(), String> {
        let said = ask(Does::Tied, &self.qm(&["unlock"]), Instant::now() + machine.patience.tool);
        let clear = |why| format!("the lock `{}` may be cleared and `qm unlock` {why}", lock.kind);
        said.text().map(|_| ()).map_err(clear)
    }

    fn belongs(&self, machine: &Machine, pid: u32) -> bool {
        let scope = format!("/qemu.slice/{}.scope", self.vm_id);
        proc_file::holds_socket(pid, &machine.qmp.socket)
            || proc_file::cgroups(pid).lines().any(|line| line.ends_with(&scope))
    }

    fn end(&self, view: &View, grace: Duration) -> Option<Vec<String>> {
        if view.managed.is_some() {
            // Under high availability this only asks the manager, which then gives the guest so long.
            return Some(self.qm(&["shutdown", "--timeout", &grace.as_secs().to_string()]));
        }
        let mut words = self.qm(&["stop"]);
        if view.overrules {
            words.extend(["--overrule-shutdown".to_owned(), "1".to_owned()]);
        }
        if view.lock.is_some() {
            words.extend(["--skiplock".to_owned(), "1".to_owned()]);
        }
        Some(words)
    }

    fn reset(&self) -> Option<Vec<String>> {
        Some(self.qm(&["reset"]))
    }

    fn start(&self) -> Option<Vec<String>> {
        Some(self.qm(&["start"]))
    }

    fn may_pass(&self, said: &str) -> bool {
        said.contains("can't lock file")
    }

    /// `qm` leaves its worker behind, which would act whenever the lock that it waits for comes free.
    fn abandon(&self, said: &str) {
        let workers = said.split_whitespace().filter_map(Task::parse);
        for process in workers.filter_map(|task| Process::hold(task.process)) {
            let _ = process.kill();
        }
    }

    fn asks(&self) -> Vec<Vec<String>> {
        let tool = |name: &str, words: &[&str]| {
            let program = self.path(name).display().to_string();
            std::iter::once(program).chain(words.iter().map(|word| (*word).to_owned())).collect()
        };
        let history = format!("/nodes/localhost/qemu/{}/rrddata", self.vm_id);
        vec![
            self.qm(&["status", "--verbose", "1"]),
            self.qm(&["config", "--current", "1"]),
            self.qm(&["pending"]),
            tool("usr/sbin/ha-manager", &["status"]),
            tool("usr/bin/pvecm", &["status"]),
            // What the disks did in the last hours: a stall is told from idleness by the machine's own normal.
            tool("usr/bin/pvesh", &["get", &history, "--timeframe", "hour", "--output-format", "json"]),
        ]
    }
}

impl Qm {
    /// `qm VERB ID OPTIONS`.
    fn qm(&self, words: &[&str]) -> Vec<String> {
        let mut line = vec![self.path("usr/sbin/qm").display().to_string()];
        line.extend(words.iter().map(|word| (*word).to_owned()));
        line.insert(2.min(line.len()), self.vm_id.to_string());
        line
    }

    /// The tasks that run on this VM, living ones only.
    fn running(&self, active: &Said) -> Vec<(String, Task)> {
        let id = self.vm_id.to_string();
        let lines = active.text().unwrap_or_default().lines();
        lines
            // One that has ended has its end behind it.
            .filter_map(|line| Some((line, Task::parse(line.split_whitespace().next()?)?)))
            .filter(|(line, _)| line.split_whitespace().count() <= 2)
            .filter(|(_, task)| task.of == id || (task.of.is_empty() && task.kind == "vzdump"))
            .filter(|(_, task)| proc_file::runs(task.process))
            .map(|(line, task)| (line.split_whitespace().next().unwrap_or_default().to_owned(), task))
            .collect()
    }

    fn tasks(&self, active: &Said, view: &mut View) {
        if let Err(why) = active.text()
            && *active != Said::Absent
        {
            view.notes.push(format!("the list of running tasks {why}"));
        }
        for (id, task) in self.running(active) {
            view.overrules |= task.kind == "qmshutdown";
            let state = format!("running as process {}", task.process.pid);
            view.jobs.push(RunningJob { id, kind: task.kind, state });
        }
    }

    fn read_lock(&self, current: &[&str], active: &Said, view: &mut View) {
        let Some(kind) = current.iter().find_map(|line| line.strip_prefix("lock: ")) else { return };
        let kinds =
            TASKS.into_iter().find(|(lock, _)| *lock == kind).map_or(&[] as &[&str], |(_, kinds)| kinds);
        let task = self.running(active).into_iter().find(|(_, task)| kinds.contains(&task.kind.as_str()));
        let holder = task
            .map(|(_, task)| task.process.pid)
            .or_else(|| flock_holder(&self.path("var/run/vzdump.lock")).filter(|_| kind == "backup"));
        let lock = lock(kind, holder, matches!(active, Said::Yes(_)));
        if !lock.clearable {
            let why = forbids(&lock, &format!("/etc/pve/qemu-server/{}.conf", self.vm_id));
            // A backup of a VM that ends is lost and nothing else is; whatever else holds a lock is half done with its disks.
            if kind != "backup" {
                view.forbids_stop = Some(why.clone());
            }
            view.forbids_start = Some(why);
        }
        view.lock = Some(lock);
    }

    fn high_availability(&self, resources: &Said, manager: &Said, quorate: bool, view: &mut View) {
        let service = format!("vm:{}", self.vm_id);
        let text = match resources {
            Said::Absent => return,
            other => other.text(),
        };
        let Ok(text) = text else {
            view.forbid_all(
                "whether the VM is under high availability cannot be told; look at `ha-manager status`",
            );
            return;
        };
        let mut lines = text.lines().skip_while(|line| line.replace(' ', "") != service);
        if lines.next().is_none() {
            return;
        }
        let wanted = lines
            .take_while(|line| line.starts_with(char::is_whitespace))
            .find_map(|line| line.trim().strip_prefix("state "))
            .map_or("started", str::trim);
        if wanted == "ignored" {
            return;
        }
        let status: Value = serde_json::from_str(manager.text().unwrap_or_default()).unwrap_or_default();
        let state = status.pointer(&format!("/service_status/{service}/state")).and_then(Value::as_str);
        let state = state.unwrap_or("queued");
        if !HA_CALM.contains(&state) {
            let hint = "end that first (`ha-manager status`; `ha-manager set` with `--state disabled` clears an error)";
            view.forbid_all(&format!("the HA manager has {service} in the state `{state}`: {hint}"));
        } else if !quorate {
            view.forbid_all(&format!(
                "{service} is under high availability, and without quorum its manager does nothing"
            ));
        }
        view.notes.push(format!("under high availability: asked for `{wanted}`, now `{state}`"));
        view.managed = Some(service);
    }
}

/// A task's id: `UPID:NODE:PID:PSTART:STARTTIME:TYPE:ID:USER:`, the first three numbers in hexadecimal.
#[derive(Debug, PartialEq, Eq)]
struct Task {
    process: ProcessIdentity,
    kind: String,
    of: String,
}

impl Task {
    fn parse(text: &str) -> Option<Self> {
        let fields: Vec<&str> = text.split(':').collect();
        let &["UPID", _, pid, start, _, kind, of, ..] = fields.as_slice() else { return None };
        let number = |text| u64::from_str_radix(text, 16).ok();
        let process = ProcessIdentity { pid: u32::try_from(number(pid)?).ok()?, start_ticks: number(start)? };
        Some(Self { process, kind: kind.to_owned(), of: of.to_owned() })
    }
}

/// The settings that run and those that wait for the next start; snapshots are left out.
fn sections(conf: &str) -> [Vec<&str>; 2] {
    let mut sections = [Vec::new(), Vec::new()];
    let mut at = Some(0);
    for line in conf.lines().map(str::trim_end) {
        if line.starts_with('[') {
            at = (line == "[PENDING]").then_some(1);
        } else if let (false, Some(section)) = (line.starts_with('#'), at.and_then(|at| sections.get_mut(at)))
        {
            section.push(line);
        }
    }
    sections
}

fn staged(current: &[&str], pending: &[&str]) -> Vec<breakglass_protocol::StagedChange> {
    let key = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
    let shown = |line: &str| {
        let key = key(line);
        if SECRET.contains(&key.as_str()) { format!("{key}: **********") } else { line.to_owned() }
    };
    let deleted: Vec<&str> = pending
        .iter()
        .filter_map(|line| line.strip_prefix("delete: "))
        .flat_map(|names| names.split([',', ' ', ';']))
        .map(|name| name.trim_start_matches('!'))
        .collect();
    let fresh: Vec<&&str> = pending.iter().filter(|line| !line.is_empty() && key(line) != "delete").collect();
    let touched = |line: &&&str| {
        let key = key(line);
        deleted.contains(&key.as_str()) || fresh.iter().any(|other| other.split(':').next() == Some(&key))
    };
    differences(
        current.iter().filter(touched).map(|line| shown(line)).collect(),
        fresh.iter().map(|line| shown(line)).collect(),
    )
}

/// A node without a cluster has quorum.
fn quorate(members: &Said) -> bool {
    let members: Value = serde_json::from_str(members.text().unwrap_or_default()).unwrap_or_default();
    members.pointer("/cluster/quorate").is_none_or(|quorate| *quorate != 0)
}

/// Who holds the file locked, by the kernel's list; asking for the lock would stand in others' way.
fn flock_holder(path: &std::path::Path) -> Option<u32> {
    let inode = fs::metadata(path).ok()?.ino();
    let place = format!(":{inode}");
    let locks = fs::read_to_string("/proc/locks").ok()?;
    locks.lines().filter(|line| line.contains("FLOCK")).find_map(|line| {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let at = fields.iter().position(|field| field.ends_with(&place))?;
        fields.get(at.checked_sub(1)?)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_names_its_process_beyond_doubt() {
        let task = Task::parse("UPID:pve:0000C0DE:00ABCDEF:65A0B0C0:qmstop:102:root@pam:").unwrap();
        assert_eq!((task.process.pid, task.process.start_ticks), (0xC0DE, 0xAB_CDEF));
        assert_eq!((task.kind.as_str(), task.of.as_str()), ("qmstop", "102"));
        for text in ["", "UPID:pve", "UPID:pve:x:1:1:qmstop:102:u:", "XPID:pve:1:1:1:qmstop:102:u:"] {
            assert_eq!(Task::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_waits_for_the_next_start_is_told_without_secrets() {
        let conf = "#note: x\nmemory: 2048\nnet0: a\nusb0: host=1-1\ncipassword: $5$x\n\n[PENDING]\nmemory: 4096\n\
                    cipassword: $5$y\nscsi1: z\ndelete: net0\n\n[snap]\nmemory: 1\n";
        let [current, pending] = sections(conf);
        let told: Vec<String> = staged(&current, &pending)
            .into_iter()
            .map(|change| {
                format!("{:?} > {:?}", change.running.unwrap_or_default(), change.staged.unwrap_or_default())
            })
            .collect();
        assert_eq!(
            told,
            ["\"memory: 2048\" > \"memory: 4096\"", "\"net0: a\" > \"\"", "\"\" > \"scsi1: z\""]
        );
        assert!(!current.contains(&"memory: 1"), "a snapshot is no configuration");
    }
}
