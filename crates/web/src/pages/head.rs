//! The head of a target: how it does and since when, its name, and the few numbers that tell most.

use super::incident::recovered;
use super::notices;
use super::wave::wave;
use super::words::{answering, clean, lamp, run_state, ticking, writes_per_second};
use breakglass_fleet::Fleet;
use breakglass_incident::View;
use breakglass_protocol::Timestamp;
use breakglass_recovery::{DoorView, TargetView};
use breakglass_triage::{Health, Wedge};
use maud::{Markup, html};

/// Whether a silence of the disk is part of what is wrong.
fn silence_alarms(target: &TargetView) -> bool {
    target.health != Health::Good
        && matches!(target.wedge, Some(Wedge::BlockStall | Wedge::DiskFailure | Wedge::Paused | Wedge::Panic))
}

/// `VM 102 on pve, 192.0.2.20`
pub(crate) fn whereabouts(fleet: &Fleet, name: &str) -> String {
    let vm = fleet.power_door(name).and_then(|door| door.vm).map(|vm| format!("VM {vm}"));
    let on = fleet.hypervisor_of(name).map(|host| format!("on {}", host.name));
    let first = [vm, on].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let address = fleet.component(name).and_then(|component| component.addresses.first().cloned());
    [Some(first).filter(|text| !text.is_empty()), address]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(", ")
}

/// The strip: lit when somebody is needed, lit green once after a recovery was observed, else a small dot.
fn strip(target: &TargetView, recovered: bool, now: Timestamp) -> Markup {
    let since = html! { @if let Some(since) = target.since { " " (ticking(since, now)) } };
    let sentence = clean(&target.sentence);
    match target.health {
        Health::Down => html! { p.lit.down { span.lamp.down { (answering(target.health)) } (since) } },
        Health::Degraded => html! { p.lit.work { span.lamp.work { (answering(target.health)) } (since) } },
        Health::Good if recovered => {
            html! { p.lit.good { span.lamp.good { (answering(target.health)) } (since) } }
        }
        Health::Good | Health::Unknown => html! {
            p.lit.plain { span class=(lamp(target.health)) { (answering(target.health)) } (since) }
            @if target.health == Health::Unknown { p.in.small.quiet { (sentence) } }
        },
    }
}

/// The head.
pub(crate) fn head(fleet: &Fleet, target: &TargetView, view: Option<&View>, now: Timestamp) -> Markup {
    let recovered = view.is_some_and(recovered);
    let status = target.status.as_deref();
    let writes = target
        .writes
        .back()
        .filter(|rate| now.millis_since(rate.at) < 60_000)
        .map(|rate| rate.per_second)
        .or_else(|| status.filter(|status| now.millis_since(status.at) < 60_000).and_then(writes_per_second));
    html! {
        header #head.head data-part data-target=(target.name) {
            (strip(target, recovered, now))
            div.in.row.apart {
                h1.name { (target.name) }
                p.quiet.small {
                    (whereabouts(fleet, &target.name))
                    br;
                    @match target.seen_at {
                        Some(seen) => { "seen " (ticking(seen, now)) " ago" }
                        None => { "not looked at yet" }
                    }
                    @if target.maintenance { br; "in a maintenance window" }
                }
            }
            dl.vitals {
                div.main {
                    dt { "Guest writes" }
                    dd {
                        @match writes {
                            Some(rate) if rate < 10.0 && rate > 0.0 => { (format!("{rate:.1}")) " " small { "a second" } }
                            Some(rate) => { (format!("{rate:.0}")) " " small { "a second" } }
                            None => { span.quiet { "–" } " " small { "not seen" } }
                        }
                        @if let Some(drawing) = wave(&target.writes, silence_alarms(target)) { (drawing) }
                    }
                }
                @if let Some(door) = door(target, "repair") {
                    div { dt { "Repair door" } dd class=(lamp(door.health)) { (door_word(door)) } }
                }
                @if let Some(status) = status {
                    @let (lamp, word) = run_state(&status.state);
                    div { dt { "QEMU" } dd class=(lamp) { (word) } }
                }
                @if let Some(door) = door(target, "power") {
                    div { dt { "Power door" } dd class=(lamp(door.health)) { (door_word(door)) } }
                }
            }
            (notices::line(view, now))
        }
    }
}

pub(crate) fn door<'a>(target: &'a TargetView, kind: &str) -> Option<&'a DoorView> {
    target.doors.iter().find(|door| door.kind == kind)
}

/// A door in one word.
pub(crate) const fn door_word(door: &DoorView) -> &'static str {
    match door.health {
        Health::Good => "open",
        Health::Unknown => "not tried",
        Health::Degraded => "slow",
        Health::Down => "shut",
    }
}
