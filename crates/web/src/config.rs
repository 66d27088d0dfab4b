//! What the server needs to be told: what the fleet file says of the page, where its state is, how long it waits.

use breakglass_fleet::{Fleet, Web};
use std::path::PathBuf;
use std::time::Duration;

/// The settings of the page, from `fleet.toml` and the command line.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// What `[web]` says; port 0 takes any free one.
    pub page: Web,
    /// Where the key that signs sessions is kept, the sessions that were ended, and a certificate of our own.
    pub state_dir: PathBuf,
    /// The version, for the foot of the pages and `/healthz`.
    pub version: String,
    /// How long a client may take to send the head of a request.
    pub head_timeout: Duration,
    /// How long a client may take to send the body of a request.
    pub body_timeout: Duration,
    /// How many connections are held at once; the next ones wait.
    pub most_connections: usize,
}

impl WebConfig {
    /// The settings that a fleet declares, the rest with their defaults.
    #[must_use]
    pub fn from_fleet(fleet: &Fleet) -> Self {
        Self {
            page: fleet.web.clone(),
            state_dir: fleet.state.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            most_connections: 16_384,
        }
    }
}
