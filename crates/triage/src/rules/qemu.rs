//! QEMU itself: silent, or stopped by an error of its own.

use crate::case::Case;
use crate::result::{Action, Health, Wedge};
use crate::verdict::Verdict;
use breakglass_protocol::{RunState, Verb};

pub(super) fn unresponsive(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status().filter(|status| status.state == RunState::Unresponsive)?;
    let process =
        status.process.map_or_else(|| "its process".to_owned(), |process| format!("process {}", process.pid));
    let summary = format!("QEMU does not answer: {process} is there and its monitor is silent.");
    let verdict = Verdict::down(Wedge::QemuUnresponsive, summary)
        .seen("QEMU", "the process is there, its monitor does not answer")
        .advise(
            Action::Press(Verb::Cycle),
            "A silent monitor can neither reset nor stop the guest; only a fresh QEMU process can be trusted.",
            "the hypervisor itself hangs on its storage: then the new process would hang too. Look at the load and the \
             pools of the hypervisor first if its other VMs suffer as well",
        )
        .remark(Verb::Reset, "goes through the monitor that does not answer: will not help")
        .remark(Verb::Start, "the old process still has the disk: would be refused");
    Some(verdict)
}

pub(super) fn internal_error(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status().filter(|status| status.state == RunState::InternalError)?;
    let verdict = Verdict::unnamed(Health::Down, "QEMU stopped the guest after an error of its own.")
        .seen("QEMU", "internal-error")
        .advise(
            Action::Press(Verb::Cycle),
            "The guest cannot go on in this process: QEMU gave it up. A fresh process starts clean.",
            "you need the old process to find out why: capture forensics first, which cycle does too",
        )
        .remark(Verb::Start, "a guest that met an internal error is not let go on")
        .remark(Verb::Reset, "may bring it back, in the process that has just failed");
    Some(match status.notes.first() {
        Some(note) => verdict.seen("Note", crate::text::tame(note)),
        None => verdict,
    })
}
