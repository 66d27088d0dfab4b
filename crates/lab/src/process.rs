//! Processes of the lab: starting them, waiting under a deadline, telling them apart beyond doubt, ending them.
//!
//! This is the one module of the crate that starts processes. It signals through pidfds and only what was named by
//! pid *and* start time, or what carries the lab's own directory in its command line.

use anyhow::{Context as _, Result, bail};
use breakglass_protocol::ProcessIdentity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What a command left behind.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Finished {
    /// Whether it ended with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}

/// A command as the lab starts it: nothing of the caller's environment but the path, standard input closed.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null());
    command
}

/// The direct children of a process, by field 4 of `/proc/PID/stat`.
///
/// # Errors
/// `/proc` cannot be read.
pub(crate) fn children_of(parent: u32) -> Result<Vec<u32>> {
    let pids = std::fs::read_dir("/proc")?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let parent = parent.to_string();
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // The command's name stands in brackets and may hold anything; state and parent follow it.
        stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)) == Some(parent.as_str())
    };
    Ok(pids.filter(is_child).collect())
}

/// Runs a command to its end or to the deadline, at which it is killed.
///
/// # Errors
/// It could not be started, or it did not end in time.
pub(crate) fn run(mut command: Command, deadline: Duration) -> Result<Finished> {
    let name = command.get_program().to_string_lossy().into_owned();
    let begun = Instant::now();
    let mut child =
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().with_context(|| {
            format!("cannot start {name}; is it installed? `cargo xtask setup` installs it")
        })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    std::thread::scope(|scope| {
        let stdout = scope.spawn(move || read_all(stdout));
        let stderr = scope.spawn(move || read_all(stderr));
        let code = wait(&mut child, begun + deadline);
        let (stdout, stderr) = (stdout.join().unwrap_or_default(), stderr.join().unwrap_or_default());
        let Some(code) = code? else {
            bail!("{name} did not end within {deadline:?} and was killed; so far it said: {stdout}{stderr}");
        };
        Ok(Finished { code: code.code(), stdout, stderr, took: begun.elapsed() })
    })
}

/// Runs a command that has to succeed.
///
/// # Errors
/// As [`run`], and where it ends with anything but 0.
pub(crate) fn must(command: Command, deadline: Duration) -> Result<Finished> {
    let shown = format!("{command:?}");
    let finished = run(command, deadline)?;
    if !finished.succeeded() {
        bail!("{shown} ended with {:?}: {}{}", finished.code, finished.stdout, finished.stderr);
    }
    Ok(finished)
}

fn read_all(from: Option<impl std::io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        // A child that was killed leaves a short read; what came is what counts.
        let _ = from.read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for a child; `None` when the deadline passed and it was killed.
fn wait(child: &mut Child, until: Instant) -> Result<Option<std::process::ExitStatus>> {
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if Instant::now() >= until {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The identity of a live process.
#[must_use]
pub fn identity(pid: u32) -> Option<ProcessIdentity> {
    let (state, _, start_ticks) = stat(pid)?;
    (state != 'Z').then_some(ProcessIdentity { pid, start_ticks })
}

/// Whether that very process still runs; a zombie does not.
#[must_use]
pub fn alive(process: ProcessIdentity) -> bool {
    identity(process.pid) == Some(process)
}

/// State, parent and start time from `/proc/PID/stat`; the command in brackets may hold anything, so count from its end.
fn stat(pid: u32) -> Option<(char, u32, u64)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let start = fields.nth(17)?.parse().ok()?;
    Some((state, parent, start))
}

/// Kills that very process and waits until it is gone.
///
/// # Errors
/// It did not go within five seconds: it hangs in the kernel.
pub(crate) fn end(process: ProcessIdentity) -> Result<()> {
    let raw = i32::try_from(process.pid)?;
    let Some(pid) = Pid::from_raw(raw) else { bail!("pid 0 is no process of the lab") };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else { return Ok(()) };
    // Judged after the handle was taken: from here on the number cannot be reused under it.
    if !alive(process) {
        return Ok(());
    }
    let _ = pidfd_send_signal(&handle, Signal::KILL);
    // Its first thread may be a zombie while another still holds the pid file's lock; the handle is ready once all have ended.
    let patience = Timespec { tv_sec: 5, tv_nsec: 0 };
    if poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&patience))? == 0 {
        bail!("process {} got SIGKILL and does not end; it hangs in the kernel", process.pid);
    }
    Ok(())
}

/// Programs that a lab starts, directly or through the guard. Whatever else names the lab's directory, an editor that a
/// curious person opened on it, say, is left alone.
const OURS: [&str; 4] = ["qemu-system", "sshd", "breakglass", "sh"];

/// Ends the lab's processes whose command line names `directory`, and their descendants, until none is left.
///
/// # Errors
/// One of them does not end.
pub(crate) fn end_all_of(directory: &Path) -> Result<()> {
    let needle = directory.to_string_lossy().into_owned();
    // A guard's operation may start a QEMU between two looks: stop at the second look that finds nobody.
    let mut quiet = 0;
    while quiet < 2 {
        let found = family_of(&needle);
        quiet = if found.is_empty() { quiet + 1 } else { 0 };
        for process in found {
            end(process)?;
        }
        if quiet == 1 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

fn family_of(needle: &str) -> Vec<ProcessIdentity> {
    let everyone: Vec<(u32, u32, u64)> = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|&pid| pid != std::process::id())
        .filter_map(|pid| stat(pid).map(|(state, parent, start)| (state, pid, parent, start)))
        .filter_map(|(state, pid, parent, start)| (state != 'Z').then_some((pid, parent, start)))
        .collect();
    let mut pids: BTreeSet<u32> =
        everyone.iter().map(|&(pid, ..)| pid).filter(|&pid| is_ours(pid, needle)).collect();
    loop {
        let children: BTreeSet<u32> =
            everyone.iter().filter(|(_, parent, _)| pids.contains(parent)).map(|&(pid, ..)| pid).collect();
        let before = pids.len();
        pids.extend(children);
        if pids.len() == before {
            break;
        }
    }
    everyone
        .iter()
        .filter(|(pid, ..)| pids.contains(pid))
        .map(|&(pid, _, start_ticks)| ProcessIdentity { pid, start_ticks })
        .collect()
}

fn is_ours(pid: u32, needle: &str) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    OURS.iter().any(|ours| name.starts_with(ours)) && String::from_utf8_lossy(&command).contains(needle)
}

#[cfg(test)]
mod tests {
    use super::{alive, command, end_all_of, identity, run};
    use std::time::Duration;

    #[test]
    fn a_command_past_its_deadline_is_killed_and_said_so() {
        let error = run(command("sleep", &["30"]), Duration::from_millis(50)).unwrap_err();
        assert!(error.to_string().contains("did not end within"), "{error}");
    }

    #[test]
    fn only_processes_that_name_the_directory_are_ended() {
        let directory = tempfile::tempdir().unwrap();
        let script = format!("sleep 60; : {}", directory.path().display());
        let mut ours = command("sh", &["-c", &script]).spawn().unwrap();
        let mut other = command("sh", &["-c", "sleep 60; :"]).spawn().unwrap();
        let (ours_is, other_is) = (identity(ours.id()).unwrap(), identity(other.id()).unwrap());
        end_all_of(directory.path()).unwrap();
        assert!(!alive(ours_is));
        assert!(alive(other_is));
        other.kill().unwrap();
        ours.wait().unwrap();
        other.wait().unwrap();
    }
}
