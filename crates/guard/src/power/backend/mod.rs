//! The wall between the verbs and the hypervisors: what differs from one to the next, and nothing else.
//!
//! Forensics before every change, one runner a VM, killing by pid and start time, starting only after an end was seen: all
//! that is written once, on the other side of this wall. A backend says where a VM's process shows, what the
//! hypervisor knows of it, and which words its tools want to hear. See ADR-0013.

mod qm;
mod qmp;
mod virsh;

use super::directory::Directory;
use super::identity::Found;
use super::proc_file;
use crate::policy::{self, Machine};
use breakglass_protocol::{LockState, RunningJob, StagedChange};
use std::time::Duration;

/// What the hypervisor knows of a VM, apart from its process and its monitor.
#[derive(Debug, Default)]
pub(super) struct View {
    /// A lock on the VM.
    pub(super) lock: Option<LockState>,
    /// What it does with the VM right now.
    pub(super) jobs: Vec<RunningJob>,
    /// What the next start would change.
    pub(super) staged: Vec<StagedChange>,
    /// Devices of the host that the VM has.
    pub(super) passthrough: Vec<String>,
    /// Why the VM may not be started, and what to do about it.
    pub(super) forbids_start: Option<String>,
    /// Why it may not be ended or reset either.
    pub(super) forbids_stop: Option<String>,
    /// Why the hypervisor's tool or daemon cannot be asked for anything. Its processes can still be ended.
    pub(super) dead: Option<String>,
    /// Why the hypervisor has no such VM.
    pub(super) unknown: Option<String>,
    /// The name under which a manager of high availability has the VM; only that may end and start it.
    pub(super) managed: Option<String>,
    /// Whether a polite shutdown is under way that a stop has to overrule.
    pub(super) overrules: bool,
    /// What could not be seen, and what is worth knowing before a verb.
    pub(super) notes: Vec<String>,
}

impl View {
    fn forbid_all(&mut self, why: &str) {
        self.forbids_start = Some(why.to_owned());
        self.forbids_stop = Some(why.to_owned());
    }
}

/// What differs between hypervisors.
pub(super) trait Backend {
    /// What the hypervisor knows. Bounded in time.
    fn view(&self, machine: &Machine, directory: Option<&Directory>, found: &Found) -> View;

    /// Whether a process that runs a QEMU is this VM's: told by what it has open or by its control group.
    fn belongs(&self, machine: &Machine, pid: u32) -> bool {
        proc_file::holds_socket(pid, &machine.qmp.socket)
    }

    /// What a process of this VM has open, in words.
    fn mark(&self) -> &'static str {
        "this VM's monitor socket"
    }

    /// Whether QEMU itself made the monitor's socket, so that the kernel's word about who did names the process.
    fn made_socket(&self) -> bool {
        true
    }

    /// What the tool is told to end the VM; `None` where the guard does that alone.
    fn end(&self, _view: &View, _grace: Duration) -> Option<Vec<String>> {
        None
    }

    /// What the tool is told to reset it; `None` where the monitor is asked.
    fn reset(&self) -> Option<Vec<String>> {
        None
    }

    /// What the tool is told to start it; `None` where the guard starts QEMU.
    fn start(&self) -> Option<Vec<String>> {
        None
    }

    /// Whether a tool's failure may pass by itself in a moment.
    fn may_pass(&self, _said: &str) -> bool {
        false
    }

    /// Ends what a tool left behind that was given up; `said` is its output until then.
    fn abandon(&self, _said: &str) {}

    /// What goes before a monitor's command, where a daemon keeps the monitor's socket to itself.
    fn monitor(&self) -> Option<Vec<String>> {
        None
    }

    /// What the tools are asked for forensics.
    fn asks(&self) -> Vec<Vec<String>> {
        Vec::new()
    }

    /// Clears a lock that may be cleared.
    ///
    /// # Errors
    /// Why it could not be.
    fn clear_lock(&self, machine: &Machine, lock: &LockState) -> Result<(), String>;
}

/// The backend of this VM.
pub(super) fn of(machine: &Machine) -> &dyn Backend {
    match &machine.backend {
        policy::Backend::Qmp => &qmp::Qmp,
        policy::Backend::Qm(qm) => qm,
        policy::Backend::Virsh(virsh) => virsh,
    }
}

/// Kinds of lock that leave nothing half done when their holder dies.
const HARMLESS: [&str; 1] = ["backup"];

/// A lock as it is judged everywhere: it may be cleared where its holder is known to be gone and its kind is harmless.
/// A migration, a clone, a rollback, a snapshot or a suspended state is never cleared here, whoever held it.
fn lock(kind: &str, holder: Option<u32>, holder_is_gone: bool) -> LockState {
    let clearable = HARMLESS.contains(&kind) && holder.is_none() && holder_is_gone;
    LockState { kind: kind.chars().filter(|c| !c.is_control()).take(40).collect(), holder, clearable }
}

/// Why a lock that may not be cleared forbids a start.
fn forbids(lock: &LockState, place: &str) -> String {
    let holder = match lock.holder {
        Some(pid) => format!("process {pid} holds it; let it finish or end it"),
        None => "no living process is known to hold it; find out what it left half done".to_owned(),
    };
    format!("the VM is locked (`{}`, {place}): {holder}, then remove the lock at the hypervisor", lock.kind)
}

/// The settings that differ between what runs and what the next start uses, one entry a name.
fn differences(running: Vec<String>, staged: Vec<String>) -> Vec<StagedChange> {
    let mut gone = running;
    let mut fresh = Vec::new();
    for option in staged {
        match gone.iter().position(|have| *have == option) {
            Some(at) => {
                gone.remove(at);
            }
            None => fresh.push(option),
        }
    }
    let name = |option: &str| option.split(' ').next().unwrap_or_default().to_owned();
    let mut changes = Vec::new();
    for option in gone {
        let counterpart = fresh.iter().position(|other| name(other) == name(&option));
        let staged = counterpart.map(|at| fresh.remove(at));
        changes.push(StagedChange { running: Some(option), staged });
    }
    changes.extend(fresh.into_iter().map(|option| StagedChange { running: None, staged: Some(option) }));
    changes
}
