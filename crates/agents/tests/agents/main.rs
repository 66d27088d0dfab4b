//! Engines against a scripted endpoint, the real Claude CLI, and a real shell that tries to get out.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper of a test fails it where something is not as it has to be"
)]

mod api;
mod claude;
mod scripted_model;
mod stand;
mod walls;
