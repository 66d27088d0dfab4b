//! Doors over SSH: keyholder, host keys, held connections, one deadline over everything.
//!
//! This is the only crate that speaks SSH. It opens doors that `fleet.toml` declares, sends one command through one
//! of them at a time, and says how that ended in one of six ways ([`End`]). It never sends a command twice, never
//! reads a private key (a process of its own does, see [`keyholder_main`]), and neither knows what the commands mean
//! nor writes them or their output to a log.
#![deny(unsafe_code)]

mod address;
mod ask;
mod connection;
mod dial;
mod doors;
mod end;
mod fresh;
mod handler;
mod host_keys;
mod keyholder;
mod limits;
mod lock;
mod pool;
mod probe;
mod quick_ack;
mod route;
mod run;

pub use ask::{Ask, Captured, Chunk};
pub use doors::Doors;
pub use end::{End, Stage, Stopped};
pub use fresh::{Asked, Fresh};
pub use host_keys::{AcceptError, HostKeyState, HostKeys, HostKeysError, Keeping};
pub use keyholder::{Keyholder, KeyholderError, Problem, keyholder_main};
pub use limits::Limits;
pub use pool::DoorState;
pub use probe::{Banner, refusing_port, ssh_banner};
