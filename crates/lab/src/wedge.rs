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
    /// A process that the kernel may not kill takes all memory, until the kernel has killed everyone else and gives up.
    MemoryExhaustion,
    /// The data disk is full.
    DiskFull,
    /// sshd has ended.
    SshdDead,
    /// sshd is there and does nothing.
    SshdHung,
    /// The guest's network interface is down.
    NetworkDead,
    /// A hundred tasks want the processor, and are preferred to sshd.
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
            Self::MemoryExhaustion => "Let a process that the kernel may not kill take all memory.",
            Self::DiskFull => "Fill the data disk to the last block.",
            Self::SshdDead => "Kill sshd and its sessions.",
            Self::SshdHung => "Stop sshd where it stands; its port still accepts.",
            Self::NetworkDead => "Take the guest's network interface down.",
            Self::RunawayLoad => "Start 100 busy processes of high priority: SSH gets no turn.",
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
            Wedge::BlockStall => self.stall_disk(),
            Wedge::Panic => self.run_until("echo c > /proc/sysrq-trigger", "Kernel panic"),
            // The control line's children inherit its protection from the OOM killer: the kernel kills everyone else.
            Wedge::MemoryExhaustion => self.run_until("/lab/memory-hog", "deadlocked on memory"),
            Wedge::DiskFull => self.fill_disk(),
            Wedge::SshdDead => self.must_inside("killall -KILL sshd"),
            Wedge::SshdHung => self.must_inside("killall -STOP sshd"),
            Wedge::NetworkDead => self.must_inside("ip link set eth0 down"),
            Wedge::RunawayLoad => self.must_inside("/lab/runaway > /dev/null 2>&1"),
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

    fn stall_disk(&self) -> Result<()> {
        self.throttle(1)?;
        // QEMU lets one more request through before its bucket is full.
        let until = Instant::now() + CONTROL;
        loop {
            let before = self.completed_requests()?;
            std::thread::sleep(Duration::from_millis(200));
            if self.completed_requests()? == before {
                return Ok(());
            }
            if Instant::now() > until {
                bail!("the disk of {} still moves {CONTROL:?} after it was throttled", self.name());
            }
        }
    }

    fn completed_requests(&self) -> Result<u64> {
        let disks = self.monitor(MONITOR)?.query_blockstats()?;
        Ok(disks.iter().map(|disk| disk.stats.rd_operations + disk.stats.wr_operations).sum())
    }

    fn must_inside(&self, command: &str) -> Result<()> {
        let finished = self.inside(command, CONTROL)?;
        if !finished.succeeded() {
            bail!("`{command}` in {} ended with {:?}: {}", self.name(), finished.code, finished.stdout);
        }
        Ok(())
    }

    fn fill_disk(&self) -> Result<()> {
        // The workload holds still and its block is taken as well, or it would free and take that one for ever. The
        // bulk goes at once, then every block that is left over; what was freed can be had only after a commit.
        self.must_inside(
            "killall -STOP workload; mkdir -p /data/work; : > /data/work/commit; sync; \
             fallocate -l $(($(df -k /data | awk 'END { print $4 }') - 200))k /data/full; \
             for round in 1 2 3 4; do dd if=/dev/zero bs=4k >> /data/fuller; sync; done; \
             killall -CONT workload; [ $(df -k /data | awk 'END { print $4 }') -lt 4 ]",
        )
    }

    /// Runs a command that may never end and waits until the console shows its effect.
    fn run_until(&self, command: &str, sign: &str) -> Result<()> {
        let before = self.console().matches(sign).count();
        // In the background and a moment later, so that the control line has answered before the guest cannot.
        self.must_inside(&format!("{{ usleep 200000; {command}; }} < /dev/null > /dev/null 2>&1 &"))?;
        let until = Instant::now() + CONTROL;
        let mut asked = Instant::now();
        while self.console().matches(sign).count() <= before {
            if asked.elapsed() > Duration::from_secs(1) {
                // A newcomer is what shows that no memory is left; nothing else asks for any.
                let _ = self.banner(Duration::from_millis(100));
                asked = Instant::now();
            }
            if Instant::now() > until {
                bail!("{} did not write `{sign}` to its console in {CONTROL:?}", self.name());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}
