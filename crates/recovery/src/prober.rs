//! One look at one target: banner, write-and-sync, hypervisor's status, side by side, never two of a kind at a time.
//!
//! A question that hangs is left hanging and its age reported; asking it again would only add to what is stuck.

use crate::judge::{Look, SyncSeen, Verdict, judge};
use crate::power::{NoStatus, status};
use crate::{Desk, TargetView, WriteRate};
use breakglass_doors::{Ask, Banner, End, ssh_banner};
use breakglass_fleet::{Door, DoorKind, split_address};
use breakglass_protocol::{BlockSample, ProcessIdentity, Status, SyncProbe};
use breakglass_triage::{Health, NormalLearner, Reach};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// For so long one look waits for each of its questions.
const LOOK_DEADLINE: Duration = Duration::from_millis(1_500);
/// For so long a look waits for a write-and-sync that an earlier look left hanging.
const STUCK_WAIT: Duration = Duration::from_millis(300);
/// A write-and-sync that hangs is given up after this, so that a lost one can't keep the watch blind for ever.
const SYNC_GIVES_UP: Duration = Duration::from_secs(60);
/// The guard takes its two block samples a moment apart; its answer may take this long.
const STATUS_DEADLINE: Duration = Duration::from_millis(4_000);

/// A question that is being asked.
#[derive(Debug)]
struct Outstanding<T> {
    asked: Instant,
    answer: JoinHandle<T>,
}

impl<T> Drop for Outstanding<T> {
    fn drop(&mut self) {
        self.answer.abort();
    }
}

/// What is remembered of a target from look to look. One look at a time: whoever looks holds it.
#[derive(Debug, Default)]
pub(crate) struct Prober {
    sync: Option<Outstanding<SyncSeen>>,
    status: Option<Outstanding<Result<Box<Status>, NoStatus>>>,
    newest: Option<(ProcessIdentity, BlockSample)>,
    pub(crate) learner: NormalLearner,
}

impl Prober {
    /// Forgets what a verb has made untrue: whatever hangs in the old process hangs no longer.
    pub(crate) fn after_verb(&mut self) {
        self.sync = None;
        self.status = None;
    }

    /// Looks once, shows the result on the board and says what it means.
    pub(crate) async fn look(&mut self, desk: &Desk, target: &str) -> Verdict {
        let (sync_slot, status_slot) = (&mut self.sync, &mut self.status);
        let reach_then_sync = async {
            let reach = reach(desk, target).await;
            // A log-in to a machine without a banner hangs for as long as a log-in may, and would still be hanging when
            // the machine is up again.
            let worth_it = matches!(reach, Reach::Banner(_)) || sync_slot.is_some();
            let sync = if worth_it { sync_seen(sync_slot, desk, target).await } else { SyncSeen::NotTried };
            (reach, sync)
        };
        let ((reach, sync), hypervisor) =
            tokio::join!(reach_then_sync, status_seen(status_slot, desk, target));
        let silent = matches!(reach, Reach::NoBanner | Reach::Closed | Reach::Silent)
            && !matches!(hypervisor, Some(Ok(_)))
            && hypervisor_silent(desk, target).await;
        let seen = hypervisor.as_ref().and_then(|answer| answer.as_ref().ok());
        let before = seen.and_then(|status| self.sample_before(status));
        let rates = seen.and_then(|status| self.learn(desk, target, status));
        let look = Look {
            at: desk.now(),
            reach,
            sync,
            hypervisor: hypervisor.map(|answer| answer.map_err(|why| why.to_string())),
            hypervisor_silent: silent,
            before,
            normal: self.learner.normal(desk.now()),
        };
        let verdict = judge(&look);
        self.learner.well(desk.now(), verdict.state.health == Health::Good);
        show(desk, target, &look, rates);
        verdict
    }

    /// The newest counters before this status, if they are of the same process.
    fn sample_before(&self, status: &Status) -> Option<BlockSample> {
        let (process, sample) = self.newest.as_ref()?;
        (Some(*process) == status.process).then(|| sample.clone())
    }

    /// Takes the new counters in; gives the rate of writes and the processor use since the last ones.
    fn learn(&mut self, desk: &Desk, target: &str, status: &Status) -> Option<Rates> {
        let now = status.samples.last()?;
        let before = self.sample_before(status).or_else(|| status.samples.first().cloned());
        self.learner.status(status);
        if let Some(process) = status.process {
            self.newest = Some((process, now.clone()));
        }
        let rates = rates(&before?, now);
        tracing::trace!(target_name = target, at = %desk.now(), ?rates, "looked");
        rates
    }
}

/// What two samples of one process tell.
#[derive(Debug, Clone, Copy)]
struct Rates {
    writes_per_second: f64,
    cpu_percent: f64,
}

#[expect(clippy::cast_precision_loss, reason = "rates for a picture; counters beyond 2^52 do not occur")]
fn rates(before: &BlockSample, now: &BlockSample) -> Option<Rates> {
    let millis = now.at.millis_since(before.at);
    if millis == 0 {
        return None;
    }
    let writes = |sample: &BlockSample| sample.disks.iter().map(|disk| disk.writes).sum::<u64>();
    let seconds = millis as f64 / 1000.0;
    let written = writes(now).saturating_sub(writes(before));
    let cpu = now.cpu_millis.saturating_sub(before.cpu_millis);
    Some(Rates { writes_per_second: written as f64 / seconds, cpu_percent: cpu as f64 / 10.0 / seconds })
}

fn show(desk: &Desk, target: &str, look: &Look, rates: Option<Rates>) {
    let at = desk.now();
    let status = look.status().map(|status| Arc::new(status.clone()));
    let power = look.hypervisor.as_ref().map(|answer| match answer {
        Ok(_) => (Health::Good, "opens".to_owned()),
        Err(why) => (Health::Down, why.clone()),
    });
    let repair = match &look.sync {
        SyncSeen::NotTried => None,
        SyncSeen::Probes(_) => Some((Health::Good, "opens".to_owned())),
        SyncSeen::NoGuard => Some((Health::Degraded, "opens; no guard is installed inside".to_owned())),
        SyncSeen::Stuck(millis) => Some((Health::Degraded, format!("a command in it hangs for {millis} ms"))),
        SyncSeen::Failed(why) => Some((Health::Down, why.clone())),
    };
    let round_trip = |door: &str| {
        let round_trip = desk.doors.state(door).round_trip?;
        u64::try_from(round_trip.as_millis()).ok()
    };
    desk.board.update(target, |view| {
        view.seen_at = Some(at);
        view.status = status.or(view.status.take());
        view.normal = look.normal.clone();
        view.cpu_percent = rates.map(|rates| rates.cpu_percent).or(view.cpu_percent);
        if let Some(rates) = rates {
            view.push_writes(WriteRate { at, per_second: rates.writes_per_second });
        }
        for door in &mut view.doors {
            let state = match door.kind {
                "power" => power.clone(),
                "repair" => repair.clone(),
                _ => None,
            };
            if let Some((health, sentence)) = state {
                door.health = health;
                door.sentence = sentence;
            }
            door.round_trip_millis = round_trip(&door.name);
        }
    });
}

/// Whether an SSH banner comes from any of the target's addresses.
async fn reach(desk: &Desk, target: &str) -> Reach {
    let port = desk.fleet.repair_door(target).map_or(22, |door| door.port);
    banner(desk, target, port, LOOK_DEADLINE).await
}

/// The best that any address of a component shows, all tried side by side.
pub(crate) async fn banner(desk: &Desk, component: &str, port: u16, deadline: Duration) -> Reach {
    let addresses =
        desk.fleet.component(component).map(|component| component.addresses.clone()).unwrap_or_default();
    let mut tries = tokio::task::JoinSet::new();
    for address in addresses {
        let (host, port) = split_address(&address, port);
        tries.spawn(async move { ssh_banner(&host, port, deadline).await });
    }
    let mut best = Reach::NotTried;
    while let Some(tried) = tries.join_next().await {
        let reach = tried.map_or(Reach::Silent, reach_of);
        if let Reach::Banner(_) = reach {
            return reach;
        }
        best = better(best, reach);
    }
    best
}

pub(crate) fn reach_of(banner: Banner) -> Reach {
    match banner {
        Banner::Banner { millis, .. } => Reach::Banner(millis),
        Banner::NoBanner => Reach::NoBanner,
        Banner::Closed => Reach::Closed,
        Banner::Silent => Reach::Silent,
    }
}

/// The more telling of two: that something was closed or accepted says more than silence.
fn better(one: Reach, other: Reach) -> Reach {
    let rank = |reach: &Reach| match reach {
        Reach::Banner(_) => 4,
        Reach::NoBanner => 3,
        Reach::Closed => 2,
        Reach::Silent => 1,
        Reach::NotTried => 0,
    };
    if rank(&one) >= rank(&other) { one } else { other }
}

/// Whether the hypervisor's own SSH port is silent; false where there is none.
async fn hypervisor_silent(desk: &Desk, target: &str) -> bool {
    let Some(host) = desk.fleet.hypervisor_of(target) else { return false };
    let door = desk.fleet.doors.iter().find(|door| door.kind == DoorKind::Power && door.to == host.name);
    matches!(
        banner(desk, &host.name, door.map_or(22, |door| door.port), LOOK_DEADLINE).await,
        Reach::Silent | Reach::NoBanner | Reach::Closed
    )
}

async fn status_seen(
    slot: &mut Option<Outstanding<Result<Box<Status>, NoStatus>>>,
    desk: &Desk,
    target: &str,
) -> Option<Result<Box<Status>, NoStatus>> {
    desk.fleet.power_door(target)?;
    let asked = slot.get_or_insert_with(|| {
        let (desk, target) = (desk.clone(), target.to_owned());
        let answer = tokio::spawn(async move { status(&desk, &target, STATUS_DEADLINE).await });
        Outstanding { asked: Instant::now(), answer }
    });
    let answer = tokio::time::timeout(LOOK_DEADLINE, &mut asked.answer).await;
    match answer {
        Ok(answer) => {
            *slot = None;
            Some(answer.unwrap_or(Err(NoStatus::TimedOut)))
        }
        Err(_) => Some(Err(NoStatus::TimedOut)),
    }
}

async fn sync_seen(slot: &mut Option<Outstanding<SyncSeen>>, desk: &Desk, target: &str) -> SyncSeen {
    let Some(door) = desk.fleet.repair_door(target).filter(|_| desk.fleet.watch.sync_probe) else {
        return SyncSeen::NotTried;
    };
    let hanging = slot.is_some();
    let asked = slot.get_or_insert_with(|| {
        let (desk, door) = (desk.clone(), door.clone());
        let answer = tokio::spawn(async move { sync_probe(&desk, &door).await });
        Outstanding { asked: Instant::now(), answer }
    });
    let wait = if hanging { STUCK_WAIT } else { LOOK_DEADLINE };
    match tokio::time::timeout(wait, &mut asked.answer).await {
        Ok(answer) => {
            *slot = None;
            answer.unwrap_or_else(|error| SyncSeen::Failed(error.to_string()))
        }
        Err(_) => SyncSeen::Stuck(u64::try_from(asked.asked.elapsed().as_millis()).unwrap_or(u64::MAX)),
    }
}

async fn sync_probe(desk: &Desk, door: &Door) -> SyncSeen {
    let command = format!("{}breakglass-guard sync-probe", door.become_root);
    let ask = Ask { door: &door.name, command, deadline: SYNC_GIVES_UP, stdout_limit: 64 << 10 };
    let (end, captured) = desk.doors.capture(ask).await;
    match end {
        End::Finished { exit: Some(126 | 127), .. } => SyncSeen::NoGuard,
        End::Finished { exit: Some(1), .. } if says_not_found(&captured.stderr) => SyncSeen::NoGuard,
        End::Finished { .. } => match serde_json::from_slice::<Vec<SyncProbe>>(&captured.stdout) {
            Ok(probes) => SyncSeen::Probes(probes),
            Err(_) => SyncSeen::Failed(format!("{end}, without an answer that can be read")),
        },
        end => SyncSeen::Failed(end.to_string()),
    }
}

/// `sudo` answers 1 and words where the command it should run is not there.
pub(crate) fn says_not_found(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains("not found")
}

/// One look at one target, shown on the board, and what the board says then. `None` for a name that is no target.
pub async fn look_now(desk: &Desk, target: &str) -> Option<TargetView> {
    desk.board.target(target)?;
    let verdict = desk.board.prober(target).lock().await.look(desk, target).await;
    let now = desk.now();
    desk.board.update(target, |view| {
        view.health = verdict.state.health;
        view.sentence = verdict.state.sentence;
        view.wedge = verdict.state.wedge;
        view.since = view.since.or(Some(now));
    });
    desk.board.target(target)
}
