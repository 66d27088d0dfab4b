//! The real router on a loopback socket: every route with every kind of identity, and what a browser, a program and an
//! attacker can make it do.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic,
    reason = "a failed test should stop loudly"
)]

mod document;
mod gate;
mod identity;
mod live;
mod metrics;
mod pages;
mod roles;
mod server;
mod sessions;
mod support;
mod tls;
mod turns;
