//! The board: who needs somebody, then all targets with their doors, then what this page depends on.

use super::foot;
use super::head::{door, door_word};
use super::proof::Proofs;
use super::words::{self, answering, lamp, moment, ticking};
use breakglass_protocol::Timestamp;
use breakglass_recovery::turn::Asked;
use breakglass_recovery::{Dependency, TargetView};
use breakglass_triage::Health;
use maud::{Markup, html};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Everything below the bar.
pub(crate) fn main(
    proofs: Proofs<'_>,
    targets: &[TargetView],
    asked: &[Asked],
    dependencies: &[Dependency],
) -> Markup {
    let Proofs { fleet, now, .. } = proofs;
    let mut needing: Vec<&TargetView> = targets.iter().filter(|target| needs_somebody(target)).collect();
    needing.sort_by_key(|target| (Reverse(target.health), target.since));
    html! {
        div #board.stack.wide-gaps data-part {
            (headline(targets, now))
            (questions(asked, now))
            @for target in needing { (alarm(target, now)) }
            (proofs.failing())
            (table(proofs, targets))
        }
        section.stack aria-labelledby="deps" {
            h2 #deps { "What this page depends on right now" }
            div.halves { (foot::list(dependencies)) div.stack { (foot::if_this_page_dies(fleet, None)) } }
        }
    }
}

/// `One target needs you · breakglass`
pub(crate) fn title(targets: &[TargetView]) -> String {
    match needing(targets) {
        0 => "All quiet · breakglass".to_owned(),
        _ => format!("{} · breakglass", sentence(targets)),
    }
}

fn needs_somebody(target: &TargetView) -> bool {
    target.incident.is_some()
        || target.running.is_some()
        || (target.health == Health::Down && !target.maintenance)
}

fn needing(targets: &[TargetView]) -> usize {
    targets.iter().filter(|target| needs_somebody(target)).count()
}

fn sentence(targets: &[TargetView]) -> String {
    let well = targets.iter().filter(|target| target.health == Health::Good).count();
    match needing(targets) {
        0 if well == targets.len() => "Nobody needs you".to_owned(),
        0 => "Nothing is known to be wrong".to_owned(),
        1 => "One target needs you".to_owned(),
        n => format!("{n} targets need you"),
    }
}

fn headline(targets: &[TargetView], now: Timestamp) -> Markup {
    let well = targets.iter().filter(|target| target.health == Health::Good).count();
    let newest = targets.iter().filter_map(|target| target.seen_at).max();
    html! {
        div.row.apart {
            h1 { (sentence(targets)) }
            p.quiet {
                (well) " of " (targets.len()) " answer"
                @if let Some(at) = newest { "; looked at " (ticking(at, now)) " ago" } @else { "; none looked at yet" }
            }
        }
    }
}

/// The calls of agents that wait for a person: a line each, which leads to the question and decides nothing.
fn questions(asked: &[Asked], now: Timestamp) -> Markup {
    html! {
        @if !asked.is_empty() {
            section.card aria-label="Questions of agents" {
                @for one in asked {
                    p.lit.work {
                        span.lamp.work { (words::clean(&one.by.to_string())) " asks to change " (one.target) } " "
                        a.tap href={ "/incidents/" (one.incident) "#ask" } { "Read it and decide, in incident " (one.incident) }
                        " until " (moment(one.until, now))
                    }
                }
            }
        }
    }
}

fn alarm(target: &TargetView, now: Timestamp) -> Markup {
    let (lit, word) = match (&target.running, target.health) {
        (Some(_), Health::Good) => ("work", "A verb is running"),
        (_, Health::Good) => ("good", "Answering"),
        (_, Health::Down) => ("down", answering(Health::Down)),
        (_, health) => ("work", answering(health)),
    };
    let id = format!("alarm-{}", target.name);
    let href =
        target.incident.map_or_else(|| format!("/targets/{}", target.name), |id| format!("/incidents/{id}"));
    let label = target
        .incident
        .map_or_else(|| format!("Look at {}", target.name), |id| format!("Open incident {id}"));
    html! {
        section.card aria-labelledby=(id) {
            p class={ "lit " (lit) } { span class={ "lamp " (lit) } { (word) }
                @if let Some(since) = target.since { " " (ticking(since, now)) } }
            div.in.halves {
                div {
                    h2.name #(id) { (target.name) }
                    p { @if let Some(wedge) = target.wedge.filter(|wedge| !target.sentence.contains(wedge.title())) {
                            b { (wedge.title()) ". " } }
                        (words::sentence(&target.sentence)) }
                    @if let Some(running) = &target.running {
                        p.small { span.lamp.work { (words::clean(&running.by)) "’s " (running.verb) } " since " (moment(running.since, now)) }
                    }
                }
                a.btn.go href=(href) { (label) }
            }
        }
    }
}

fn table(proofs: Proofs<'_>, targets: &[TargetView]) -> Markup {
    let fleet = proofs.fleet;
    let mut groups: BTreeMap<&str, Vec<&TargetView>> = BTreeMap::new();
    for target in targets {
        let host = fleet.hypervisor_of(&target.name).map_or("", |host| host.name.as_str());
        groups.entry(host).or_default().push(target);
    }
    html! {
        section.stack aria-labelledby="fleet" {
            h2 #fleet { "Fleet " span.quiet { (fleet.name) } }
            table {
                thead { tr { th scope="col" { "Target" } th scope="col" { "Observed state" } th scope="col" { "repair" }
                    th scope="col" { "power" } th scope="col" { "incident" } } }
                @for (host, group) in groups {
                    tbody { @for target in group { (line(proofs, target, host)) } }
                }
            }
            @if targets.is_empty() {
                p { "fleet.toml declares no target: nothing here can be recovered yet. A power or repair door makes a \
                     component a target." }
            }
        }
    }
}

fn line(proofs: Proofs<'_>, target: &TargetView, host: &str) -> Markup {
    let Proofs { fleet, now, .. } = proofs;
    let address = fleet.component(&target.name).and_then(|component| component.addresses.first());
    html! {
        tr {
            th scope="row" {
                a.tap href={ "/targets/" (target.name) } { b { (target.name) } }
                small { @if let Some(address) = address { (address) } @if !host.is_empty() { " on " (host) } }
            }
            td.half {
                span class=(lamp(target.health)) { (answering(target.health)) }
                small {
                    @match (target.health, target.since) {
                        (Health::Unknown, _) => (words::clean(&target.sentence)),
                        (_, Some(since)) => { "since " (moment(since, now)) }
                        (_, None) => {}
                    }
                    @if target.maintenance { ", in maintenance" }
                }
            }
            @for kind in ["repair", "power"] {
                td data-as=(kind) {
                    @match door(target, kind) {
                        Some(door) => {
                            span class=(lamp(door.health)) { (door_word(door)) }
                            (proofs.small(&door.name))
                        }
                        None => span.lamp.none { "none" },
                    }
                }
            }
            td.half.small data-as="incident" {
                @match target.incident {
                    Some(id) => a.tap href={ "/incidents/" (id) } { "incident " (id) },
                    None => span.quiet { "none" },
                }
            }
        }
    }
}
