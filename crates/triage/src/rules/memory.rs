//! No memory is left.

use crate::case::{Case, Login};
use crate::result::{Action, Health, Wedge};
use crate::text::{ROOT_PREFIX, percent, size, stretch_seconds, tame};
use crate::verdict::Verdict;
use breakglass_protocol::{ConsoleSign, ConsoleSignKind, Facts, MemoryFacts, Verb};

/// Less than this share available is scarce…
const SCARCE_PERCENT: f64 = 3.0;
/// …and this where the kernel is killing for it…
const SCARCE_AFTER_KILL_PERCENT: f64 = 10.0;
const JUST_NOW_SECONDS: u64 = 60;
/// …unless that is still so much that most work fits into it.
const SCARCE_KIB: u64 = 512 * 1024;
/// All tasks waiting for memory for this share of the time is thrashing.
const THRASHING_PERCENT: f64 = 10.0;
/// A kill that the console tells of explains a silence for so long.
const EXPLAINS_SECONDS: u64 = 900;
/// And a log-in that fails although a server greets, for so long.
const EXPLAINS_LOGIN_SECONDS: u64 = 120;

pub(super) fn exhausted(case: &Case<'_>) -> Option<Verdict> {
    match case.facts() {
        Some(facts) => {
            let kill = case.sign(ConsoleSignKind::OutOfMemory).filter(|sign| !is_of_a_group(sign));
            let killed_just_now =
                kill.and_then(|sign| sign.age_seconds).is_some_and(|age| age <= JUST_NOW_SECONDS);
            seen_inside(facts, killed_just_now)
        }
        None => seen_on_the_console(case),
    }
}

fn seen_inside(facts: &Facts, killed_just_now: bool) -> Option<Verdict> {
    let memory = facts.memory.value()?;
    let available = percent(memory.available_kib, memory.total_kib);
    // A kill gives some back for a moment.
    let scarce = if killed_just_now { SCARCE_AFTER_KILL_PERCENT } else { SCARCE_PERCENT };
    if memory.total_kib == 0 || available >= scarce || memory.available_kib >= SCARCE_KIB {
        return None;
    }
    let full = facts.pressure.value().and_then(|pressure| pressure.memory_full).map(|line| line.avg10);
    let thrashes = full.is_some_and(|full| full >= THRASHING_PERCENT);
    let swap_gone = memory.swap_total_kib > 0 && percent(memory.swap_free_kib, memory.swap_total_kib) < 5.0;
    let nearly_nothing = available < SCARCE_PERCENT / 2.0;
    if !(thrashes || swap_gone || memory.oom_kills > 0 || killed_just_now || nearly_nothing) {
        return None;
    }
    let left =
        format!("{} of {} available ({available:.1} %)", size(memory.available_kib), size(memory.total_kib));
    let mut verdict = Verdict::degraded(Wedge::MemoryExhaustion, format!("Memory exhausted: {left}."))
        .seen("Memory", left)
        .seen("OOM kills", memory.oom_kills.to_string());
    if let Some(full) = full {
        verdict =
            verdict.seen("Pressure", format!("all tasks waited for memory {full:.0} % of the last 10 s"));
    }
    Some(end_the_largest(verdict, memory))
}

fn end_the_largest(verdict: Verdict, memory: &MemoryFacts) -> Verdict {
    // Never the first process, and never what carries this very session.
    let may_end =
        |command: &str, pid: u32| pid > 1 && !["sshd", "sshd-session", "breakglass-guard"].contains(&command);
    let largest = memory.largest.iter().find(|(command, pid, _)| may_end(command, *pid));
    let verdict = match largest.filter(|(_, _, kib)| percent(*kib, memory.total_kib) >= 20.0) {
        Some((command, pid, kib)) => {
            let named = format!("{} (process {pid}, {})", tame(command), size(*kib));
            verdict.seen("Largest process", named.clone()).advise(
                Action::Run(format!("{ROOT_PREFIX}kill -TERM {pid}")),
                format!("{named} holds most of the memory; asking it to end frees that and keeps the rest running."),
                format!("{} is what this machine is for: then find out why it grew before it grows again", tame(command)),
            )
        }
        None => verdict.advise(
            Action::Run("top -b -n 1".to_owned()),
            "No single process holds most of the memory: see which belong together before ending any.",
            "it already answers too slowly to look: then press reset",
        ),
    };
    verdict.remark(Verb::Reset, "frees all memory at once; whatever runs inside is lost").remark(
        Verb::Cycle,
        "does what a reset does, and applies staged configuration, more memory for example",
    )
}

fn seen_on_the_console(case: &Case<'_>) -> Option<Verdict> {
    let sign = case.sign(ConsoleSignKind::OutOfMemory).filter(|sign| !is_of_a_group(sign))?;
    let age = sign.age_seconds;
    let silent = case.no_banner() && age.is_none_or(|age| age <= EXPLAINS_SECONDS);
    let no_login = matches!(case.login, Login::TimedOut | Login::Failed(_))
        && case.banner()
        && age.is_some_and(|age| age <= EXPLAINS_LOGIN_SECONDS);
    if !case.running() || !(silent || no_login) {
        return None;
    }
    let when = age.map_or_else(String::new, |age| format!(", {} ago", stretch_seconds(age)));
    let summary = "Memory exhausted: the kernel kills processes for lack of it, and SSH does not answer.";
    let ssh = if silent { "no banner" } else { "banner, and no log-in" };
    Some(
        Verdict::down(Wedge::MemoryExhaustion, summary)
            .seen("Console", format!("{}{when}, {} such lines since boot", tame(&sign.line), sign.count))
            .seen("SSH", ssh)
            .seen_as("QEMU", "running", Health::Good)
            .advise(
                Action::Press(Verb::Reset),
                "The inside cannot be reached to end what took the memory; a reset boots it with its memory free.",
                "it recovers by itself: the kernel may still free enough. If SSH answers again, look there first",
            )
            .remark(Verb::Cycle, "does what a reset does, and applies staged configuration, more memory for example")
            .remark(Verb::Stop, "needs memory inside to shut down in order: it is likely to be killed after the grace"),
    )
}

/// A limit of one group of processes was reached, and the machine itself has memory.
fn is_of_a_group(sign: &ConsoleSign) -> bool {
    sign.line.contains("Memory cgroup out of memory") || sign.line.contains("CONSTRAINT_MEMCG")
}
