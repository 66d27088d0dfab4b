//! Ends the VM's process: asks the guest, waits on the process itself, then kills that very process. Returns only
//! when its end was seen, or says that it was not; whoever starts a VM after this relies on that.

use super::identity::{Found, Process, find};
use super::operate::{Run, Waited};
use super::{monitor, proc_file, unsafe_state};
use crate::report::Ending;
use breakglass_protocol::Phase;
use std::time::Duration;

/// Ends the process, asking the guest first if it can hear.
///
/// # Errors
/// The ending, where the process could not be named beyond doubt, cannot die, or a stronger verb took over.
pub(super) fn stop(run: &mut Run<'_>, grace: Duration) -> Result<Ending, Box<Ending>> {
    let process = match find(run.machine, Some(run.directory)) {
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
    let asked = ask_guest(run, grace);
    if asked && matches!(run.wait_gone(&process, grace)?, Waited::Gone) {
        run.progress(Phase::GuestStopped, "the guest powered itself off within the grace");
    } else {
        if asked {
            let seconds = grace.as_secs();
            run.progress(
                Phase::GraceEnded,
                &format!("the guest still ran after the {seconds} s that it had"),
            );
        }
        run.give_way()?;
        kill(run, &process)?;
    }
    clear_pid_file(run, pid);
    run.progress(Phase::ProcessGone, &format!("process {pid} was seen to end"));
    if run.order.verb == breakglass_protocol::Verb::Stop {
        run.progress(Phase::StateObserved, "the VM is off");
    }
    Ok(Ending::done(format!("the VM is off: process {pid} was seen to end")))
}

/// Asks the guest to power off; whether waiting for that makes sense.
fn ask_guest(run: &mut Run<'_>, grace: Duration) -> bool {
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
