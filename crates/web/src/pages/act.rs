//! The column for acting: what triage says, or what runs, or that the target is back; then the power panel.

use super::confirm::{self, Context};
use super::layout::{csrf, reserved};
use super::words::{self, clean, duration, exact, lamp, moment, took, verb_title};
use super::{power, progress, turn};
use breakglass_fleet::Role;
use breakglass_incident::View;
use breakglass_protocol::Verb;
use breakglass_triage::{Action, Health, Triage};
use maud::{Markup, html};

/// The column. `view` is the incident, where the page has one.
pub(crate) fn column(context: &Context<'_>, view: Option<&View>) -> Markup {
    let target = context.target;
    let running = view.and_then(|view| view.running.as_ref());
    let kept = view.and_then(|view| view.triage.as_ref());
    // A triage that another way in asked for is as good as the one that is kept, and the newest counts; but what was seen
    // before the target came into its present state says nothing of it.
    let asked = target.triage.as_deref().filter(|triage| target.since.is_none_or(|since| triage.at >= since));
    let triage = [kept, asked].into_iter().flatten().max_by_key(|triage| triage.at);
    html! {
        div #act.stack.act data-part {
            @if let Some(view) = view { (turn::panel(context, view)) (commands(context, view)) }
            @if let Some(running) = running {
                (progress::panel(running, &target.name, context.now))
                (power::busy(context, running.verb, &running.by.to_string()))
            } @else if let Some(view) = view.filter(|view| view.closed.is_some()) {
                (closed(context, view))
                (power::panel(context, None, None))
            } @else if let Some(view) = view.filter(|view| is_back(view)) {
                (back(context, view))
                (power::panel(context, None, None))
            } @else {
                @let docked = triage.and_then(recommended);
                (card(context, triage))
                (power::panel(context, triage, docked))
            }
        }
    }
}

/// The commands that run and can be stopped.
fn commands(context: &Context<'_>, view: &View) -> Markup {
    let running =
        view.commands.iter().filter(|command| command.end.is_none() && context.stoppable.has(command.id));
    html! {
        @for command in running {
            form.card.in.stack method="post" action=(context.action(&format!("commands/{}/stop", command.id))) {
                p { span.lamp.work { "Runs" } " " code { (exact(&command.command)) } " since " (moment(command.since, context.now)) }
                (csrf(context.visitor))
                (reserved(context.visitor, Role::Operate, html! { button.wide { "Stop this command" } }))
            }
        }
    }
}

/// Whether the target was seen to be well again in this incident.
pub(crate) fn is_back(view: &View) -> bool {
    view.well_again.is_some() && view.state.as_ref().is_some_and(|(_, state)| state.health == Health::Good)
}

const fn recommended(triage: &Triage) -> Option<Verb> {
    match triage.action {
        Action::Press(verb) if verb.is_mutating() => Some(verb),
        _ => None,
    }
}

fn card(context: &Context<'_>, triage: Option<&Triage>) -> Markup {
    let Some(triage) = triage else {
        return html! {
            section.card aria-labelledby="wedge" {
                div.in.stack {
                    h2 #wedge.wedge { "Not looked at closely yet" }
                    p { "Triage looks from every side that answers, by rules alone, and takes at most six seconds. It \
                         changes nothing." }
                    (look_again(context, "Run triage", true))
                }
            }
        };
    };
    let title = triage.wedge.map_or_else(|| untitled(triage.health), |wedge| wedge.title());
    html! {
        section.card aria-labelledby="wedge" {
            div.in.stack {
                p.label { "Triage, by rules alone, " (took(triage.millis)) " at " (moment(triage.at, context.now)) }
                h2 #wedge.wedge { (title) }
                p { (words::sentence(&triage.summary)) }
                dl.facts {
                    @for finding in &triage.findings {
                        dt { (clean(&finding.label)) }
                        dd { @if finding.health == Health::Good { (clean(&finding.seen)) }
                            @else { span class=(lamp(finding.health)) { (clean(&finding.seen)) } } }
                    }
                }
                (changed(triage))
            }
            (advice(context, triage))
        }
    }
}

/// Where a person looks first, and which decides nothing.
pub(super) fn changed(triage: &Triage) -> Markup {
    html! {
        @if !triage.changed.is_empty() {
            h3.label { "Changed in the last two hours" }
            dl.facts { @for change in &triage.changed {
                dt { (clean(&change.label)) } dd { (clean(&change.seen)) }
            } }
        }
    }
}

const fn untitled(health: Health) -> &'static str {
    match health {
        Health::Good => "Nothing is wrong",
        Health::Unknown => "The evidence does not say",
        Health::Degraded | Health::Down => "No known wedge",
    }
}

fn advice(context: &Context<'_>, triage: &Triage) -> Markup {
    let name = &context.target.name;
    let headline = match &triage.action {
        Action::Press(verb) => format!("{} {name}.", verb_title(*verb)),
        Action::Run(_) => format!("Run one command on {name}."),
        Action::Wait => "Wait.".to_owned(),
        Action::Nothing => "Nothing.".to_owned(),
        Action::Look => "A person has to look.".to_owned(),
    };
    html! {
        div.in.stack {
            p { span.label { "Recommended" } br; b { (headline) } " " (words::sentence(&triage.because)) }
            @if !triage.wrong_if.is_empty() {
                p { span.label { "This is wrong if" } br; (clean(&triage.wrong_if)) }
            }
            @match &triage.action {
                Action::Press(verb) if verb.is_mutating() => {
                    details.dock #dock {
                        summary.btn.go.wide { span { (verb_title(*verb)) " " (name) } span.leave { "Not now" } }
                        (confirm::form(context, *verb, &format!("{verb}-now"), false))
                    }
                }
                Action::Run(command) => {
                    details.dock #dock {
                        summary.btn.go.wide { span { "Run it on " (name) } span.leave { "Not now" } }
                        form.stack.confirm #run-now method="post" action=(context.action("run")) {
                            p { "This runs on " (name) ", through the repair door:" }
                            pre.out tabindex="0" { (clean(command)) }
                            (csrf(context.visitor))
                            input type="hidden" name="command" value=(command);
                            (reserved(context.visitor, Role::Operate, html! {
                                button.fire.wide { "Run it on " (name) " now" }
                            }))
                        }
                    }
                }
                _ => {}
            }
            (look_again(context, "Look again", false))
            p.ask { a.btn href="#say" aria-label="Leave a note or run a command" { "Say" } }
        }
    }
}

fn look_again(context: &Context<'_>, label: &str, filled: bool) -> Markup {
    html! {
        form method="post" action=(context.action("triage")) {
            (csrf(context.visitor))
            (reserved(context.visitor, Role::Operate, html! {
                @if filled { button.go.wide { (label) } } @else { button.wide { (label) } }
            }))
        }
    }
}

fn back(context: &Context<'_>, view: &View) -> Markup {
    let name = &context.target.name;
    let since = view.unwell_since.zip(view.well_again).map(|(from, until)| until.millis_since(from));
    html! {
        section.card aria-labelledby="back" {
            div.in.stack {
                @if let Some(at) = view.well_again { p.label { "Observed at " (moment(at, context.now)) ", by the watch" } }
                h2 #back.wedge { (name) " is back" }
                dl.facts {
                    @if let Some((_, state)) = &view.state { dt { "Seen" } dd { (words::sentence(&state.sentence)) } }
                    @if let Some(status) = context.target.status.as_deref() {
                        @if let Some(process) = status.process { dt { "QEMU" } dd { "process " (process.pid) } }
                    }
                    @if let Some(verb) = view.last_finished() {
                        @if let Some(began) = verb.since {
                            dt { (verb_title(verb.verb)) " took" } dd { (took(verb.at.millis_since(began))) }
                        }
                    }
                    @if let Some(millis) = since { dt { "Was away" } dd { (duration(millis)) } }
                }
            }
            form.in.stack method="post" action=(context.action("close")) {
                p { b { "You can leave it." } " The watch goes on looking and opens a new incident if it falls again." }
                (csrf(context.visitor))
                input type="hidden" name="reason" value="The target was seen to be well again.";
                (reserved(context.visitor, Role::Operate, html! { button.go.wide { "Close the incident" } }))
            }
            (exports(view))
        }
    }
}

fn closed(context: &Context<'_>, view: &View) -> Markup {
    html! {
        section.card aria-labelledby="closed" {
            div.in.stack {
                @if let Some(at) = view.closed { p.label { "Closed at " (moment(at, context.now)) } }
                h2 #closed.wedge { "This incident is over" }
                @if let Some(reason) = &view.close_reason { p { (words::sentence(reason)) } }
                @if let Some(millis) = view.away_millis { p.quiet { "Was away for " (duration(millis)) "." } }
                p { "A verb that you press now begins a new incident." }
            }
            (exports(view))
        }
    }
}

fn exports(view: &View) -> Markup {
    html! {
        @if let Some(id) = view.id {
            p.in.row { a.tap href={ "/incidents/" (id) "/export/markdown" } { "Timeline as text" }
                a.tap href={ "/incidents/" (id) "/export/json" } { "As JSON" } }
        }
    }
}
