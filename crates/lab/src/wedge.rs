//! Ways in which a VM stops serving, each of them the real thing, and the states that only look like it.
//!
//! A wedge is applied through the lab's own monitor or control line and has taken effect when the call returns. None
//! is undone here: that is what recovery is for, and [`Vm::renew`] where a test wants a fresh start.

use crate::Vm;
use crate::qemu::DATA_DRIVE;
use anyhow::{Result, bail};
use breakglass_qmp::{Disk, IoLimits};
use std::time::{Duration, Instant};

const MONITOR: Duration = Duration::from_secs(5);
const CONTROL: Duration = Duration::from_secs(30);

/// A way in which the VM stops serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wedge {
    /// The hypervisor holds the guest's processors.
    Pause,
    /// The disk takes one byte a second: writers hang, the rest goes on.
    BlockStall,
    /// The guest's kernel panics.
    Panic,
    /// A process that the kernel may not kill takes all memory.
    MemoryExhaustion,
    /// The data disk is full.
    DiskFull,
    /// sshd has ended.
    SshdDead,
    /// sshd is there and does nothing.
    SshdHung,
    /// The guest's network interface is down.
    NetworkDead,
    /// Hundreds of tasks want the processor.
    RunawayLoad,
}

/// A state that no one should take for a wedge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Condition {
    /// It serves and works.
    Healthy,
    /// It serves and has nothing to do.
    Idle,
    /// It has just been started.
    Booting,
    /// Its owner paused it on purpose, and the hypervisor's lock says so.
    OwnerPaused,
}

impl Wedge {
    /// All of them, in the order in which a page would show them.
    pub const ALL: [Self; 9] = [
        Self::Pause,
        Self::BlockStall,
        Self::Panic,
        Self::MemoryExhaustion,
        Self::DiskFull,
        Self::SshdDead,
        Self::SshdHung,
        Self::NetworkDead,
        Self::RunawayLoad,
    ];

    /// Its name on a command line or in a form.
    #[must_use]
    pub const fn slug(self) -> &'static str {
        match self {
            Self::Pause => "pause",
            Self::BlockStall => "block-stall",
            Self::Panic => "panic",
            Self::MemoryExhaustion => "memory-exhaustion",
            Self::DiskFull => "disk-full",
            Self::SshdDead => "sshd-dead",
            Self::SshdHung => "sshd-hung",
            Self::NetworkDead => "network-dead",
            Self::RunawayLoad => "runaway-load",
        }
    }

    /// What it does, in a sentence for a person.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::Pause => "Hold the guest's processors, as a stuck hypervisor does.",
            Self::BlockStall => "Throttle the disk to a byte a second: SSH still answers, writers hang.",
            Self::Panic => "Crash the guest's kernel.",
            Self::MemoryExhaustion => "Let a process that cannot be killed take all memory.",
            Self::DiskFull => "Fill the data disk to the last block.",
            Self::SshdDead => "Kill sshd and its sessions.",
            Self::SshdHung => "Stop sshd where it stands; its port still accepts.",
            Self::NetworkDead => "Take the guest's network interface down.",
            Self::RunawayLoad => "Start hundreds of busy processes.",
        }
    }

    /// The wedge of that name.
    #[must_use]
    pub fn from_slug(slug: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|wedge| wedge.slug() == slug)
    }
}

impl Vm {
    /// Wedges the VM for real and returns once that has taken effect.
    ///
    /// # Errors
    /// The VM does not run, is wedged already, or the wedge does not take.
    pub fn wedge(&self, wedge: Wedge) -> Result<()> {
        match wedge {
            Wedge::Pause => Ok(self.monitor(MONITOR)?.stop()?),
            Wedge::BlockStall => self.throttle(1),
            Wedge::Panic => self.send_until("echo c > /proc/sysrq-trigger", "Kernel panic"),
            // The control line's children inherit its protection from the OOM killer: the kernel kills everyone else.
            Wedge::MemoryExhaustion => self.send_until("setsid /lab/memory-hog > /dev/null 2>&1 &", "Out of memory"),
            Wedge::DiskFull => self.fill_disk(),
            Wedge::SshdDead => self.must_inside("killall -KILL sshd"),
            Wedge::SshdHung => self.must_inside("killall -STOP sshd"),
            Wedge::NetworkDead => self.must_inside("ip link set eth0 down"),
            Wedge::RunawayLoad => self.run_away(),
        }
    }

    /// Brings about a state that is no wedge, from a VM that serves.
    ///
    /// # Errors
    /// The VM does not run or does not do as asked.
    pub fn condition(&self, condition: Condition) -> Result<()> {
        match condition {
            Condition::Healthy => Ok(()),
            Condition::Idle => self.must_inside("killall -KILL workload"),
            Condition::Booting => {
                self.kill()?;
                self.launch()
            }
            Condition::OwnerPaused => {
                std::fs::write(self.file("lock"), "suspended\n")?;
                Ok(self.monitor(MONITOR)?.stop()?)
            }
        }
    }

    /// Limits the data disk to so many bytes a second; 0 lifts the limit.
    ///
    /// # Errors
    /// QEMU does not do as asked.
    pub fn throttle(&self, bytes_per_second: u64) -> Result<()> {
        let limits = IoLimits { bytes_per_second, ..IoLimits::default() };
        Ok(self.monitor(MONITOR)?.block_set_io_throttle(Disk::Drive(DATA_DRIVE), limits)?)
    }

    fn must_inside(&self, command: &str) -> Result<()> {
        let finished = self.inside(command, CONTROL)?;
        if !finished.succeeded() {
            bail!("`{command}` in {} ended with {:?}: {}", self.name(), finished.code, finished.stdout);
        }
        Ok(())
    }

    fn fill_disk(&self) -> Result<()> {
        // The first takes the bulk at once, the second the blocks that were left over; both end with "no space".
        self.must_inside(
            "a=$(df -k /data | awk 'END { print $4 }'); fallocate -l $((a - 200))k /data/full; \
             dd if=/dev/zero of=/data/fuller bs=4k > /dev/null 2>&1; \
             [ $(df -k /data | awk 'END { print $4 }') -lt 8 ]",
        )
    }

    fn run_away(&self) -> Result<()> {
        // Each in a session of its own, or the scheduler's autogroups would count them all as one.
        self.must_inside("i=0; while [ $i -lt 150 ]; do setsid nice -n -5 /lab/busy-loop < /dev/null > /dev/null 2>&1 & i=$((i + 1)); done")
    }

    /// Sends a command that may never end and waits until the console shows its effect.
    fn send_until(&self, command: &str, sign: &str) -> Result<()> {
        let before = self.console().matches(sign).count();
        self.send_inside(command)?;
        let until = Instant::now() + CONTROL;
        while self.console().matches(sign).count() <= before {
            if Instant::now() > until {
                bail!("{} did not write `{sign}` to its console in {CONTROL:?}", self.name());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
