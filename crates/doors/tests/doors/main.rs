//! Doors against a real `sshd`, real keys and real processes. Needs root, `/usr/sbin/sshd` and loopback; every test has
//! a server of its own and ends what it started.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly, in its helpers too"
)]

mod connections;
mod host_keys;
mod keyholder;
mod probes;
mod requests;
mod sshd;
