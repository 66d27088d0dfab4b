//! The hidden subcommand `operate`: carries out one accepted operation, detached from whoever asked for it.
//!
//! [`story`] is what each verb does, in order. Nothing here talks to a client: it writes the operation's log, which
//! callers follow, and its outcome into the record.

use super::directory::{Directory, RUN};
use super::identity::Process;
use super::operation_log::{self, Header, Writer};
use super::watch::{Watch, wait};
use super::{evidence, may_begin, now, proc_file, reset, spawn, start, status, stop};
use crate::arguments::Operate;
use crate::policy::{Machine, Policy};
use crate::record::{Durable, Entry, Kept, Record, Word};
use crate::report::Ending;
use crate::sys::{self, SessionSignals};
use breakglass_protocol::{LastOperation, OperationId, Phase, Verb, exit};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// One operation while it is carried out.
pub(super) struct Run<'a> {
    pub(super) order: &'a Operate,
    pub(super) machine: &'a Machine,
    pub(super) directory: &'a Directory,
    pub(super) log: Writer,
    /// Where a stronger verb asks this one to give way, and the watch that tells of it.
    way: PathBuf,
    watch: Option<Watch>,
}

/// How a wait for a process ended.
pub(super) enum Waited {
    /// It was seen to have ended.
    Gone,
    /// It still runs.
    TimeUp,
}

/// Runs the operation. Returns the exit code, which only the one who started this process ever sees.
pub(crate) fn operate(order: &Operate, user: &str) -> u8 {
    sys::session_signals(SessionSignals::Ignored);
    let Ok(policy) = Policy::for_power(&order.config) else {
        return exit::BAD_CONFIGURATION;
    };
    let Some(machine) = policy.machine(&order.vm) else {
        return exit::BAD_CONFIGURATION;
    };
    let Ok(directory) = Directory::open(&policy.state_dir, machine) else {
        return exit::INTERNAL;
    };
    let Ok(Some(_lock)) = directory.try_lock(RUN) else {
        return exit::BUSY_OR_TIMEOUT;
    };
    spawn::leave_session(&format!("op-{}", order.operation));
    spawn::spare_from_oom(-1000);
    let Some(log) = begin(order, &directory) else {
        return exit::INTERNAL;
    };
    let watch = Watch::on(directory.path()).ok();
    let mut run =
        Run { order, machine, directory: &directory, log, way: directory.way_for(&order.operation), watch };

    let ending = story(&mut run).unwrap_or_else(|ending| *ending);
    let code = ending.exit;
    let (word, rule) =
        ending.refusal.as_ref().map_or((Word::Allow, None), |refusal| (Word::Deny, Some(refusal.rule)));
    let entry = entry(order, user, word, rule, &ending);
    let ending = with_state_at_the_end(ending, &run);
    run.log.line(&ending.line(now()));

    let mut record = Record::new(&policy.record_dir, &policy.state_dir, user);
    // Where it could not be kept it is in the ring; nobody is left here to be told.
    let (Kept::Yes | Kept::Elsewhere(_) | Kept::Lost(_)) = record.keep(&entry, Durable::Yes);
    operation_log::prune(&directory);
    spawn::remove_empty_cgroups();
    code
}

fn begin(order: &Operate, directory: &Directory) -> Option<Writer> {
    let header = Header {
        operation: order.operation.clone(),
        verb: order.verb,
        vm: order.vm.clone(),
        key: order.label.clone(),
        source: order.source.clone(),
        accepted: now(),
        runner: proc_file::own()?,
    };
    Writer::begin(directory, &header).ok()
}

/// What each verb does.
fn story(run: &mut Run<'_>) -> Result<Ending, Box<Ending>> {
    may_begin(run.order.verb, run.machine, run.directory).map_err(Box::new)?;
    run.capture();
    run.give_way()?;
    let patience = run.machine.patience;
    match run.order.verb {
        Verb::Stop => stop::stop(run, patience.stop_grace),
        Verb::Cycle => {
            stop::stop(run, patience.grace)?;
            start::fresh(run)
        }
        Verb::Start => start::start(run),
        Verb::Reset => reset::reset(run),
        Verb::Status | Verb::Forensics => {
            Err(Box::new(Ending::internal("a look needs no runner".to_owned())))
        }
    }
}

impl Run<'_> {
    /// A step was reached.
    pub(super) fn progress(&mut self, phase: Phase, note: &str) {
        self.log.progress(phase, note);
    }

    /// Forensics first, always, and never for longer than their deadline.
    fn capture(&mut self) {
        let (machine, directory, order) = (self.machine, self.directory, self.order);
        self.progress(Phase::ForensicsBegun, "what explains this is being captured");
        let ends_process = order.verb.ends_process();
        let log = &mut self.log;
        let mut emit = |captured| log.forensics(captured);
        let operation = Some(&order.operation);
        let summary = evidence::capture(machine, Some(directory), operation, ends_process, None, &mut emit);
        self.progress(Phase::ForensicsDone, &summary);
    }

    /// Waits for a process to end, ready to give way meanwhile.
    pub(super) fn wait_gone(&mut self, process: &Process, patience: Duration) -> Result<Waited, Box<Ending>> {
        let deadline = Instant::now() + patience;
        loop {
            self.give_way()?;
            let left = deadline.saturating_duration_since(Instant::now());
            let gone = match &self.watch {
                Some(watch) => {
                    let [gone, _told] = wait([process.descriptor(), watch.descriptor()], left);
                    watch.drain();
                    gone
                }
                None => process.gone_within(left.min(Duration::from_millis(100))),
            };
            if gone {
                return Ok(Waited::Gone);
            }
            if left.is_zero() {
                return Ok(Waited::TimeUp);
            }
        }
    }

    /// Ends a `stop` that `cycle` has asked to give way.
    pub(super) fn give_way(&mut self) -> Result<(), Box<Ending>> {
        if self.order.verb != Verb::Stop {
            return Ok(());
        }
        let Ok(by) = std::fs::read_to_string(&self.way) else {
            return Ok(());
        };
        self.progress(Phase::Superseded, &by);
        Err(Box::new(Ending::superseded(by)))
    }

    pub(super) fn operation(&self) -> &OperationId {
        &self.order.operation
    }
}

/// The answer ends with the state that was seen after everything.
fn with_state_at_the_end(ending: Ending, run: &Run<'_>) -> Ending {
    let mut status = status::observe(run.machine, Ok(run.directory), status::Samples::One);
    let told = operation_log::read(&operation_log::path(run.directory, run.operation()))
        .map(operation_log::Operation::told);
    status.last_operation = told.map(|told| LastOperation {
        outcome: Some(ending.outcome),
        message: ending.message.clone(),
        running: false,
        ..told
    });
    ending.with_status(status)
}

fn entry(
    order: &Operate,
    user: &str,
    decision: Word,
    rule: Option<breakglass_protocol::Rule>,
    ending: &Ending,
) -> Entry {
    Entry {
        time: now(),
        user: user.to_owned(),
        key: order.label.clone(),
        source: order.source.clone(),
        request: order.verb.to_string(),
        decision,
        rule,
        operation: Some(order.operation.clone()),
        outcome: Some(ending.outcome),
        exit: None,
    }
}
