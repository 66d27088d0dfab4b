//! The caller's half of a verb that changes the VM: begin an operation, join the one that runs, supersede it, or be
//! told who has the VM. Then follow, and be free to die.
//!
//! The door lock is held only for that decision and for the moment until a new runner has accepted; never while
//! anything happens to the VM.

use super::directory::{DOOR, Directory, Held, RUN};
use super::follow::{Followed, accepted, follow};
use super::identity::Process;
use super::operation_log::{self, EndOf, Logged, Operation};
use super::watch::Watch;
use super::{Acted, Caller, may_begin, now, spawn};
use crate::arguments::Operate;
use crate::policy::Machine;
use crate::report::{self, Ending};
use breakglass_protocol::{Line, Outcome, Phase, Refusal, Rule, Verb};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long the door lock may be waited for.
const DOOR_PATIENCE: Duration = Duration::from_millis(500);
/// How long a runner may take from its start to its acceptance; a host that thrashes is slow to start a process.
const ACCEPTANCE: Duration = Duration::from_secs(8);
/// How long a superseded runner has to end by itself, and after its kill.
const YIELD: Duration = Duration::from_secs(3);
const AFTER_KILL: Duration = Duration::from_secs(2);
/// How long a runner that has said its last line may take to put its things away.
const TIDYING: Duration = Duration::from_secs(2);

/// Begins, joins or supersedes, and follows.
pub(super) fn ask(verb: Verb, machine: &Machine, caller: &Caller<'_>) -> Acted {
    let directory = match Directory::open(caller.state_dir, machine) {
        Ok(directory) => directory,
        Err(why) => return Ending::internal(format!("{verb} was not begun: {why}")).into(),
    };
    let (operation, joined) = match begin_or_join(verb, machine, &directory, caller) {
        Ok(begun) => begun,
        Err(ending) => return (*ending).into(),
    };
    let id = operation.header.operation.clone();
    let started = Line::Started {
        at: now(),
        verb: Some(verb),
        vm: Some(machine.vm.clone()),
        command: None,
        operation: Some(id.clone()),
        joined,
    };
    caller.report.line(&started);

    let log = operation_log::path(&directory, &id);
    let deadline = Instant::now() + longest(machine);
    let mut emit = |raw: &str, logged: Logged| pass_on(caller, &log, raw, logged);
    let followed = follow(&log, operation.header.runner, deadline, &mut emit);
    let goes_on = || {
        Ending::timed_out(format!("{verb} goes on as {id} without this caller; `status` tells how it ends"))
    };
    let mut said = None;
    let (ending, runner_records) = match followed {
        Followed::Ended(line, end) => {
            said = Some(line);
            (ended(end), !joined)
        }
        Followed::LeftRunning => (goes_on(), !joined),
        Followed::RunnerDied => {
            let message = format!(
                "the runner of {id} was killed before {verb} ended; ask for `status`, then for a verb again"
            );
            (Ending { outcome: Outcome::NotObserved, ..Ending::internal(message) }, false)
        }
    };
    Acted { ending, said, operation: Some(id), runner_records }
}

/// Nobody waits longer than an operation can last.
fn longest(machine: &Machine) -> Duration {
    let patience = machine.patience;
    let waits = patience.grace.max(patience.stop_grace) + patience.kill_wait + patience.start_wait;
    // A hypervisor's tool may take each of these waits again, and a look at it precedes every step.
    waits * 2 + machine.forensics.deadline + patience.answer * 8 + patience.tool * 6 + Duration::from_secs(30)
}

/// Hands on a line of the log. Says whether somebody still listens.
fn pass_on(caller: &Caller<'_>, log: &Path, raw: &str, logged: Logged) -> bool {
    match logged {
        Logged::Progress { at, phase, note } => {
            caller.report.logged(raw, || report::plain_step(at, phase, &note))
        }
        Logged::Forensics(part) if caller.report.is_json() => caller.report.line(&part.with_bytes(log)),
        Logged::Forensics(part) => {
            caller.report.logged(raw, || report::plain_part(&part.part, part.outcome, part.millis))
        }
        Logged::Finished(_) => true,
    }
}

fn ended(end: EndOf) -> Ending {
    let EndOf { outcome, exit, message, refusal } = end;
    Ending { outcome, exit, message, refusal, status: None }
}

/// What runs on the VM now.
enum Current {
    Nothing,
    Running(Operation),
    /// Somebody holds the VM and has not said for what.
    Unnamed,
}

fn begin_or_join(
    verb: Verb,
    machine: &Machine,
    directory: &Directory,
    caller: &Caller<'_>,
) -> Result<(Operation, bool), Box<Ending>> {
    let internal = |why: String| Box::new(Ending::internal(format!("{verb} was not begun: {why}")));
    let door = directory.lock_within(DOOR, DOOR_PATIENCE).map_err(internal)?;
    let Some(door) = door else {
        return Err(Box::new(busy("another request for this VM is just being accepted".to_owned())));
    };
    match current(directory).map_err(internal)? {
        Current::Nothing => {}
        Current::Running(operation) if operation.header.verb == verb => return Ok((operation, true)),
        Current::Running(operation) if verb == Verb::Cycle && operation.header.verb == Verb::Stop => {
            supersede(&operation, directory, caller)?;
        }
        Current::Running(operation) => return Err(Box::new(busy(operation.sentence()))),
        Current::Unnamed => {
            return Err(Box::new(busy("an operation that is just beginning has the VM".to_owned())));
        }
    }
    may_begin(verb, machine, directory).map_err(Box::new)?;
    let operation = begin(verb, machine, directory, caller, &door).map_err(internal)?;
    Ok((operation, false))
}

fn busy(who: String) -> Ending {
    let hint = "the same verb joins it, `cycle` supersedes a `stop`, `status` shows it".to_owned();
    Ending::busy(Refusal { rule: Rule::Busy, reason: who, hint })
}

/// The runner's lock says whether one lives; its log says which. Between its last line and its end a runner still
/// holds the lock: that is waited for.
fn current(directory: &Directory) -> Result<Current, String> {
    let deadline = Instant::now() + TIDYING;
    loop {
        if directory.try_lock(RUN)?.is_some() {
            return Ok(Current::Nothing);
        }
        match operation_log::newest(directory) {
            Some(operation) if !operation.has_ended() => return Ok(Current::Running(operation)),
            _ if Instant::now() >= deadline => return Ok(Current::Unnamed),
            Some(operation) => match Process::hold(operation.header.runner) {
                Some(runner) => {
                    runner.gone_within(deadline.saturating_duration_since(Instant::now()));
                }
                None => std::thread::sleep(Duration::from_millis(5)),
            },
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// Starts a runner and waits until it has accepted. The door is held meanwhile, so that nobody starts a second one.
fn begin(
    verb: Verb,
    machine: &Machine,
    directory: &Directory,
    caller: &Caller<'_>,
    _door: &Held,
) -> Result<Operation, String> {
    let operation = operation_log::new_id(directory, now());
    let log = operation_log::path(directory, &operation);
    let watch =
        Watch::on(&directory.operations()).map_err(|error| format!("its log cannot be watched: {error}"))?;
    let order = Operate {
        config: caller.door.config.clone(),
        label: caller.door.label.clone(),
        source: caller.source.to_owned(),
        vm: machine.vm.clone(),
        verb,
        operation: operation.clone(),
    };
    let words = order.render();
    // Two runners of one order cannot do harm: the run lock lets one of them begin.
    let started = spawn::detached(&format!("breakglass-{operation}"), &words, || Some(words.clone()))?;
    accepted(&log, &watch, started.pidfd.as_ref(), ACCEPTANCE).ok_or_else(|| {
        "its runner did not accept it in time; ask for `status` before asking again".to_owned()
    })
}

/// Makes a running `stop` give way: asks, waits, and if need be kills that very runner.
fn supersede(operation: &Operation, directory: &Directory, caller: &Caller<'_>) -> Result<(), Box<Ending>> {
    let id = &operation.header.operation;
    let by = format!("superseded by cycle, asked for by key {} from {}", caller.door.label, caller.source);
    let way = directory.way_for(id);
    // Renamed into place, so that the runner never reads half a sentence.
    let draft = way.with_extension("new");
    let asked = std::fs::write(&draft, &by).and_then(|()| std::fs::rename(&draft, &way));
    let Some(runner) = Process::hold(operation.header.runner) else {
        return Ok(());
    };
    let yielded = asked.is_ok() && runner.gone_within(YIELD);
    if !yielded {
        let killed = runner.kill().is_ok() && runner.gone_within(AFTER_KILL);
        if !killed {
            return Err(Box::new(busy(format!(
                "{} and can be neither asked nor made to give way",
                operation.sentence()
            ))));
        }
        let note = format!("{by}; its runner did not give way and was killed");
        let progress =
            Line::Progress { operation: id.clone(), at: now(), phase: Phase::Superseded, note: note.clone() };
        operation_log::end_for_killed(directory, id, &[progress, Ending::superseded(note).line(now())]);
    }
    let _ = std::fs::remove_file(way);
    Ok(())
}
