//! The hypervisor holds the guest's processors: on purpose, for a task, or by mistake.

use crate::case::Case;
use crate::charge::{active_lock, jobs};
use crate::result::{Action, Health, Wedge};
use crate::text::tame;
use crate::verdict::Verdict;
use breakglass_protocol::{Outcome, RunState, Status, Verb};

/// A reset or a new process passes through `prelaunch` on its way; only one that stays is held.
const PASSING_SECONDS: u64 = 5;

fn is_held(status: &Status) -> bool {
    matches!(status.state, RunState::Paused | RunState::Prelaunch)
}

/// The owner paused it and said so.
pub(super) fn on_purpose(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status().filter(|status| is_held(status))?;
    let lock = status.lock.as_ref().filter(|lock| lock.kind == "suspended" || lock.kind == "suspending")?;
    Some(
        Verdict::unnamed(Health::Unknown, "Paused on purpose: its owner suspended it, and the lock says so.")
            .seen("QEMU", "paused")
            .seen("Lock", lock.kind.clone())
            .advise(
                Action::Nothing,
                "A suspended VM is as its owner left it; nothing is broken.",
                "nobody knows of the suspension: ask its owner, then press start",
            )
            .remark(Verb::Start, "lets it go on where it was paused, against the lock's word")
            .remark(Verb::Cycle, "loses what the suspended guest holds in memory; the lock forbids it"),
    )
}

/// A backup, snapshot or migration holds it for a moment.
pub(super) fn by_a_task(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status()?;
    let moving = match &status.state {
        RunState::Other(word) if MOVING.contains(&word.as_str()) => Some(word.clone()),
        RunState::Paused | RunState::Prelaunch => None,
        _ => return None,
    };
    let task =
        moving.or_else(|| active_lock(status).map(|lock| lock.kind.clone())).or_else(|| jobs(status))?;
    Some(
        Verdict::unnamed(Health::Unknown, format!("Held by a task of the hypervisor: {}.", tame(&task)))
            .seen("QEMU", "paused")
            .seen("Task", tame(&task))
            .advise(
                Action::Wait,
                "Such a task holds the guest for a moment and lets it go by itself.",
                "the task is dead and left this behind: then its age and its log on the hypervisor tell",
            )
            .remark(Verb::Start, "would let the guest write while the task reads: it may spoil the copy")
            .remark(Verb::Cycle, "would break the task"),
    )
}

/// QEMU's words for a guest that is being saved, loaded or moved.
const MOVING: [&str; 6] = ["save-vm", "restore-vm", "inmigrate", "postmigrate", "finish-migrate", "colo"];

/// Nobody says why.
pub(super) fn paused(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status().filter(|status| is_held(status))?;
    let prelaunch = status.state == RunState::Prelaunch;
    if prelaunch && case.began_seconds_ago().is_some_and(|seconds| seconds < PASSING_SECONDS) {
        return None;
    }
    let what = if prelaunch { "prelaunch: reset or created, and never let go" } else { "paused" };
    let last = status.last_operation.as_ref();
    let lock = match &status.lock {
        Some(lock) => format!("{}, and whoever held it is gone", lock.kind),
        None => "none".to_owned(),
    };
    let summary = "Paused: the hypervisor holds the guest's processors, and nothing says why.";
    let verdict = Verdict::down(Wedge::Paused, summary)
        .seen("QEMU", what)
        .seen_as("Lock", lock, Health::Good)
        .advise(
            Action::Press(Verb::Start),
            "Start lets the same process go on where it was held; nothing in its memory is lost.",
            "somebody paused it by hand a moment ago, for a copy of its disk or to look into it. No lock and no job \
             says so",
        )
        .remark(Verb::Cycle, "helps too, and loses what the guest holds in memory")
        .remark(Verb::Reset, "by itself leaves it held: it would need a start after it")
        .remark(Verb::Stop, "a held guest cannot answer: it is killed after the grace");
    Some(match last.filter(|last| last.outcome == Some(Outcome::NotObserved)) {
        Some(last) => verdict.seen("Operation", format!("{} whose end was not observed", last.verb)),
        None => verdict,
    })
}
