//! A turn's own directory: an empty home, the socket, and the two files that the CLI reads. It goes away with the turn.

use crate::mcp::SERVER;
use rustix::fs::{Gid, Uid, chown};
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// What the names begin with; the server's process id and a random number follow.
const PREFIX: &str = "breakglass-turn-";

/// The directory.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) root: PathBuf,
}

impl Place {
    /// Makes it, in memory where there is such a place, for the agent's user.
    pub(super) fn make(owner: Option<(u32, u32)>) -> io::Result<Self> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for parent in [PathBuf::from("/run"), std::env::temp_dir()] {
            sweep(&parent);
            let root = parent.join(format!("{PREFIX}{}-{:08x}", std::process::id(), rand::random::<u32>()));
            match DirBuilder::new().mode(0o700).create(&root) {
                Ok(()) => {
                    let place = Self { root };
                    place.furnish(owner)?;
                    return Ok(place);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn furnish(&self, owner: Option<(u32, u32)>) -> io::Result<()> {
        for directory in [self.home(), self.home().join("tmp")] {
            DirBuilder::new().mode(0o700).create(&directory)?;
            give(&directory, owner)?;
        }
        give(&self.root, owner)
    }

    pub(super) fn home(&self) -> PathBuf {
        self.root.join("home")
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.root.join("tools")
    }

    /// Writes the tools' configuration and the system text; names the two files.
    pub(super) fn write(
        &self,
        owner: Option<(u32, u32)>,
        bridge: &Path,
        system: &str,
    ) -> io::Result<(PathBuf, PathBuf)> {
        let arguments = ["mcp-bridge".into(), "--socket".into(), self.socket()];
        let server = serde_json::json!({"command": bridge, "args": arguments});
        let config = serde_json::json!({"mcpServers": {SERVER: server}}).to_string();
        let files = (self.home().join("tools.json"), self.home().join("system.md"));
        for (path, text) in [(&files.0, config.as_str()), (&files.1, system)] {
            std::fs::write(path, text)?;
            give(path, owner)?;
        }
        Ok(files)
    }
}

fn give(path: &Path, owner: Option<(u32, u32)>) -> io::Result<()> {
    let Some((uid, gid)) = owner else { return Ok(()) };
    chown(path, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?;
    Ok(())
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Removes what servers that were killed left behind.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let pid =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)?.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}
