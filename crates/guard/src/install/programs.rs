//! Starts the host's own tools: `useradd` and its kin, `sshd` to check its configuration, `systemctl`.
//!
//! Only for root at the host, never for a request: no byte of a client comes near here. Each tool is started from a
//! fixed list of root's directories, with a fixed environment and no input.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where root's tools stand, on every distribution that we know.
const DIRECTORIES: [&str; 5] = ["/usr/sbin", "/usr/bin", "/sbin", "/bin", "/run/current-system/sw/bin"];

/// The tool of this name, where the host has it.
pub(crate) fn find(tool: &str) -> Option<PathBuf> {
    DIRECTORIES.iter().map(|directory| Path::new(directory).join(tool)).find(|path| path.is_file())
}

/// Runs a tool to its end and gives its output.
///
/// # Errors
/// A sentence: the host has no such tool, or what it said as it failed.
pub(crate) fn run(tool: &str, arguments: &[&str]) -> Result<String, String> {
    let Some(path) = find(tool) else {
        return Err(format!("this host has no `{tool}`"));
    };
    let ended = Command::new(path)
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{tool}` cannot be started: {error}"))?;
    if ended.status.success() {
        return Ok(String::from_utf8_lossy(&ended.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&ended.stderr);
    let said = said.trim().lines().collect::<Vec<_>>().join("; ");
    let code = ended.status.code().unwrap_or(-1);
    Err(format!("`{tool} {}` failed ({code}): {said}", arguments.join(" ")))
}
