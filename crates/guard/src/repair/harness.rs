//! One command line from its start to an end that was seen, or was not and is said not to have been.
//!
//! A slow reader slows the command down, as over plain `ssh`, and never its deadline; a reader that is gone changes
//! nothing: half a repair is worse than a whole one that nobody watched.

use super::RepairPolicy;
use super::request::Id;
use crate::diag::{timeout, whole_characters};
use crate::power::proc_file;
use crate::report::Report;
use crate::sys;
use breakglass_protocol::{Line, ProcessIdentity, render_line};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, pidfd_send_signal,
    set_child_subreaper,
};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What was asked to end has this long to tidy up (a package manager its lock, say) before it is killed.
const TIDY_UP: Duration = Duration::from_secs(2);
/// How long what was killed may take to be gone before it counts as what cannot be killed.
const DYING: Duration = Duration::from_secs(1);
/// After the command's end: how long nothing may come while something that it left behind still holds its output.
const QUIET: Duration = Duration::from_millis(300);
/// And how long it is passed on at most, where it does not fall silent.
const AFTERWARDS: Duration = Duration::from_secs(3);
/// What is read at once, bytes, and how often that is the most that a pipe holds (`pipe(7)`: 1 MiB unless root asks for more).
const CHUNK: usize = 32 * 1024;
const PIPE_CHUNKS: usize = 32;
/// How often it is looked whether somebody asked to stop, should the signal come just before the wait.
const LOOK: Duration = Duration::from_millis(500);
/// How long the guard of a stopped command may take: both patiences above, and its record.
const STOPPING: Duration = Duration::from_secs(5);

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/run/wrappers/bin:\
                    /run/current-system/sw/bin";

/// How a command ended.
#[derive(Debug)]
pub(super) enum End {
    /// By itself, with this code (of a signal, as a shell counts it); so many processes that it started go on. `cut`: what
    /// was still being written is not passed on.
    Exited {
        code: u8,
        left: usize,
        cut: bool,
    },
    NotStarted(String),
    OutOfTime(Gone),
    Stopped(Gone),
}

/// Whether what was killed was seen to be gone.
#[derive(Debug)]
pub(super) enum Gone {
    Seen,
    NotSeen(String),
}

impl Gone {
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Seen => "the command and all that it started were ended, and that was seen".to_owned(),
            Self::NotSeen(what) => {
                format!("the command was NOT seen to end: {what}; look at the host before you repeat it")
            }
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Why {
    Deadline,
    Told,
}

/// Runs the command line under the shell.
pub(super) fn run(command: &OsStr, policy: &RepairPolicy, until: Instant, report: &Report) -> End {
    // What its own children leave behind becomes ours to see.
    let _ = set_child_subreaper(Some(rustix::process::getpid()));
    let mut running = match Running::start(command, policy) {
        Ok(running) => running,
        Err(why) => return End::NotStarted(why),
    };
    running.follow(until, report)
}

struct Running {
    child: Child,
    pid: Pid,
    pidfd: Option<OwnedFd>,
    code: Option<u8>,
    outputs: [Pipe; 2],
    /// What waits for the reader of our two outputs. Machine output has only the first.
    pending: [Vec<u8>; 2],
    nobody_reads: bool,
    /// Children of ours that are none of the command's: whoever keeps the record.
    others: Vec<Pid>,
}

/// One output of the command.
struct Pipe {
    from: Option<File>,
    name: &'static str,
    /// Bytes of a character that is not whole yet; machine output is text.
    half: Vec<u8>,
}

impl Running {
    fn start(line: &OsStr, policy: &RepairPolicy) -> Result<Self, String> {
        let shell = policy.shell.clone().unwrap_or_else(|| {
            let bash = Path::new("/bin/bash");
            if bash.exists() { bash.to_owned() } else { PathBuf::from("/bin/sh") }
        });
        let (name, home) = account();
        let mut command = Command::new(&shell);
        command.arg("-c").arg(line).env_clear();
        command
            .env("PATH", PATH)
            .env("HOME", &home)
            .env("USER", &name)
            .env("LOGNAME", &name)
            .env("SHELL", &shell);
        command.env("LANG", "C.UTF-8").process_group(0);
        if Path::new(&home).is_dir() {
            command.current_dir(&home);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let others = children(&[]);
        let spawned = command.spawn();
        let mut child = spawned.map_err(|error| format!("{} cannot be started: {error}", shell.display()))?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or("it has no process id")?;
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
        let pipe = |from: Option<OwnedFd>, name| Pipe { from: from.map(File::from), name, half: Vec::new() };
        let outputs = [
            pipe(child.stdout.take().map(OwnedFd::from), "stdout"),
            pipe(child.stderr.take().map(OwnedFd::from), "stderr"),
        ];
        let pending = [Vec::new(), Vec::new()];
        Ok(Self { child, pid, pidfd, code: None, outputs, pending, nobody_reads: false, others })
    }

    fn follow(&mut self, until: Instant, report: &Report) -> End {
        let mut ending: Option<(Why, Instant)> = None;
        let mut last_word = Instant::now();
        let mut exited: Option<Instant> = None;
        let mut cut = false;
        loop {
            let now = Instant::now();
            self.reap();
            let drained = self.pending.iter().all(Vec::is_empty);
            if self.code.is_some() && exited.is_none() {
                exited = Some(now);
                self.outputs.iter_mut().for_each(Pipe::read_what_is_there);
            } else if let (Some(code), Some(since), None) = (self.code, exited, ending) {
                // Whatever it left behind may write for ever, and its reader may never read: neither holds the answer.
                if now >= since + AFTERWARDS {
                    for pipe in &mut self.outputs {
                        cut |= pipe.from.take().is_some();
                    }
                }
                let closed = self.outputs.iter().all(|pipe| pipe.from.is_none());
                let quiet = last_word.elapsed() >= QUIET && since.elapsed() >= QUIET;
                let given_up = now >= until || sys::termination_asked();
                if (drained && (closed || quiet)) || given_up {
                    self.pass_on(report, true);
                    cut |= self.pending.iter().any(|bytes| !bytes.is_empty());
                    return End::Exited { code, left: children(&self.others).len(), cut };
                }
            }
            match ending {
                None if self.code.is_none() && sys::termination_asked() => {
                    ending = Some((Why::Told, now));
                    self.signal(Signal::TERM);
                }
                None if self.code.is_none() && now >= until => {
                    ending = Some((Why::Deadline, now));
                    self.signal(Signal::TERM);
                }
                Some((why, since)) if self.code.is_some() || now >= since + TIDY_UP => {
                    let gone = self.kill_all();
                    self.pass_on(report, true);
                    return match why {
                        Why::Deadline => End::OutOfTime(gone),
                        Why::Told => End::Stopped(gone),
                    };
                }
                _ => {}
            }
            if self.pass_on(report, false) {
                last_word = Instant::now();
                continue;
            }
            self.wait(until);
        }
    }

    fn reap(&mut self) {
        if self.code.is_none()
            && let Ok(Some(status)) = self.child.try_wait()
        {
            use std::os::unix::process::ExitStatusExt;
            let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
            self.code = Some(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX));
        }
    }

    fn signal(&self, signal: Signal) {
        // It fails where nobody is left.
        let _ = kill_process_group(self.pid, signal);
    }

    /// Ends the command and everything that it started, also what has left its group, and sees it gone.
    fn kill_all(&mut self) -> Gone {
        let until = Instant::now() + DYING;
        loop {
            self.signal(Signal::KILL);
            let left = children(&self.others);
            left.iter().for_each(|child| {
                let _ = kill_process(*child, Signal::KILL);
            });
            self.reap();
            for child in left.iter().filter(|child| **child != self.pid) {
                let _ = rustix::process::waitpid(Some(*child), WaitOptions::NOHANG);
            }
            let left = children(&self.others);
            if self.code.is_some() && left.is_empty() {
                return Gone::Seen;
            }
            if Instant::now() >= until {
                let which = left.first().copied().unwrap_or(self.pid).as_raw_nonzero().get();
                let state =
                    u32::try_from(which).ok().and_then(proc_file::stat).map_or('?', |stat| stat.state);
                return Gone::NotSeen(format!(
                    "process {which} was sent the last signal and is still there, in state {state}"
                ));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Passes on what is there and what the reader takes; whether anything moved. `last`: nothing more will come.
    fn pass_on(&mut self, report: &Report, last: bool) -> bool {
        let mut moved = false;
        let [out, errors] = &mut self.pending;
        for (at, pipe) in self.outputs.iter_mut().enumerate() {
            let to = if at == 1 && !report.is_json() { &mut *errors } else { &mut *out };
            if to.is_empty() {
                moved |= pipe.read();
            }
            pipe.render(to, report, last);
        }
        for (pending, errors) in [(out, false), (errors, true)] {
            if self.nobody_reads {
                pending.clear();
            }
            match write(pending, errors) {
                Ok(written) => moved |= written,
                Err(()) => self.nobody_reads = true,
            }
        }
        moved
    }

    /// Sleeps until something can have changed.
    fn wait(&self, until: Instant) {
        let (out, err) = (std::io::stdout(), std::io::stderr());
        let mut watched = Vec::new();
        for (pending, to) in self.pending.iter().zip([out.as_fd(), err.as_fd()]) {
            if !pending.is_empty() {
                watched.push(PollFd::from_borrowed_fd(to, PollFlags::OUT));
            }
        }
        // While the reader is behind, more is not asked for.
        if watched.is_empty() {
            let from = self.outputs.iter().filter_map(|pipe| pipe.from.as_ref());
            watched.extend(from.map(|from| PollFd::new(from, PollFlags::IN)));
        }
        if self.code.is_none() {
            watched.extend(self.pidfd.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        }
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        let most = if self.code.is_some() { QUIET } else { LOOK };
        let _ = poll(&mut watched, Some(&timeout(left.min(most))));
    }
}

impl Pipe {
    /// Reads once, where something is there; whether it was.
    fn read(&mut self) -> bool {
        let Some(from) = &mut self.from else { return false };
        let mut watched = [PollFd::new(from, PollFlags::IN)];
        if !poll(&mut watched, Some(&timeout(Duration::ZERO))).is_ok_and(|ready| ready > 0) {
            return false;
        }
        let mut chunk = [0; CHUNK];
        match from.read(&mut chunk) {
            Ok(length) if length > 0 => self.half.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => self.from = None,
        }
        true
    }

    /// Reads all that the ended command wrote: it stands in a pipe, which holds no more than this.
    fn read_what_is_there(&mut self) {
        for _ in 0..PIPE_CHUNKS {
            if !self.read() {
                return;
            }
        }
    }

    /// Makes what was read ready to go out: as it is for a person, as lines for a program.
    fn render(&mut self, pending: &mut Vec<u8>, report: &Report, last: bool) {
        let whole = match report.is_json() && !last && self.from.is_some() {
            true => whole_characters(&self.half),
            false => self.half.len(),
        };
        if whole == 0 {
            return;
        }
        let bytes: Vec<u8> = self.half.drain(..whole).collect();
        if report.is_json() {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let line = Line::Output { stream: self.name.to_owned(), text };
            pending.extend_from_slice(format!("{}\n", render_line(&line)).as_bytes());
        } else {
            pending.extend_from_slice(&bytes);
        }
    }
}

/// Writes as much as is taken without waiting; whether anything was. An error: nobody reads any more.
fn write(pending: &mut Vec<u8>, errors: bool) -> Result<bool, ()> {
    let (out, err) = (std::io::stdout(), std::io::stderr());
    let to = if errors { err.as_fd() } else { out.as_fd() };
    let mut any = false;
    while !pending.is_empty() {
        let ready = poll(&mut [PollFd::from_borrowed_fd(to, PollFlags::OUT)], Some(&timeout(Duration::ZERO)));
        if !ready.is_ok_and(|ready| ready > 0) {
            break;
        }
        // What a pipe takes without making its writer wait, once it says that it takes something.
        match rustix::io::write(to, pending.get(..4096).unwrap_or(pending)) {
            Ok(written) => {
                pending.drain(..written);
                any = true;
            }
            Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => break,
            Err(_) => return Err(()),
        }
    }
    Ok(any)
}

/// The living children of this process, without those others: the command, and what its descendants left behind.
fn children(others: &[Pid]) -> Vec<Pid> {
    let own = std::process::id();
    let text = std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
    let alive = |pid: &u32| proc_file::stat(*pid).is_some_and(|stat| !stat.is_gone());
    let numbers = text.split_ascii_whitespace().filter_map(|word| word.parse::<u32>().ok()).filter(alive);
    let pids = numbers.filter_map(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    pids.filter(|pid| !others.contains(pid)).collect()
}

/// Asks the guard of a running command to end it; whether that guard was seen to end.
///
/// # Errors
/// A sentence: nobody was asked.
pub(super) fn stop(id: &Id) -> Result<bool, String> {
    let identity = ProcessIdentity { pid: id.pid, start_ticks: id.start_ticks };
    let pid = i32::try_from(id.pid).ok().and_then(Pid::from_raw).filter(|pid| pid.as_raw_nonzero().get() > 1);
    let pid = pid.ok_or("that is no process id")?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty())
        .map_err(|error| format!("it does not run any more ({error})"))?;
    // With the descriptor in hand the number cannot come to mean another process.
    if !proc_file::runs(identity) {
        return Err("it does not run any more".to_owned());
    }
    let own = std::process::id();
    if proc_file::program(id.pid).is_none_or(|program| Some(program) != proc_file::program(own)) {
        return Err("that process is no guard".to_owned());
    }
    pidfd_send_signal(&pidfd, Signal::TERM).map_err(|error| format!("the kernel refused: {error}"))?;
    let ready = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&timeout(STOPPING)));
    Ok(ready.is_ok_and(|ready| ready > 0))
}

/// Name and home of this account, from `/etc/passwd`: a static program has no name service.
fn account() -> (String, String) {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let found = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then_some((name, fields.nth(2)?))
    });
    let (name, home) = found.unwrap_or(("root", "/"));
    (name.to_owned(), home.to_owned())
}
