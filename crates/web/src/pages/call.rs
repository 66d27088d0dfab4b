//! One call of an agent's tool: folded, with what was called, what came back, how long it took, and what we saw after it.

use super::words::{boxed, clean, exact, lamp, moment, readable, size, took};
use breakglass_incident::{Actor, ArtifactRef, Call, CallOutcome, Event, EventBody, TurnEvent};
use breakglass_protocol::Timestamp;
use maud::{Markup, html};

/// The row of an event of a turn; none for those that fill another's row or are no part of the story.
pub(crate) fn row(
    event: &Event,
    turn_event: &TurnEvent,
    answer: Option<&Event>,
    call: Option<&Call>,
    now: Timestamp,
) -> Option<Markup> {
    let who = |label: &str, body: Markup| {
        Some(html! {
            li #{ "e" (event.seq) } {
                (moment(event.at, now))
                p.who { (clean(&event.actor.to_string())) " " span.label { (label) } }
                (body)
            }
        })
    };
    match turn_event {
        TurnEvent::TurnStarted { engine, ask, .. } => {
            who(&format!("to the agent {}", clean(engine)), html! { p.words { (boxed(ask)) } })
        }
        TurnEvent::TurnBriefed { told: Some(told), .. } => Some(html! {
            li.step #{ "e" (event.seq) } { p.small { (link(told, "What the agent is told")) } }
        }),
        TurnEvent::TurnBriefed { told: None, .. } | TurnEvent::ToolAnswered { .. } => None,
        TurnEvent::AgentSaid { text, .. } => {
            who("", html! { p.words { b { "Agent says: " } (boxed(text)) } })
        }
        TurnEvent::ToolCalled { tool, target, shown, .. } => Some(html! {
            li.step #{ "e" (event.seq) } {
                @if let Actor::Outside(_) = event.actor {
                    p.who { (clean(&event.actor.to_string())) " " span.label { "in no turn" } }
                }
                div.calls { details.fold id={ "k" (event.seq) } {
                    summary {
                        code { (exact(&brief(shown))) } " "
                        span.quiet.small {
                            (clean(tool)) @if let Some(target) = target { " on " (clean(target)) }
                            ", " span #{ "h" (event.seq) } { (how(answer)) }
                        }
                    }
                    @if brief(shown) != *shown { pre.out tabindex="0" { (exact(shown)) } }
                    div #{ "c" (event.seq) } {
                        @match answer {
                            Some(answer) => (answered(answer)),
                            None => pre.out.running data-output=(event.seq) tabindex="0" {},
                        }
                    }
                } }
                @if let Some(call) = call.filter(|call| call.spends.is_some()) { (seen_after(call)) }
            }
        }),
        _ => None,
    }
}

/// Whether an event of a turn has a form of its own here.
pub(crate) const fn is_own(event: &TurnEvent) -> bool {
    matches!(
        event,
        TurnEvent::TurnStarted { .. }
            | TurnEvent::TurnBriefed { .. }
            | TurnEvent::AgentSaid { .. }
            | TurnEvent::ToolCalled { .. }
            | TurnEvent::ToolAnswered { .. }
    )
}

/// What we saw after a call that may have changed something. That nothing was seen is said too.
fn seen_after(call: &Call) -> Markup {
    html! {
        @if let Some((_, health, sentence)) = &call.observed {
            p.seen.small { b { "Observed: " } span class=(lamp(*health)) { (super::words::sentence(sentence)) } }
        } @else if call.is_unobserved() && call.outcome.is_some() {
            p.small { span.lamp.unknown { "Not observed: " } "what this call changed was not looked at afterwards." }
        }
    }
}

/// The first line of a call, for its fold.
fn brief(shown: &str) -> String {
    let line = shown.lines().next().unwrap_or_default();
    line.chars().take(160).collect()
}

/// How it ended, in the line of the fold.
pub(crate) fn how(answer: Option<&Event>) -> Markup {
    let Some(EventBody::Turn(TurnEvent::ToolAnswered { outcome, exit, millis, .. })) =
        answer.map(|event| &event.body)
    else {
        return html! { span.lamp.work { "not answered yet" } };
    };
    html! {
        @match (outcome, exit) {
            (CallOutcome::Refused, _) => span.lamp.none { "refused" },
            (CallOutcome::Failed, None) => span.lamp.work { "failed" },
            (_, Some(exit)) => { "exit " (exit) },
            (CallOutcome::Done, None) => "done",
        }
        ", " (took(*millis))
    }
}

/// What goes into the fold when the call was answered.
pub(crate) fn answered(event: &Event) -> Markup {
    let EventBody::Turn(TurnEvent::ToolAnswered { outcome, rule, exit, millis, text, rest, .. }) =
        &event.body
    else {
        return html! {};
    };
    let (lamp, word) = match outcome {
        CallOutcome::Done => ("quiet", "carried out"),
        CallOutcome::Refused => ("lamp none", "refused, nothing was done"),
        CallOutcome::Failed => ("lamp work", "failed"),
    };
    html! {
        p.in.small { span class=(lamp) { (word) }
            @if let Some(rule) = rule { ", rule " code { (clean(rule)) } }
            @if let Some(exit) = exit { ", exit " (exit) }
            ", " (took(*millis)) }
        pre.out tabindex="0" { (readable(text)) }
        @if let Some(rest) = rest { p.in { (link(rest, &rest.name)) } }
    }
}

fn link(artifact: &ArtifactRef, label: &str) -> Markup {
    html! { a.tap href={ "/artifacts/" (artifact.sha256) } { (clean(label)) ", " (size(artifact.bytes)) } }
}
