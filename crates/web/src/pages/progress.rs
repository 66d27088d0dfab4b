//! What a running verb does, for everyone who looks: who asked, which steps are behind it, which come.

use super::words::{clean, ticking, took, verb_title};
use breakglass_incident::RunningVerb;
use breakglass_protocol::{Phase, Timestamp, Verb};
use maud::{Markup, html};

/// A step in words, once it was reached.
pub(crate) const fn reached(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "Accepted by the guard",
        Phase::ForensicsBegun => "Forensics begun",
        Phase::ForensicsDone => "Forensics captured",
        Phase::GuestAsked => "Guest asked to stop",
        Phase::GuestStopped => "Guest stopped by itself",
        Phase::GraceEnded => "Grace ended, guest did not stop",
        Phase::ProcessKilled => "QEMU process killed",
        Phase::ProcessGone => "QEMU process seen to be gone",
        Phase::LockChecked => "Lock looked at",
        Phase::ProcessStarted => "New QEMU process started",
        Phase::ResetSent => "Reset sent",
        Phase::Resumed => "Let go on",
        Phase::StateObserved => "State observed",
        Phase::Superseded => "Another verb took over",
    }
}

/// The steps that every run of a verb comes by, in order; what happens only sometimes is told when it happens.
const fn course(verb: Verb) -> &'static [Phase] {
    match verb {
        Verb::Cycle => &[
            Phase::Accepted,
            Phase::ForensicsDone,
            Phase::GuestAsked,
            Phase::ProcessGone,
            Phase::LockChecked,
            Phase::ProcessStarted,
            Phase::StateObserved,
        ],
        Verb::Stop => &[
            Phase::Accepted,
            Phase::ForensicsDone,
            Phase::GuestAsked,
            Phase::ProcessGone,
            Phase::StateObserved,
        ],
        Verb::Reset => &[Phase::Accepted, Phase::ForensicsDone, Phase::ResetSent, Phase::StateObserved],
        Verb::Start => &[Phase::Accepted, Phase::ForensicsDone, Phase::StateObserved],
        Verb::Status | Verb::Forensics => &[],
    }
}

/// A step that is still to come.
const fn to_come(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "Wait for the guard to accept it",
        Phase::ForensicsBegun | Phase::ForensicsDone => "Capture forensics",
        Phase::GuestAsked => "Ask the guest to stop",
        Phase::ProcessGone => "See the QEMU process end",
        Phase::LockChecked => "Look at the lock",
        Phase::ProcessStarted => "Start a new QEMU process",
        Phase::ResetSent => "Send the reset",
        Phase::StateObserved => "See the state it ends in",
        other => reached(other),
    }
}

/// The panel.
pub(crate) fn panel(running: &RunningVerb, target: &str, now: Timestamp) -> Markup {
    let mut before = running.since;
    let steps: Vec<(u64, &breakglass_protocol::Step)> = running
        .steps
        .iter()
        .map(|step| {
            let took = step.at.millis_since(before);
            before = before.max(step.at);
            (took, step)
        })
        .collect();
    let furthest =
        course(running.verb).iter().rposition(|phase| running.steps.iter().any(|step| step.phase == *phase));
    let mut coming = course(running.verb).iter().skip(furthest.map_or(0, |at| at + 1));
    let joined = running.joined.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    html! {
        section.panel aria-labelledby="prog" {
            div.in.stack {
                div.row.apart {
                    h2 #prog { (verb_title(running.verb)) " " (target) ", " (ticking(running.since, now)) }
                    p.quiet.small { "by " (clean(&running.by.to_string())) @if !joined.is_empty() { ", joined by " (clean(&joined)) } }
                }
                ol.steps {
                    @for (millis, step) in steps {
                        li { span { (reached(step.phase)) } " " span { (took(millis)) }
                            @if !step.note.is_empty() { small { (clean(&step.note)) } } }
                    }
                    @if let Some(phase) = coming.next() {
                        li.now { span { (to_come(*phase)) } " " (ticking(before, now)) }
                    }
                    @for phase in coming { li.next { span { (to_come(*phase)) } } }
                }
                @if let Some(reason) = &running.line_lost {
                    p { span.lamp.work { "The line to the guard is lost" } " (" (clean(reason)) "). The " (running.verb)
                        " goes on there; it is asked for until its end is known, and never sent twice." }
                }
                @if let Some(operation) = &running.operation {
                    p.small.quiet { "Operation " code { (clean(&operation.0)) } }
                }
            }
            p.in { "It completes by itself. You may close this page, lose the line or put the phone away." }
        }
    }
}
