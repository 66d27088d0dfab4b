//! Engines: what runs a model in a turn. `api` is a loop of our own over an endpoint; `claude` is the Claude CLI, with no
//! tools but ours, shut in away from keys, state and doors.
//!
//! Nothing here limits what an agent may do to a target: that is behind [`breakglass_recovery::turn::Tools`], whichever
//! engine asks. What is here keeps an engine from everything else (ADR-0015).
#![forbid(unsafe_code)]

mod api;
mod bridge;
mod claude;
mod endpoint;
mod http;
mod key;
mod mcp;
mod outside;
mod prompt;
mod sandbox;

pub use api::ApiEngine;
pub use bridge::bridge_main;
pub use claude::{ClaudeConfig, ClaudeEngine};
pub use endpoint::{BadEndpoint, Dialect, Endpoint, Patience};
pub use key::KeySource;
pub use outside::{
    BadServer, Behind, Calling, Direct, Fingerprint, Remote, SKILL, SKILL_VERSION, Trust, serve_outside,
};
pub use prompt::prompt;
pub use sandbox::{AgentUser, Enclosure, UserError, enclosure_main};
