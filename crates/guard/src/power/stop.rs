//! Ends the VM's process: asks the guest, waits on the process itself, then kills that very process. Returns only
//! when its end was seen, or says that it was not; whoever starts a VM after this relies on that.

use super::backend::{self, View};
use super::identity::{Found, Process, find};
use super::operate::{Run, Waited};
use super::{monitor, proc_file, unsafe_state};
use crate::report::Ending;
use crate::tool::{Asking, Does, Said};
use breakglass_protocol::Phase;
use std::time::{Duration, Instant};

/// A tool may call a VM ended whose process is still putting its things away.
const LINGERING: Duration = Duration::from_secs(2);

/// Ends the process, asking the guest first if it can hear.
///
/// # Errors
/// The ending, where the process could not be named beyond doubt, cannot die, or a stronger verb took over.
pub(super) fn stop(run: &mut Run<'_>, grace: Duration) -> Result<Ending, Box<Ending>> {
    let found = find(run.machine, Some(run.directory));
    let view = backend::of(run.machine).view(run.machine, Some(run.directory), &found);
    let process = match found {
        Found::One(process) => process,
        Found::Nothing => {
            run.progress(Phase::ProcessGone, "there is no process: the VM is off already");
            return Ok(Ending::done("the VM is off; it was off before".to_owned()));
        }
        Found::Doubt(why) => {
            return Err(Box::new(unsafe_state(run.order.verb, why, "nothing was signalled")));
        }
    };
    let pid = process.identity.pid;
    if let Some(manager) = &view.managed {
        through_manager(run, &process, manager, &view, grace)?;
    } else {
        let asked = ask_guest(run, &view, grace);
        if asked && matches!(run.wait_gone(&process, grace)?, Waited::Gone) {
            run.progress(Phase::GuestStopped, "the guest powered itself off within the grace");
        } else {
            if asked {
                let why = format!("the guest still ran after the {} s that it had", grace.as_secs());
                run.progress(Phase::GraceEnded, &why);
            }
            end_process(run, &process, &view)?;
        }
    }
    clear_pid_file(run, pid);
    run.progress(Phase::ProcessGone, &format!("process {pid} was seen to end"));
    if run.order.verb == breakglass_protocol::Verb::Stop {
        run.progress(Phase::StateObserved, "the VM is off");
    }
    Ok(Ending::done(format!("the VM is off: process {pid} was seen to end")))
}

/// Ends a process whose guest did not: by the hypervisor where there is one that answers, else by ourselves.
fn end_process(run: &mut Run<'_>, process: &Process, view: &View) -> Result<(), Box<Ending>> {
    let pid = process.identity.pid;
    run.give_way()?;
    let says_so = ask_hypervisor(run, view)?;
    let patience = if says_so { LINGERING } else { Duration::ZERO };
    if matches!(run.wait_gone(process, patience)?, Waited::Gone) {
        run.progress(Phase::ProcessKilled, &format!("the hypervisor ended process {pid}"));
    } else {
        run.give_way()?;
        kill(run, process)?;
    }
    Ok(())
}

/// Asks the guest to power off; whether waiting for that makes sense.
fn ask_guest(run: &mut Run<'_>, view: &View, grace: Duration) -> bool {
    if let (Some(why), Some(_)) = (&view.dead, backend::of(run.machine).monitor()) {
        run.progress(Phase::GraceEnded, &format!("no grace: the guest could not be asked ({why})"));
        return false;
    }
    let asked = monitor::ask(run.machine, |client| {
        let status = client.query_status()?;
        if status.running {
            client.system_powerdown()?;
        }
        Ok(status)
    });
    match asked {
        Ok(status) if status.running => {
            let seconds = grace.as_secs();
            run.progress(Phase::GuestAsked, &format!("the guest was asked to power off; it has {seconds} s"));
            true
        }
        Ok(status) => {
            let why = format!("no grace: the VM is {}, so the guest cannot power itself off", status.status);
            run.progress(Phase::GraceEnded, &why);
            false
        }
        Err(error) => {
            let why = format!("no grace: the guest could not be asked ({})", monitor::sentence(&error));
            run.progress(Phase::GraceEnded, &why);
            false
        }
    }
}

/// Has the hypervisor's own tool end the VM, where there is one: it puts away what it set up. Whatever it says, the
/// process itself is looked at afterwards; the result is whether it says that the VM ended. A tool that is given up must not act later, on the VM's next process.
fn ask_hypervisor(run: &mut Run<'_>, view: &View) -> Result<bool, Box<Ending>> {
    let backend = backend::of(run.machine);
    let Some(words) = backend.end(view, Duration::ZERO) else { return Ok(false) };
    if let Some(why) = &view.dead {
        let note = format!("{why}; the very process is ended, known by its pid file and start time");
        run.progress(Phase::GraceEnded, &note);
        return Ok(false);
    }
    let deadline = Instant::now() + run.machine.patience.kill_wait;
    let mut asking = Asking::begin(Does::Tied, &words, deadline);
    let said = loop {
        if let Some(said) = asking.wait(Instant::now() + Duration::from_millis(100)) {
            break said;
        }
        if let Err(ending) = run.give_way() {
            backend.abandon(&asking.abandon());
            return Err(ending);
        }
    };
    if let Said::Late(text) = &said {
        backend.abandon(text);
    }
    if let Err(why) = said.text() {
        run.progress(Phase::GraceEnded, &format!("`{}` {why}", command(&words)));
    }
    Ok(matches!(said, Said::Yes(_)))
}

/// Under high availability the manager is asked and nobody else ends the VM: it would only be started again.
fn through_manager(
    run: &mut Run<'_>,
    process: &Process,
    manager: &str,
    view: &View,
    grace: Duration,
) -> Result<(), Box<Ending>> {
    let patience = run.machine.patience;
    let words = backend::of(run.machine).end(view, grace).unwrap_or_default();
    let said = crate::tool::ask(Does::Tied, &words, Instant::now() + patience.kill_wait);
    if let Err(why) = said.text() {
        let why = format!("the HA manager was not asked to stop {manager}: `{}` {why}", command(&words));
        return Err(Box::new(Ending::failed(format!("{why}; the VM is as it was"))));
    }
    let whole = grace + patience.kill_wait + patience.start_wait;
    let seconds = whole.as_secs();
    run.progress(
        Phase::GuestAsked,
        &format!("the HA manager was asked to stop {manager}; it has {seconds} s"),
    );
    match run.wait_gone(process, whole)? {
        Waited::Gone => Ok(()),
        Waited::TimeUp => Err(Box::new(Ending::not_observed(format!(
            "the HA manager was asked to stop {manager} and process {} still runs after {seconds} s; nothing was \
             killed, since the manager would start it again: look at `ha-manager status`",
            process.identity.pid
        )))),
    }
}

/// A tool's command line as a person would type it.
pub(super) fn command(words: &[String]) -> String {
    let name = words.first().and_then(|word| word.rsplit('/').next()).unwrap_or_default();
    [&[name.to_owned()], words.get(1..).unwrap_or_default()].concat().join(" ")
}

fn kill(run: &mut Run<'_>, process: &Process) -> Result<(), Box<Ending>> {
    let pid = process.identity.pid;
    let patience = run.machine.patience.kill_wait;
    if let Err(error) = process.kill()
        && !process.gone_within(Duration::ZERO)
    {
        return Err(Box::new(Ending::failed(format!(
            "process {pid} cannot be killed: {error}; the VM is as it was"
        ))));
    }
    run.progress(Phase::ProcessKilled, &format!("process {pid} was sent the signal that cannot be ignored"));
    match run.wait_gone(process, patience)? {
        Waited::Gone => Ok(()),
        Waited::TimeUp => {
            let waits = proc_file::waits(pid);
            let why = format!(
                "process {pid} cannot die ({waits}); no second one is started. It ends by itself once what it waits \
                 for answers (its disk, most likely); if that never does, the hypervisor has to be restarted"
            );
            Err(Box::new(Ending::failed(why)))
        }
    }
}

/// QEMU removes its pid file when it exits, not when it is killed. Whose number it holds is known here.
fn clear_pid_file(run: &Run<'_>, pid: u32) {
    let path = &run.machine.qmp.pid_file;
    let holds = std::fs::read_to_string(path).is_ok_and(|text| text.trim() == pid.to_string());
    if holds {
        let _ = std::fs::remove_file(path);
    }
}
