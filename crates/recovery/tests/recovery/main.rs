//! The use cases against real sshds on loopback, with a stand-in guard whose line can be cut at every step.
//!
//! Needs root (sshd logs root in) and OpenSSH; everything runs in a temporary directory and ends with the test.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

mod diagnose;
mod ends;
mod hostile;
mod look;
mod outside;
mod press;
mod restart;
mod run;
mod scripted;
mod site;
mod turns;
mod verify;
mod watch;
