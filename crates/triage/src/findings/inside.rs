//! Findings from inside the target.

use super::{degraded_if, tell};
use crate::case::Case;
use crate::result::{Finding, Health};
use crate::text::{percent, size, stretch, tame};
use breakglass_protocol::{Facts, Filesystem, LoadFacts, MemoryFacts, Part, PressureFacts};

/// A write-and-sync that takes longer than this is slow.
const SLOW_SYNC_MILLIS: u64 = 2_000;
/// A file system with less left than this, and less than so much of it, is nearly full.
const NEARLY_FULL_PERCENT: f64 = 5.0;
const NEARLY_FULL_KIB: u64 = 1024 * 1024;
/// A clock that is off by more than this misleads whoever compares times.
const CLOCK_MILLIS: u64 = 30_000;

pub(super) fn look(case: &Case<'_>, findings: &mut Vec<Finding>) {
    sync(case, findings);
    let Some(facts) = case.facts() else { return };
    part(findings, "Load", &facts.load, load);
    part(findings, "Memory", &facts.memory, memory);
    part(findings, "Pressure", &facts.pressure, pressure);
    part(findings, "Disks", &facts.filesystems, |all| disks(all));
    blocked(case, facts, findings);
    kills(facts, findings);
    units(facts, findings);
    clock(case, facts, findings);
}

/// One part of the facts: what it says, or that it did not come.
fn part<T>(findings: &mut Vec<Finding>, label: &str, part: &Part<T>, words: fn(&T) -> (String, Health)) {
    match part {
        Part::Yes(value) => {
            let (seen, health) = words(value);
            tell(findings, label, seen, health);
        }
        Part::TimedOut => tell(findings, label, "did not answer in time".to_owned(), Health::Degraded),
        Part::No(why) => tell(findings, label, format!("not seen: {}", tame(why)), Health::Unknown),
    }
}

fn load(load: &LoadFacts) -> (String, Health) {
    let processors = load.processors.max(1);
    let busiest = load.busiest.first().filter(|(.., percent)| *percent >= 50.0);
    let busiest =
        busiest.map_or_else(String::new, |(command, pid, _)| format!("; busiest {} ({pid})", tame(command)));
    let seen = format!(
        "{:.1} over a minute, {} tasks want {processors} processors{busiest}",
        load.one, load.runnable
    );
    (seen, degraded_if(load.one >= f64::from(processors) * 8.0))
}

fn memory(memory: &MemoryFacts) -> (String, Health) {
    let share = percent(memory.available_kib, memory.total_kib);
    let swap = if memory.swap_total_kib == 0 {
        "no swap".to_owned()
    } else {
        format!("{} of {} swap free", size(memory.swap_free_kib), size(memory.swap_total_kib))
    };
    let seen = format!("{} of {} available, {swap}", size(memory.available_kib), size(memory.total_kib));
    (seen, degraded_if(share < 3.0 && memory.available_kib < 512 * 1024))
}

/// Pressure on processors and disks is work, not a fault; that all wait for memory is one.
fn pressure(pressure: &PressureFacts) -> (String, Health) {
    let show = |line: Option<breakglass_protocol::PressureLine>| {
        line.map_or_else(|| "?".to_owned(), |line| format!("{:.0} %", line.avg10))
    };
    let seen = format!(
        "over 10 s some waited: processor {}, memory {}, disk {}; all waited: memory {}, disk {}",
        show(pressure.cpu_some),
        show(pressure.memory_some),
        show(pressure.io_some),
        show(pressure.memory_full),
        show(pressure.io_full)
    );
    (seen, degraded_if(pressure.memory_full.is_some_and(|line| line.avg10 >= 10.0)))
}

fn disks(all: &[Filesystem]) -> (String, Health) {
    if all.is_empty() {
        return ("none on a disk".to_owned(), Health::Good);
    }
    let silent = all.iter().find(|one| one.size_kib.is_none());
    if let Some(one) = silent {
        return (format!("{} did not tell its size in time", tame(&one.mount)), Health::Degraded);
    }
    let left = |one: &Filesystem| percent(one.available_kib.unwrap_or(0), one.size_kib.unwrap_or(0));
    let inodes = |one: &Filesystem| percent(one.inodes_free.unwrap_or(0), one.inodes.unwrap_or(0));
    let nearly_full = |one: &&Filesystem| {
        let space = left(one) < NEARLY_FULL_PERCENT && one.available_kib.unwrap_or(0) < NEARLY_FULL_KIB;
        !one.read_only && (space || inodes(one) < NEARLY_FULL_PERCENT)
    };
    let told = |one: &Filesystem| {
        format!("{} {:.0} % free, inodes {:.0} %", tame(&one.mount), left(one), inodes(one))
    };
    let bad: Vec<String> = all.iter().filter(nearly_full).map(told).collect();
    if bad.is_empty() {
        let fullest =
            all.iter().filter(|one| !one.read_only).min_by(|one, other| left(one).total_cmp(&left(other)));
        return (fullest.map_or_else(|| "all read-only".to_owned(), told), Health::Good);
    }
    (bad.join("; "), Health::Degraded)
}

fn sync(case: &Case<'_>, findings: &mut Vec<Finding>) {
    for probe in case.sync {
        let mount = tame(&probe.mount);
        let (seen, health) = match (probe.millis, probe.stuck_millis, &probe.error) {
            (Some(millis), ..) => {
                (format!("{mount}: durable in {}", stretch(millis)), degraded_if(millis > SLOW_SYNC_MILLIS))
            }
            (None, _, Some(error)) => (format!("{mount}: {}", tame(error)), Health::Degraded),
            (None, Some(stuck), None) => {
                (format!("{mount}: not durable after {}", stretch(stuck)), Health::Degraded)
            }
            (None, None, None) => (format!("{mount}: not durable yet"), Health::Degraded),
        };
        tell(findings, "Write and sync", seen, health);
    }
}

/// A task that waits for a disk is at work as long as writes complete.
fn blocked(case: &Case<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(tasks) = facts.blocked.value() else {
        return part(findings, "Blocked tasks", &facts.blocked, |_| (String::new(), Health::Good));
    };
    let Some(first) = tasks.first() else {
        return tell(findings, "Blocked tasks", "none".to_owned(), Health::Good);
    };
    let seen = format!("{}, such as {} in {}", tasks.len(), tame(&first.command), tame(&first.wait_channel));
    tell(
        findings,
        "Blocked tasks",
        seen,
        degraded_if(!case.synced() && case.writes_are_flat() == Some(true)),
    );
}

fn kills(facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(memory) = facts.memory.value() else { return };
    let newest = memory.oom_lines.last().map_or_else(String::new, |line| format!("; newest: {}", tame(line)));
    // Told, and no fault by itself: it may have been weeks ago.
    tell(findings, "OOM kills", format!("{} since boot{newest}", memory.oom_kills), Health::Good);
}

fn units(facts: &Facts, findings: &mut Vec<Finding>) {
    if let Part::Yes(units) = &facts.failed_units {
        let names: Vec<String> = units.iter().take(5).map(|unit| tame(&unit.unit)).collect();
        let seen = if names.is_empty() {
            "none".to_owned()
        } else {
            format!("{}: {}", units.len(), names.join(", "))
        };
        tell(findings, "Failed units", seen, degraded_if(!units.is_empty()));
    }
}

fn clock(case: &Case<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
    let Some(clock) = facts.clock.value() else { return };
    let (ahead, behind) = (clock.at.millis_since(case.at), case.at.millis_since(clock.at));
    let off = ahead.max(behind);
    let way = if ahead > behind { "ahead" } else { "behind" };
    let synchronised = if clock.synchronised { "synchronised" } else { "not synchronised" };
    let zone = clock
        .offset_minutes
        .map_or_else(String::new, |minutes| format!("; its logs are in {}", zone(minutes)));
    let seen = if off > CLOCK_MILLIS {
        format!("{} {way} of this server, {synchronised}{zone}", stretch(off))
    } else {
        format!("right, {synchronised}{zone}")
    };
    tell(findings, "Clock", seen, degraded_if(off > CLOCK_MILLIS));
}

/// `UTC`, `UTC+2`, `UTC-3:30`.
fn zone(minutes: i32) -> String {
    let (sign, size) = (if minutes < 0 { '-' } else { '+' }, minutes.unsigned_abs());
    match (size / 60, size % 60) {
        (0, 0) => "UTC".to_owned(),
        (hours, 0) => format!("UTC{sign}{hours}"),
        (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
    }
}
