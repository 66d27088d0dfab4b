//! Which process is this VM's, beyond doubt, or why that cannot be said.
//!
//! Three witnesses: who listens on the monitor's socket (the kernel names it, whether or not it answers), the pid file, and
//! the process that the guard itself started. A process counts only if it runs the configured program, a pid file alone is believed
//! only of a process that has the monitor's socket open, and no two witnesses may name different ones. A command line is never read and no pattern is ever matched: VM 102 is not VM 1020.

use super::directory::{Directory, Remembered};
use super::{backend, proc_file};
use crate::policy::Machine;
use breakglass_protocol::ProcessIdentity;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with, sockopt::socket_peercred,
};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

/// What was found out about a VM's process.
#[derive(Debug)]
pub(crate) enum Found {
    /// This one, held so that its number cannot come to mean another.
    One(Process),
    /// There is none: the VM is off.
    Nothing,
    /// That cannot be said; why, and what to look at. Nothing may be signalled and nothing started.
    Doubt(String),
}

/// A process that is held by a descriptor of the kernel's.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) identity: ProcessIdentity,
    pidfd: OwnedFd,
}

impl Process {
    /// Holds the process, if it is still the one that was meant.
    pub(super) fn hold(identity: ProcessIdentity) -> Option<Self> {
        let pid = Pid::from_raw(i32::try_from(identity.pid).ok()?)?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
        // Looked at again with the descriptor in hand: from here on the number cannot be reused for another.
        let stat = proc_file::stat(identity.pid)?;
        (stat.start_ticks == identity.start_ticks).then_some(Self { identity, pidfd })
    }

    /// Sends the signal that cannot be ignored.
    pub(super) fn kill(&self) -> std::io::Result<()> {
        Ok(pidfd_send_signal(&self.pidfd, Signal::KILL)?)
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Waits until it has ended; whether it has.
    pub(super) fn gone_within(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = rustix::time::Timespec::try_from(left).ok();
            match poll(&mut [PollFd::new(&self.pidfd, PollFlags::IN)], timeout.as_ref()) {
                Err(rustix::io::Errno::INTR) => {}
                Ok(ready) => return ready > 0,
                Err(_) => return !proc_file::runs(self.identity),
            }
        }
    }
}

/// Looks at all three witnesses.
pub(crate) fn find(machine: &Machine, directory: Option<&Directory>) -> Found {
    let backend = backend::of(machine);
    // A hypervisor's tools choose the program; that it is a QEMU and has what only this VM's has must do.
    let program = (!machine.qmp.command.is_empty()).then(|| {
        std::fs::canonicalize(machine.qmp.program()).unwrap_or_else(|_| machine.qmp.program().to_owned())
    });
    let witnesses = Witnesses {
        listener: if backend.made_socket() { listener(&machine.qmp.socket) } else { Listener::Nobody },
        filed: filed(&machine.qmp.pid_file),
        remembered: directory.and_then(Directory::remembered).map(|Remembered { process, .. }| process),
    };
    // The witnesses mostly name the same one, which is then looked at once.
    let seen = std::cell::Cell::new(None);
    let look = |pid| match seen.get() {
        Some((before, look)) if before == pid => look,
        _ => {
            let look = look(pid, program.as_deref());
            seen.set(Some((pid, look)));
            look
        }
    };
    match judge(&witnesses, backend.mark(), look, |pid| backend.belongs(machine, pid)) {
        Ok(Some(identity)) => match Process::hold(identity) {
            Some(process) => Found::One(process),
            None => Found::Doubt(format!("process {} ended while it was looked at; ask again", identity.pid)),
        },
        Ok(None) => Found::Nothing,
        Err(why) => Found::Doubt(why),
    }
}

/// What the witnesses say, before it is believed.
#[derive(Debug, Clone)]
struct Witnesses {
    listener: Listener,
    filed: Filed,
    remembered: Option<ProcessIdentity>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listener {
    Nobody,
    Pid(u32),
    /// Somebody is there and the kernel does not name it.
    Unnamed,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Filed {
    Absent,
    Pid(u32),
    Unreadable(String),
}

/// A living process, as far as it matters here.
#[derive(Debug, Clone, Copy)]
struct Look {
    start_ticks: u64,
    program: Program,
}

/// What a process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Configured,
    Another,
    /// It is ending: its memory is gone and one of its threads is not.
    Ending,
}

/// Weighs the witnesses. Pure but for `look`, which tells of a pid whether it lives and what it runs, and `belongs`, whether
/// it has what only this VM's process has: that is asked only where nothing better is known, since it costs the most.
fn judge(
    witnesses: &Witnesses,
    mark: &str,
    look: impl Fn(u32) -> Option<Look>,
    belongs: impl Fn(u32) -> bool,
) -> Result<Option<ProcessIdentity>, String> {
    let identity = |pid, seen: Look| ProcessIdentity { pid, start_ticks: seen.start_ticks };
    let remembered =
        witnesses.remembered.filter(|it| look(it.pid).is_some_and(|seen| seen.start_ticks == it.start_ticks));

    let filed = match &witnesses.filed {
        Filed::Unreadable(why) => return Err(why.clone()),
        Filed::Pid(0 | 1) => {
            return Err("the pid file holds 0 or 1, which is no VM; look at it and remove it".to_owned());
        }
        Filed::Absent => None,
        Filed::Pid(pid) => look(*pid).map(|seen| (*pid, seen)),
    };

    if let Listener::Pid(pid) = witnesses.listener {
        let Some(seen) = look(pid) else {
            return Err(format!("process {pid}, which made the monitor's socket, has just ended; ask again"));
        };
        let is_remembered = remembered.is_some_and(|it| it.pid == pid);
        match seen.program {
            Program::Configured => {}
            Program::Ending if is_remembered => {}
            Program::Ending => {
                return Err(format!(
                    "process {pid}, which made the monitor's socket, is just ending; ask again in a moment"
                ));
            }
            Program::Another => {
                return Err(format!(
                    "process {pid} listens on the monitor's socket and does not run the configured program"
                ));
            }
        }
        if let Some((other, _)) = filed.filter(|(other, _)| *other != pid) {
            return Err(format!(
                "the monitor's socket belongs to process {pid} and the pid file names process {other}"
            ));
        }
        if let Some(other) = remembered.filter(|other| other.pid != pid) {
            return Err(format!(
                "the monitor's socket belongs to process {pid}, and process {} that was started for this VM still runs",
                other.pid
            ));
        }
        return Ok(Some(identity(pid, seen)));
    }

    let Some((pid, seen)) = filed else {
        return match (remembered, witnesses.listener) {
            (Some(process), _) => Ok(Some(process)),
            (None, Listener::Unnamed) => {
                Err("somebody holds the monitor's socket and nothing names that process".to_owned())
            }
            (None, _) => Ok(None),
        };
    };
    match (remembered, witnesses.remembered) {
        (Some(process), _) if process.pid == pid => return Ok(Some(process)),
        (Some(process), _) => {
            return Err(format!(
                "the pid file names process {pid}, and process {} that was started for this VM still runs",
                process.pid
            ));
        }
        // The number was reused: of the process that was started for this VM it is known that it ended.
        (None, Some(ended))
            if ended.pid == pid
                && seen.program != Program::Configured
                && witnesses.listener == Listener::Nobody =>
        {
            return Ok(None);
        }
        (None, _) => {}
    }
    let doubt = |why: &str| {
        let step = "find out whether the VM runs, then remove the pid file";
        Err(format!("the pid file names process {pid}, which {why}: the number may have been reused; {step}"))
    };
    if seen.program != Program::Configured {
        return doubt("does not run the configured program");
    }
    // The program alone proves nothing: the neighbour VM runs it too.
    if !belongs(pid) {
        return doubt(&format!("does not hold {mark}"));
    }
    Ok(Some(identity(pid, seen)))
}

fn look(pid: u32, program: Option<&Path>) -> Option<Look> {
    let stat = proc_file::stat(pid).filter(|stat| !stat.is_gone())?;
    let program = match proc_file::program(pid) {
        Some(runs) if is_program(&runs, program) => Program::Configured,
        None if stat.state == 'Z' => Program::Ending,
        _ => Program::Another,
    };
    Some(Look { start_ticks: stat.start_ticks, program })
}

/// Whether a process runs the configured program, or any QEMU where none is configured. One that was replaced while
/// it runs has a word behind its name.
fn is_program(runs: &Path, program: Option<&Path>) -> bool {
    let runs = runs.to_string_lossy();
    let runs = runs.strip_suffix(" (deleted)").unwrap_or(&runs);
    match program {
        Some(program) => program.as_os_str() == runs,
        None => {
            let name = runs.rsplit('/').next().unwrap_or_default();
            name.starts_with("qemu-system-") || name == "kvm" || name == "qemu-kvm"
        }
    }
}

/// Who listens on the socket, by the kernel's word. Connecting never waits here: a full queue says as much.
fn listener(path: &Path) -> Listener {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None) else {
        return Listener::Unnamed;
    };
    let Ok(address) = SocketAddrUnix::new(path) else {
        return Listener::Unnamed;
    };
    match connect(&socket, &address) {
        Ok(()) => match socket_peercred(&socket) {
            Ok(peer) if peer.pid.as_raw_pid() > 1 => Listener::Pid(peer.pid.as_raw_pid().unsigned_abs()),
            _ => Listener::Unnamed,
        },
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::CONNREFUSED) => Listener::Nobody,
        Err(_) => Listener::Unnamed,
    }
}

fn filed(path: &Path) -> Filed {
    use rustix::fs::{Mode, OFlags, open};
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let said = |why: &str| Filed::Unreadable(format!("the pid file {} {why}; look at it", path.display()));
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT) => return Filed::Absent,
        Err(error) => return said(&format!("cannot be read ({error})")),
    };
    let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
    let mut text = String::new();
    if !is_file || file.take(64).read_to_string(&mut text).is_err() {
        return said("is no file with a number");
    }
    text.trim().parse().map_or_else(|_| said("holds no number"), Filed::Pid)
}

#[cfg(test)]
mod tests;
