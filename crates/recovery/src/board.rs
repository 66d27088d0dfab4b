//! What is known of each target right now, for pages: fed by the watch and by running verbs, kept in memory only.
//!
//! Nothing here is a record. After a restart it is empty and fills within one watch interval; what has to survive is in
//! the journal.

use breakglass_fleet::{DoorKind, Fleet};
use breakglass_incident::IncidentId;
use breakglass_protocol::{OperationId, Phase, Status, Timestamp, Verb};
use breakglass_triage::{Health, Normal, Triage, Wedge};
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// How many write rates a target's wave keeps: ten minutes at the default interval of five seconds.
const WAVE_LENGTH: usize = 120;

/// Guest writes a second, over the stretch that ended at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WriteRate {
    /// End of the stretch.
    pub at: Timestamp,
    /// Completed writes a second, all disks together.
    pub per_second: f64,
}

/// One door as a page shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
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
    pub status: Option<Arc<Status>>,
    /// The newest triage.
    pub triage: Option<Arc<Triage>>,
    /// The verb that is running on it.
    pub running: Option<RunningView>,
    /// Its open incident.
    pub incident: Option<IncidentId>,
    /// Until when it is in a maintenance window: seen and shown, and no incident opened for it.
    pub maintenance: bool,
}

/// The live state of all targets. Cheap to clone; all clones are one board.
#[derive(Clone)]
pub struct Board {
    targets: Arc<RwLock<BTreeMap<String, TargetView>>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Board {
    /// A board on which nothing is known yet of any target of the fleet.
    #[must_use]
    pub fn new(fleet: &Fleet) -> Self {
        let targets = fleet.targets().map(|component| (component.name.clone(), unseen(fleet, &component.name)));
        Self { targets: Arc::new(RwLock::new(targets.collect())), changed: Arc::new(watch::Sender::new(0)) }
    }

    /// All targets, by name.
    #[must_use]
    pub fn targets(&self) -> Vec<TargetView> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// One target.
    #[must_use]
    pub fn target(&self, name: &str) -> Option<TargetView> {
        self.targets.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Counts changes; a page's stream waits on it.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Changes one target and tells everyone who waits. Does nothing for a name that is no target.
    pub(crate) fn update(&self, name: &str, change: impl FnOnce(&mut TargetView)) {
        if let Some(view) = self.targets.write().unwrap_or_else(PoisonError::into_inner).get_mut(name) {
            change(view);
        }
        self.changed.send_modify(|count| *count = count.wrapping_add(1));
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

fn unseen(fleet: &Fleet, name: &str) -> TargetView {
    let doors = [fleet.repair_door(name), fleet.power_door(name)].into_iter().flatten();
    let doors = doors.map(|door| DoorView {
        name: door.name.clone(),
        kind: kind_word(door.kind),
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
        maintenance: false,
    }
}

/// The word for a kind of door, as `fleet.toml` writes it.
pub(crate) const fn kind_word(kind: DoorKind) -> &'static str {
    match kind {
        DoorKind::Repair => "repair",
        DoorKind::Power => "power",
        DoorKind::Diag => "diag",
        DoorKind::Cold => "cold",
    }
}
