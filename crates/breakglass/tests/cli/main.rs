//! The built binary as people and scripts call it: words, exit codes, and the way through real sshds without a server.
//!
//! The parts with sshd need root, as sshd does. Everything lives in temporary directories and ends with its test.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a failed test should stop loudly"
)]

mod chain;
mod disks;
mod doors;
mod flood;
mod fuzzed;
#[path = "../../../notify/tests/notify/hook.rs"]
#[expect(dead_code, reason = "it misbehaves in more ways than are asked of it here")]
mod hook;
mod hostile;
#[path = "../../../../e2e/src/http.rs"]
#[expect(unreachable_pub, dead_code, reason = "it is another crate's, and not all of it is asked for here")]
mod http;
mod mcp;
mod mcp_config;
mod mcp_tls;
mod notify;
#[path = "../../../../e2e/src/person.rs"]
#[expect(unreachable_pub, reason = "it is another crate's")]
mod person;
#[path = "../../../agents/tests/agents/scripted_model.rs"]
#[expect(dead_code, reason = "it misbehaves in more ways than are asked of it here")]
mod scripted_model;
mod serve;
mod site;
mod spools;
mod turns;
mod verify;
mod ways;
mod words;
