//! What only answers to root, through the read-only door of an account without rights and the broker behind it, both the
//! built binary. The container engine is a stand-in that speaks the documented interface over a real socket, since no
//! engine runs here; the firewall is the kernel's own, in a network namespace of the test's.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

mod stage;
mod broker {
    mod containers;
    mod engine;
    mod house;
    mod trust;
}
