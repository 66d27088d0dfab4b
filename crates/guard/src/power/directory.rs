//! What the guard keeps of one VM under `state_dir/vm-ID/`: two locks, the operations, the QEMU that it started.
//!
//! It lies on a tmpfs: it must not hang with a disk, and it must not outlive a boot, after which no pid of it means anything.

use super::proc_file;
use crate::policy::Machine;
use breakglass_protocol::{OperationId, ProcessIdentity};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Held by a caller while it looks at the running operation and starts one; never while it waits for the VM.
pub(super) const DOOR: &str = "door.lock";
/// Held by the runner of an operation for its whole life. The kernel lets it go when the runner dies, however it dies.
pub(super) const RUN: &str = "run.lock";

const QEMU: &str = "qemu.json";

/// The directory of one VM.
#[derive(Debug, Clone)]
pub(crate) struct Directory {
    path: PathBuf,
}

/// The QEMU that the guard started last.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Remembered {
    /// By which operation.
    pub(crate) operation: OperationId,
    /// The process.
    pub(crate) process: ProcessIdentity,
    /// In which boot of the host.
    boot: String,
    /// With which program and arguments.
    pub(crate) command: Vec<String>,
}

/// A lock that is held until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    _file: File,
}

impl Directory {
    /// The place for a VM's state, made where it is not there yet.
    ///
    /// # Errors
    /// A sentence: it cannot be made, or somebody else could write to it.
    pub(crate) fn open(state_dir: &Path, machine: &Machine) -> Result<Self, String> {
        let path = state_dir.join(format!("vm-{}", machine.vm_id));
        let operations = path.join("ops");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&operations);
        made.map_err(|error| format!("{} cannot be made: {error}", operations.display()))?;
        for directory in [state_dir, &path, &operations] {
            let metadata =
                fs::metadata(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
            let own = metadata.uid() == rustix::process::geteuid().as_raw();
            if !own || metadata.mode() & 0o022 != 0 {
                return Err(format!(
                    "{} may be written to by others; `chown root:root` and `chmod 700` it",
                    directory.display()
                ));
            }
        }
        Ok(Self { path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn operations(&self) -> PathBuf {
        self.path.join("ops")
    }

    /// Takes a lock where it is free.
    ///
    /// # Errors
    /// A sentence, where the lock's file cannot be opened.
    pub(super) fn try_lock(&self, name: &str) -> Result<Option<Held>, String> {
        let path = self.path.join(name);
        let said = |error: std::io::Error| format!("{} cannot be locked: {error}", path.display());
        let file =
            File::options().write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(said)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Some(Held { _file: file })),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(said(error.into())),
        }
    }

    /// Takes a lock, waiting for it no longer than `patience`. There is no flock with a deadline, hence the short sleeps.
    ///
    /// # Errors
    /// As [`Directory::try_lock`].
    pub(super) fn lock_within(&self, name: &str, patience: Duration) -> Result<Option<Held>, String> {
        let deadline = Instant::now() + patience;
        loop {
            match self.try_lock(name)? {
                None if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(5)),
                other => return Ok(other),
            }
        }
    }

    /// The QEMU that the guard started last in this boot, whether or not it still runs.
    pub(crate) fn remembered(&self) -> Option<Remembered> {
        let text = fs::read_to_string(self.path.join(QEMU)).ok()?;
        let remembered: Remembered = serde_json::from_str(&text).ok()?;
        (remembered.boot == proc_file::boot_id()).then_some(remembered)
    }

    /// Remembers this very process as the QEMU that it is about to become.
    pub(super) fn remember_self(&self, operation: &OperationId, command: &[String]) -> Result<(), String> {
        let process = proc_file::own().ok_or("its own start time cannot be read")?;
        let boot = proc_file::boot_id();
        let remembered =
            Remembered { operation: operation.clone(), process, boot, command: command.to_vec() };
        let text = serde_json::to_string(&remembered).map_err(|error| error.to_string())?;
        let fresh = self.path.join("qemu.json.new");
        let said = |error: std::io::Error| format!("{}: {error}", fresh.display());
        fs::write(&fresh, text).map_err(said)?;
        fs::rename(&fresh, self.path.join(QEMU)).map_err(said)
    }

    /// Forgets it, for a start that came to nothing.
    pub(super) fn forget(&self) {
        let _ = fs::remove_file(self.path.join(QEMU));
    }

    /// Lays out a token that permits one start.
    pub(super) fn lay_token(&self, token: &str) -> Result<(), String> {
        let path = self.path.join(format!("launch-{token}"));
        fs::write(&path, "").map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Uses a token up; whether it was there.
    pub(super) fn take_token(&self, token: &str) -> bool {
        fs::remove_file(self.path.join(format!("launch-{token}"))).is_ok()
    }

    /// Where an operation is asked to give way.
    pub(super) fn way_for(&self, operation: &OperationId) -> PathBuf {
        self.path.join(format!("yield-{operation}"))
    }
}
