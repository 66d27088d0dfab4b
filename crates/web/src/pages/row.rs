//! One row of the timeline. What was observed has a solid edge; what somebody said has a dashed one.

use super::act::changed;
use super::call;
use super::progress::reached;
use super::words::{boxed, clean, lamp, moment, readable, size, took};
use breakglass_incident::{Actor, ArtifactRef, CommandEnd, Event, EventBody, Row, RowKind, row as told};
use breakglass_protocol::{PartOutcome, Timestamp};
use breakglass_triage::Health;
use maud::{Markup, html};

/// More output than this is folded away at first.
const SHORT_OUTPUT_LINES: usize = 12;

/// The row for one event; none for an event that fills another's row or that is no part of the story.
/// `end`: how the command that this event started has ended, where it has.
pub(crate) fn row(event: &Event, end: Option<&CommandEnd>, now: Timestamp) -> Option<Markup> {
    let by_agent = matches!(event.actor, Actor::Agent(_) | Actor::Outside(_));
    match &event.body {
        EventBody::CommandFinished { .. } => return None,
        // The fold of the agent's call tells it.
        EventBody::CommandStarted { .. } if by_agent => return None,
        EventBody::Turn(turn) if call::is_own(turn) => return call::row(event, turn, None, None, now),
        _ => {}
    }
    let row = told(event)?;
    if let EventBody::VerbProgress { phase, note, .. } = &event.body {
        return Some(html! {
            li.step #{ "e" (event.seq) } {
                (moment(row.at, now))
                p.seen { b { (reached(*phase)) } @if !note.is_empty() { ": " (clean(note)) } }
            }
        });
    }
    if matches!(event.body, EventBody::Notified { .. }) {
        return Some(html! {
            li.step #{ "e" (event.seq) } {
                (moment(row.at, now))
                p.small { @if row.health.is_some() { span.lamp.work {} } (clean(&row.sentences.join(" "))) }
            }
        });
    }
    Some(html! {
        li #{ "e" (event.seq) } {
            (moment(row.at, now))
            p.who { (clean(&row.actor.to_string())) @if !row.label.is_empty() { " " span.label { (clean(&row.label)) } } }
            (body(event, &row, end))
        }
    })
}

fn body(event: &Event, row: &Row, end: Option<&CommandEnd>) -> Markup {
    match &event.body {
        EventBody::CommandStarted { door, command, .. } => started(event, door, command, end),
        EventBody::ForensicsCaptured { parts, .. } => {
            let screen =
                parts.iter().filter_map(|part| part.artifact.as_ref()).find(|a| a.media == "image/png");
            html! {
                p.seen { b { "Observed: " } (clean(&row.sentences.join(" "))) }
                div.calls {
                    details.fold id={ "f" (event.seq) } {
                        summary { span { "Read all " (parts.len()) " parts" } " "
                            span.quiet.small { (clean(&parts.iter().map(|part| part.part.as_str()).collect::<Vec<_>>().join(", "))) } }
                        ul.in.points {
                            @for part in parts {
                                li { span class=(part_lamp(part.outcome)) { (clean(&part.part)) } " "
                                    span.quiet.small { (part_word(part.outcome)) ", " (took(part.millis)) }
                                    @if let Some(artifact) = &part.artifact { " " (link(artifact)) } }
                            }
                        }
                    }
                    @if let Some(screen) = screen {
                        details.fold id={ "s" (event.seq) } {
                            summary { span { "Screen picture" } " " span.quiet.small { "drawn by the guest" } }
                            figure.in { img.screen src={ "/artifacts/" (screen.sha256) } loading="lazy"
                                alt={ "The screen of the guest at " (row.at.time_of_day()) " UTC, as its hypervisor saw it"}; }
                        }
                    }
                }
            }
        }
        EventBody::Triaged { triage, .. } => html! {
            p.seen { b { "Observed: " } (clean(&row.sentences.join(" "))) }
            div.calls { details.fold id={ "t" (event.seq) } {
                summary { span { "The evidence" } " " span.quiet.small { (triage.findings.len()) " findings" } }
                dl.in.facts { @for finding in &triage.findings {
                    dt { (clean(&finding.label)) } dd { span class=(lamp(finding.health)) { (clean(&finding.seen)) } } } }
                div.in { (changed(triage)) }
            } }
        },
        _ => plain(row),
    }
}

fn plain(row: &Row) -> Markup {
    let words = boxed(&row.sentences.join(" "));
    let lit = row.health.filter(|health| matches!(health, Health::Down | Health::Degraded)).map(lamp);
    html! {
        @match row.kind {
            RowKind::Observed => p.seen { span class=[lit] { b { "Observed: " } } (words) },
            RowKind::Said => p.words { (words) },
            RowKind::Did | RowKind::Note => p { @if let Some(lit) = lit { span class=(lit) {} } (words) },
        }
        @if !row.detail.is_empty() { pre.out tabindex="0" { (readable(&row.detail.join("\n"))) } }
        @if !row.artifacts.is_empty() { p.row { @for artifact in &row.artifacts { (link(artifact)) } } }
    }
}

fn started(event: &Event, door: &str, command: &str, end: Option<&CommandEnd>) -> Markup {
    html! {
        div.calls {
            p.in.call { code { (readable(command)) } " " span.quiet.small { "through " (clean(door)) } }
            div #{ "c" (event.seq) } {
                @match end {
                    Some(end) => (ended(end, &format!("o{}", event.seq))),
                    None => { p.in.small { span.lamp.work { "runs" } } pre.out.running data-output=(event.seq) tabindex="0" {} }
                }
            }
        }
    }
}

/// How a command ended and what it wrote: goes where its row waits for it.
pub(crate) fn ended(end: &CommandEnd, id: &str) -> Markup {
    let lines = end.output.lines().count();
    let output = readable(&end.output);
    let state = match end.exit {
        Some(0) => "quiet",
        Some(_) => "lamp work",
        None => "lamp down",
    };
    html! {
        p.in.small { span class=(state) { (clean(&end.message)) } span.quiet { ", " (took(end.millis)) } }
        @if output.is_empty() {
            p.in.small.quiet { "It wrote nothing." }
        } @else if lines > SHORT_OUTPUT_LINES {
            details.fold id=(id) { summary { span { (lines) " lines" } } pre.out tabindex="0" { (output) } }
        } @else {
            pre.out tabindex="0" { (output) }
        }
        @if let Some(rest) = &end.rest { p.in { (link(rest)) } }
    }
}

fn link(artifact: &ArtifactRef) -> Markup {
    html! { a.tap href={ "/artifacts/" (artifact.sha256) } { (clean(&artifact.name)) ", " (size(artifact.bytes)) } " " }
}

const fn part_lamp(outcome: PartOutcome) -> &'static str {
    match outcome {
        PartOutcome::Captured | PartOutcome::Cut => "lamp good",
        PartOutcome::TimedOut | PartOutcome::Failed => "lamp work",
        PartOutcome::NotHere => "lamp none",
    }
}

const fn part_word(outcome: PartOutcome) -> &'static str {
    match outcome {
        PartOutcome::Captured => "captured",
        PartOutcome::Cut => "captured up to the size limit",
        PartOutcome::TimedOut => "did not answer in time",
        PartOutcome::Failed => "failed",
        PartOutcome::NotHere => "not on this host",
    }
}

/// The end of a command as its event tells it.
pub(crate) fn end_of(event: &Event) -> Option<(breakglass_incident::CommandId, CommandEnd)> {
    let EventBody::CommandFinished { command, exit, message, millis, output, rest, .. } = &event.body else {
        return None;
    };
    let end = CommandEnd {
        at: event.at,
        exit: *exit,
        message: message.clone(),
        millis: *millis,
        output: output.clone(),
        rest: rest.clone(),
    };
    Some((*command, end))
}
