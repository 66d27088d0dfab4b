//! Notices against real receivers: HTTP and SMTP conversations on loopback, a journal on a disk, and what goes wrong with them.
#![expect(clippy::unwrap_used, reason = "a failed test should stop loudly")]

mod endpoints;
mod hook;
mod office;
mod relay;
mod restart;
