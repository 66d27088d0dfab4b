//! Programs where an account without rights may run them: an agent's process is shut in as one.

use anyhow::{Context, Result, ensure};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder that everybody may look into, with programs in it. It goes away when dropped.
pub struct Public(tempfile::TempDir);

impl Public {
    /// With these programs under these names. They are linked where that is possible: the Claude CLI is 250 MB.
    ///
    /// # Errors
    /// When one cannot be put there.
    pub fn new(programs: &[(&Path, &str)]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("breakglass-e2e-").tempdir_in("/var/tmp")?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
        let public = Self(folder);
        for (from, name) in programs {
            let to = public.path(name);
            if std::fs::hard_link(from, &to).is_err() {
                let copied = Command::new("cp").arg(from).arg(&to).status().context("copying")?;
                ensure!(copied.success(), "{} cannot be copied", from.display());
            }
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(public)
    }

    /// Where the program of that name is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}
