//! What is known of each target right now, for pages: fed by the watch and by running verbs, kept in memory only.
//!
//! Nothing here is a record. After a restart it is empty and fills within one watch interval; what has to survive is in
//! the journal.

use crate::Dependency;
use crate::prober::Prober;
use crate::proofs::{ProofView, Proofs};
use breakglass_fleet::Fleet;
use breakglass_incident::{IncidentId, Proof};
use breakglass_protocol::{OperationId, Phase, Status, Timestamp, Verb};
use breakglass_triage::{Health, Normal, Triage, Wedge};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio::sync::watch;

/// How many write rates a target's wave keeps: ten minutes at the default interval of five seconds.
const WAVE_LENGTH: usize = 120;

/// Guest writes a second, over the stretch that ended at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct WriteRate {
    /// End of the stretch.
    pub at: Timestamp,
    /// Completed writes a second, all disks together.
    pub per_second: f64,
}

/// One door as a page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DoorView {
    /// Its name in `fleet.toml`.
    pub name: String,
    /// `repair`, `power`, `diag` or `cold`.
    pub kind: &'static str,
    /// Whether it opens.
    pub health: Health,
    /// In a sentence.
    pub sentence: String,
    /// The newest round trip through it, in milliseconds.
    pub round_trip_millis: Option<u64>,
}

/// A verb that is running on a target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunningView {
    /// Which verb.
    pub verb: Verb,
    /// The guard's id of it; absent while its acceptance has not been seen.
    pub operation: Option<OperationId>,
    /// Who asked for it.
    pub by: String,
    /// Since when.
    pub since: Timestamp,
    /// The newest step.
    pub phase: Option<Phase>,
    /// What was observed at that step.
    pub note: String,
}

/// One target as a page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetView {
    /// The component's name.
    pub name: String,
    /// How it does.
    pub health: Health,
    /// In a sentence.
    pub sentence: String,
    /// The wedge, where it is clear.
    pub wedge: Option<Wedge>,
    /// Since when it has been in this health.
    pub since: Option<Timestamp>,
    /// When it was last looked at, whatever came of it.
    pub seen_at: Option<Timestamp>,
    /// Its doors.
    pub doors: Vec<DoorView>,
    /// Guest writes a second, oldest first, for the wave.
    pub writes: VecDeque<WriteRate>,
    /// Processor use of the QEMU process in percent of one processor.
    pub cpu_percent: Option<f64>,
    /// What is usual for it.
    pub normal: Normal,
    /// The newest answer of its hypervisor.
    #[serde(serialize_with = "shared")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Status>"))]
    pub status: Option<Arc<Status>>,
    /// The newest triage.
    #[serde(serialize_with = "shared")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<Triage>"))]
    pub triage: Option<Arc<Triage>>,
    /// The verb that is running on it.
    pub running: Option<RunningView>,
    /// Its open incident.
    pub incident: Option<IncidentId>,
    /// Whether a verb has just been carried out and it is being waited for until it answers.
    pub settling: bool,
    /// Whether it is in a maintenance window: seen and shown, and no incident opened for it.
    pub maintenance: bool,
    /// Whether it is here as the host of others, without doors of its own.
    pub only_hypervisor: bool,
}

/// The live state of all targets. Cheap to clone; all clones are one board.
#[derive(Clone)]
pub struct Board {
    shared: Arc<Shared>,
}

struct Shared {
    targets: RwLock<BTreeMap<String, TargetView>>,
    changed: watch::Sender<u64>,
    backstage: BTreeMap<String, Backstage>,
    incidents: tokio::sync::Mutex<()>,
    followed: Mutex<HashSet<OperationId>>,
    keys: Mutex<HashMap<String, String>>,
    surroundings: Mutex<Surroundings>,
    beside: Mutex<BTreeMap<String, Dependency>>,
    proofs: Mutex<Proofs>,
}

/// What belongs to a target and is on no page.
#[derive(Default)]
struct Backstage {
    prober: Arc<tokio::sync::Mutex<Prober>>,
    telling: Arc<tokio::sync::Mutex<()>>,
    back_at: Mutex<Option<Timestamp>>,
}

/// What the server itself needs, as it was last seen; refreshed by the watch, so that a page never waits for it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Surroundings {
    pub(crate) keyholder_up: Option<bool>,
    pub(crate) password_file: Option<Result<(), String>>,
}

/// The right to tell of one operation; given back when dropped.
pub(crate) struct Claim {
    shared: Arc<Shared>,
    operation: OperationId,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut followed = self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner);
        followed.remove(&self.operation);
    }
}

impl Board {
    /// A board on which nothing is known yet of any target of the fleet, nor of the hypervisors that run them.
    #[must_use]
    pub fn new(fleet: &Fleet) -> Self {
        let mut targets: BTreeMap<String, TargetView> = BTreeMap::new();
        for component in fleet.targets() {
            targets.insert(component.name.clone(), unseen(fleet, &component.name, false));
            if let Some(host) = fleet.hypervisor_of(&component.name) {
                let bare = fleet.power_door(&host.name).is_none() && fleet.repair_door(&host.name).is_none();
                targets.entry(host.name.clone()).or_insert_with(|| unseen(fleet, &host.name, bare));
            }
        }
        let backstage = targets.keys().map(|name| (name.clone(), Backstage::default())).collect();
        let shared = Shared {
            targets: RwLock::new(targets),
            changed: watch::Sender::new(0),
            backstage,
            incidents: tokio::sync::Mutex::new(()),
            followed: Mutex::default(),
            keys: Mutex::default(),
            surroundings: Mutex::default(),
            beside: Mutex::default(),
            proofs: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// All targets and hypervisors, by name.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetView> {
        self.shared.targets.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One of them.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<TargetView> {
        self.shared.targets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Counts changes; a page's stream waits on it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changed.subscribe()
    }

    /// Puts a view in the place of the target of that name, for a page that is shown without a fleet behind it. Does
    /// nothing for a name that is no target.
    pub fn place(&self, view: TargetView) {
        let name = view.name.clone();
        self.update(&name, |held| *held = view);
    }

    /// Changes one target and tells everyone who waits. Does nothing for a name that is no target.
    pub(crate) fn update(&self, name: &str, change: impl FnOnce(&mut TargetView)) {
        if let Some(view) = self.shared.targets.write().unwrap_or_else(PoisonError::into_inner).get_mut(name)
        {
            change(view);
        }
        self.shared.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// The right to tell of an operation; `None` while somebody in this process has it.
    pub(crate) fn claim(&self, operation: &OperationId) -> Option<Claim> {
        let mut followed = self.shared.followed.lock().unwrap_or_else(PoisonError::into_inner);
        let first = followed.insert(operation.clone());
        first.then(|| Claim { shared: Arc::clone(&self.shared), operation: operation.clone() })
    }

    /// Held while an incident is found, opened or closed.
    pub(crate) fn incidents(&self) -> &tokio::sync::Mutex<()> {
        &self.shared.incidents
    }

    /// Whoever looks at a target holds this.
    pub(crate) fn prober(&self, target: &str) -> Arc<tokio::sync::Mutex<Prober>> {
        self.shared.backstage.get(target).map(|backstage| Arc::clone(&backstage.prober)).unwrap_or_default()
    }

    /// Whoever tells a target's state holds this.
    pub(crate) fn telling(&self, target: &str) -> Arc<tokio::sync::Mutex<()>> {
        self.shared.backstage.get(target).map(|backstage| Arc::clone(&backstage.telling)).unwrap_or_default()
    }

    /// When this target was last seen to come back from being down.
    pub(crate) fn back_at(&self, target: &str) -> Option<Timestamp> {
        let backstage = self.shared.backstage.get(target)?;
        *backstage.back_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It was seen to come back.
    pub(crate) fn came_back(&self, target: &str, at: Timestamp) {
        if let Some(backstage) = self.shared.backstage.get(target) {
            *backstage.back_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(at);
        }
    }

    /// Whether this untrusted key of a host has not been told yet; from now on it has.
    pub(crate) fn first_sight_of_key(&self, host: &str, shown: &str) -> bool {
        let mut keys = self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner);
        keys.insert(host.to_owned(), shown.to_owned()).as_deref() != Some(shown)
    }

    pub(crate) fn forget_key(&self, host: &str) {
        self.shared.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(host);
    }

    /// Shows how something beside the server does, in the place of what was shown of it under that name before.
    pub fn show_dependency(&self, dependency: Dependency) {
        let mut beside = self.shared.beside.lock().unwrap_or_else(PoisonError::into_inner);
        beside.insert(dependency.name.clone(), dependency);
        drop(beside);
        self.shared.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn beside(&self) -> Vec<Dependency> {
        self.shared.beside.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// When that door was last tried, and what was found; `None` where it never was, as far as is remembered.
    #[must_use]
    pub fn proof(&self, door: &str) -> Option<ProofView> {
        self.shared.proofs.lock().unwrap_or_else(PoisonError::into_inner).of(door)
    }

    /// Takes in what was found at some doors.
    pub fn show_proofs(&self, at: Timestamp, doors: &[Proof]) {
        self.shared.proofs.lock().unwrap_or_else(PoisonError::into_inner).take(at, doors);
        self.shared.changed.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn surroundings(&self) -> Surroundings {
        self.shared.surroundings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_surroundings(&self, seen: Surroundings) {
        *self.shared.surroundings.lock().unwrap_or_else(PoisonError::into_inner) = seen;
    }
}

impl TargetView {
    /// Adds one stretch to the wave.
    pub(crate) fn push_writes(&mut self, rate: WriteRate) {
        if self.writes.len() >= WAVE_LENGTH {
            self.writes.pop_front();
        }
        self.writes.push_back(rate);
    }
}

fn shared<T: Serialize, S: Serializer>(value: &Option<Arc<T>>, serializer: S) -> Result<S::Ok, S::Error> {
    value.as_deref().serialize(serializer)
}

fn unseen(fleet: &Fleet, name: &str, only_hypervisor: bool) -> TargetView {
    let doors = [fleet.repair_door(name), fleet.power_door(name)].into_iter().flatten();
    let doors = doors.map(|door| DoorView {
        name: door.name.clone(),
        kind: door.kind.as_str(),
        health: Health::Unknown,
        sentence: "not tried yet".to_owned(),
        round_trip_millis: None,
    });
    TargetView {
        name: name.to_owned(),
        health: Health::Unknown,
        sentence: "not looked at yet".to_owned(),
        wedge: None,
        since: None,
        seen_at: None,
        doors: doors.collect(),
        writes: VecDeque::new(),
        cpu_percent: None,
        normal: Normal::default(),
        status: None,
        triage: None,
        running: None,
        incident: None,
        settling: false,
        maintenance: false,
        only_hypervisor,
    }
}
