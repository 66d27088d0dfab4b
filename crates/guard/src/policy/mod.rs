//! `guard.toml`: what it may say, and what it means.
//!
//! Strict: an unknown key, a value out of range or a file that others may change is an error, and an error here
//! means that every request is refused. Nothing is taken from the environment or the client.

mod file_trust;
mod power_backends;
mod sections;

pub(crate) use power_backends::{Backend, Qm, Virsh};

use breakglass_protocol::VmName;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The whole policy of this door, as the guard uses it.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Operations, locks and the ring; on a tmpfs, so that a hung disk cannot hold a verb.
    pub(crate) state_dir: PathBuf,
    /// Where the record is kept.
    pub(crate) record_dir: PathBuf,
    /// The VMs behind this door, at least one.
    pub(crate) machines: Vec<Machine>,
}

/// One VM, with everything that its verbs need.
#[derive(Debug, Clone)]
pub(crate) struct Machine {
    pub(crate) vm: VmName,
    pub(crate) vm_id: u32,
    /// The hypervisor that has it.
    pub(crate) backend: Backend,
    /// Where its QEMU shows.
    pub(crate) qmp: Qmp,
    pub(crate) patience: Patience,
    pub(crate) forensics: Forensics,
}

/// Where a QEMU shows and, of a plain one, how it is started from here.
#[derive(Debug, Clone)]
pub(crate) struct Qmp {
    pub(crate) socket: PathBuf,
    pub(crate) pid_file: PathBuf,
    /// Program and arguments; the program is an absolute path.
    pub(crate) command: Vec<String>,
    /// What runs in the end, where `command` begins with a launcher that replaces itself, such as `numactl` or a script.
    pub(crate) executable: Option<PathBuf>,
    pub(crate) console: Option<PathBuf>,
    pub(crate) lock_file: Option<PathBuf>,
    pub(crate) guest_agent: Option<PathBuf>,
    pub(crate) log: PathBuf,
}

impl Qmp {
    /// The program that the VM's process runs: `executable`, else that of the command, whose presence was checked when
    /// the policy was read.
    pub(crate) fn program(&self) -> &Path {
        match &self.executable {
            Some(executable) => executable,
            None => Path::new(self.command.first().map_or("/nonexistent", String::as_str)),
        }
    }
}

/// How long each wait of a verb may last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// `cycle`: from asking the guest to power off until its process is killed.
    pub(crate) grace: Duration,
    /// The same for `stop`.
    pub(crate) stop_grace: Duration,
    /// From the kill until the process must have ended.
    pub(crate) kill_wait: Duration,
    /// From the start of a process until its monitor must say `running`.
    pub(crate) start_wait: Duration,
    /// Any one question to a hypervisor's tool or file system.
    pub(crate) tool: Duration,
    /// Any one conversation with the monitor.
    pub(crate) answer: Duration,
    /// Between the two samples of the block counters.
    pub(crate) sample_gap: Duration,
}

/// Where captures go and how long they may take.
#[derive(Debug, Clone)]
pub(crate) struct Forensics {
    pub(crate) dir: PathBuf,
    pub(crate) deadline: Duration,
    pub(crate) limits: crate::forensics::Limits,
}

impl Policy {
    /// Reads the file, after it was seen that nobody else may change it.
    ///
    /// # Errors
    /// A sentence that names the file, the line where there is one, and what to do.
    pub(crate) fn read(path: &Path) -> Result<Self, String> {
        let text = file_trust::read_trusted(path)?;
        sections::resolve(&text, path)
    }

    /// The VM of this name.
    pub(crate) fn machine(&self, vm: &VmName) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.vm == *vm)
    }
}
