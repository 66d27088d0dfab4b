//! The turn of an agent: what runs and how to stop it, what waits for a person, the box to ask in.
//!
//! Questions are plain forms in the part of the page that is fetched again, so that none stands there after it was
//! answered. Nothing here lets an address decide: each form carries the digest of the call that it shows.

use super::confirm::Context;
use super::layout::{csrf, reserved};
use super::words::{clean, moment, ticking};
use breakglass_fleet::Role;
use breakglass_incident::{Call, TurnOutcome, View};
use breakglass_protocol::Timestamp;
use breakglass_recovery::turn::Preset;
use maud::{Markup, html};

/// The strip at the top while a turn runs.
pub(crate) fn banner(context: &Context<'_>, view: &View) -> Markup {
    let Some(turn) = view.turns.running() else { return html! {} };
    html! {
        form.banner.lit.work method="post" action=(context.action("turn/stop")) {
            @if view.turns.waiting().is_some() {
                a.lamp.work.tap href="#ask" { "The agent asks you" }
            } @else {
                span.lamp.work { "Agent " (clean(&turn.engine)) " works for " (clean(&turn.by.to_string())) }
                " " (ticking(turn.since, context.now))
            }
            (csrf(context.visitor))
            (reserved(context.visitor, Role::Operate, html! { button { "Stop the agent" } }))
        }
    }
}

/// What stands above all else in the column for acting: a question, or how the last turn ended where that needs somebody.
pub(crate) fn panel(context: &Context<'_>, view: &View) -> Markup {
    html! {
        @if let Some((turn, call, until)) = view.turns.waiting() {
            (question(context, &turn.engine, call, until))
        } @else if view.turns.running().is_none() {
            @if let Some(turn) = view.turns.all.last() {
                @if let Some(end) = turn.end.as_ref().filter(|end| end.how != Some(TurnOutcome::Finished)) {
                    section.panel aria-labelledby="turn" {
                        div.in.stack {
                            h2 #turn { @match end.how {
                                Some(TurnOutcome::Failed) => span.lamp.work { "The agent could not go on" },
                                Some(TurnOutcome::OutOfTime) => span.lamp.work { "The agent ran out of time" },
                                None => span.lamp.work { "The agent was cut off" },
                                _ => "The agent was stopped",
                            } }
                            p { (super::words::sentence(&end.sentence)) }
                            @if let Some(next) = &end.next {
                                form method="post" action=(context.action("turn")) {
                                    (csrf(context.visitor))
                                    input type="hidden" name="text" value=(turn.ask);
                                    input type="hidden" name="engine" value=(next);
                                    (reserved(context.visitor, Role::Operate, html! {
                                        button.wide { "Go on with " (clean(next)) }
                                    }))
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn question(context: &Context<'_>, engine: &str, call: &Call, until: Timestamp) -> Markup {
    let digest = &call.digest;
    let to = |what: &str| match context.incident {
        Some(id) => format!("/incidents/{id}/calls/{}/{what}", call.id),
        None => String::new(),
    };
    html! {
        section.panel #ask aria-labelledby="ask-title" {
            div.in.stack {
                h2 #ask-title { span.lamp.work { "Waits for your yes or no" } }
                p { "The agent " (clean(engine)) " wants " @if call.tool == "power" { "the power door to " }
                    @else { "to run on " (context.target.name) ", through the repair door:" } }
                pre.out.exact tabindex="0" { (clean(&call.shown)) }
                (reserved(context.visitor, Role::Operate, html! { div.sends {
                    form method="post" action=(to("approve")) {
                        (csrf(context.visitor))
                        input type="hidden" name="digest" value=(digest);
                        button.go { "Allow this once" }
                    }
                    form method="post" action=(to("refuse")) {
                        (csrf(context.visitor))
                        input type="hidden" name="digest" value=(digest);
                        button { "Refuse" }
                    }
                } }))
                p.small.quiet { "Your yes is for exactly this. It lapses at " (moment(until, context.now)) "." }
            }
        }
    }
}

/// The box to ask in. `engines`: who would answer, in their order.
pub(crate) fn ask_box(context: &Context<'_>, engines: &[String]) -> Markup {
    if engines.is_empty() {
        return html! {
            p.small.quiet { "No agent is configured (" code { "[agent]" } " in fleet.toml). Triage and the buttons work without one." }
        };
    }
    html! {
        form.stack method="post" action=(context.action("turn")) {
            (csrf(context.visitor))
            (reserved(context.visitor, Role::Operate, html! {
                div { label for="ask-text" { "Ask the agent" }
                    textarea #ask-text name="text" rows="2" maxlength="16384"
                        placeholder={ "What is wrong with " (context.target.name) "?" } {} }
                div.sends { button.go { "Send to the agent" } }
                div.keys role="group" aria-label="Questions that are asked most" {
                    @for preset in Preset::ALL { button name="preset" value=(preset.word()) { (preset.title()) } }
                }
            }))
            p.small.quiet {
                (engines.join(", then ")) ". It may repair and cycle " (context.target.name)
                " as fleet.toml allows, within its budget; you see each step and can stop it."
            }
        }
    }
}
