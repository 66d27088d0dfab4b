//! What one look at a target says: pure rules of the watch, much fewer than triage's.
//!
//! The watch answers one question, "does it serve", cheaply and all the time; naming the wedge and what to do about it
//! is triage's, which the watch starts once it is sure. Where it is not sure it says so and wakes nobody.

use breakglass_incident::TargetState;
use breakglass_protocol::{BlockSample, ConsoleSignKind, Outcome, ProcessIdentity, RunState, Status, SyncProbe, Verb};
use breakglass_triage::{Health, Normal, Reach, Wedge};

/// A VM younger than this that has not answered yet is booting, not down.
const BOOTING_SECONDS: u64 = 90;
/// A write-and-sync that the guard inside reports as stuck for longer than this counts.
const STUCK_WRITE_MILLIS: u64 = 1_000;
/// A command through the repair door that has not come back for longer than this counts.
const STUCK_COMMAND_MILLIS: u64 = 1_800;
/// Without counters to tell a stalled disk from a busy machine, that is down only after this long.
const HOPELESS_COMMAND_MILLIS: u64 = 10_000;
/// A finished write-and-sync that took longer than this is told as slow.
const SLOW_WRITE_MILLIS: u64 = 3_000;
/// How much longer than its longest stretch without a write a target must be quiet before that is told.
const QUIET_FACTOR: u64 = 5;
/// Shorter than this no quiet is told, whatever was learnt.
const QUIET_FLOOR_MILLIS: u64 = 60_000;

/// What the write-and-sync through the repair door did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyncSeen {
    /// Not tried: no repair door, or the fleet file turns it off.
    NotTried,
    /// It ended.
    Probes(Vec<SyncProbe>),
    /// The command has not come back for so long, in milliseconds.
    Stuck(u64),
    /// A command runs there, and no guard is installed.
    NoGuard,
    /// The door did not open, or something else came.
    Failed(String),
}

/// One look.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) reach: Reach,
    pub(crate) sync: SyncSeen,
    /// The status, or why there is none; `None` where there is no power door.
    pub(crate) hypervisor: Option<Result<Box<Status>, String>>,
    /// Whether the hypervisor's own SSH port is silent.
    pub(crate) hypervisor_silent: bool,
    /// The newest block counters of the look before this one, of the same QEMU process.
    pub(crate) before: Option<BlockSample>,
    /// The QEMU process in which the target was last seen well.
    pub(crate) well_in: Option<ProcessIdentity>,
    pub(crate) normal: Normal,
}

/// What a look says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) state: TargetState,
    /// Whether somebody should be woken when this lasts.
    pub(crate) alarm: bool,
    /// Whether it must have lasted a while before it counts at all, whatever the number of looks.
    pub(crate) must_last: bool,
}

impl Verdict {
    fn new(health: Health, wedge: Option<Wedge>, sentence: impl Into<String>) -> Self {
        let state = TargetState { health, sentence: sentence.into(), wedge };
        Self { state, alarm: health == Health::Down, must_last: false }
    }

    fn quietly(self) -> Self {
        Self { alarm: false, ..self }
    }
}

/// Judges one look.
pub(crate) fn judge(look: &Look) -> Verdict {
    let status = match &look.hypervisor {
        Some(Ok(status)) => Some(status.as_ref()),
        _ => None,
    };
    if let Some(verdict) = status.and_then(held_by_the_hypervisor) {
        return verdict;
    }
    match look.reach {
        Reach::Banner(millis) => inside(look, status, millis),
        Reach::NotTried => Verdict::new(Health::Unknown, None, "the fleet declares no address to look at"),
        Reach::NoBanner | Reach::Closed | Reach::Silent => unreachable(look, status),
    }
}

/// States in which the guest cannot serve, whatever its port seems to do.
fn held_by_the_hypervisor(status: &Status) -> Option<Verdict> {
    let down = |wedge, sentence: &str| Some(Verdict::new(Health::Down, wedge, sentence));
    match &status.state {
        RunState::Stopped => Some(off(status)),
        RunState::Paused => down(Some(Wedge::Paused), "the hypervisor holds the guest's processors: paused"),
        RunState::Prelaunch => down(Some(Wedge::Paused), "reset and not let go by the hypervisor"),
        RunState::IoError => down(Some(Wedge::DiskFailure), "held since a disk request failed"),
        RunState::InternalError => down(None, "held by an error inside QEMU"),
        RunState::GuestPanicked => down(Some(Wedge::Panic), "the guest's kernel panicked"),
        RunState::Unresponsive => down(Some(Wedge::QemuUnresponsive), "QEMU runs and its monitor does not answer"),
        RunState::Running | RunState::Other(_) | RunState::Unknown => None,
    }
}

/// Off because somebody stopped it wakes nobody.
fn off(status: &Status) -> Verdict {
    let asked = status.last_operation.as_ref().filter(|last| {
        last.verb == Verb::Stop && matches!(last.outcome, Some(Outcome::Done))
    });
    match asked {
        Some(stop) => Verdict::new(Health::Down, Some(Wedge::Off), format!("off since {} stopped it", stop.key)).quietly(),
        None => Verdict::new(Health::Down, Some(Wedge::Off), "powered off, and not by a stop through the guard"),
    }
}

fn unreachable(look: &Look, status: Option<&Status>) -> Verdict {
    if look.hypervisor_silent {
        return Verdict::new(Health::Unknown, None, "its hypervisor does not answer, so nothing can be said of it");
    }
    if let Some(status) = status {
        let newest = status.console.last();
        if newest.is_some_and(|sign| sign.kind == ConsoleSignKind::Panic) {
            return Verdict::new(Health::Down, Some(Wedge::Panic), "its console ends with a kernel panic");
        }
        if let Some(seconds) = booting_for(look, status) {
            return Verdict::new(Health::Unknown, None, format!("booting for {seconds} s"));
        }
    }
    Verdict::new(
        Health::Down,
        None,
        match look.reach {
            Reach::NoBanner => "connections are accepted and no SSH banner comes",
            Reach::Closed => "SSH connections are refused or closed at once",
            _ => "nothing answers at its SSH port",
        },
    )
}

/// How long it has been booting, where it is: a process in which it has never been well, or a kernel that began anew.
fn booting_for(look: &Look, status: &Status) -> Option<u64> {
    let never_well = status.process.is_some() && look.well_in != status.process;
    let process = status.process_age_seconds.filter(|age| never_well && *age < BOOTING_SECONDS);
    let console = status.console.last().filter(|sign| sign.kind == ConsoleSignKind::Boot);
    process.or_else(|| console?.age_seconds.filter(|age| *age < BOOTING_SECONDS))
}

fn inside(look: &Look, status: Option<&Status>, millis: u64) -> Verdict {
    match &look.sync {
        SyncSeen::Probes(probes) => written(probes, millis),
        SyncSeen::Stuck(stuck) if *stuck >= STUCK_COMMAND_MILLIS => stuck_command(look, status, *stuck),
        SyncSeen::Failed(why) => {
            Verdict::new(Health::Degraded, None, format!("SSH answers and the repair door does not open: {why}"))
        }
        SyncSeen::NoGuard | SyncSeen::NotTried | SyncSeen::Stuck(_) => quiet(look, millis),
    }
}

fn written(probes: &[SyncProbe], millis: u64) -> Verdict {
    let stuck = probes.iter().filter_map(|probe| Some((probe, probe.stuck_millis?))).max_by_key(|(_, stuck)| *stuck);
    if let Some((probe, stuck)) = stuck.filter(|(_, stuck)| *stuck >= STUCK_WRITE_MILLIS) {
        let sentence = format!(
            "SSH answers, and a write to {} has not become durable for {:.1} s",
            probe.mount,
            seconds(stuck)
        );
        return Verdict::new(Health::Down, Some(Wedge::BlockStall), sentence);
    }
    if let Some((probe, error)) = probes.iter().find_map(|probe| Some((probe, probe.error.as_ref()?))) {
        let full = error.to_lowercase().contains("space");
        let wedge = full.then_some(Wedge::DiskFull);
        return Verdict::new(Health::Degraded, wedge, format!("cannot write to {}: {error}", probe.mount));
    }
    let slowest = probes.iter().filter_map(|probe| Some((probe, probe.millis?))).max_by_key(|(_, took)| *took);
    match slowest {
        Some((probe, took)) if took >= SLOW_WRITE_MILLIS => {
            let sentence = format!("a write to {} took {:.1} s to become durable", probe.mount, seconds(took));
            Verdict::new(Health::Degraded, None, sentence)
        }
        Some((_, took)) => good(format!("SSH answers in {millis} ms, a write is durable in {took} ms")),
        None => good(format!("SSH answers in {millis} ms")),
    }
}

fn stuck_command(look: &Look, status: Option<&Status>, stuck: u64) -> Verdict {
    let flat = match (look.before.as_ref(), status.and_then(|status| status.samples.last())) {
        (Some(before), Some(now)) => Some(writes_between(before, now) == 0),
        _ => None,
    };
    let sentence = |what: &str| format!("SSH answers, and a command through the repair door hangs for {:.1} s{what}", seconds(stuck));
    match flat {
        Some(true) => {
            let verdict = Verdict::new(Health::Down, Some(Wedge::BlockStall), sentence(" while no write completes"));
            Verdict { must_last: true, ..verdict }
        }
        _ if stuck >= HOPELESS_COMMAND_MILLIS => Verdict::new(Health::Down, None, sentence("")),
        _ => Verdict::new(Health::Degraded, None, sentence("")),
    }
}

/// Without a write-and-sync, the counters alone: told only where the target is much quieter than it ever was.
fn quiet(look: &Look, millis: u64) -> Verdict {
    let (longest, now) = (look.normal.longest_quiet_millis, look.normal.quiet_millis);
    match (longest, now) {
        (Some(longest), Some(now)) if now > QUIET_FLOOR_MILLIS && now > longest.saturating_mul(QUIET_FACTOR) => {
            let sentence = format!(
                "SSH answers in {millis} ms, and no write has completed for {:.0} s; its longest quiet so far was {:.0} s",
                seconds(now),
                seconds(longest)
            );
            Verdict::new(Health::Degraded, Some(Wedge::BlockStall), sentence)
        }
        _ => good(format!("SSH answers in {millis} ms")),
    }
}

fn good(sentence: String) -> Verdict {
    Verdict::new(Health::Good, None, sentence)
}

#[expect(clippy::cast_precision_loss, reason = "for a reader, rounded to a tenth of a second")]
fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

/// Completed writes and flushes between two samples of one process.
pub(crate) fn writes_between(before: &BlockSample, now: &BlockSample) -> u64 {
    total(now).saturating_sub(total(before))
}

fn total(sample: &BlockSample) -> u64 {
    sample.disks.iter().map(|disk| disk.writes.saturating_add(disk.flushes)).sum()
}

#[cfg(test)]
mod tests;
