//! How long the journal waits and how much it holds.

use std::time::Duration;

/// Bounds of a journal. The defaults suit a server; tests shrink them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest that the start waits for the disk; then it goes on without, and the journal opens when the disk answers.
    pub open_deadline: Duration,
    /// The longest that an append waits for the disk.
    pub append_deadline: Duration,
    /// The longest that a read waits for the disk before it is answered from memory.
    pub read_deadline: Duration,
    /// The longest that an artifact waits for the disk.
    pub artifact_deadline: Duration,
    /// How many events are held in memory while the disk does not take them.
    pub queue: usize,
    /// How many frames the live tail holds for subscribers that are behind.
    pub ring_frames: usize,
    /// How many bytes of frames it holds.
    pub ring_bytes: usize,
    /// The largest artifact, in bytes.
    pub artifact_bytes: u64,
    /// All artifacts together, in bytes.
    pub artifacts_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            open_deadline: Duration::from_secs(3),
            append_deadline: Duration::from_secs(2),
            read_deadline: Duration::from_secs(2),
            artifact_deadline: Duration::from_secs(5),
            queue: 10_000,
            ring_frames: 1024,
            ring_bytes: 1 << 20,
            artifact_bytes: 64 << 20,
            artifacts_bytes: 4 << 30,
        }
    }
}
