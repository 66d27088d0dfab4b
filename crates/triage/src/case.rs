//! One triage as the rules see it: the evidence, and what follows from it by arithmetic alone.
//!
//! Nothing here judges. Whatever was not seen is `None`, so that no rule can mistake it for a zero.

use crate::evidence::{Evidence, HypervisorView, Inside, Normal, Reach};
use breakglass_protocol::{
    BlockSample, ConsoleSign, ConsoleSignKind, Facts, LastOperation, Phase, RunState, Status, SyncProbe,
    Timestamp,
};

/// A guest younger than this that does not answer yet is taken to be booting.
const BOOT_GRACE_SECONDS: u64 = 60;
/// How far ages that come from different clocks may be apart.
const AGE_SLACK_SECONDS: u64 = 3;
/// Samples closer together than this say nothing about a rate.
const SHORTEST_FLOW_MILLIS: u64 = 200;

/// What became of the log-in over the repair door.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Login<'a> {
    /// It worked; with the facts where they were asked for.
    Works(Option<&'a Facts>),
    /// It hung.
    TimedOut,
    /// It could not be tried, or was turned down.
    Failed(&'a str),
    /// There is no repair door.
    NoDoor,
}

/// What became of the question to the hypervisor.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'a> {
    /// It told.
    Status(&'a Status),
    /// It hung.
    TimedOut,
    /// The door could not be used.
    Failed(&'a str),
    /// There is no power door.
    NoDoor,
}

/// What two samples say together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Flow {
    /// Time between them, in milliseconds.
    pub(crate) millis: u64,
    /// Writes that were completed between them.
    pub(crate) writes: u64,
    /// Use of one host processor by the QEMU process, in percent.
    pub(crate) cpu_percent: f64,
    /// The same of the time in which the host had a processor for it: a guest that wants all of one is told from an idle
    /// one on a crowded host too.
    pub(crate) wanted_percent: f64,
}

impl Flow {
    fn writes_per_second(&self) -> f64 {
        crate::text::percent(self.writes, self.millis) * 10.0
    }

    /// How much of a processor was used, for a reader; and of what the host gave, where that was clearly less than one.
    pub(crate) fn processor(&self) -> String {
        let used = format!("{:.0} % of a processor", self.cpu_percent);
        if self.wanted_percent < self.cpu_percent + 10.0 {
            return used;
        }
        format!("{used}, {:.0} % of what the crowded host gave it", self.wanted_percent)
    }
}

/// The evidence, with what follows from it.
pub(crate) struct Case<'a> {
    pub(crate) at: Timestamp,
    pub(crate) reach: &'a Reach,
    pub(crate) refusing: Option<&'a Reach>,
    pub(crate) login: Login<'a>,
    pub(crate) sync: &'a [SyncProbe],
    pub(crate) view: View<'a>,
    pub(crate) normal: &'a Normal,
}

impl<'a> Case<'a> {
    pub(crate) fn new(evidence: &'a Evidence) -> Self {
        let login = match &evidence.inside {
            Inside::Facts(facts) => Login::Works(Some(facts)),
            Inside::TimedOut => Login::TimedOut,
            Inside::Failed(why) => Login::Failed(why),
            Inside::NoDoor => Login::NoDoor,
        };
        let sync = match &evidence.inside {
            Inside::Facts(facts) => facts.sync.as_slice(),
            _ => &[],
        };
        let view = match &evidence.hypervisor {
            HypervisorView::Status(status) => View::Status(status),
            HypervisorView::TimedOut => View::TimedOut,
            HypervisorView::Failed(why) => View::Failed(why),
            HypervisorView::NoDoor => View::NoDoor,
        };
        Self {
            at: evidence.at,
            reach: &evidence.reach,
            refusing: evidence.refusing_port.as_ref(),
            login,
            sync,
            view,
            normal: &evidence.normal,
        }
    }

    /// Whether an SSH server greets.
    pub(crate) const fn banner(&self) -> bool {
        matches!(self.reach, Reach::Banner(_))
    }

    /// Whether SSH was tried and no server greeted.
    pub(crate) const fn no_banner(&self) -> bool {
        matches!(self.reach, Reach::NoBanner | Reach::Closed | Reach::Silent)
    }

    pub(crate) const fn facts(&self) -> Option<&'a Facts> {
        match self.login {
            Login::Works(facts) => facts,
            _ => None,
        }
    }

    /// Whether somebody can do something inside right now.
    pub(crate) const fn inside_works(&self) -> bool {
        matches!(self.login, Login::Works(_))
    }

    pub(crate) const fn status(&self) -> Option<&'a Status> {
        match self.view {
            View::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether the hypervisor says that the guest's processors run.
    pub(crate) fn running(&self) -> bool {
        self.status().is_some_and(|status| status.state == RunState::Running)
    }

    /// Whether so much processor use, in percent of one, is clearly more than this target's usual. Where nothing usual was
    /// learnt, it is.
    pub(crate) fn busier_than_usual(&self, percent: f64) -> bool {
        const CLEARLY: f64 = 20.0;
        self.normal.cpu_percent.is_none_or(|usual| percent >= usual + CLEARLY)
    }

    /// What the block counters and the processor time did between the first sample and the last.
    pub(crate) fn flow(&self) -> Option<Flow> {
        let samples = &self.status()?.samples;
        let (first, last) = (samples.first()?, samples.last()?);
        let millis = last.at.millis_since(first.at);
        // Fewer writes than before means that the process is another one, and the difference nothing.
        let writes = written(last).checked_sub(written(first))?;
        let cpu = last.cpu_millis.checked_sub(first.cpu_millis)?;
        // Another thread may have become the busiest in between: then nothing is known of how long it waited.
        let waited = last.wait_millis.checked_sub(first.wait_millis).filter(|waited| *waited < millis);
        (millis >= SHORTEST_FLOW_MILLIS && first.disks.len() == last.disks.len()).then(|| Flow {
            millis,
            writes,
            cpu_percent: crate::text::percent(cpu, millis),
            wanted_percent: crate::text::percent(cpu, millis - waited.unwrap_or(0)),
        })
    }

    /// Whether not a single write was completed between the samples; `None` where that was not seen or there is no disk.
    pub(crate) fn writes_are_flat(&self) -> Option<bool> {
        let has_disk = self.status()?.samples.last().is_some_and(|sample| !sample.disks.is_empty());
        has_disk.then(|| self.flow().map(|flow| flow.writes == 0)).flatten()
    }

    /// Whether the guest completes at least a quarter as many writes as usual: whoever writes gets the processor. Never
    /// where nothing usual was learnt, nor by so few writes that they may be chance.
    pub(crate) fn writes_as_usual(&self) -> bool {
        const FEWEST: u64 = 4;
        let usual = self.normal.writes_per_second.unwrap_or(0.0);
        self.flow().is_some_and(|flow| {
            flow.writes >= FEWEST && flow.writes_per_second() >= usual / 4.0 && usual > 0.0
        })
    }

    /// A telling line of the console that belongs to the kernel which runs now.
    pub(crate) fn sign(&self, kind: ConsoleSignKind) -> Option<&'a ConsoleSign> {
        let began = self.began_seconds_ago();
        self.status()?.console.iter().rev().find(|sign| {
            let of_this_kernel = match (sign.age_seconds, began) {
                (Some(age), Some(began)) => age <= began.saturating_add(AGE_SLACK_SECONDS),
                (None, Some(began)) => began >= BOOT_GRACE_SECONDS,
                (_, None) => true,
            };
            sign.kind == kind && of_this_kernel
        })
    }

    /// Whether the hypervisor keeps what the guest writes to its console.
    pub(crate) fn console_is_kept(&self) -> bool {
        self.status().is_some_and(|status| status.console_bytes.is_some())
    }

    /// How many seconds ago the guest began to boot, by the newest sign of a beginning.
    pub(crate) fn began_seconds_ago(&self) -> Option<u64> {
        let status = self.status()?;
        let reset = status.last_operation.as_ref().and_then(|operation| {
            let begins = |phase| matches!(phase, Phase::ProcessStarted | Phase::ResetSent);
            let step = operation.steps.iter().rev().find(|step| begins(step.phase))?;
            Some(status.at.millis_since(step.at) / 1000)
        });
        let boot = status.console.iter().rev().find(|sign| sign.kind == ConsoleSignKind::Boot);
        let ages = [status.process_age_seconds, reset, boot.and_then(|sign| sign.age_seconds)];
        ages.into_iter().flatten().min()
    }

    /// How long the guest has been booting, where it began so recently that it need not answer yet. Whoever was seen
    /// well since then has booted.
    pub(crate) fn booting_seconds(&self) -> Option<u64> {
        let began = self.began_seconds_ago().filter(|seconds| *seconds < BOOT_GRACE_SECONDS)?;
        // A look that began before the boot may have ended after it.
        let well_since = self
            .normal
            .last_well
            .is_some_and(|well| self.at.millis_since(well) / 1000 + AGE_SLACK_SECONDS < began);
        (!well_since && !self.inside_works()).then_some(began)
    }

    /// Whether the target's kernel answers the network: proven by a refusal, disproven by silence where a refusal is
    /// the rule, unknown otherwise.
    pub(crate) fn kernel_answers(&self) -> Option<bool> {
        if self.inside_works() || matches!(self.reach, Reach::Closed | Reach::Banner(_)) {
            return Some(true);
        }
        match self.refusing? {
            Reach::Closed | Reach::Banner(_) => Some(true),
            Reach::NoBanner | Reach::Silent if self.normal.refusing_port_refused == Some(false) => None,
            Reach::NoBanner | Reach::Silent => Some(false),
            Reach::NotTried => None,
        }
    }

    /// A write-and-sync that never came back, the longest one.
    pub(crate) fn stuck_sync(&self) -> Option<(&'a SyncProbe, u64)> {
        let stuck = self.sync.iter().filter(|probe| probe.millis.is_none() && probe.error.is_none());
        stuck.map(|probe| (probe, probe.stuck_millis.unwrap_or(0))).max_by_key(|(_, millis)| *millis)
    }

    /// Whether writes were seen to become durable, on every file system that was tried.
    pub(crate) fn synced(&self) -> bool {
        !self.sync.is_empty() && self.sync.iter().all(|probe| probe.millis.is_some())
    }

    /// The operation that runs right now.
    pub(crate) fn running_operation(&self) -> Option<&'a LastOperation> {
        self.status()?
            .last_operation
            .as_ref()
            .filter(|operation| operation.running && operation.outcome.is_none())
    }
}

fn written(sample: &BlockSample) -> u64 {
    sample.disks.iter().fold(0, |sum, disk| sum.saturating_add(disk.writes))
}
