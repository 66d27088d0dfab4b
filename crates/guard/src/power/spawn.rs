//! The only place of `power` that starts a process, and the only programs are the guard itself and `systemd-run`.
//!
//! What is started here outlives the session: a transient unit where systemd runs the host, else its own session and,
//! where the kernel offers it, its own cgroup, so that nothing that ends the session ends it too.

use crate::sys::{self, SessionSignals};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long systemd may take to start a unit before we do without it.
const SYSTEMD_PATIENCE: Duration = Duration::from_secs(3);
const SYSTEMD_RUN: &str = "/usr/bin/systemd-run";
/// What a child finds in its environment, and no more.
const PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// A process that was started; with systemd between us, its descriptor is not ours.
pub(super) struct Started {
    pub(super) pidfd: Option<OwnedFd>,
}

/// Starts the guard itself, detached, with these words, in a transient unit where systemd is in charge.
///
/// `direct` gives the words for a start without systemd; it is called only after systemd did not manage in time, and
/// says `None` where the first start may still happen, so that there is never a second one.
///
/// # Errors
/// A sentence.
pub(super) fn detached(
    unit: &str,
    words: &[OsString],
    direct: impl FnOnce() -> Option<Vec<OsString>>,
) -> Result<Started, String> {
    if !(Path::new("/run/systemd/system").is_dir() && Path::new(SYSTEMD_RUN).is_file()) {
        return itself(words);
    }
    match through_systemd(unit, words) {
        Ok(()) => Ok(Started { pidfd: None }),
        Err(why) => match direct() {
            Some(words) => itself(&words),
            None => {
                Err(format!("systemd-run {why}, and what it was to start may still begin: ask for `status`"))
            }
        },
    }
}

/// Becomes another program. Returns only where that failed.
pub(crate) fn become_program(command: &[String]) -> std::io::Error {
    let Some((program, arguments)) = command.split_first() else {
        return std::io::ErrorKind::InvalidInput.into();
    };
    sys::session_signals(SessionSignals::Default);
    Command::new(program).args(arguments).env_clear().env("PATH", PATH).exec()
}

/// Leaves the caller's session, and its cgroup where there is a second hierarchy to make one in.
pub(super) fn leave_session(cgroup: &str) {
    let _ = rustix::process::setsid();
    own_cgroup(cgroup);
}

/// Moves this process into a cgroup of its own, where the kernel has such groups and no systemd keeps them; which.
pub(crate) fn own_cgroup(name: &str) -> Option<PathBuf> {
    let root = cgroup_root()?;
    if Path::new("/run/systemd/system").is_dir() {
        return None;
    }
    let own = root.join("breakglass-guard").join(name);
    std::fs::create_dir_all(&own).ok()?;
    std::fs::write(own.join("cgroup.procs"), "0").ok()?;
    Some(own)
}

/// Removes the cgroups whose processes have all ended.
pub(crate) fn remove_empty_cgroups() {
    let Some(root) = cgroup_root() else {
        return;
    };
    for entry in std::fs::read_dir(root.join("breakglass-guard")).into_iter().flatten().flatten() {
        let _ = std::fs::remove_dir(entry.path());
    }
}

/// How much the kernel spares this process when memory runs out: -1000 is always, 0 is as usual.
pub(crate) fn spare_from_oom(score: i32) {
    let _ = std::fs::write("/proc/self/oom_score_adj", score.to_string());
}

fn cgroup_root() -> Option<PathBuf> {
    ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
        .map(PathBuf::from)
        .into_iter()
        .find(|root| root.join("cgroup.controllers").is_file())
}

fn itself(words: &[OsString]) -> Result<Started, String> {
    let child =
        quiet("/proc/self/exe").args(words).spawn().map_err(|error| format!("no process for it: {error}"))?;
    Ok(Started { pidfd: pidfd(&child) })
}

fn through_systemd(unit: &str, words: &[OsString]) -> Result<(), String> {
    let program = std::fs::read_link("/proc/self/exe")
        .map_err(|error| format!("cannot be told what to run: {error}"))?;
    let mut child = quiet(SYSTEMD_RUN)
        .args(["--quiet", "--collect", "--service-type=exec", "--property=KillMode=process"])
        .arg(format!("--unit={unit}"))
        .arg("--")
        .arg(program)
        .args(words)
        .spawn()
        .map_err(|error| format!("cannot be started: {error}"))?;
    let ended = pidfd(&child).is_some_and(|pidfd| {
        let timeout = rustix::time::Timespec::try_from(SYSTEMD_PATIENCE).ok();
        poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], timeout.as_ref()).is_ok_and(|ready| ready > 0)
    });
    if !ended {
        let _ = child.kill();
        return Err("did not answer in time".to_owned());
    }
    match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed ({status})")),
        Err(error) => Err(format!("cannot be waited for: {error}")),
    }
}

/// A command that holds nothing of the session: an open output would keep sshd waiting for it.
fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", PATH).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn pidfd(child: &Child) -> Option<OwnedFd> {
    let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).ok()
}
