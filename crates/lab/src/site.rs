//! The place of one lab on this machine: a root-owned directory, and the lock that keeps it the only one.
//!
//! The lock is held by the kernel for as long as the process lives, so a killed test frees it; what such a test left
//! running is found by its directory and ended before the next lab begins. It knows nothing of VMs or keys.

use crate::process;
use anyhow::{Context as _, Result, bail};
use rustix::fs::{FlockOperation, flock};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Where labs live. `sshd` and the guard insist on parents that only root may write to, which rules `/tmp` out, and
/// Debian mounts `/run` without permission to execute.
const BASE: &str = "/var/lib/breakglass-lab";
/// How long a lab waits for its predecessor: the longest test that holds one, with room.
const PATIENCE: Duration = Duration::from_mins(15);

/// A lab's directory, with the machine-wide lock.
#[derive(Debug)]
pub(crate) struct Site {
    directory: PathBuf,
    kept: bool,
    _lock: File,
}

impl Site {
    /// Waits for the lock, ends what an earlier lab left behind, and makes a fresh directory.
    ///
    /// # Errors
    /// Not root, the lock is not to be had in a quarter of an hour, or something left behind does not end.
    pub(crate) fn claim() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            bail!("the lab needs root: it runs an sshd that opens a root-owned door; run it as root");
        }
        let base = Path::new(BASE);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(base)
            .with_context(|| format!("cannot make {BASE}"))?;
        let lock = take_lock(&base.join("lock"))?;
        clean(base)?;
        let directory = base.join(std::process::id().to_string());
        std::fs::DirBuilder::new().mode(0o755).create(&directory)?;
        Ok(Self { directory, kept: false, _lock: lock })
    }

    /// The lab's directory.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Leaves the directory for a person to look at; the next lab takes it away.
    pub(crate) const fn keep(&mut self) {
        self.kept = true;
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Err(error) = process::end_all_of(&self.directory) {
            complain(&format!("breakglass lab: {error:#}"));
        }
        if !self.kept {
            // Whatever cannot be removed now is removed by the next lab.
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}

/// Ends and removes whatever earlier labs left. Called under the lock, so none of it is in use.
fn clean(base: &Path) -> Result<()> {
    for entry in std::fs::read_dir(base)?.flatten() {
        if entry.file_type()?.is_dir() {
            process::end_all_of(&entry.path())?;
            std::fs::remove_dir_all(entry.path())
                .with_context(|| format!("cannot remove {}", entry.path().display()))?;
        }
    }
    Ok(())
}

fn take_lock(path: &Path) -> Result<File> {
    let mut file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let begun = Instant::now();
    let mut said = false;
    while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        let mut holder = String::new();
        file.rewind()?;
        file.read_to_string(&mut holder)?;
        if begun.elapsed() > PATIENCE {
            bail!(
                "another lab (process {}) has held {} for {PATIENCE:?}: {error}",
                holder.trim(),
                path.display()
            );
        }
        if !said && begun.elapsed() > Duration::from_secs(2) {
            complain(&format!("breakglass lab: waiting for the lab of process {} to end", holder.trim()));
            said = true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Tells the person at the terminal; a closed terminal is no reason to fail.
pub(crate) fn complain(message: &str) {
    let _ = writeln!(std::io::stderr(), "{message}");
}
