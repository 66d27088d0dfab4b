//! What the inside of a target can tell about itself in one native request, `breakglass-guard facts`.
//!
//! Every part is gathered on its own and under its own deadline, so that one that hangs costs only itself. Counters
//! and sizes are in the units that `/proc` uses unless the name says otherwise.

use crate::Timestamp;
use serde::{Deserialize, Serialize};

/// A part of the facts: what was seen, or why it could not be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "seen", content = "value")]
pub enum Part<T> {
    /// It was read.
    Yes(T),
    /// It did not answer before its deadline: that is a finding too.
    TimedOut,
    /// It could not be read, and why.
    No(String),
}

impl<T> Part<T> {
    /// The value, where it was seen.
    pub const fn value(&self) -> Option<&T> {
        match self {
            Self::Yes(value) => Some(value),
            Self::TimedOut | Self::No(_) => None,
        }
    }
}

/// Load of the machine.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LoadFacts {
    /// Load average over one minute.
    pub one: f64,
    /// Load average over five minutes.
    pub five: f64,
    /// Load average over fifteen minutes.
    pub fifteen: f64,
    /// Tasks that can run right now (`/proc/loadavg`, fourth field).
    pub runnable: u32,
    /// Tasks there are.
    pub tasks: u32,
    /// Processors online.
    pub processors: u32,
    /// Commands with the most processor time in the last sampling interval: `(command, pid, percent of one processor)`.
    pub busiest: Vec<(String, u32, f64)>,
}

/// Memory, in KiB as in `/proc/meminfo`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryFacts {
    /// `MemTotal`.
    pub total_kib: u64,
    /// `MemAvailable`.
    pub available_kib: u64,
    /// `SwapTotal`.
    pub swap_total_kib: u64,
    /// `SwapFree`.
    pub swap_free_kib: u64,
    /// Processes killed for lack of memory since boot (`oom_kill` in `/proc/vmstat`).
    pub oom_kills: u64,
    /// Lines of the kernel log about such kills, newest last, at most five.
    pub oom_lines: Vec<String>,
    /// The largest processes: `(command, pid, resident KiB)`.
    pub largest: Vec<(String, u32, u64)>,
}

/// One line of a pressure file: share of time in percent in which tasks waited.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PressureLine {
    /// Over ten seconds.
    pub avg10: f64,
    /// Over a minute.
    pub avg60: f64,
}

/// Pressure stall information; a kernel may lack it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PressureFacts {
    /// Some task waited for a processor.
    pub cpu_some: Option<PressureLine>,
    /// Some task waited for memory.
    pub memory_some: Option<PressureLine>,
    /// All tasks waited for memory.
    pub memory_full: Option<PressureLine>,
    /// Some task waited for I/O.
    pub io_some: Option<PressureLine>,
    /// All tasks waited for I/O.
    pub io_full: Option<PressureLine>,
}

/// One mounted file system that is backed by a disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filesystem {
    /// Where.
    pub mount: String,
    /// From what.
    pub source: String,
    /// Its type.
    pub kind: String,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// Size in KiB; `None` where asking did not answer in time.
    pub size_kib: Option<u64>,
    /// Free for ordinary users, in KiB.
    pub available_kib: Option<u64>,
    /// Inodes there are.
    pub inodes: Option<u64>,
    /// Inodes that are free.
    pub inodes_free: Option<u64>,
}

/// A task that waits where no signal reaches it (state D).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedTask {
    /// Its process id.
    pub pid: u32,
    /// Its command.
    pub command: String,
    /// The kernel function in which it waits, where readable.
    pub wait_channel: String,
}

/// A unit that the init system calls failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedUnit {
    /// Its name.
    pub unit: String,
    /// What the init system says.
    pub state: String,
}

/// How the clock does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockFacts {
    /// The target's clock when the facts were gathered.
    pub at: Timestamp,
    /// Whether the kernel calls it synchronised.
    pub synchronised: bool,
    /// Minutes east of Greenwich of the target's own time zone, in which its programs write their logs. Older guards do not tell.
    #[serde(default)]
    pub offset_minutes: Option<i32>,
}

/// Something about the target that is not as it was a while ago.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, by the target's clock.
    pub at: Timestamp,
    /// Of which kind.
    pub kind: ChangeKind,
    /// What: `upgraded openssl 3.5.1`, a path, a unit, or who came from where.
    pub what: String,
}

/// Kinds of changes, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// A package was installed, upgraded or removed, or the system was switched to another generation.
    Package,
    /// A file of a unit that an administrator wrote, or which units are enabled.
    Unit,
    /// Any other file below `/etc`.
    Configuration,
    /// Somebody logged in.
    Login,
}

impl ChangeKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Package, Self::Unit, Self::Configuration, Self::Login];
}

/// How far back changes are looked for, in seconds: what broke at night was often touched in the evening.
pub const CHANGES_SECONDS: u32 = 2 * 60 * 60;

fn untold<T>() -> Part<T> {
    Part::No("the guard there is older and does not tell".to_owned())
}

/// A small file written and synced on one file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncProbe {
    /// On which mount.
    pub mount: String,
    /// Milliseconds until it was durable; `None` while it is still stuck.
    pub millis: Option<u64>,
    /// How long it has been stuck, in milliseconds; a probe that an earlier request left stuck is reported, never repeated.
    pub stuck_millis: Option<u64>,
    /// Why it could not be tried, such as a full disk.
    pub error: Option<String>,
}

/// Everything the inside can tell, in one go.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// Seconds since the kernel booted.
    pub uptime_seconds: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Load.
    pub load: Part<LoadFacts>,
    /// Memory.
    pub memory: Part<MemoryFacts>,
    /// Pressure.
    pub pressure: Part<PressureFacts>,
    /// File systems on disks.
    pub filesystems: Part<Vec<Filesystem>>,
    /// Tasks in state D for at least the sampling interval.
    pub blocked: Part<Vec<BlockedTask>>,
    /// Failed units; `No` where no init system that knows units runs.
    pub failed_units: Part<Vec<FailedUnit>>,
    /// What changed within [`CHANGES_SECONDS`], the newest first, at most a dozen of each kind.
    #[serde(default = "untold")]
    pub changes: Part<Vec<Change>>,
    /// Clock.
    pub clock: Part<ClockFacts>,
    /// Write-and-sync, one for each writable file system on a disk.
    pub sync: Vec<SyncProbe>,
    /// How long gathering took, in milliseconds.
    pub millis: u64,
}
