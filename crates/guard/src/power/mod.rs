//! The six verbs. A look is answered here and now; a verb that changes the VM is handed to a detached runner
//! (`ask`, `operate`) which the caller only follows (`follow`).

mod ask;
mod backend;
mod directory;
mod evidence;
mod follow;
mod identity;
mod launch;
mod monitor;
mod operate;
mod operation_log;
pub(crate) mod proc_file;
mod reset;
mod spawn;
mod start;
mod status;
mod stop;
mod watch;

use crate::arguments::Door;
use crate::clock;
use crate::forensics::{self, Captured};
use crate::policy::Machine;
use crate::report::{Ending, Report};
use breakglass_protocol::{Line, OperationId, Refusal, Rule, Verb};
use directory::Directory;
use std::path::Path;

pub(crate) use launch::launch;
pub(crate) use operate::operate;
pub(crate) use spawn::{become_program, own_cgroup, remove_empty_cgroups, spare_from_oom};

/// Who asks, and where the answer goes.
pub(crate) struct Caller<'a> {
    pub(crate) door: &'a Door,
    pub(crate) source: &'a str,
    pub(crate) state_dir: &'a Path,
    pub(crate) report: &'a Report,
    pub(crate) json: bool,
}

/// How an act ended.
#[derive(Debug)]
pub(crate) struct Acted {
    pub(crate) ending: Ending,
    /// The last line of an operation that was followed, as its runner wrote it.
    pub(crate) said: Option<String>,
    /// The operation that was started or joined.
    pub(crate) operation: Option<OperationId>,
    /// Whether the operation's runner writes the outcome into the record, so that the caller does not.
    pub(crate) runner_records: bool,
}

impl From<Ending> for Acted {
    fn from(ending: Ending) -> Self {
        Self { ending, said: None, operation: None, runner_records: false }
    }
}

/// Carries out an allowed request.
pub(crate) fn act(verb: Verb, machine: &Machine, caller: &Caller<'_>) -> Acted {
    match verb {
        Verb::Status => look(machine, caller).into(),
        Verb::Forensics => capture(machine, caller).into(),
        Verb::Reset | Verb::Stop | Verb::Start | Verb::Cycle => ask::ask(verb, machine, caller),
    }
}

/// `status`: two samples of the counters for a program that compares them, one for a person who waits.
fn look(machine: &Machine, caller: &Caller<'_>) -> Ending {
    let directory = Directory::open(caller.state_dir, machine);
    let samples = if caller.json { status::Samples::Two } else { status::Samples::One };
    let (status, blind) = status::look(machine, directory.as_ref().map_err(String::as_str), samples);
    let ending = blind.map_or_else(|| Ending::done(status::summary(&status)), Ending::failed);
    ending.with_status(status)
}

/// `forensics`: everything that explains a wedge, with what might itself hang QEMU, since it was asked for by name.
fn capture(machine: &Machine, caller: &Caller<'_>) -> Ending {
    let directory = Directory::open(caller.state_dir, machine);
    let status = status::observe(machine, directory.as_ref().map_err(String::as_str), status::Samples::One);
    let directory = directory.as_ref().ok();
    let mut emit = |captured: Captured| {
        let Captured { part, outcome, millis, media, bytes } = captured;
        // A person gets the names; encoding megabytes for nobody would only cost time.
        let base64 = if caller.json { forensics::base64(&bytes) } else { String::new() };
        caller.report.line(&Line::Forensics { operation: None, part, outcome, millis, media, base64 });
    };
    let summary = evidence::capture(machine, directory, None, true, Some(&status), &mut emit);
    Ending::done(summary).with_status(status)
}

/// What was observed makes the verb unsafe: nothing is touched.
fn unsafe_state(verb: Verb, reason: String, hint: &str) -> Ending {
    let reason = format!("{verb} would not be safe: {reason}");
    Ending::refused(Refusal { rule: Rule::UnsafeState, reason, hint: hint.to_owned() })
}

/// Looks whether a verb may begin at all. Called twice: for the caller, who is refused before anything is accepted,
/// and by the runner just before it acts.
///
/// # Errors
/// The refusal.
fn may_begin(verb: Verb, machine: &Machine, directory: &Directory) -> Result<(), Ending> {
    let found = identity::find(machine, Some(directory));
    if let identity::Found::Doubt(why) = &found {
        return Err(unsafe_state(
            verb,
            why.clone(),
            "nothing was touched; `status` and `forensics` still answer",
        ));
    }
    let off = matches!(found, identity::Found::Nothing);
    if verb == Verb::Reset && off {
        return Err(unsafe_state(
            verb,
            "the VM is off, there is nothing to reset".to_owned(),
            "`start` starts it",
        ));
    }
    let view = backend::of(machine).view(machine, Some(directory), &found);
    let starts = verb == Verb::Cycle || (verb == Verb::Start && off);
    let forbids_stop = view.forbids_stop.filter(|_| verb != Verb::Start);
    if let Some(why) = forbids_stop.or(view.forbids_start.filter(|_| starts)) {
        return Err(unsafe_state(verb, why, "nothing was touched; the VM is as it was"));
    }
    // What cannot be started again is not ended by a cycle.
    match view.dead {
        Some(why) if verb != Verb::Stop => {
            let other = if verb == Verb::Cycle { "; `stop` can still end its process" } else { "" };
            Err(Ending::failed(format!("{verb} was not begun and nothing was touched: {why}{other}")))
        }
        _ => Ok(()),
    }
}

/// The moment for a line of an answer.
fn now() -> breakglass_protocol::Timestamp {
    clock::now()
}
