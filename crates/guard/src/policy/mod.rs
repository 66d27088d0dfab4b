//! `guard.toml`: what it may say, and what it means.
//!
//! Strict: an unknown key, a value out of range or a file that others may change is an error, and an error here
//! means that every request is refused. Nothing is taken from the environment or the client.

mod diag;
mod document;
mod file_trust;
mod power_backends;
mod section;
mod sections;

pub(crate) use power_backends::{Backend, Qm, Virsh};

use crate::diag::policy::DiagPolicy;
use crate::repair::RepairPolicy;
use breakglass_protocol::VmName;
use file_trust::Whose;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Operations, locks and the ring, where the file names no other place.
const STATE_DIR: &str = "/run/breakglass-guard";
/// The record, where the file names no other place.
const RECORD_DIR: &str = "/var/log/breakglass";

/// What the file says of the doors of this host, as the guard uses it.
#[derive(Debug)]
pub(crate) struct Policy {
    /// Operations, locks and the ring; on a tmpfs, so that a hung disk cannot hold a verb.
    pub(crate) state_dir: PathBuf,
    /// Where the record is kept.
    pub(crate) record_dir: PathBuf,
    /// The VMs behind the power door; none where the file has no such door.
    pub(crate) machines: Vec<Machine>,
    /// The read-only door, where the file has one.
    pub(crate) diag: Option<DiagPolicy>,
    /// The harness of the repair door, where the file says something of it.
    pub(crate) repair: Option<RepairPolicy>,
}

/// What the repair door goes by, which always is something.
#[derive(Debug)]
pub(crate) struct ForRepair {
    pub(crate) state_dir: PathBuf,
    pub(crate) record_dir: PathBuf,
    pub(crate) repair: RepairPolicy,
    /// Why the file is not gone by, where it is there.
    pub(crate) doubt: Option<String>,
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
    fn read(path: &Path, whose: Whose) -> Result<Self, String> {
        let text = file_trust::read_trusted(path, whose)?;
        sections::resolve(&text, path)
    }

    /// The policy for the power door, which the file must have.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(crate) fn for_power(path: &Path) -> Result<Self, String> {
        let policy = Self::read(path, Whose::RootsOrOwn)?;
        if policy.machines.is_empty() {
            return Err(missing(path, "power"));
        }
        Ok(policy)
    }

    /// The policy for the read-only door, whose own part comes beside the rest. The file must be root's: what the
    /// door's account owned, it could change.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(crate) fn for_diag(path: &Path) -> Result<(Self, DiagPolicy), String> {
        let mut policy = Self::read(path, Whose::Roots)?;
        match policy.diag.take() {
            Some(diag) => Ok((policy, diag)),
            None => Err(missing(path, "diag")),
        }
    }

    /// The policy for the repair door, which opens without a file and with one that cannot be believed too.
    pub(crate) fn for_repair(path: &Path) -> ForRepair {
        let usual = |doubt| ForRepair {
            state_dir: PathBuf::from(STATE_DIR),
            record_dir: PathBuf::from(RECORD_DIR),
            repair: RepairPolicy::default(),
            doubt,
        };
        if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound) {
            return usual(None);
        }
        match Self::read(path, Whose::RootsOrOwn) {
            Ok(Self { state_dir, record_dir, repair, .. }) => {
                ForRepair { state_dir, record_dir, repair: repair.unwrap_or_default(), doubt: None }
            }
            Err(why) => usual(Some(why)),
        }
    }

    /// Whether the file, which must be root's and sound, has the read-only door.
    ///
    /// # Errors
    /// As for [`Self::read`].
    pub(crate) fn has_diag(path: &Path) -> Result<bool, String> {
        Self::read(path, Whose::Roots).map(|policy| policy.diag.is_some())
    }

    /// The VM of this name.
    pub(crate) fn machine(&self, vm: &VmName) -> Option<&Machine> {
        self.machines.iter().find(|machine| machine.vm == *vm)
    }
}

fn missing(path: &Path, door: &str) -> String {
    format!("{}: has no [{door}], so that this host has no {door} door", path.display())
}

/// Whether nobody but root may put something at `path`, as far as its directories are there yet.
///
/// # Errors
/// A sentence that names the directory at fault and what to do about it.
pub(crate) fn trusted_directories(path: &Path) -> Result<(), String> {
    file_trust::judge_way(path)
}

/// Whether nobody but root may change the file at `path`.
///
/// # Errors
/// A sentence that names the file or directory at fault and what to do about it.
pub(crate) fn trusted_file(path: &Path) -> Result<(), String> {
    file_trust::judge_file(path)
}
