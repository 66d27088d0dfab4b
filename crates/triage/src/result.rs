//! What triage says.

use breakglass_protocol::{Timestamp, Verb};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A way in which a target stops serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Wedge {
    /// The guest's processors are held by the hypervisor.
    Paused,
    /// QEMU holds the guest since a disk request failed.
    DiskFailure,
    /// Disk requests never complete.
    BlockStall,
    /// The guest's kernel panicked.
    Panic,
    /// No memory is left.
    MemoryExhaustion,
    /// A file system has no space or inodes left.
    DiskFull,
    /// The SSH server is gone or stuck while the kernel answers.
    SshdDead,
    /// The guest runs and no packet gets through.
    NetworkDead,
    /// More work than the processors can do.
    RunawayLoad,
    /// The VM is off.
    Off,
    /// QEMU itself does not answer.
    QemuUnresponsive,
}

impl Wedge {
    /// All wedges, for tables and tests.
    pub const ALL: [Self; 11] = [
        Self::Paused,
        Self::DiskFailure,
        Self::BlockStall,
        Self::Panic,
        Self::MemoryExhaustion,
        Self::DiskFull,
        Self::SshdDead,
        Self::NetworkDead,
        Self::RunawayLoad,
        Self::Off,
        Self::QemuUnresponsive,
    ];

    /// Its name as a person reads it, such as `Block-path stall`.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Paused => "Paused",
            Self::DiskFailure => "Disk failure",
            Self::BlockStall => "Block-path stall",
            Self::Panic => "Kernel panic",
            Self::MemoryExhaustion => "Memory exhausted",
            Self::DiskFull => "Disk full",
            Self::SshdDead => "SSH server dead",
            Self::NetworkDead => "Network dead",
            Self::RunawayLoad => "Runaway load",
            Self::Off => "Powered off",
            Self::QemuUnresponsive => "QEMU does not answer",
        }
    }
}

impl fmt::Display for Wedge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title())
    }
}

/// The one thing to do next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "do", content = "what")]
pub enum Action {
    /// Press this verb.
    Press(Verb),
    /// Run this command through the repair door.
    Run(String),
    /// Wait, for the reason that the sentence gives.
    Wait,
    /// Nothing is wrong.
    Nothing,
    /// A person has to look: the evidence does not say.
    Look,
}

/// One piece of evidence, as label and value for a reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Finding {
    /// What was looked at, such as `Guest writes`.
    pub label: String,
    /// What was seen, such as `0 in two samples, 1.0 s apart`.
    pub seen: String,
    /// Whether this is out of order.
    pub health: Health,
}

/// How a finding, or a target, does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// As it should be.
    Good,
    /// Could not be seen.
    Unknown,
    /// Not as it should be, and it still serves.
    Degraded,
    /// It does not serve.
    Down,
}

/// The result of one triage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Triage {
    /// When it began.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// How the target does on the whole.
    pub health: Health,
    /// The wedge, where the evidence names one.
    pub wedge: Option<Wedge>,
    /// One sentence: what is wrong, or that nothing is, or that the evidence does not say.
    pub summary: String,
    /// The evidence, the most telling first.
    pub findings: Vec<Finding>,
    /// What was changed on the target within the last two hours. It decides nothing: it is where a person looks first.
    #[serde(default)]
    pub changed: Vec<Finding>,
    /// What to do next.
    pub action: Action,
    /// Why that, in a sentence.
    pub because: String,
    /// What would make that action wrong.
    pub wrong_if: String,
    /// Remarks on the other verbs: `(reset, "keeps the process in which the stall lives: will not help")`.
    pub remarks: Vec<(Verb, String)>,
}
