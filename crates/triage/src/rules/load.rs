//! More work than the processors can do.

use crate::case::{Case, Login};
use crate::evidence::Reach;
use crate::result::{Action, Health, Wedge};
use crate::text::{ROOT_PREFIX, tame};
use crate::verdict::Verdict;
use breakglass_protocol::{ConsoleSignKind, LoadFacts, Verb};

/// So many tasks that could run for each processor are too many…
const CROWDED: u32 = 4;
/// …and at least so many in all; a small machine has spikes.
const CROWD: u32 = 8;
/// So many for each processor need no second witness.
const MOB: u32 = 32;
/// QEMU uses what it gets of a processor of the host to this share: the guest has none to spare. Less than all of it, since
/// not every host counts how long it let QEMU wait.
const SATURATED_PERCENT: f64 = 75.0;

pub(super) fn seen_inside(case: &Case<'_>) -> Option<Verdict> {
    let load = case.facts()?.load.value()?;
    let processors = load.processors.max(1);
    let crowd = load.runnable >= processors.saturating_mul(CROWDED).max(CROWD);
    // One moment may be a spike; the average of a minute is not. It lags, so a mob counts at once.
    let lasts = load.one >= f64::from(processors) * 2.0
        && case.began_seconds_ago().is_none_or(|seconds| seconds >= 60);
    let mob = load.runnable >= processors.saturating_mul(MOB);
    if !crowd || !(lasts || mob) {
        return None;
    }
    let seen =
        format!("{} tasks want {} processors; load {:.1} over a minute", load.runnable, processors, load.one);
    let verdict = Verdict::degraded(
        Wedge::RunawayLoad,
        format!("Runaway load: {} tasks want {processors} processors.", load.runnable),
    )
    .seen("Load", seen);
    Some(remarks(lower_the_busiest(verdict, load)))
}

fn lower_the_busiest(verdict: Verdict, load: &LoadFacts) -> Verdict {
    let may_touch = |pid: u32, command: &str| {
        pid > 1 && !["sshd", "sshd-session", "breakglass-guard", "systemd", "init"].contains(&command)
    };
    let busiest: Vec<_> = load.busiest.iter().filter(|(command, pid, _)| may_touch(*pid, command)).collect();
    let Some((command, pid, percent)) = busiest.first() else {
        return verdict.advise(
            Action::Run("top -b -n 1".to_owned()),
            "It was not seen which tasks those are.",
            "it already answers too slowly to look: then press reset",
        );
    };
    let same = busiest.iter().filter(|(other, ..)| other == command).count();
    let named = tame(command);
    if same > 1 && is_plain(command) {
        return verdict.seen("Busiest", format!("{named}, several times")).advise(
            Action::Run(format!("{ROOT_PREFIX}pkill -STOP -x {command}")),
            format!("The busiest are all {named}. Stopping them where they stand gives the processors back and loses nothing: \
                     `pkill -CONT -x {command}` lets them go on."),
            format!("{named} is what this machine is for: then lower it with renice, and find out why there are so many"),
        );
    }
    verdict.seen("Busiest", format!("{named} (process {pid}), {percent:.0} % of a processor")).advise(
        Action::Run(format!("{ROOT_PREFIX}renice -n 19 -p {pid}")),
        format!("{named} uses most; lowering it lets everything else have its turn, and it goes on."),
        format!("{named} is not the cause and only busiest now: look at the list again afterwards"),
    )
}

/// Whether a command's name can stand in a command line as it is. The name comes from the guest, and `pkill` takes a
/// pattern.
fn is_plain(command: &str) -> bool {
    let plain = command.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    plain && !command.is_empty() && !command.starts_with('-') && command.len() <= 15
}

/// The kernel answers, SSH hardly or not, and the guest uses all the processor it gets.
pub(super) fn seen_outside(case: &Case<'_>) -> Option<Verdict> {
    let flow = case.flow().filter(|flow| flow.wanted_percent >= SATURATED_PERCENT)?;
    let starved = match case.login {
        Login::Works(_) => false,
        Login::TimedOut => true,
        // A closed connection is a server that is not there, not one that is slow.
        Login::Failed(_) | Login::NoDoor => matches!(case.reach, Reach::NoBanner),
    };
    let closed = matches!(case.reach, Reach::Closed);
    // What keeps a whole SSH server from its greeting keeps the guest's own writers from theirs: where those go on as ever,
    // the processor is merely busy, and the server or the network is what fails.
    let shared_out = case.no_banner() && case.writes_as_usual();
    // Under the heaviest load even the kernel's own answer waits its turn. A guest that spins in a panic or a lockup is
    // silent too, and would have said so on a console that is kept.
    let says_nothing = case.console_is_kept()
        && [ConsoleSignKind::Panic, ConsoleSignKind::Lockup]
            .into_iter()
            .all(|kind| case.sign(kind).is_none());
    let alive = case.kernel_answers() == Some(true) || (case.kernel_answers() == Some(false) && says_nothing);
    if !starved
        || closed
        || shared_out
        || !case.busier_than_usual(flow.wanted_percent)
        || !alive
        || !case.running()
    {
        return None;
    }
    let ssh =
        if case.banner() { "banner, and no log-in in time" } else { "no banner, though the kernel answers" };
    let console = if case.console_is_kept() { "no telling line" } else { "not kept" };
    let lockup =
        case.sign(ConsoleSignKind::Lockup).map_or_else(|| console.to_owned(), |sign| tame(&sign.line));
    let summary = "Runaway load: the guest uses all the processor it gets, and SSH gets no turn.";
    let verdict = Verdict::down(Wedge::RunawayLoad, summary)
        .seen("QEMU CPU", flow.processor())
        .seen("SSH", ssh)
        .seen_as("Console", lockup, Health::Unknown)
        .advise(
            Action::Press(Verb::Reset),
            "No command gets in to lower what runs away; a reset boots it without that.",
            "it is a long job that ends by itself, or it is out of memory and its console was not kept. If a log-in \
             gets through after all, lower the busiest process instead",
        );
    Some(remarks(verdict))
}

fn remarks(verdict: Verdict) -> Verdict {
    verdict.remark(Verb::Reset, "ends all that runs inside; the QEMU process is not at fault").remark(
        Verb::Cycle,
        "does what a reset does, and applies staged configuration, more processors for example",
    )
}
