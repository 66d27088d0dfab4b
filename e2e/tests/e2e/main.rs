//! What crosses every room, in one binary: a real VM behind a real sshd, the built guard and server, a real browser.
//!
//! `cargo xtask test` sets up what these need and runs them; with `--full` (`BREAKGLASS_FULL=1`) the loops run as often
//! as it takes to trust them.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod agents;
mod commands;
mod crash;
mod house;
mod journey;
mod keyboard;
mod together;
mod walls;
mod wedges;

#[path = "../../../crates/agents/tests/agents/scripted_model.rs"]
#[expect(dead_code, reason = "most of its misbehaviour is for the engines' own tests")]
mod scripted_model;
