//! What a power door reports of a VM: seen from the hypervisor, without asking the guest.

use crate::{OperationId, Outcome, Phase, Timestamp, Verb, VmName};
use serde::{Deserialize, Serialize};

/// The state of the VM as its hypervisor tells it. Names are QEMU's run states where it has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum RunState {
    /// The guest's processors run.
    Running,
    /// No process: the VM is off.
    Stopped,
    /// The process is there, the guest's processors are held.
    Paused,
    /// Held since a disk request failed.
    IoError,
    /// Held by an error inside QEMU.
    InternalError,
    /// The guest told QEMU that its kernel panicked.
    GuestPanicked,
    /// Created or reset, not yet let go.
    Prelaunch,
    /// A process is there and its monitor does not answer.
    Unresponsive,
    /// Any other state, in QEMU's word.
    Other(String),
    /// Could not be observed; the status says why in `notes`.
    Unknown,
}

/// One process, beyond doubt: a pid is reused, a pid with its start time is not (until the next boot).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessIdentity {
    /// Process id on the hypervisor.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat`: clock ticks after boot.
    pub start_ticks: u64,
}

/// Counters of one disk at one moment, since the QEMU process started (`query-blockstats`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockCounters {
    /// The device as QEMU names it.
    pub device: String,
    /// Completed reads.
    pub reads: u64,
    /// Completed writes.
    pub writes: u64,
    /// Completed flushes.
    pub flushes: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Bytes written.
    pub written_bytes: u64,
    /// Failed requests of any kind.
    pub failed: u64,
}

/// All disks at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BlockSample {
    /// When the counters were read.
    pub at: Timestamp,
    /// One entry a disk.
    pub disks: Vec<BlockCounters>,
    /// Processor time that the QEMU process has used since it started, in milliseconds, user and system.
    pub cpu_millis: u64,
    /// Time for which its busiest thread could have run and the host had no processor for it, in milliseconds since that
    /// thread started. 0 where the host does not count it, and from a guard that does not ask.
    #[serde(default)]
    pub wait_millis: u64,
}

/// A lock that the hypervisor holds on the VM's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LockState {
    /// The lock's kind in the hypervisor's word: `backup`, `migrate`, `snapshot`, `suspended`, …
    pub kind: String,
    /// The process that holds it, where known and alive.
    pub holder: Option<u32>,
    /// Whether a cycle would clear it: its holder is gone and its kind is harmless.
    pub clearable: bool,
}

/// Something that the hypervisor is doing with the VM right now, such as a running backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunningJob {
    /// The hypervisor's id of the job.
    pub id: String,
    /// Its kind, such as `backup` or `mirror`.
    pub kind: String,
    /// Its state in the hypervisor's word.
    pub state: String,
}

/// A difference between the configuration that runs and the one that the next start applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct StagedChange {
    /// What runs now; absent for something new.
    pub running: Option<String>,
    /// What the next start uses; absent for something taken away.
    pub staged: Option<String>,
}

/// What the guest's kernel wrote to its serial console, where the hypervisor keeps that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum ConsoleSignKind {
    /// `Linux version …`: the kernel began to boot.
    Boot,
    /// `Kernel panic - not syncing`.
    Panic,
    /// `Out of memory:` or `oom-kill`.
    OutOfMemory,
    /// `blocked for more than … seconds`.
    HungTask,
    /// `I/O error` or a file system that was remounted read-only.
    DiskError,
    /// `soft lockup` or `rcu: … stall`.
    Lockup,
}

/// One telling line of the guest's console, later than the last boot line. The guest can forge it: a hint, no proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ConsoleSign {
    /// What it tells.
    pub kind: ConsoleSignKind,
    /// The line, without terminal escapes, at most 200 characters.
    pub line: String,
    /// About how long ago it was written, in seconds: the age of the console's newest line plus the kernel time between.
    pub age_seconds: Option<u64>,
    /// How many lines of this kind stand after the last boot line.
    pub count: u32,
}

/// One step of an operation that has been reached.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// Which.
    pub phase: Phase,
    /// What was observed, in a sentence for a person.
    pub note: String,
}

/// The newest mutating operation of the VM, running or ended. This is how a server that lost its line, or itself,
/// learns whether its verb was accepted and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct LastOperation {
    /// Its id.
    pub id: OperationId,
    /// Its verb.
    pub verb: Verb,
    /// The label of the key that asked for it.
    pub key: String,
    /// The address that the request came from, as the host saw it.
    pub source: String,
    /// When it was accepted.
    pub accepted: Timestamp,
    /// The steps so far, oldest first.
    pub steps: Vec<Step>,
    /// How it ended; absent while it runs.
    pub outcome: Option<Outcome>,
    /// The last sentence of it: what was observed at the end, or why it failed.
    pub message: String,
    /// Whether its runner is alive. `outcome` absent and this false means that it was killed half way.
    pub running: bool,
}

/// The answer to `status`, and the state that every mutating verb ends with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Status {
    /// The VM's name behind this door.
    pub vm: VmName,
    /// Its number in the hypervisor.
    pub vm_id: u32,
    /// When this was observed.
    pub at: Timestamp,
    /// What the hypervisor says.
    pub state: RunState,
    /// The QEMU process, where there is one and its identity is beyond doubt.
    pub process: Option<ProcessIdentity>,
    /// How long that process has run, in seconds.
    pub process_age_seconds: Option<u64>,
    /// How long the monitor took to answer, in milliseconds; absent where it did not.
    pub answered_in_millis: Option<u64>,
    /// Block counters, taken `interval` apart, oldest first; two where QEMU answered.
    pub samples: Vec<BlockSample>,
    /// A lock on the VM.
    pub lock: Option<LockState>,
    /// Jobs running on the VM.
    pub jobs: Vec<RunningJob>,
    /// What the next start would change.
    pub staged: Vec<StagedChange>,
    /// Devices of the host that are passed through to the VM, by QEMU's driver word.
    pub passthrough: Vec<String>,
    /// Telling lines of the console, newest last.
    pub console: Vec<ConsoleSign>,
    /// Size of the console log in bytes, so that a watcher can tell new lines from old.
    pub console_bytes: Option<u64>,
    /// The newest mutating operation since the host booted.
    pub last_operation: Option<LastOperation>,
    /// What could not be observed and why, one sentence each.
    pub notes: Vec<String>,
}
