//! Warm reset: the same QEMU process, the guest's processors from their first instruction on.

use super::identity::{Found, find};
use super::operate::Run;
use super::start::{Settled, observe_running};
use super::{monitor, unsafe_state};
use crate::report::Ending;
use breakglass_protocol::{Phase, Verb};
use std::time::{Duration, Instant};

/// QEMU carries a reset out a moment after it has answered.
const SETTLING: Duration = Duration::from_millis(250);

/// `reset`.
///
/// # Errors
/// The ending, where the reset was not sent or the VM does not run after it.
pub(super) fn reset(run: &mut Run<'_>) -> Result<Ending, Box<Ending>> {
    let process = match find(run.machine, Some(run.directory)) {
        Found::One(process) => process,
        Found::Nothing => {
            let why = "the VM is off, there is nothing to reset".to_owned();
            return Err(Box::new(unsafe_state(Verb::Reset, why, "`start` starts it")));
        }
        Found::Doubt(why) => return Err(Box::new(unsafe_state(Verb::Reset, why, "nothing was touched"))),
    };
    let pid = process.identity.pid;
    let before = monitor::ask(run.machine, |client| {
        let status = client.query_status()?;
        client.system_reset()?;
        Ok(status)
    });
    match before {
        Ok(status) => {
            run.progress(Phase::ResetSent, &format!("process {pid} was reset; it was {}", status.status))
        }
        Err(error) => {
            let error = monitor::sentence(&error);
            let why = format!(
                "process {pid} could not be told to reset ({error}); it is as it was, `cycle` replaces it"
            );
            return Err(Box::new(Ending::failed(why)));
        }
    }
    observe_running(run, &process, Settled::After(Instant::now() + SETTLING))
}
