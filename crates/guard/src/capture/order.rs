//! What a child is told: which part, of what, until when.

use crate::forensics::Plan;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A plan as one child gets it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The plan.
    pub(super) plan: Plan,
    /// How long the child has, from its start.
    pub(super) time: Duration,
    /// How long it waits before it does anything.
    pub(super) settle: Duration,
    /// Between the two readings of the block counters.
    pub(super) gap: Duration,
    /// The file into which QEMU is asked to write the screen.
    pub(super) screen_file: PathBuf,
}

impl Order {
    /// An order for the children of this process, which have `time`.
    pub(crate) fn new(plan: &Plan, time: Duration) -> Self {
        let name = format!("{}-{}-{}.png", plan.vm_name, plan.taken.unix_millis(), std::process::id());
        Self {
            plan: plan.clone(),
            time,
            settle: Duration::ZERO,
            gap: Duration::from_secs(1).min(time / 3),
            screen_file: super::volatile::screen_dir().join(name),
        }
    }

    /// The same order for a child that first waits.
    pub(crate) fn settling(&self, settle: Duration) -> Self {
        Self { settle, ..self.clone() }
    }

    /// As the child reads it.
    pub(crate) fn to_json(&self) -> Vec<u8> {
        // A child that gets nothing says so by its exit code.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

/// One part of forensics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// What QEMU's monitor tells.
    Qmp,
    /// The screen, as QEMU dumped it.
    Screen,
    /// Whether the guest's agent answers.
    GuestAgent,
    /// The threads of QEMU's process, seen from the kernel.
    Threads,
    /// Their stacks, seen by a debugger.
    Backtrace,
    /// Limits and pressure of the process's control group.
    Cgroup,
    /// Load, memory, pressure, disks, kernel log and clock of the host.
    Host,
    /// The end of the guest's serial console.
    Console,
    /// Configuration, staged and running.
    Config,
    /// What the hypervisor's own tools tell.
    Hypervisor,
}

impl Part {
    const ALL: [Self; 10] = [
        Self::Qmp,
        Self::Screen,
        Self::GuestAgent,
        Self::Threads,
        Self::Backtrace,
        Self::Cgroup,
        Self::Host,
        Self::Console,
        Self::Config,
        Self::Hypervisor,
    ];

    /// Its name, on the wire and on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Qmp => "qmp",
            Self::Screen => "screen",
            Self::GuestAgent => "guest-agent",
            Self::Threads => "threads",
            Self::Backtrace => "backtrace",
            Self::Cgroup => "cgroup",
            Self::Host => "host",
            Self::Console => "console",
            Self::Config => "config",
            Self::Hypervisor => "hypervisor",
        }
    }

    /// The part of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// The media type of what it captures.
    pub(crate) const fn media(self) -> &'static str {
        match self {
            Self::Qmp | Self::GuestAgent => "application/json",
            Self::Screen => "image/png",
            _ => "text/plain",
        }
    }

    /// Bytes that are taken of it.
    pub(crate) const fn output_limit(self) -> usize {
        match self {
            Self::Screen => 8 << 20,
            _ => 2 << 20,
        }
    }
}
