//! What the server needs to be told: where to listen, whom to believe, where its state is.

use breakglass_fleet::{Fleet, Roles, Tls, TrustedHeader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of the page, from `[web]` of `fleet.toml` and the command line.
#[derive(Debug, Clone)]
pub struct WebConfig {
    /// Where to listen without TLS; port 0 takes any free one.
    pub listen: Vec<SocketAddr>,
    /// Where and how to speak TLS.
    pub tls: Option<Tls>,
    /// `name:hash` lines; without it nobody can log in with a password.
    pub password_file: Option<PathBuf>,
    /// `name:sha256` lines; without it no bearer token is accepted.
    pub token_file: Option<PathBuf>,
    /// A header that names the visitor, believed only from the listed proxies.
    pub trusted_header: Option<TrustedHeader>,
    /// For how many hours a log-in lasts; at least one.
    pub session_hours: u32,
    /// Whether cookies are for TLS only; over TLS of our own they always are. Browsers count `127.0.0.1` and `localhost` as safe either way.
    pub secure_cookies: bool,
    /// Who may do what.
    pub roles: Roles,
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
            listen: fleet.web.listen.clone(),
            tls: fleet.web.tls.clone(),
            roles: fleet.web.roles.clone(),
            password_file: fleet.web.password_file.clone(),
            token_file: fleet.web.token_file.clone(),
            trusted_header: fleet.web.trusted_header.clone(),
            session_hours: fleet.web.session_hours,
            secure_cookies: fleet.web.secure_cookies,
            state_dir: fleet.state.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            head_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(10),
            most_connections: 16_384,
        }
    }
}
