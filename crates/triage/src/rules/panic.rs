//! The guest's kernel panicked.

use crate::case::Case;
use crate::result::{Action, Health, Wedge};
use crate::text::{stretch_seconds, tame};
use crate::verdict::Verdict;
use breakglass_protocol::{ConsoleSignKind, RunState, Verb};

pub(super) fn panicked(case: &Case<'_>) -> Option<Verdict> {
    let told = case.status().is_some_and(|status| status.state == RunState::GuestPanicked);
    let sign = case.sign(ConsoleSignKind::Panic);
    // A guest that answers has not panicked: the line is old, or forged.
    let answers = case.banner() || case.inside_works();
    if !told && (sign.is_none() || answers || !case.running()) {
        return None;
    }
    let line = sign.map(|sign| tame(&sign.line)).unwrap_or_default();
    let age = sign
        .and_then(|sign| sign.age_seconds)
        .map_or_else(String::new, |age| format!(", {} ago", stretch_seconds(age)));
    let verdict = if ["deadlocked on memory", "Out of memory"].iter().any(|words| line.contains(words)) {
        // The kernel names its own reason, and that is what has to be looked into afterwards.
        Verdict::down(
            Wedge::MemoryExhaustion,
            "Memory exhausted: the kernel found nothing left to free, and gave up.",
        )
    } else {
        Verdict::down(Wedge::Panic, "Kernel panic: the guest's kernel has stopped for good.")
    };
    let verdict = if told { verdict.seen("QEMU", "guest-panicked") } else { verdict };
    let verdict = if line.is_empty() { verdict } else { verdict.seen("Console", format!("{line}{age}")) };
    let verdict = match case.flow() {
        Some(flow) => verdict.seen_as("QEMU CPU", flow.processor(), Health::Unknown),
        None => verdict,
    };
    let verdict = if told {
        verdict.advise(
            Action::Press(Verb::Cycle),
            "A panicked kernel never goes on, and QEMU holds it: a fresh process boots it.",
            "you want a dump of its memory first: nothing is kept of it once it boots anew",
        )
    } else {
        verdict.advise(
            Action::Press(Verb::Reset),
            "A panicked kernel never goes on; a warm reset boots it, and the QEMU process is not at fault.",
            "a crash dump is being written: then writes still move, and it resets by itself when done",
        )
    };
    Some(
        verdict.remark(Verb::Cycle, "boots it too, in a fresh process; takes a little longer").remark(
            Verb::Stop,
            "a panicked kernel does not hear the power button: it is killed after the grace",
        ),
    )
}
