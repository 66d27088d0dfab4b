//! The built binary as people and scripts call it: words, exit codes, and the way through real sshds without a server.
//!
//! The parts with sshd need root, as sshd does. Everything lives in temporary directories and ends with its test.
#![expect(clippy::unwrap_used, reason = "a failed test should stop loudly")]

mod chain;
mod doors;
mod flood;
mod serve;
mod site;
mod ways;
mod words;
