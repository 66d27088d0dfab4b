//! Who else is in charge of the VM right now: a running operation, a lock, a job. A good remedy at the wrong moment
//! is a second incident.

use crate::case::{Case, View};
use crate::result::Action;
use crate::text::tame;
use crate::verdict::Verdict;
use breakglass_protocol::{LockState, Status, Verb};

/// A lock that somebody holds or that must not be cleared.
pub(crate) fn active_lock(status: &Status) -> Option<&LockState> {
    status.lock.as_ref().filter(|lock| !lock.clearable)
}

/// The jobs that run on the VM, in words.
pub(crate) fn jobs(status: &Status) -> Option<String> {
    let jobs: Vec<String> = status
        .jobs
        .iter()
        .map(|job| format!("{} {} ({})", tame(&job.kind), tame(&job.id), tame(&job.state)))
        .collect();
    (!jobs.is_empty()).then(|| jobs.join(", "))
}

/// What was seen of backups and migrations, as a fragment for a sentence that warns of them.
pub(crate) fn nothing_in_charge(case: &Case<'_>) -> String {
    match case.status() {
        None => "the hypervisor did not say".to_owned(),
        Some(status) => match (active_lock(status), jobs(status)) {
            (None, None) => "none was seen: no lock, no job".to_owned(),
            (Some(lock), None) => format!("there is a lock: {}", tame(&lock.kind)),
            (_, Some(jobs)) => format!("there is one: {jobs}"),
        },
    }
}

/// Fits a verdict to whoever is in charge: waits for a running operation, leaves a decision about a running backup to
/// a person, and says what else a verb would bring about.
pub(crate) fn fit(mut verdict: Verdict, case: &Case<'_>) -> Verdict {
    let presses = matches!(verdict.action, Action::Press(_));
    if let Some(operation) = case.running_operation() {
        let step =
            operation.steps.last().map_or_else(String::new, |step| format!(", now: {}", tame(&step.note)));
        verdict.because = format!(
            "A {} that key {} asked for at {} is running{step}.",
            operation.verb,
            tame(&operation.key),
            operation.accepted.time_of_day()
        );
        verdict.wrong_if =
            "it does not move for longer than its own grace: then ask for the status".to_owned();
        verdict.action = Action::Wait;
        return verdict;
    }
    match case.view {
        View::NoDoor if presses => {
            verdict.because = format!(
                "{} But no power door leads to it: press it on its hypervisor by hand.",
                verdict.because
            );
            verdict.action = Action::Look;
        }
        View::TimedOut | View::Failed(_) if presses => {
            verdict.because =
                format!("{} Its power door did not answer just now, and may again.", verdict.because);
        }
        View::Status(status) => with_status(&mut verdict, status, presses),
        _ => {}
    }
    verdict
}

fn with_status(verdict: &mut Verdict, status: &Status, presses: bool) {
    let busy = active_lock(status).map(|lock| format!("lock {}", tame(&lock.kind))).or_else(|| jobs(status));
    if let (Some(busy), Action::Press(verb)) = (busy, &verdict.action) {
        verdict.because = format!(
            "{verb} would be right, but the hypervisor is at work on the VM: {busy}. Wait for that, or end it first."
        );
        verdict.wrong_if = "that task is what hangs: then end it, and press".to_owned();
        verdict.action = Action::Look;
    }
    if !presses {
        return;
    }
    if !status.staged.is_empty() {
        verdict.remarks.push((
            Verb::Cycle,
            format!("applies {} staged change(s) of the configuration", status.staged.len()),
        ));
    }
    if let Some(lock) = status.lock.as_ref().filter(|lock| lock.clearable) {
        verdict
            .remarks
            .push((Verb::Cycle, format!("clears the lock {} that a dead task left", tame(&lock.kind))));
    }
    if !status.passthrough.is_empty() {
        let devices: Vec<String> = status.passthrough.iter().map(|device| tame(device)).collect();
        verdict.remarks.push((
            Verb::Cycle,
            format!("takes devices of the host away and gives them back: {}", devices.join(", ")),
        ));
    }
}
