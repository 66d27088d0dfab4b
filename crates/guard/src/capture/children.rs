//! Children of ourselves, side by side, each under its own deadline: what may hang, hangs there.
//!
//! A child gets one pipe in, one pipe out and nothing else of ours, so one that cannot be killed holds neither the
//! caller's line nor a lock. It is left behind by name. This module knows nothing of what the children do.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a killed child may take to be gone before it counts as one that cannot be killed.
const DYING: Duration = Duration::from_millis(60);
/// How often a child is looked at on a kernel without pidfd (before 5.3).
const WITHOUT_PIDFD: Duration = Duration::from_millis(10);

/// One child to start: this very program with other arguments.
#[derive(Debug)]
pub(crate) struct Job {
    /// What its end is reported under.
    pub(crate) name: String,
    /// The arguments, beginning with the hidden subcommand.
    pub(crate) arguments: Vec<OsString>,
    /// What it reads on standard input.
    pub(crate) input: Vec<u8>,
    /// Whether more input follows through [`Nursery::feed`].
    pub(crate) fed_later: bool,
    /// When it is late.
    pub(crate) deadline: Instant,
    /// What happens then.
    pub(crate) late: Late,
    /// Bytes of output that are taken; at that size the child is ended.
    pub(crate) output_limit: usize,
}

/// What happens to a child at its deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Late {
    /// It is killed.
    Kill,
    /// It goes on without us, since it tidies up after itself when it gets through.
    Leave,
}

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code; none where a signal ended it.
    Exited(Option<i32>),
    /// It was late. Its process id, where it is still there.
    Late(Option<u32>),
    /// It wrote more than is taken.
    TooMuch,
    /// It could not be started.
    NotStarted(String),
}

/// A child that needs no more attention.
#[derive(Debug)]
pub(crate) struct Ended {
    /// The job's name.
    pub(crate) name: String,
    /// How.
    pub(crate) end: End,
    /// How long it took, in milliseconds.
    pub(crate) millis: u64,
    /// What it wrote until then.
    pub(crate) output: Vec<u8>,
}

/// The children that run now.
#[derive(Debug, Default)]
pub(crate) struct Nursery {
    running: Vec<Running>,
    stillborn: Vec<Ended>,
}

#[derive(Debug)]
struct Running {
    job: Job,
    began: Instant,
    child: Child,
    pidfd: Option<OwnedFd>,
    stdin: Option<ChildStdin>,
    sent: usize,
    stdout: Option<ChildStdout>,
    output: Vec<u8>,
    killed: Option<(Instant, Why)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    Late,
    TooMuch,
}

impl Nursery {
    /// Starts a child. One that cannot be started ends at once, with the reason.
    pub(crate) fn start(&mut self, job: Job) {
        match spawn(&job) {
            Ok(child) => self.running.push(Running::new(job, child)),
            Err(error) => self.stillborn.push(Ended {
                name: job.name,
                end: End::NotStarted(error.to_string()),
                millis: 0,
                output: Vec::new(),
            }),
        }
    }

    /// Gives a child that is fed later more to read. One that has ended is past caring.
    pub(crate) fn feed(&mut self, name: &str, bytes: &[u8]) {
        if let Some(running) = self.running.iter_mut().find(|running| running.job.name == name) {
            running.job.input.extend_from_slice(bytes);
            running.send();
        }
    }

    /// Tells a child that is fed later that nothing more comes.
    pub(crate) fn finish(&mut self, name: &str) {
        if let Some(running) = self.running.iter_mut().find(|running| running.job.name == name) {
            running.job.fed_later = false;
            running.send();
        }
    }

    /// All that run are late from now on.
    pub(crate) fn hurry(&mut self) {
        let now = Instant::now();
        self.running.iter_mut().for_each(|running| running.job.deadline = now);
    }

    /// Whether a child of this name runs.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.running.iter().any(|running| running.job.name == name)
    }

    /// Waits for the next child that ends or is late. `None` once nothing runs or `until` has passed.
    pub(crate) fn next(&mut self, until: Instant) -> Option<Ended> {
        loop {
            if let Some(ended) = self.stillborn.pop() {
                return Some(ended);
            }
            let now = Instant::now();
            let over =
                self.running.iter_mut().enumerate().find_map(|(at, r)| r.step(now).map(|end| (at, end)));
            if let Some((at, end)) = over {
                return Some(self.running.swap_remove(at).into_ended(end, now));
            }
            if self.running.is_empty() || now >= until {
                return None;
            }
            self.wait(now, until);
        }
    }

    /// Sleeps until something can have changed.
    fn wait(&self, now: Instant, until: Instant) {
        let wake = self.running.iter().map(|running| running.wake(now)).fold(until, Instant::min);
        let left = wake.saturating_duration_since(now) + Duration::from_micros(200);
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        let mut watched = Vec::with_capacity(self.running.len() * 3);
        for running in &self.running {
            watched.extend(running.pidfd.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
            watched.extend(running.stdout.iter().map(|fd| PollFd::new(fd, PollFlags::IN)));
            if running.sent < running.job.input.len() {
                watched.extend(running.stdin.iter().map(|fd| PollFd::new(fd, PollFlags::OUT)));
            }
        }
        // An interrupted or failed poll only means that we look again.
        if poll(&mut watched, Some(&timeout)).is_err() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Running {
    fn new(job: Job, mut child: Child) -> Self {
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        let pidfd = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut running = Self {
            job,
            began: Instant::now(),
            child,
            pidfd,
            stdin,
            sent: 0,
            stdout,
            output: Vec::new(),
            killed: None,
        };
        running.send();
        running
    }

    /// Does what can be done without waiting; the end, where this is it.
    fn step(&mut self, now: Instant) -> Option<End> {
        self.send();
        self.receive();
        if self.output.len() >= self.job.output_limit && self.killed.is_none() {
            self.kill(now, Why::TooMuch);
        }
        if let Ok(Some(status)) = self.child.try_wait() {
            self.receive();
            return Some(match self.killed {
                None => End::Exited(status.code()),
                Some((_, Why::Late)) => End::Late(None),
                Some((_, Why::TooMuch)) => End::TooMuch,
            });
        }
        match self.killed {
            Some((at, _)) if now >= at + DYING => Some(End::Late(Some(self.child.id()))),
            None if now >= self.job.deadline => match self.job.late {
                Late::Leave => Some(End::Late(Some(self.child.id()))),
                Late::Kill => {
                    self.kill(now, Why::Late);
                    None
                }
            },
            _ => None,
        }
    }

    fn kill(&mut self, now: Instant, why: Why) {
        // It fails only where the child is gone already, which the next look finds out.
        let _ = self.child.kill();
        self.killed = Some((now, why));
    }

    /// When to look again even if nothing is heard.
    fn wake(&self, now: Instant) -> Instant {
        let due = self.killed.map_or(self.job.deadline, |(at, _)| at + DYING);
        if self.pidfd.is_some() { due } else { due.min(now + WITHOUT_PIDFD) }
    }

    fn send(&mut self) {
        while let (Some(pipe), Some(rest @ [_, ..])) = (&mut self.stdin, self.job.input.get(self.sent..)) {
            match pipe.write(rest) {
                Ok(length) => self.sent += length,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.stdin = None,
            }
        }
        if !self.job.fed_later {
            self.stdin = None;
        }
    }

    fn receive(&mut self) {
        let mut chunk = [0_u8; 16 * 1024];
        while let Some(pipe) = &mut self.stdout {
            let room = self.job.output_limit.saturating_sub(self.output.len()).min(chunk.len());
            match pipe.read(chunk.get_mut(..room).unwrap_or_default()) {
                Ok(0) if room == 0 => return,
                Ok(0) => self.stdout = None,
                Ok(length) => self.output.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(_) => self.stdout = None,
            }
        }
    }

    fn into_ended(self, end: End, now: Instant) -> Ended {
        let millis = now.saturating_duration_since(self.began).as_millis();
        Ended {
            name: self.job.name,
            end,
            millis: u64::try_from(millis).unwrap_or(u64::MAX),
            output: self.output,
        }
    }
}

/// Starts this very program. Its own process group keeps a terminal's signals away; its own directory keeps a hung
/// one of ours away.
fn spawn(job: &Job) -> io::Result<Child> {
    let child = Command::new("/proc/self/exe")
        .args(&job.arguments)
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    for pipe in
        [child.stdin.as_ref().map(AsFd::as_fd), child.stdout.as_ref().map(AsFd::as_fd)].into_iter().flatten()
    {
        rustix::io::ioctl_fionbio(pipe, true)?;
    }
    Ok(child)
}
