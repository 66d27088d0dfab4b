//! The power panel: six verbs in a fixed order, each with what it does and triage's remark on it.

use super::confirm::{self, Context};
use super::head::{door, door_word};
use super::layout::{csrf, reserved};
use super::words::{clean, lamp, verb_title};
use breakglass_fleet::Role;
use breakglass_protocol::{RunState, Verb};
use breakglass_triage::{Action, Triage};
use maud::{Markup, html};

/// The verbs that change something, as rows.
const ROWS: [Verb; 4] = [Verb::Cycle, Verb::Reset, Verb::Stop, Verb::Start];

/// The panel while nothing runs. `docked`: the verb whose confirm step is in the triage card above.
pub(crate) fn panel(context: &Context<'_>, triage: Option<&Triage>, docked: Option<Verb>) -> Markup {
    let Some(door) = door(context.target, "power") else {
        return html! {
            section.panel aria-labelledby="power" {
                div.in { h2 #power { "Power" } }
                p.in { "No power door leads to " (context.target.name) ": fleet.toml declares none. What is left is the \
                        repair door, and the hypervisor's own console." }
            }
        };
    };
    html! {
        section.panel aria-labelledby="power" {
            div.in.row.apart {
                h2 #power { "Power" }
                span class={ "small " (lamp(door.health)) } {
                    "door " (door_word(door))
                    @if let Some(millis) = door.round_trip_millis { ", " (millis) " ms" }
                }
            }
            @if door.health == breakglass_triage::Health::Down { p.in.small { (clean(&door.sentence)) } }
            @for verb in ROWS {
                @if docked == Some(verb) {
                    p { a.fold href={ "#" (verb) "-now" } {
                        span { b { (verb_title(verb)) } " " span.tag { "recommended" } } " "
                        span.quiet.small { (does(verb, context)) } } }
                } @else {
                    @let remark = triage.and_then(|triage| remark(triage, verb));
                    details.fold id={ "row-" (verb) } {
                        summary {
                            span { b { (verb_title(verb)) } @if remark.is_some() { " " span.tag { "not advised" } } } " "
                            span.quiet.small { (does(verb, context)) }
                        }
                        div.in.stack {
                            @if let Some(remark) = remark { p { "Triage: " (clean(remark)) } }
                            (confirm::form(context, verb, &format!("{verb}-now"), remark.is_some()))
                        }
                    }
                }
            }
            (looks(context))
        }
    }
}

/// The panel while a verb has the door: asking for the same again joins it.
pub(crate) fn busy(context: &Context<'_>, verb: Verb, by: &str) -> Markup {
    let name = &context.target.name;
    html! {
        section.panel aria-labelledby="power" {
            div.in.row.apart { h2 #power { "Power" } span.lamp.work.small { "busy" } }
            p.in { (clean(by)) "’s " (verb) " has the door. Other verbs are told so until it ends; asking for " (verb)
                " again joins this one." }
            @if verb == Verb::Stop {
                details.fold #row-cycle {
                    summary { span { b { "Cycle" } " " span.tag { "takes over" } } " "
                        span.quiet.small { "For a stop that hangs" } }
                    div.in.stack {
                        p { "A cycle takes over from the stop: it ends the process and starts a new one." }
                        (confirm::form(context, Verb::Cycle, "cycle-now", true))
                    }
                }
            }
            form.in.keys method="post" action=(context.action("power")) {
                (csrf(context.visitor))
                (reserved(context.visitor, Role::Operate, html! {
                    button name="verb" value="status" { "Status of " (name) }
                }))
            }
        }
    }
}

fn looks(context: &Context<'_>) -> Markup {
    html! {
        form.in.keys method="post" action=(context.action("power")) {
            (csrf(context.visitor))
            (reserved(context.visitor, Role::Operate, html! {
                button name="verb" value="status" { "Status" }
                button name="verb" value="forensics" { "Forensics" }
            }))
            p.small.quiet { "These two only look." }
        }
    }
}

fn remark(triage: &Triage, verb: Verb) -> Option<&str> {
    let recommended = triage.action == Action::Press(verb);
    triage.remarks.iter().find(|(of, _)| *of == verb && !recommended).map(|(_, remark)| remark.as_str())
}

/// What a verb does, for its row.
fn does(verb: Verb, context: &Context<'_>) -> &'static str {
    let state = context.target.status.as_ref().map(|status| &status.state);
    match (verb, state) {
        (Verb::Cycle, Some(RunState::Stopped)) => "It is off: starts a fresh QEMU process",
        (Verb::Cycle, _) => "Stop, then a fresh QEMU process",
        (Verb::Reset, _) => "Warm reset, same QEMU process",
        (Verb::Stop, Some(RunState::Stopped)) => "It is off already",
        (Verb::Stop, _) => "Ask the guest, then end the process",
        (Verb::Start, Some(RunState::Paused)) => "Let it go on where it is held",
        (Verb::Start, Some(RunState::Running)) => "It is running already",
        (Verb::Start, _) => "Make it run",
        (Verb::Status | Verb::Forensics, _) => "Only looks",
    }
}
