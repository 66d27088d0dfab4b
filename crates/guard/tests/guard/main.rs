//! The guard through its built binary: real processes, real QEMUs, real disks that are full, read-only and hung.
//!
//! Nothing here looks inside the guard. What it promises is read from exit codes, output, the record and the
//! processes on this host.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod boot;
mod cells;
mod corpus;
mod hung_disk;
mod libvirt;
mod operations;
mod processes;
mod proxmox;
mod proxmox_states;
mod proxmox_verbs;
mod record;
mod repair;
mod support;
mod trust;
mod verbs;
