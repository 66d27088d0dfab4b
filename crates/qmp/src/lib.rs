//! QMP, the QEMU machine protocol: framing and the few commands that breakglass uses, over any `Read + Write`.
//!
//! It is synchronous and starts nothing. It does not decide how long to wait: the stream that is handed in does,
//! and [`Deadlined`] is such a stream, with one deadline over everything that is asked through it. QEMU serves one
//! client at a time on a monitor, so a client should be short-lived: connect, ask, drop.
#![forbid(unsafe_code)]

mod client;
mod commands;
mod deadlined;
mod error;

pub use client::{Client, Event, Greeting};
pub use commands::{BlockCounts, BlockDevice, BlockStats, Disk, IoLimits, Job, VmStatus};
pub use deadlined::Deadlined;
pub use error::QmpError;
