//! The journal against real disks, real crashes and real neighbours. One binary; a module for each thing that can happen to it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod begin;
mod beside;
mod crash;
mod damage;
mod disk;
mod intake;
mod support;
mod tail;
