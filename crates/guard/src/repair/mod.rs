//! `breakglass-guard repair`: a harness around one command line, for whoever may repair this host. It stops nobody.
//!
//! What it adds to plain `ssh`: the command still runs where everything thrashes (its priority is raised), it ends at its
//! deadline or when it is told to stop, that end is seen or honestly said not to be, and the record has it. A
//! configuration that cannot be believed costs its settings, never the way in: this door is for the night on which things
//! like that are broken.

mod harness;
mod priority;
mod request;

use crate::arguments::Door;
use crate::pipeline::{Surroundings, entry, ignore_input, keep};
use crate::policy::Policy;
use crate::power::proc_file;
use crate::record::{Durable, Entry, Record, Word};
use crate::report::{self, Ending, Report};
use crate::{clock, sys};
use breakglass_protocol::{EndedBy, JSON_PREFIX, Line, OperationId, Outcome, exit};
use harness::End;
use request::Request;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// `[repair]` of the file.
#[derive(Debug, Clone)]
pub(crate) struct RepairPolicy {
    /// After how long a command is ended, where the request names no time of its own.
    pub(crate) deadline: Duration,
    /// The longest time that a request may name.
    pub(crate) longest: Duration,
    /// What reads the command line. `None`: bash where it is there, else `/bin/sh`.
    pub(crate) shell: Option<PathBuf>,
}

impl Default for RepairPolicy {
    fn default() -> Self {
        Self { deadline: Duration::from_mins(10), longest: Duration::from_hours(4), shell: None }
    }
}

/// Runs one command line, or stops one that runs; the result is the guard's exit code.
pub(crate) fn repair_door(door: &Door, surroundings: &Surroundings) -> u8 {
    ignore_input();
    // A line that breaks must not leave a repair half done; only another request, or its time, stops a command.
    // Not ignored: the command would inherit that, and it must be endable.
    sys::session_signals(sys::SessionSignals::Harmless);
    sys::note_termination();
    let bytes = surroundings.request.as_deref();
    let report = Report::new(bytes.is_some_and(|bytes| bytes.starts_with(JSON_PREFIX.as_bytes())));

    // 1. The policy, as far as there is one.
    let policy = Policy::for_repair(&door.config);
    if let Some(why) = &policy.doubt {
        report::warn(&format!("{why}; the command runs with the settings that need no file"));
    }
    let mut record = Record::new(&policy.record_dir, &policy.state_dir, &surroundings.user);

    // 2. and 3. Parse. There is little to decide.
    let request = match request::parse(bytes, &policy.repair) {
        Ok(request) => request,
        Err(refusal) => {
            let entry = entry(door, surroundings, Word::Deny, Some(refusal.rule), Some(Outcome::Refused));
            keep(&mut record, &entry, Durable::No);
            return report.end(Ending::refused(refusal), None);
        }
    };

    // 4. Record what is about to happen.
    let operation = proc_file::own().map(|own| OperationId(format!("{}-{}", own.pid, own.start_ticks)));
    let line = |outcome, exit| Entry {
        operation: operation.clone(),
        exit,
        ..entry(door, surroundings, Word::Allow, None, outcome)
    };
    keep(&mut record, &line(None, None), Durable::Yes);

    // 5. Act.
    let (by, code, outcome, message) = match request {
        Request::Stop(id) => stop(&id),
        Request::Run { command, deadline } => {
            report.line(&Line::Started {
                at: clock::now(),
                verb: None,
                vm: None,
                command: None,
                operation: operation.clone(),
                joined: false,
            });
            let raised = priority::raise();
            let until = Instant::now() + deadline;
            ended(harness::run(&command, &policy.repair, until, &report), deadline, raised)
        }
    };

    // 6. Report, and record how it ended.
    keep(&mut record, &line(Some(outcome), (by == EndedBy::Command).then_some(code)), Durable::No);
    if by == EndedBy::Guard && code != exit::DONE {
        report::warn(&message);
    }
    if !report.is_json() && by == EndedBy::Guard && code == exit::DONE {
        report::say(&message);
    }
    let at = clock::now();
    report.line(&Line::Finished { at, by, exit: code, outcome, message, refusal: None, status: None });
    code
}

/// An end as the four things that are told of it: whose, its code, the word and the sentence.
type Told = (EndedBy, u8, Outcome, String);

fn ended(end: End, deadline: Duration, raised: bool) -> Told {
    let by_guard = |outcome, message| (EndedBy::Guard, exit::BUSY_OR_TIMEOUT, outcome, message);
    match end {
        End::Exited { code, left, cut } => {
            let mut message = format!("the command ended with {code}");
            if left > 0 {
                message.push_str(&format!("; {left} processes that it started go on"));
            }
            if cut {
                message.push_str("; what was written after that is not passed on");
            }
            if !raised {
                message.push_str("; it ran at the usual priority, which only root raises");
            }
            (EndedBy::Command, code, Outcome::Done, message)
        }
        End::NotStarted(why) => {
            (EndedBy::Guard, exit::INTERNAL, Outcome::Failed, format!("nothing ran: {why}"))
        }
        End::OutOfTime(gone) => {
            let message = format!("out of time after {} s; {}", deadline.as_secs(), gone.sentence());
            by_guard(Outcome::TimedOut, message)
        }
        End::Stopped(gone) => by_guard(Outcome::Superseded, format!("told to stop; {}", gone.sentence())),
    }
}

/// Tells the guard of another command to end it, and waits until that guard has.
fn stop(id: &request::Id) -> Told {
    let failed = |message: String| (EndedBy::Guard, exit::BUSY_OR_TIMEOUT, Outcome::NotObserved, message);
    match harness::stop(id) {
        Ok(true) => {
            let message = format!("{id} was told to stop, and its guard has ended: its own answer says how");
            (EndedBy::Guard, exit::DONE, Outcome::Done, message)
        }
        Ok(false) => {
            failed(format!("{id} was told to stop and still runs: look at the host before you go on"))
        }
        Err(why) => failed(format!("{id} was not told to stop: {why}")),
    }
}
