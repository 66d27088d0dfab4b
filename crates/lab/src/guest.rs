//! The part of the initramfs that belongs to one VM: its name, its host key, whom it lets in, and the guard.

use crate::cpio::Cpio;
use anyhow::{Context as _, Result};
use std::io::Write as _;
use std::path::Path;

const RECOVERY_USER: u32 = 1000;
const FORCED: &str = "restrict,command=\"/usr/local/bin/breakglass-guard repair --label repair-key\" ";
const GUARD: &str =
    "# The repair door of this host.\nstate_dir = \"/var/lib/breakglass-guard\"\n\n[repair]\n";

/// What makes one guest differ from the next.
#[derive(Debug)]
pub(crate) struct Individual<'a> {
    pub(crate) name: &'a str,
    /// OpenSSH private key file of the guest; kept by the lab, so that a re-created VM is the same host.
    pub(crate) host_key: &'a Path,
    /// Public key file of the one who may log in.
    pub(crate) authorized: &'a Path,
    /// The static guard, where the guest should have one.
    pub(crate) guard: &'a Path,
}

impl Individual<'_> {
    /// Writes the whole initramfs: the shared part and this one behind it.
    pub(crate) fn write(&self, shared: &Path, to: &Path) -> Result<()> {
        let read =
            |path: &Path| std::fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let mut archive = Cpio::default();
        archive.file("etc/hostname", 0o644, 0, format!("{}\n", self.name).as_bytes());
        archive.file("etc/hosts", 0o644, 0, format!("127.0.0.1 localhost {}\n", self.name).as_bytes());
        archive.file("etc/ssh/ssh_host_ed25519_key", 0o600, 0, &read(self.host_key)?);
        archive.directory("home/breakglass", 0o755, RECOVERY_USER);
        archive.directory("home/breakglass/.ssh", 0o700, RECOVERY_USER);
        // As on a real host: the key opens the harness, which records what it runs.
        let key = [FORCED.as_bytes(), &read(self.authorized)?].concat();
        archive.file("home/breakglass/.ssh/authorized_keys", 0o600, RECOVERY_USER, &key);
        archive.directory("var/log/breakglass", 0o700, RECOVERY_USER);
        archive.directory("var/lib/breakglass-guard", 0o700, RECOVERY_USER);
        archive.file("etc/breakglass/guard.toml", 0o644, 0, GUARD.as_bytes());
        archive.file("usr/local/bin/breakglass-guard", 0o755, 0, &read(self.guard)?);
        let mut file = std::fs::File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
        std::io::copy(&mut std::fs::File::open(shared)?, &mut file)?;
        file.write_all(&archive.finish())?;
        Ok(())
    }
}
