//! Findings from outside: reachability, and what the hypervisor sees.

use super::{degraded_if, tell};
use crate::case::{Case, Login, View};
use crate::evidence::Reach;
use crate::result::{Finding, Health};
use crate::text::{stretch, stretch_seconds, tame};
use breakglass_protocol::{RunState, Status};

/// A monitor that takes longer than this to answer is worth a word.
const SLOW_MONITOR_MILLIS: u64 = 1_000;

pub(super) fn look(case: &Case<'_>, findings: &mut Vec<Finding>) {
    reach(case, findings);
    match case.view {
        View::Status(status) => hypervisor(case, status, findings),
        View::TimedOut => tell(findings, "Hypervisor", "no answer in time", Health::Degraded),
        View::Failed(why) => tell(findings, "Hypervisor", tame(why), Health::Degraded),
        View::NoDoor => tell(findings, "Hypervisor", "no power door is declared", Health::Unknown),
    }
}

fn reach(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let (seen, health) = match case.reach {
        Reach::Banner(millis) => (format!("banner after {}", stretch(*millis)), Health::Good),
        Reach::NoBanner => ("accepts, and no banner comes".to_owned(), Health::Down),
        Reach::Closed => ("refused, or closed at once".to_owned(), Health::Down),
        Reach::Silent => ("no connection".to_owned(), Health::Down),
        Reach::NotTried => ("no address is declared".to_owned(), Health::Unknown),
    };
    tell(findings, "SSH", seen, health);
    match case.login {
        Login::Works(_) => tell(findings, "Log-in", "works", Health::Good),
        Login::TimedOut => tell(findings, "Log-in", "no answer in time", Health::Down),
        Login::Failed(why) => tell(findings, "Log-in", tame(why), Health::Degraded),
        Login::NoDoor => tell(findings, "Log-in", "no repair door is declared", Health::Unknown),
    }
    match case.refusing {
        Some(Reach::Closed) => {
            tell(findings, "Unused port", "refuses: the kernel answers the network", Health::Good)
        }
        Some(Reach::NoBanner | Reach::Silent) => {
            let (seen, health) = match case.normal.refusing_port_refused {
                Some(false) => ("silent, as it is when all is well", Health::Unknown),
                _ => ("silent, where a kernel would refuse", Health::Down),
            };
            tell(findings, "Unused port", seen, health);
        }
        Some(Reach::Banner(_)) => {
            tell(findings, "Unused port", "something listens there after all", Health::Unknown)
        }
        Some(Reach::NotTried) | None => {}
    }
}

fn hypervisor(case: &Case<'_>, status: &Status, findings: &mut Vec<Finding>) {
    let (word, health) = match &status.state {
        RunState::Running => ("running".to_owned(), Health::Good),
        RunState::Unknown => ("not seen".to_owned(), Health::Unknown),
        RunState::Other(word) => (tame(word), Health::Degraded),
        RunState::Stopped => ("no process".to_owned(), Health::Down),
        RunState::Paused => ("paused".to_owned(), Health::Down),
        RunState::IoError => ("io-error".to_owned(), Health::Down),
        RunState::InternalError => ("internal-error".to_owned(), Health::Down),
        RunState::GuestPanicked => ("guest-panicked".to_owned(), Health::Down),
        RunState::Prelaunch => ("prelaunch".to_owned(), Health::Down),
        RunState::Unresponsive => ("does not answer".to_owned(), Health::Down),
    };
    let slow = status.answered_in_millis.is_some_and(|millis| millis > SLOW_MONITOR_MILLIS);
    let answered = status
        .answered_in_millis
        .map_or_else(String::new, |millis| format!(", answers in {}", stretch(millis)));
    tell(findings, "QEMU", format!("{word}{answered}"), health.max(degraded_if(slow)));
    writes(case, findings);
    if let Some(flow) = case.flow() {
        let usual =
            case.normal.cpu_percent.map_or_else(String::new, |usual| format!(", usually {usual:.0} %"));
        tell(findings, "QEMU CPU", format!("{}{usual}", flow.processor()), Health::Good);
    }
    console(case, status, findings);
    in_charge(status, findings);
    if let Some(seconds) = case.began_seconds_ago() {
        tell(findings, "Running for", stretch_seconds(seconds), Health::Good);
    }
    for note in &status.notes {
        tell(findings, "Not seen", tame(note), Health::Unknown);
    }
}

/// Zero alone is no fault: an idle machine writes nothing.
fn writes(case: &Case<'_>, findings: &mut Vec<Finding>) {
    let Some(flow) = case.flow() else { return };
    let usual = case
        .normal
        .writes_per_second
        .map_or_else(String::new, |usual| format!(", usually {usual:.1} a second"));
    let quiet = case.normal.quiet_millis.filter(|quiet| *quiet > flow.millis);
    let quiet = quiet.map_or_else(String::new, |quiet| format!(", none for {}", stretch(quiet)));
    let quiet = if flow.writes == 0 { quiet } else { String::new() };
    let seen = format!("{} in two samples, {} apart{quiet}{usual}", flow.writes, stretch(flow.millis));
    tell(findings, "Guest writes", seen, Health::Good);
}

fn console(case: &Case<'_>, status: &Status, findings: &mut Vec<Finding>) {
    // What an earlier kernel wrote is not of this one.
    let of_this_kernel = status.console.iter().filter(|sign| case.sign(sign.kind) == Some(*sign));
    let mut newest: Vec<_> =
        of_this_kernel.filter(|sign| sign.kind != breakglass_protocol::ConsoleSignKind::Boot).collect();
    newest.reverse();
    for sign in &newest {
        let age = sign.age_seconds.map_or_else(String::new, |age| format!(", {} ago", stretch_seconds(age)));
        tell(findings, "Console", format!("{}{age}", tame(&sign.line)), Health::Degraded);
    }
    if newest.is_empty() && case.console_is_kept() {
        tell(findings, "Console", "no panic, no kill, no disk error", Health::Good);
    }
}

fn in_charge(status: &Status, findings: &mut Vec<Finding>) {
    let lock = match &status.lock {
        None => "none".to_owned(),
        Some(lock) if lock.clearable => format!("{}, and whoever held it is gone", tame(&lock.kind)),
        Some(lock) => tame(&lock.kind),
    };
    // Neither is a fault of the target's.
    tell(findings, "Lock", lock, Health::Good);
    let jobs = crate::charge::jobs(status).unwrap_or_else(|| "none".to_owned());
    tell(findings, "Jobs", jobs, Health::Good);
    if !status.staged.is_empty() {
        let seen = format!("{} change(s) wait for the next start", status.staged.len());
        tell(findings, "Staged configuration", seen, Health::Good);
    }
    if let Some(operation) = &status.last_operation {
        let end = match (operation.running, operation.outcome) {
            (true, None) => "running".to_owned(),
            (_, Some(outcome)) => format!("{outcome:?}").to_lowercase(),
            (false, None) => "broken off".to_owned(),
        };
        let seen = format!("{} at {}, {end}", operation.verb, operation.accepted.time_of_day());
        tell(findings, "Last operation", seen, degraded_if(end == "broken off"));
    }
}
