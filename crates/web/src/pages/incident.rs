//! The page of one incident, and of a target that has none.

use super::confirm::Context;
use super::layout::{csrf, reserved};
use super::words::{clean, ticking, verb_going_on};
use super::{act, call, head, row, turn};
use breakglass_fleet::{Fleet, Role};
use breakglass_incident::{CallId, CommandId, Event, EventBody, TurnEvent, Turns, View};
use breakglass_triage::Health;
use maud::{Markup, html};
use std::collections::BTreeMap;

/// What the timeline tells: the newest `rows` of it, so that a long night still loads over a bad line.
pub(crate) struct Told<'a> {
    pub(crate) events: &'a [Event],
    pub(crate) rows: usize,
}

/// The parts that change as events come in: banner, head and the column for acting.
pub(crate) fn parts(fleet: &Fleet, context: &Context<'_>, view: Option<&View>) -> (Markup, Markup, Markup) {
    let head = head::head(fleet, context.target, view, context.now);
    (banner(context, view), head, act::column(context, view))
}

/// Whether the recovery was observed and nobody has closed the incident yet: the one time that green is lit.
pub(crate) fn recovered(view: &View) -> bool {
    view.closed.is_none() && act::is_back(view)
}

fn banner(context: &Context<'_>, view: Option<&View>) -> Markup {
    let Some(view) = view else { return html! {} };
    html! {
        @if let Some(running) = &view.running {
            p.banner.lit.work {
                span.lamp.work { (verb_going_on(running.verb)) " " (context.target.name) ", by " (clean(&running.by.to_string())) }
                " " (ticking(running.since, context.now))
            }
        }
        // An agent that has pressed a verb can be stopped while the verb goes on.
        (turn::banner(context, view))
    }
}

/// Everything below the banner.
pub(crate) fn main(
    context: &Context<'_>,
    parts: (Markup, Markup),
    told: &Told<'_>,
    open: bool,
    engines: &[String],
) -> Markup {
    let (head, act) = parts;
    html! {
        (head)
        div.two {
            (act)
            section.stack aria-labelledby="log" {
                div.row.apart { h2 #log { "What happened" } a.small.tap href="#say" { "To the newest" } }
                (timeline(context, told))
                (say(context, open, engines))
            }
        }
    }
}

fn timeline(context: &Context<'_>, told: &Told<'_>) -> Markup {
    let events = told.events;
    let ends: BTreeMap<CommandId, _> = events.iter().filter_map(row::end_of).collect();
    let mut turns = Turns::default();
    let mut answers: BTreeMap<CallId, &Event> = BTreeMap::new();
    for event in events {
        turns.apply(event);
        if let EventBody::Turn(TurnEvent::ToolAnswered { call, .. }) = &event.body {
            answers.insert(*call, event);
        }
    }
    let row_of = |event: &Event| match &event.body {
        EventBody::Turn(turn) if call::is_own(turn) => {
            let id = CallId(event.seq.0);
            call::row(event, turn, answers.get(&id).copied(), turns.call(id), context.now)
        }
        _ => row::row(event, ends.get(&CommandId(event.seq.0)), context.now),
    };
    let rows: Vec<Markup> = events.iter().filter_map(row_of).collect();
    let earlier = rows.len().saturating_sub(told.rows);
    html! {
        @if let (Some(id), 1..) = (context.incident, earlier) {
            p { a.tap href={ "/incidents/" (id) "?rows=" (told.rows.saturating_mul(5)) "#log" } {
                (earlier) " earlier " @if earlier == 1 { "row" } @else { "rows" } } }
        }
        // Named as a region of its own, so that a screen reader tells new rows and not the whole list again.
        ol.log #rows aria-live="polite" aria-relevant="additions" { @for row in rows.iter().skip(earlier) { (row) } }
        // Text as it comes is for the eye; a screen reader is told each message once, when it is whole.
        div #typing.words aria-hidden="true" {}
        @if events.is_empty() {
            p.quiet { "Nothing yet. A verb, a command or a note begins an incident, and everything is kept there." }
        }
    }
}

fn say(context: &Context<'_>, open: bool, engines: &[String]) -> Markup {
    let name = &context.target.name;
    let repair = context.target.doors.iter().any(|door| door.kind == "repair");
    html! {
        div #say.stack {
            @if open || context.incident.is_none() { (turn::ask_box(context, engines)) }
            @if repair && (open || context.incident.is_none()) {
                form.stack method="post" action=(context.action("run")) {
                    (csrf(context.visitor))
                    (reserved(context.visitor, Role::Operate, html! {
                        div {
                            label for="command" { "A command on " (name) }
                            input #command.mono name="command" required maxlength="4096" autocapitalize="none"
                                autocorrect="off" spellcheck="false" autocomplete="off";
                        }
                        div.sends { button { "Run on " (name) } }
                    }))
                    p.small.quiet { "Through the repair door, as whoever the door is for. What it writes is kept here." }
                }
            }
            @if context.incident.is_some() {
                form.stack method="post" action=(context.action("note")) {
                    (csrf(context.visitor))
                    (reserved(context.visitor, Role::Operate, html! {
                        div { label for="text" { "A note" }
                            textarea #text name="text" rows="2" required maxlength="16384" {} }
                        div.sends { button { "Keep the note" } }
                    }))
                }
            } @else {
                form.stack method="post" action=(context.action("open")) {
                    (csrf(context.visitor))
                    (reserved(context.visitor, Role::Operate, html! {
                        div { label for="reason" { "Open an incident for " (name) }
                            input #reason name="reason" required maxlength="500" placeholder="What is wrong, in a sentence"; }
                        div.sends { button { "Open an incident" } }
                    }))
                }
            }
        }
    }
}

/// `devvm not serving · incident 41`
pub(crate) fn title(context: &Context<'_>, view: Option<&View>) -> String {
    let name = &context.target.name;
    let state = match (view.and_then(|view| view.running.as_ref()), context.target.health) {
        (Some(running), _) => format!("{} {name}", verb_going_on(running.verb)),
        (None, Health::Down) => format!("■ {name} is not serving"),
        (None, Health::Degraded) => format!("▲ {name} is in trouble"),
        (None, Health::Good) if view.is_some_and(act::is_back) => format!("{name} is back"),
        (None, Health::Good) => format!("{name} answers"),
        (None, Health::Unknown) => format!("{name} not seen yet"),
    };
    match context.incident {
        Some(incident) => format!("{state} · incident {incident}"),
        None => format!("{state} · breakglass"),
    }
}
