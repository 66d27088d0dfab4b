//! One program of the host, from its start to the last of its children: walls, wiring, deadline, end.
//!
//! The only place of `diag` that starts a process. It waits for nothing without an end: not for the program, not for
//! whoever reads, not for a child that cannot die (which is left behind by name, and said so).

use super::client::{Client, Reading, timeout};
use super::native::sink::{Flow, Sink};
use super::plan::{Errors, Program};
use super::policy::DiagPolicy;
use super::walls::{ENVIRONMENT, Walls};
use crate::power::proc_file;
use crate::sys::{self, Forked, SessionSignals, Standard};
use breakglass_protocol::{Refusal, exit};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitOptions, kill_process, kill_process_group, pidfd_open, set_child_subreaper,
    waitpgid,
};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// A reader of the guard's own: where its bytes and its complaints go; its exit code comes back.
type Reader<'a> = dyn Fn(&mut dyn Sink, &mut dyn FnMut(&str)) -> u8 + 'a;

/// How long what was killed may take to be gone before it counts as what cannot be killed.
const DYING: Duration = Duration::from_millis(500);
/// How often it is looked at on a kernel without pidfd (before 5.3).
const WITHOUT_PIDFD: Duration = Duration::from_millis(20);

/// How a program ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code; of a signal, as a shell counts it.
    Exited(u8),
    /// What was opened is not for reading.
    Refused(Refusal),
    /// It is not on this host.
    NotHere,
    /// It could not be started; why.
    NotStarted(String),
    /// What comes after it had enough, so it was ended.
    Enough,
    /// Its time was over, or its reader's patience with us.
    Ended(Why, Gone),
}

/// Why a program was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Deadline,
    TooMuch,
    NobodyReads,
}

/// Whether what was killed was seen to be gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Gone {
    Seen,
    /// It still is there: which process, in which state.
    NotSeen(String),
}

/// Where the two outputs of a program go.
pub(crate) struct Wiring<'a> {
    pub(crate) errors: Errors,
    pub(crate) answer: &'a mut dyn Sink,
    pub(crate) complaints: &'a mut dyn Sink,
    pub(crate) client: &'a Client,
}

/// The first place where the program stands.
pub(crate) fn place(program: &Program) -> Option<&PathBuf> {
    program.places.iter().find(|place| place.is_file())
}

/// Runs a program to its end.
pub(crate) fn program(program: &Program, policy: &DiagPolicy, wiring: &mut Wiring<'_>) -> End {
    let Some(place) = place(program) else { return End::NotHere };
    run(wiring, &|| become_program(program, place, policy))
}

/// A look of the guard's own that reads files: in a child too, since a file may lie on a disk that answers nobody. `read`
/// is told where to write and where to complain, and says how it ended.
pub(crate) fn native(policy: &DiagPolicy, wiring: &mut Wiring<'_>, read: &Reader<'_>) -> End {
    run(wiring, &|| by_ourselves(Walls::for_reading(policy), read))
}

/// A look of the guard's own over a connection that is there already, by a child that has nothing else.
pub(crate) fn conversation(policy: &DiagPolicy, wiring: &mut Wiring<'_>, read: &Reader<'_>) -> End {
    run(wiring, &|| by_ourselves(Walls::for_conversation(policy), read))
}

fn by_ourselves(walls: Result<Walls, String>, read: &Reader<'_>) -> String {
    if let Err(why) = walls.and_then(Walls::enter) {
        return format!("the walls are not up: {why}");
    }
    let mut refused = None;
    let mut complain = |message: &str| {
        refused = refused.take().or_else(|| refusal(message));
        ToPipes.complain(message);
    };
    let code = read(&mut ToPipes, &mut complain);
    ToPipes.end();
    match refused {
        Some(refusal) if code == exit::REFUSED => {
            format!("{REFUSED}{}", serde_json::to_string(&refusal).unwrap_or_default())
        }
        _ => sys::leave(code),
    }
}

/// Begins what a child says that was refused.
const REFUSED: char = '\u{1}';

/// A reader's complaint `cat: /x: refused (RULE): why`, as a refusal.
fn refusal(message: &str) -> Option<Refusal> {
    let (what, why) = message.split_once(": refused (")?;
    let (rule, why) = why.split_once("): ")?;
    let rule = serde_json::from_str(&format!("\"{rule}\"")).ok()?;
    let hint = "ask for a file that is open to this door".to_owned();
    Some(Refusal { rule, reason: format!("{what}: {why}"), hint })
}

/// The two outputs of a child of the guard's own; the guard waits at their other ends.
struct ToPipes;

impl Sink for ToPipes {
    fn push(&mut self, bytes: &[u8]) -> Flow {
        match std::io::stdout().lock().write_all(bytes) {
            Ok(()) => Flow::More,
            Err(_) => Flow::Enough,
        }
    }

    fn end(&mut self) -> Option<u8> {
        let _ = std::io::stdout().lock().flush();
        None
    }

    fn complain(&mut self, message: &str) {
        let _ = std::io::stderr().lock().write_all(format!("{message}\n").as_bytes());
    }
}

/// `become_it` runs in the child and returns only where it did not become what it should; why.
fn run(wiring: &mut Wiring<'_>, become_it: &dyn Fn() -> String) -> End {
    let mut child = match Child::start(wiring.errors, become_it) {
        Ok(child) => child,
        Err(why) => return End::NotStarted(why),
    };
    let stopped = child.stream(wiring);
    let gone = child.end();
    if let Some(why) = child.trouble() {
        let refusal = why.strip_prefix(REFUSED).and_then(|text| serde_json::from_str(text).ok());
        return refusal.map_or(End::NotStarted(why), End::Refused);
    }
    match (stopped, child.code) {
        (Some(Stop::Enough), _) => End::Enough,
        (Some(Stop::Why(why)), _) => End::Ended(why, gone),
        (None, Some(code)) => End::Exited(code),
        (None, None) => End::Ended(Why::Deadline, gone),
    }
}

enum Stop {
    Enough,
    Why(Why),
}

struct Child {
    pid: Pid,
    pidfd: Option<OwnedFd>,
    answer: Option<File>,
    complaints: Option<File>,
    /// Says why the program could not be started; silent and closed once it was.
    trouble: File,
    code: Option<u8>,
}

impl Child {
    fn start(errors: Errors, become_it: &dyn Fn() -> String) -> Result<Self, String> {
        let failed = |error: rustix::io::Errno| format!("no pipe for it: {error}");
        let pipe = || pipe_with(PipeFlags::CLOEXEC).map_err(failed);
        let (answer, answer_in) = pipe()?;
        let (complaints, complaints_in) = if errors == Errors::Shown {
            pipe().map(|(out, inside)| (Some(out), Some(inside)))?
        } else {
            (None, None)
        };
        let (trouble, trouble_in) = pipe()?;
        // What its own children leave behind becomes ours to end.
        let _ = set_child_subreaper(Some(rustix::process::getpid()));
        match sys::fork() {
            Ok(Forked::Child) => {
                let errors = match errors {
                    Errors::Shown => complaints_in.as_ref(),
                    Errors::Merged => Some(&answer_in),
                    Errors::Dropped => None,
                };
                let why = wire(&answer_in, errors).map_or_else(|why| why, |()| become_it());
                let _ = File::from(trouble_in).write_all(why.as_bytes());
                sys::leave(127);
            }
            Ok(Forked::Parent(pid)) => {
                let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or("no process for it")?;
                let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
                let (answer, complaints) = (Some(File::from(answer)), complaints.map(File::from));
                Ok(Self { pid, pidfd, answer, complaints, trouble: File::from(trouble), code: None })
            }
            Err(error) => Err(format!("no process for it: {error}")),
        }
    }

    /// Passes on what it writes until it has ended, or has to be.
    fn stream(&mut self, wiring: &mut Wiring<'_>) -> Option<Stop> {
        let mut chunk = vec![0; 64 * 1024];
        loop {
            if self.code.is_none() && self.reap() {
                // Whatever it left running holds the pipes open, and ends with it.
                self.kill_group();
            }
            let ended = self.code.is_some();
            let mut quiet = true;
            for (file, sink) in
                [(&mut self.answer, &mut *wiring.answer), (&mut self.complaints, &mut *wiring.complaints)]
            {
                let Some(pipe) = file else { continue };
                if !readable(pipe) {
                    continue;
                }
                quiet = false;
                match pipe.read(&mut chunk) {
                    Ok(length) if length > 0 => {
                        if sink.push(chunk.get(..length).unwrap_or_default()) == Flow::Enough {
                            return Some(stopped_by(wiring.client));
                        }
                    }
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    _ => *file = None,
                }
            }
            if ended && (quiet || (self.answer.is_none() && self.complaints.is_none())) {
                return None;
            }
            let now = Instant::now();
            if now >= wiring.client.deadline() {
                return Some(Stop::Why(Why::Deadline));
            }
            if quiet && self.wait(wiring.client, now) {
                wiring.client.is_gone();
                return Some(Stop::Why(Why::NobodyReads));
            }
        }
    }

    /// Sleeps until something can have changed; whether nobody reads any more.
    fn wait(&self, client: &Client, now: Instant) -> bool {
        let mut left = client.deadline().saturating_duration_since(now) + Duration::from_micros(200);
        if self.pidfd.is_none() {
            left = left.min(WITHOUT_PIDFD);
        }
        let stdout = std::io::stdout();
        // Asked for nothing, poll tells of an end that was closed.
        let mut watched = vec![PollFd::new(&stdout, PollFlags::empty())];
        let outputs = [&self.answer, &self.complaints];
        watched.extend(outputs.into_iter().flatten().map(|pipe| PollFd::new(pipe, PollFlags::IN)));
        watched.extend(self.pidfd.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        if poll(&mut watched, Some(&timeout(left))).is_err() {
            std::thread::sleep(Duration::from_millis(1));
            return false;
        }
        let closed = PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL;
        watched.first().is_some_and(|stdout| stdout.revents().intersects(closed))
    }

    /// Whether the program itself has ended.
    fn reap(&mut self) -> bool {
        match rustix::process::waitpid(Some(self.pid), WaitOptions::NOHANG) {
            Ok(Some((_, status))) => {
                let code = status.exit_status().or_else(|| status.terminating_signal().map(|it| 128 + it));
                self.code = Some(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX));
                true
            }
            Ok(None) | Err(rustix::io::Errno::INTR) => false,
            // Somebody else has waited for it, which nobody does.
            Err(_) => {
                self.code = Some(u8::MAX);
                true
            }
        }
    }

    fn kill_group(&self) {
        // It fails where nobody is left.
        let _ = kill_process_group(self.pid, Signal::KILL);
    }

    /// Ends the program and all that it started, and sees them gone.
    fn end(&mut self) -> Gone {
        self.answer = None;
        self.complaints = None;
        let until = Instant::now() + DYING;
        loop {
            if self.code.is_none() {
                // Until it has a group of its own, the signal to the group misses it.
                let _ = kill_process(self.pid, Signal::KILL);
                self.kill_group();
                self.reap();
            }
            let others = self.reap_group();
            if self.code.is_some() && !others {
                return Gone::Seen;
            }
            if Instant::now() >= until {
                return Gone::NotSeen(self.describe());
            }
            if others {
                self.kill_group();
            }
            let mut watched: Vec<PollFd<'_>> = Vec::new();
            if self.code.is_none() {
                watched.extend(self.pidfd.iter().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
            }
            let _ = poll(&mut watched, Some(&timeout(Duration::from_millis(5))));
        }
    }

    /// Waits for those of its group that have ended; whether others are there yet. Children of its own became ours.
    fn reap_group(&self) -> bool {
        loop {
            match waitpgid(self.pid, WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => return true,
                Err(_) => return false,
            }
        }
    }

    fn describe(&self) -> String {
        let pid = self.pid.as_raw_nonzero();
        let state = u32::try_from(pid.get()).ok().and_then(proc_file::stat).map(|stat| stat.state);
        match state {
            Some(state) => {
                format!("process {pid} was sent the last signal and is still there, in state {state}")
            }
            None => format!("children of process {pid} were sent the last signal and are still there"),
        }
    }

    /// What the child said that could not become the program.
    fn trouble(&mut self) -> Option<String> {
        let mut said = String::new();
        if readable(&self.trouble) {
            let _ = self.trouble.read_to_string(&mut said);
        }
        (!said.is_empty()).then_some(said)
    }
}

fn stopped_by(client: &Client) -> Stop {
    match client.reading() {
        Reading::Yes => Stop::Enough,
        Reading::Full => Stop::Why(Why::TooMuch),
        Reading::Gone => Stop::Why(Why::NobodyReads),
        Reading::TooSlow => Stop::Why(Why::Deadline),
    }
}

fn readable(file: &File) -> bool {
    let mut watched = [PollFd::new(file, PollFlags::IN)];
    poll(&mut watched, Some(&timeout(Duration::ZERO))).is_ok_and(|ready| ready > 0)
}

/// The child's descriptors. Its own session and group: no terminal, and one signal for all of them.
fn wire(answer: &OwnedFd, errors: Option<&OwnedFd>) -> Result<(), String> {
    let _ = rustix::process::setsid();
    let null = File::options().read(true).write(true).open("/dev/null");
    let null = null.map_err(|error| format!("there is no /dev/null: {error}"))?;
    let errors = errors.map_or(null.as_fd(), AsFd::as_fd);
    for (fd, standard) in
        [(null.as_fd(), Standard::Input), (answer.as_fd(), Standard::Output), (errors, Standard::Error)]
    {
        sys::replace_standard(fd, standard).map_err(|error| format!("its wiring failed: {error}"))?;
    }
    sys::session_signals(SessionSignals::Default);
    Ok(())
}

/// The child's way to becoming the program, every other descriptor of ours closing on exec. Returns only where it
/// failed, with the reason.
fn become_program(program: &Program, place: &Path, policy: &DiagPolicy) -> String {
    // Read through links, so that walls and kernel see one file.
    let place = std::fs::canonicalize(place).unwrap_or_else(|_| place.to_owned());
    if let Err(why) = Walls::for_this_process(program, &place, policy).and_then(Walls::enter) {
        return format!("the walls are not up: {why}");
    }
    let mut command = Command::new(&place);
    command.arg0(&program.name).args(&program.arguments).env_clear().envs(ENVIRONMENT.iter().copied());
    for (name, value) in &program.environment {
        command.env(name, value);
    }
    format!("{} cannot be started: {}", place.display(), command.exec())
}
