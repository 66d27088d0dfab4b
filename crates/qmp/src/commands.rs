//! The few commands that breakglass uses, typed. Field names and meanings: QEMU's `qapi/*.json`.
//!
//! Which of them are safe on a wedged QEMU is the caller's knowledge; each says here what it touches.

use crate::client::Client;
use crate::{Deadlined, QmpError};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::path::Path;
use std::time::Instant;

/// Answer of `query-status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VmStatus {
    /// Whether the guest's processors run.
    pub running: bool,
    /// QEMU's run state, such as `running`, `paused`, `io-error`, `guest-panicked`, `prelaunch`.
    pub status: String,
}

/// One disk of `query-blockstats`; counters since the process started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockStats {
    /// The name of the drive; empty for a disk made with `-blockdev`.
    #[serde(default)]
    pub device: String,
    /// The path or id of the device that the guest sees.
    #[serde(default)]
    pub qdev: Option<String>,
    /// The name of the node at the top.
    #[serde(default, rename = "node-name")]
    pub node_name: Option<String>,
    /// The counters.
    pub stats: BlockCounts,
}

impl BlockStats {
    /// The best name there is: the drive's, else the guest device's, else the node's.
    #[must_use]
    pub fn name(&self) -> &str {
        let named = (!self.device.is_empty()).then_some(self.device.as_str());
        named.or(self.qdev.as_deref()).or(self.node_name.as_deref()).unwrap_or("unnamed")
    }
}

/// Counters of one disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockCounts {
    /// Completed reads.
    pub rd_operations: u64,
    /// Completed writes.
    pub wr_operations: u64,
    /// Completed flushes.
    pub flush_operations: u64,
    /// Bytes read.
    pub rd_bytes: u64,
    /// Bytes written.
    pub wr_bytes: u64,
    /// Failed reads.
    pub failed_rd_operations: u64,
    /// Failed writes.
    pub failed_wr_operations: u64,
    /// Failed flushes.
    pub failed_flush_operations: u64,
}

impl BlockCounts {
    /// Failed requests of any kind.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.failed_rd_operations
            .saturating_add(self.failed_wr_operations)
            .saturating_add(self.failed_flush_operations)
    }
}

/// One job of `query-jobs`: a backup, a mirror, a commit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: String,
    /// Its kind, such as `backup` or `mirror`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its state, such as `running`, `paused`, `concluded`.
    pub status: String,
    /// How far it is, in units of its own.
    #[serde(default, rename = "current-progress")]
    pub current_progress: u64,
    /// What `current_progress` ends at.
    #[serde(default, rename = "total-progress")]
    pub total_progress: u64,
    /// Why it failed, where it did.
    #[serde(default)]
    pub error: Option<String>,
}

/// One device of `query-block`, as far as we read it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct BlockDevice {
    /// The name of the drive; empty for a disk made with `-blockdev`.
    #[serde(default)]
    pub device: String,
    /// The path or id of the device that the guest sees.
    #[serde(default)]
    pub qdev: Option<String>,
    /// `ok`, `failed` or `nospace`; present where the device reports errors to QEMU.
    #[serde(default, rename = "io-status")]
    pub io_status: Option<String>,
    /// What is inserted: file, driver, image; as QEMU gives it.
    #[serde(default)]
    pub inserted: Value,
}

/// Names a disk to QEMU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk<'a> {
    /// By the name of its drive (`-drive id=`).
    Drive(&'a str),
    /// By the id or path of the guest's device (`-device id=`).
    Device(&'a str),
}

/// Limits on a disk's I/O; zero means none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct IoLimits {
    /// Bytes a second, both directions together.
    pub bytes_per_second: u64,
    /// Bytes read a second.
    pub read_bytes_per_second: u64,
    /// Bytes written a second.
    pub written_bytes_per_second: u64,
    /// Requests a second, both directions together.
    pub requests_per_second: u64,
}

impl Client<Deadlined> {
    /// Connects to the monitor socket at `path`; the deadline covers waiting for the socket, the greeting and
    /// everything that is asked later, until it is moved by [`Deadlined::set_deadline`].
    ///
    /// # Errors
    /// [`QmpError`]: nobody listens, no answer in time, or no monitor.
    pub fn open(path: &Path, deadline: Instant) -> Result<Self, QmpError> {
        let stream =
            Deadlined::connect(path, deadline).map_err(|error| QmpError::from_io("connecting", error))?;
        Self::connect(stream)
    }
}

impl<S: Read + Write> Client<S> {
    /// `query-status`: reads memory of QEMU only.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn query_status(&mut self) -> Result<VmStatus, QmpError> {
        self.execute("query-status")
    }

    /// `query-blockstats`: counters in QEMU's memory; touches no image file.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn query_blockstats(&mut self) -> Result<Vec<BlockStats>, QmpError> {
        self.execute("query-blockstats")
    }

    /// `query-jobs`: what QEMU is doing with the VM's disks right now.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn query_jobs(&mut self) -> Result<Vec<Job>, QmpError> {
        self.execute("query-jobs")
    }

    /// `query-block`: stats each image file while QEMU holds its lock, so **it can hang the whole VM** where the
    /// storage hangs. Last, and only where the process ends anyway or a person asked for it.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn query_block(&mut self) -> Result<Vec<BlockDevice>, QmpError> {
        self.execute("query-block")
    }

    /// `system_powerdown`: presses the virtual power button. The guest may ignore it.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn system_powerdown(&mut self) -> Result<(), QmpError> {
        self.command("system_powerdown", Value::Null)
    }

    /// `system_reset`: warm reset. A VM that was held stays held and needs [`Client::cont`].
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn system_reset(&mut self) -> Result<(), QmpError> {
        self.command("system_reset", Value::Null)
    }

    /// `cont`: lets the guest's processors go on.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn cont(&mut self) -> Result<(), QmpError> {
        self.command("cont", Value::Null)
    }

    /// `stop`: holds the guest's processors; waits for requests in flight, so it can hang on a hung disk.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn stop(&mut self) -> Result<(), QmpError> {
        self.command("stop", Value::Null)
    }

    /// `quit`: asks QEMU to end. A connection that closes instead of answering counts as asked; that the process is
    /// gone is for the caller to see.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn quit(&mut self) -> Result<(), QmpError> {
        match self.command("quit", Value::Null) {
            Err(QmpError::Closed { .. }) => Ok(()),
            other => other,
        }
    }

    /// `screendump` to a file that QEMU writes itself, in `format` (`png` since QEMU 7.1, else `ppm`).
    ///
    /// # Errors
    /// [`QmpError`], refused where the VM has no display.
    pub fn screendump(&mut self, file: &Path, format: &str) -> Result<(), QmpError> {
        self.command("screendump", json!({ "filename": file.to_string_lossy(), "format": format }))
    }

    /// `human-monitor-command`: one line for the human monitor, answered in its own prose.
    ///
    /// # Errors
    /// [`QmpError`]; a line that the human monitor rejects is prose, not an error.
    pub fn human_monitor_command(&mut self, line: &str) -> Result<String, QmpError> {
        self.execute_with("human-monitor-command", json!({ "command-line": line }))
    }

    /// `block_set_io_throttle`: how a lab stalls a disk.
    ///
    /// # Errors
    /// [`QmpError`].
    pub fn block_set_io_throttle(&mut self, disk: Disk<'_>, limits: IoLimits) -> Result<(), QmpError> {
        let (key, name) = match disk {
            Disk::Drive(name) => ("device", name),
            Disk::Device(name) => ("id", name),
        };
        let arguments = json!({
            key: name,
            "bps": limits.bytes_per_second,
            "bps_rd": limits.read_bytes_per_second,
            "bps_wr": limits.written_bytes_per_second,
            "iops": limits.requests_per_second,
            "iops_rd": 0,
            "iops_wr": 0,
        });
        self.command("block_set_io_throttle", arguments)
    }

    fn command(&mut self, command: &str, arguments: Value) -> Result<(), QmpError> {
        self.execute_with::<Value>(command, arguments).map(|_| ())
    }
}
