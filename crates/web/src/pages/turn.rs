//! The turn of an agent: what runs and how to stop it, what waits for a person, the box to ask in.
//!
//! Questions are plain forms in the part of the page that is fetched again, so that none stands there after it was
//! answered. Nothing here lets an address decide: each form carries the digest of the call that it shows.

use super::confirm::Context;
use super::layout::{csrf, reserved};
use super::words::{clean, exact, moment, ticking};
use breakglass_fleet::Role;
use breakglass_incident::{Actor, TurnOutcome, View, WaitingCall};
use breakglass_recovery::turn::Preset;
use maud::{Markup, html};

/// The strip at the top while a turn runs.
pub(crate) fn banner(context: &Context<'_>, view: &View) -> Markup {
    let Some(turn) = view.turns.running() else { return html! {} };
    html! {
        form.banner.lit.work method="post" action=(context.action("turn/stop")) {
            @if !view.turns.waiting().is_empty() {
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
        @for (at, waiting) in view.turns.waiting().into_iter().enumerate() { (question(context, &waiting, at == 0)) }
        @if view.turns.waiting().is_empty() && view.turns.running().is_none() {
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

/// `first`: the one that an address with `#ask` leads to.
fn question(context: &Context<'_>, waiting: &WaitingCall<'_>, first: bool) -> Markup {
    let WaitingCall { by, call, until } = *waiting;
    let digest = &call.digest;
    let to = |what: &str| match context.incident {
        Some(id) => format!("/incidents/{id}/calls/{}/{what}", call.id),
        None => String::new(),
    };
    let title = format!("ask-{}", call.id);
    html! {
        section.panel id=[first.then_some("ask")] aria-labelledby=(title) {
            div.in.stack {
                h2 id=(title) { span.lamp.work { "Waits for your yes or no" } }
                p { @match by {
                        Actor::Agent(agent) => { "The agent " (clean(&agent.engine)) },
                        Actor::Outside(agent) => { "The outside agent " (clean(&agent.agent)) ", by " (clean(&agent.by)) "," },
                        other => (clean(&other.to_string())),
                    }
                    " wants " @if call.tool == "power" { "the power door to " }
                    @else { "to run on " (context.target.name) ", through the repair door:" } }
                pre.out.exact tabindex="0" { (exact(&call.shown)) }
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
                p.small.quiet { "Your yes is for exactly this. It lapses at " (moment(until, context.now)) "."
                    @if matches!(by, Actor::Outside(_)) { " Nobody here started this agent, and its name is its own word; \
                        the token is what let it in." } }
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
