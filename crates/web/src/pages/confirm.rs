//! The step between a first touch and a verb: what it does, what it costs, what else is going on, then the one red
//! button.

use super::layout::{csrf, reserved};
use super::words::{clean, run_state, ticking, took, verb_title};
use crate::identity::Visitor;
use breakglass_fleet::Role;
use breakglass_incident::{IncidentId, Seq};
use breakglass_protocol::{RunState, Status, Timestamp, Verb};
use breakglass_recovery::{Stoppable, TargetView};
use maud::{Markup, html};

/// Whose page the form is on, and what that page has shown.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) visitor: &'a Visitor,
    pub(crate) target: &'a TargetView,
    pub(crate) incident: Option<IncidentId>,
    /// The newest event that the page shows.
    pub(crate) seen: Seq,
    pub(crate) now: Timestamp,
    /// The commands that run and can be stopped.
    pub(crate) stoppable: &'a Stoppable,
}

impl Context<'_> {
    /// Where a form of this page is sent.
    pub(crate) fn action(&self, what: &str) -> String {
        match self.incident {
            Some(incident) => format!("/incidents/{incident}/{what}"),
            None => format!("/targets/{}/{what}", self.target.name),
        }
    }
}

/// The form with the red button. `id` must be the only one of its kind on the page.
pub(crate) fn form(context: &Context<'_>, verb: Verb, id: &str, anyway: bool) -> Markup {
    let target = context.target;
    let status = target.status.as_deref();
    let button = if anyway {
        format!("{} {} anyway", verb_title(verb), target.name)
    } else {
        format!("{} {} now", verb_title(verb), target.name)
    };
    html! {
        form.stack.confirm #(id) method="post" action=(context.action("power")) {
            (cost(&target.name, verb, status))
            (circumstances(verb, status, context.now))
            (csrf(context.visitor))
            input type="hidden" name="seen" value=(context.seen);
            input type="hidden" name="shown" value=(super::words::shown(status));
            (reserved(context.visitor, Role::Operate, html! { button.fire.wide name="verb" value=(verb) { (button) } }))
            p.small.quiet { "Forensics are captured first. It completes even if you lose the line." }
        }
    }
}

/// What the verb does and what it costs, in words that fit the state that was seen.
fn cost(name: &str, verb: Verb, status: Option<&Status>) -> Markup {
    let process =
        status.and_then(|status| status.process).map(|process| format!("QEMU process {}", process.pid));
    let named = process.clone().unwrap_or_else(|| "the QEMU process".to_owned());
    let off = status.is_some_and(|status| status.state == RunState::Stopped);
    let paused = status.is_some_and(|status| status.state == RunState::Paused);
    let (bold, then) = match verb {
        Verb::Cycle if off => (format!("{name} is off: this starts a new QEMU process."), "Its disk is kept.".to_owned()),
        Verb::Cycle => (
            format!("This ends {named} and starts a new one."),
            format!("What {name} holds in memory is lost. Its disk is kept."),
        ),
        Verb::Reset => (
            format!("This resets {name} and keeps {named}."),
            "What it holds in memory is lost, as with the button on a case. Staged configuration is not applied.".to_owned(),
        ),
        Verb::Stop if off => (format!("{name} is off already."), "It stays off until someone starts it.".to_owned()),
        Verb::Stop => (
            format!("{name} goes off and stays off until someone starts it."),
            "The guest is asked first; if it does not stop in time, its process is ended.".to_owned(),
        ),
        Verb::Start if paused => (format!("This lets {name} go on where it was held."), "Nothing is lost.".to_owned()),
        Verb::Start if off => (format!("This starts {name}."), "Staged configuration is applied.".to_owned()),
        Verb::Start => (format!("{name} runs already."), "Start changes nothing then.".to_owned()),
        Verb::Status | Verb::Forensics => (format!("This only looks at {name}."), String::new()),
    };
    html! { p { b { (bold) } " " (then) } }
}

/// What else is in charge or going on: shown before the button, and shown as unknown where it was not seen.
fn circumstances(verb: Verb, status: Option<&Status>, now: Timestamp) -> Markup {
    let Some(status) = status else {
        return html! {
            p { span.lamp.unknown { "Not seen: " }
                "lock, running backup, staged configuration. The hypervisor has not answered yet; the guard looks again \
                 before it acts." }
        };
    };
    let applies = matches!(verb, Verb::Cycle) || (verb == Verb::Start && status.state == RunState::Stopped);
    let (_, state) = run_state(&status.state);
    html! {
        dl.facts.small {
            dt { "Seen" } dd { (state) ", " (ticking(status.at, now)) " ago"
                @if let Some(millis) = status.answered_in_millis { ", answered in " (millis) " ms" } }
            dt { "Lock" }
            dd {
                @match &status.lock {
                    None => { "none" }
                    Some(lock) => {
                        span.lamp.work { (clean(&lock.kind)) }
                        @if let Some(holder) = lock.holder { ", held by process " (holder) }
                        @if lock.clearable { "; its holder is gone, a cycle clears it" } @else { "; the verb is refused while it is held" }
                    }
                }
            }
            dt { "Backup, jobs" }
            dd {
                @if status.jobs.is_empty() { "none runs" }
                @for job in &status.jobs {
                    span.lamp.work { (clean(&job.kind)) } " " (clean(&job.state)) " "
                }
                @if !status.jobs.is_empty() { "would be cut off" }
            }
            @if !status.passthrough.is_empty() {
                dt { "Passed through" }
                dd { @for device in &status.passthrough { code { (clean(device)) } " " } }
            }
            dt { @if applies { "Will change" } @else { "Staged" } }
            dd {
                @if status.staged.is_empty() { "nothing is staged" }
                @for change in &status.staged {
                    div.change {
                        @if let Some(running) = &change.running { del { code { (clean(running)) } } " " }
                        @if let Some(staged) = &change.staged { ins { code { (clean(staged)) } } }
                    }
                }
                @if !status.staged.is_empty() && !applies { "not applied by " (verb) }
            }
            @for note in &status.notes { dt { "Not seen" } dd { (clean(note)) } }
            @if let Some(age) = status.process_age_seconds {
                dt { "Process age" } dd { (took(age.saturating_mul(1000))) }
            }
        }
    }
}
