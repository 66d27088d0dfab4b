//! Warm reset: the same QEMU process, the guest's processors from their first instruction on.

use super::identity::{Found, find};
use super::operate::Run;
use super::start::{Settled, observe_running};
use super::{backend, monitor, stop, unsafe_state};
use crate::report::Ending;
use crate::tool::{Does, Said, ask};
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
    let backend = backend::of(run.machine);
    let before = match backend.reset() {
        None => monitor::ask(run.machine, |client| {
            let status = client.query_status()?;
            client.system_reset()?;
            Ok(format!("process {pid} was reset; it was {}", status.status))
        })
        .map_err(|error| monitor::sentence(&error)),
        Some(words) => {
            let said = ask(Does::Tied, &words, Instant::now() + run.machine.patience.kill_wait);
            if let Said::Late(text) = &said {
                backend.abandon(text);
            }
            let line = stop::command(&words);
            said.text()
                .map(|_| format!("process {pid} was reset by `{line}`"))
                .map_err(|why| format!("`{line}` {why}"))
        }
    };
    match before {
        Ok(note) => run.progress(Phase::ResetSent, &note),
        Err(error) => {
            let why = format!(
                "process {pid} could not be told to reset ({error}); it is as it was, `cycle` replaces it"
            );
            return Err(Box::new(Ending::failed(why)));
        }
    }
    observe_running(run, &process, Settled::After(Instant::now() + SETTLING))
}
