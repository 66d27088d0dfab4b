//! Makes the VM run: starts a QEMU where there is none, lets a held one go on. Never a second one.

use super::identity::{Found, Process, find};
use super::operate::Run;
use super::watch::{Watch, wait};
use super::{backend, monitor, spawn, stop, unsafe_state};
use crate::arguments::Launch;
use crate::report::Ending;
use crate::tool::{Does, Said, ask};
use breakglass_protocol::{Phase, RunState};
use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

/// How long the process that becomes QEMU may take to write itself down.
const BECOMING: Duration = Duration::from_secs(8);
/// Between two questions to a QEMU that comes up; its end is noticed at once all the same.
const BETWEEN: Duration = Duration::from_millis(50);

/// `start`.
///
/// # Errors
/// The ending, where the VM does not run afterwards.
pub(super) fn start(run: &mut Run<'_>) -> Result<Ending, Box<Ending>> {
    match find(run.machine, Some(run.directory)) {
        Found::Nothing => fresh(run),
        Found::Doubt(why) => Err(Box::new(unsafe_state(run.order.verb, why, "nothing was started"))),
        Found::One(process) => {
            let pid = process.identity.pid;
            match monitor::ask(run.machine, breakglass_qmp::Client::query_status) {
                Ok(status) if status.running => {
                    run.progress(Phase::StateObserved, &format!("running already as process {pid}"));
                    Ok(Ending::done(format!("is running already as process {pid}; nothing was started")))
                }
                Ok(_) => observe_running(run, &process, Settled::AtOnce),
                Err(error) => {
                    let error = monitor::sentence(&error);
                    let why = format!(
                        "process {pid} is there and its monitor gives no answer ({error}); nothing was started, `cycle` ends it and starts another"
                    );
                    Err(Box::new(Ending::failed(why)))
                }
            }
        }
    }
}

/// Starts a QEMU where it has just been seen that there is none.
///
/// # Errors
/// The ending, where no QEMU was started or it did not come up.
pub(super) fn fresh(run: &mut Run<'_>) -> Result<Ending, Box<Ending>> {
    // The end of the old process was seen; that there is none now is looked at once more, right before the start.
    match find(run.machine, Some(run.directory)) {
        Found::Nothing => {}
        Found::One(process) => {
            let pid = process.identity.pid;
            return Err(Box::new(Ending::failed(format!(
                "process {pid} of this VM is there; no second one is started"
            ))));
        }
        Found::Doubt(why) => {
            return Err(Box::new(Ending::failed(format!("the VM is not started: {why}"))));
        }
    }
    match clear_lock(run) {
        Ok(seen) => run.progress(Phase::LockChecked, &seen),
        Err(why) => {
            run.progress(Phase::LockChecked, &why);
            return Err(Box::new(Ending::failed(format!("the VM is off and was not started: {why}"))));
        }
    }
    let process = match backend::of(run.machine).start() {
        None => launch(run)?,
        Some(words) => through_tool(run, &words)?,
    };
    run.progress(Phase::ProcessStarted, &format!("process {} was started", process.identity.pid));
    observe_running(run, &process, Settled::AtOnce)
}

/// Looks at the lock once more, and clears one that may be cleared. Says what was seen and done.
fn clear_lock(run: &Run<'_>) -> Result<String, String> {
    let backend = backend::of(run.machine);
    let view = backend.view(run.machine, Some(run.directory), &Found::Nothing);
    match (view.forbids_start, view.lock) {
        (Some(why), _) => Err(why),
        (None, None) => Ok("no lock".to_owned()),
        (None, Some(lock)) => {
            backend.clear_lock(run.machine, &lock)?;
            let why = "its holder is gone and its kind leaves nothing half done";
            Ok(format!("the lock `{}` was cleared: {why}", lock.kind))
        }
    }
}

/// Has the hypervisor's tool start the VM, again where what hinders it may pass, and waits until its process shows.
/// The hypervisor's own locks see to it that two such starts make one process.
fn through_tool(run: &mut Run<'_>, words: &[String]) -> Result<Process, Box<Ending>> {
    let backend = backend::of(run.machine);
    let line = stop::command(words);
    let deadline = Instant::now() + run.machine.patience.start_wait;
    let mut waits = false;
    loop {
        let said = ask(Does::Free, words, deadline);
        let why = said.text().err();
        // Whatever the tool says: what counts is whether a process shows. One that only queues needs a moment.
        loop {
            if let Found::One(process) = find(run.machine, Some(run.directory)) {
                return Ok(process);
            }
            if why.is_some() || Instant::now() >= deadline {
                break;
            }
            std::thread::sleep(BETWEEN * 2);
        }
        let Some(why) = why else {
            let message =
                format!("`{line}` was accepted and no process of the VM was seen; ask for `status`");
            return Err(Box::new(Ending::not_observed(message)));
        };
        if matches!(said, Said::Late(_)) {
            let message = format!(
                "no process of the VM was seen: `{line}` {why}; it goes on and may still start the VM"
            );
            return Err(Box::new(Ending::not_observed(message)));
        }
        if !backend.may_pass(&why) || Instant::now() + BETWEEN * 4 >= deadline {
            return Err(Box::new(Ending::failed(format!(
                "the VM is off and was not started: `{line}` {why}"
            ))));
        }
        if !std::mem::replace(&mut waits, true) {
            run.progress(Phase::LockChecked, &format!("`{line}` {why}; it is asked again"));
        }
        std::thread::sleep(BETWEEN * 4);
    }
}

/// Starts the process and waits until it has written itself down.
fn launch(run: &Run<'_>) -> Result<Process, Box<Ending>> {
    let failed = |why: String| {
        Box::new(Ending::failed(format!("the VM is off, its process could not be started: {why}")))
    };
    let watch = Watch::on(run.directory.path()).map_err(|error| failed(error.to_string()))?;
    let operation = run.operation();
    let order = |number: u8| Launch {
        config: run.order.config.clone(),
        vm: run.machine.vm.clone(),
        operation: operation.clone(),
        token: format!("{operation}-{number}"),
    };
    let (first, second) = (order(1), order(2));
    run.directory.lay_token(&first.token).map_err(failed)?;
    // A start that systemd did not confirm may still come; taking its token back makes sure that it does not.
    let started =
        spawn::detached(&format!("breakglass-vm-{}-{operation}", run.machine.vm_id), &first.render(), || {
            let taken_back = run.directory.take_token(&first.token);
            (taken_back && run.directory.lay_token(&second.token).is_ok()).then(|| second.render())
        });
    let started = started.map_err(failed)?;
    let deadline = Instant::now() + BECOMING;
    loop {
        watch.drain();
        let left = deadline.saturating_duration_since(Instant::now());
        if let Some(remembered) = run.directory.remembered().filter(|it| it.operation == *operation) {
            return Process::hold(remembered.process).ok_or_else(|| failed(ended_at_once(run)));
        }
        let pidfd = started.pidfd.as_ref();
        let died = pidfd.is_some_and(|pidfd| {
            let [_, died] = wait([watch.descriptor(), std::os::fd::AsFd::as_fd(pidfd)], left);
            died
        });
        if pidfd.is_none() {
            wait([watch.descriptor()], left);
        }
        if (died && run.directory.remembered().is_none_or(|it| it.operation != *operation)) || left.is_zero()
        {
            return Err(failed(ended_at_once(run)));
        }
    }
}

fn ended_at_once(run: &Run<'_>) -> String {
    let log = &run.machine.qmp.log;
    let tail = tail(log);
    if tail.is_empty() {
        format!("it ended at once and {} says nothing", log.display())
    } else {
        format!("it ended at once; {} ends with: {tail}", log.display())
    }
}

/// The end of a log on one line, printable.
fn tail(path: &std::path::Path) -> String {
    let read = || {
        let mut file = std::fs::File::open(path)?;
        let length = file.seek(SeekFrom::End(0))?;
        file.seek(SeekFrom::Start(length.saturating_sub(400)))?;
        let mut bytes = Vec::new();
        file.take(400).read_to_end(&mut bytes)?;
        std::io::Result::Ok(bytes)
    };
    let text = String::from_utf8_lossy(&read().unwrap_or_default()).into_owned();
    text.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// From when on `running` is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    /// From the first answer.
    AtOnce,
    /// Not in this moment: a reset that was asked for happens a little later.
    After(Instant),
}

/// Asks until the monitor says `running`, letting a held VM go on, and stops when the process ends.
///
/// # Errors
/// The ending, where it does not run.
pub(super) fn observe_running(
    run: &mut Run<'_>,
    process: &Process,
    settled: Settled,
) -> Result<Ending, Box<Ending>> {
    let pid = process.identity.pid;
    let deadline = Instant::now() + run.machine.patience.start_wait;
    let mut last;
    let mut resumed = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let patience = monitor::patience(run.machine).min(left.max(Duration::from_millis(50)));
        let answer = monitor::ask_within(run.machine, patience, |client| {
            let status = client.query_status()?;
            let held = matches!(
                monitor::state(&status.status),
                RunState::Prelaunch | RunState::Paused | RunState::IoError
            );
            let resume = held && !status.running;
            if resume {
                client.cont()?;
            }
            Ok((status, resume))
        });
        match answer {
            Ok((status, _)) if status.running && is_settled(settled) => {
                run.progress(Phase::StateObserved, &format!("running as process {pid}"));
                return Ok(Ending::done(format!("the VM runs as process {pid}")));
            }
            Ok((status, resume)) => {
                if resume && !resumed {
                    resumed = true;
                    run.progress(Phase::Resumed, &format!("the VM was {} and was let go on", status.status));
                }
                last = format!("its monitor says {}", status.status);
            }
            Err(error) => last = monitor::sentence(&error),
        }
        if process.gone_within(BETWEEN.min(left)) {
            return Err(Box::new(Ending::failed(format!(
                "process {pid} was started and {}",
                ended_at_once(run)
            ))));
        }
        if left.is_zero() {
            let seconds = run.machine.patience.start_wait.as_secs();
            let message =
                format!("process {pid} is there and was not seen to run within {seconds} s: {last}");
            return Ok(Ending::not_observed(message));
        }
    }
}

fn is_settled(settled: Settled) -> bool {
    match settled {
        Settled::AtOnce => true,
        Settled::After(moment) => Instant::now() >= moment,
    }
}
