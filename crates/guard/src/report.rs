//! The answer: lines on standard output for a program or a person, one line on standard error for a refusal.
//!
//! A client that went away takes nothing with it: writes that fail are dropped, never retried and never a panic.

use crate::clock;
use breakglass_protocol::{
    ConsoleSignKind, EndedBy, Line, Outcome, PartOutcome, Phase, Refusal, RunState, Status, Timestamp, exit,
    render_line,
};
use std::io::Write;

/// How a request ended, before it is put into words for this caller.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) outcome: Outcome,
    pub(crate) exit: u8,
    pub(crate) message: String,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) status: Option<Box<Status>>,
}

impl Ending {
    /// The promise was seen to hold.
    pub(crate) fn done(message: String) -> Self {
        Self { outcome: Outcome::Done, exit: exit::DONE, message, refusal: None, status: None }
    }

    /// It was carried out, and the promised state was not seen.
    pub(crate) fn not_observed(message: String) -> Self {
        Self {
            outcome: Outcome::NotObserved,
            exit: exit::BUSY_OR_TIMEOUT,
            message,
            refusal: None,
            status: None,
        }
    }

    /// The hypervisor did not do it.
    pub(crate) fn failed(message: String) -> Self {
        Self {
            outcome: Outcome::Failed,
            exit: exit::HYPERVISOR_UNAVAILABLE,
            message,
            refusal: None,
            status: None,
        }
    }

    /// The guard itself could not.
    pub(crate) fn internal(message: String) -> Self {
        Self { exit: exit::INTERNAL, ..Self::failed(message) }
    }

    /// Nothing was started.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        Self { outcome: Outcome::Refused, exit: exit::REFUSED, message, refusal: Some(refusal), status: None }
    }

    /// The configuration cannot be used.
    pub(crate) fn unconfigured(refusal: Refusal) -> Self {
        Self { exit: exit::BAD_CONFIGURATION, ..Self::refused(refusal) }
    }

    /// Another operation has the VM.
    pub(crate) fn busy(refusal: Refusal) -> Self {
        Self { outcome: Outcome::Busy, exit: exit::BUSY_OR_TIMEOUT, ..Self::refused(refusal) }
    }

    /// Time ran out for the caller; what was accepted goes on.
    pub(crate) fn timed_out(message: String) -> Self {
        Self { outcome: Outcome::TimedOut, exit: exit::BUSY_OR_TIMEOUT, message, refusal: None, status: None }
    }

    /// A stronger verb took over.
    pub(crate) fn superseded(message: String) -> Self {
        Self {
            outcome: Outcome::Superseded,
            exit: exit::BUSY_OR_TIMEOUT,
            message,
            refusal: None,
            status: None,
        }
    }

    /// With the state that was seen at the end.
    pub(crate) fn with_status(self, status: Status) -> Self {
        Self { status: Some(Box::new(status)), ..self }
    }

    /// The last line of machine output.
    pub(crate) fn line(self, at: Timestamp) -> Line {
        let Self { outcome, exit, message, refusal, status } = self;
        Line::Finished { at, by: EndedBy::Guard, exit, outcome, message, refusal, status }
    }
}

/// Where the answer goes, and in which of the two languages.
pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) const fn new(json: bool) -> Self {
        Self { json }
    }

    /// One line of an answer, the last one excepted. Returns whether somebody still reads.
    pub(crate) fn line(&self, line: &Line) -> bool {
        if self.json {
            return say(&render_line(line));
        }
        plain(line).is_none_or(|text| say(&text))
    }

    /// A line of an operation's log, passed on as it stands where a program reads.
    pub(crate) fn logged(&self, raw: &str, plain: impl FnOnce() -> String) -> bool {
        if self.json { say(raw) } else { say(&plain()) }
    }

    /// Whether a program reads.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// The end, in the words of an operation's own last line where that was read. Returns the exit code.
    pub(crate) fn end(&self, ending: Ending, said: Option<&str>) -> u8 {
        let Ending { outcome, exit, message, refusal, status } = &ending;
        let code = *exit;
        match refusal {
            Some(refusal) => warn_line(&refusal.to_string()),
            None if *outcome != Outcome::Done => warn(message),
            None => {}
        }
        match (self.json, said) {
            (true, Some(said)) => {
                say(said);
            }
            (true, None) => {
                say(&render_line(&ending.line(clock::now())));
            }
            (false, _) => {
                if let Some(status) = status {
                    say(&plain_status(status));
                }
                if *outcome == Outcome::Done {
                    say(message);
                }
            }
        }
        code
    }
}

/// One line on standard output. Returns whether it went out.
pub(crate) fn say(text: &str) -> bool {
    let mut output = std::io::stdout().lock();
    output.write_all(format!("{text}\n").as_bytes()).and_then(|()| output.flush()).is_ok()
}

/// One line on standard error behind the guard's name.
pub(crate) fn warn(text: &str) {
    warn_line(&format!("breakglass-guard: {text}"));
}

/// One line on standard error as it is.
pub(crate) fn warn_line(text: &str) {
    let one_line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let _ = std::io::stderr().lock().write_all(format!("{one_line}\n").as_bytes());
}

fn plain(line: &Line) -> Option<String> {
    match line {
        Line::Started { verb: Some(verb), vm: Some(vm), operation, joined, .. } => {
            let id = operation.as_ref().map(|id| format!(" as {id}")).unwrap_or_default();
            let joined = if *joined { "was running already: joined" } else { "accepted" };
            Some(format!("{verb} {vm}: {joined}{id}; it completes although this connection may end"))
        }
        Line::Progress { at, phase, note, .. } => Some(plain_step(*at, *phase, note)),
        Line::Forensics { part, outcome, millis, .. } => Some(plain_part(part, *outcome, *millis)),
        Line::Output { text, .. } => Some(text.clone()),
        Line::Started { .. } | Line::Finished { .. } => None,
    }
}

/// One step of an operation, for a person.
pub(crate) fn plain_step(at: Timestamp, phase: Phase, note: &str) -> String {
    format!("{}  {:<15} {note}", at.time_of_day(), phase_word(phase))
}

/// One part of forensics, for a person.
pub(crate) fn plain_part(part: &str, outcome: PartOutcome, millis: u64) -> String {
    format!("          forensics: {part}: {} in {millis} ms", part_word(outcome))
}

/// The word that a phase has on the wire.
pub(crate) const fn phase_word(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "accepted",
        Phase::ForensicsBegun => "forensics-begun",
        Phase::ForensicsDone => "forensics-done",
        Phase::GuestAsked => "guest-asked",
        Phase::GuestStopped => "guest-stopped",
        Phase::GraceEnded => "grace-ended",
        Phase::ProcessKilled => "process-killed",
        Phase::ProcessGone => "process-gone",
        Phase::LockChecked => "lock-checked",
        Phase::ProcessStarted => "process-started",
        Phase::ResetSent => "reset-sent",
        Phase::Resumed => "resumed",
        Phase::StateObserved => "state-observed",
        Phase::Superseded => "superseded",
    }
}

const fn part_word(outcome: PartOutcome) -> &'static str {
    match outcome {
        PartOutcome::Captured => "captured",
        PartOutcome::Cut => "captured up to the limit",
        PartOutcome::TimedOut => "timed out",
        PartOutcome::Failed => "failed",
        PartOutcome::NotHere => "not on this host",
    }
}

/// The word for a state, QEMU's where it has one.
pub(crate) fn state_word(state: &RunState) -> &str {
    match state {
        RunState::Running => "running",
        RunState::Stopped => "stopped",
        RunState::Paused => "paused",
        RunState::IoError => "io-error",
        RunState::InternalError => "internal-error",
        RunState::GuestPanicked => "guest-panicked",
        RunState::Prelaunch => "prelaunch",
        RunState::Unresponsive => "unresponsive (a process is there, its monitor does not answer)",
        RunState::Other(word) => word,
        RunState::Unknown => "unknown",
    }
}

fn plain_status(status: &Status) -> String {
    let mut lines = vec![format!("{} ({}): {}", status.vm, status.vm_id, state_word(&status.state))];
    if let Some(process) = status.process {
        let age = status.process_age_seconds.map(|seconds| format!(", {seconds} s old")).unwrap_or_default();
        let answer = match status.answered_in_millis {
            Some(millis) => format!("answered in {millis} ms"),
            None => "did not answer".to_owned(),
        };
        lines.push(format!("process {}{age}; monitor {answer}", process.pid));
    }
    for disk in status.samples.last().iter().flat_map(|sample| &sample.disks) {
        let (reads, writes, failed) = (disk.reads, disk.writes, disk.failed);
        lines.push(format!(
            "disk {}: {reads} reads, {writes} writes, {failed} failed",
            printable(&disk.device)
        ));
    }
    if let Some(lock) = &status.lock {
        let fate =
            if lock.clearable { "a cycle clears it" } else { "start and cycle are refused while it stands" };
        lines.push(format!("lock: {}; {fate}", printable(&lock.kind)));
    }
    lines.extend(
        status
            .jobs
            .iter()
            .map(|job| format!("job {}: {} {}", printable(&job.id), printable(&job.kind), job.state)),
    );
    for change in &status.staged {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        lines.push(format!("staged: {} instead of {}", side(&change.staged), side(&change.running)));
    }
    lines.extend(status.passthrough.iter().map(|device| format!("passed through: {device}")));
    for sign in status.console.iter().filter(|sign| sign.kind != ConsoleSignKind::Boot) {
        lines.push(format!("console: {}", printable(&sign.line)));
    }
    if let Some(operation) = &status.last_operation {
        let fate = match (operation.outcome, operation.running) {
            (Some(_), _) => operation.message.clone(),
            (None, true) => "running".to_owned(),
            (None, false) => "its runner was killed half way".to_owned(),
        };
        lines.push(format!(
            "last operation: {} {} at {}: {fate}",
            operation.verb, operation.id, operation.accepted
        ));
    }
    lines.extend(status.notes.iter().map(|note| format!("note: {note}")));
    lines.join("\n")
}

/// Text that something else wrote, without what could steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}
