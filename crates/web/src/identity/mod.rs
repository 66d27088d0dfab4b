//! Who is asking: a bearer token, a signed session, or a header from a listed proxy; and how a person logs in.
//!
//! Nothing here needs a database: sessions are signed cookies, names and tokens are two small files, and the record of
//! a log-in is the journal's business alone. What a visitor may do is decided by the table of routes, not here.

mod attempts;
mod file;
mod passwords;
mod proxy;
mod sessions;
mod throttle;
mod tokens;

pub(crate) use attempts::{Attempt, Attempted};
use sessions::cookie_value;

use crate::config::WebConfig;
use axum::http::{HeaderMap, header};
use breakglass_incident::Actor;
use breakglass_protocol::Timestamp;
use file::Watched;
use passwords::Passwords;
use sessions::Sessions;
use std::net::IpAddr;
use std::time::Duration;
use throttle::Throttle;
use tokens::Tokens;
use tokio::sync::Semaphore;

/// By which way somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// A session that began with a password.
    Password,
    /// A bearer token.
    Token,
    /// The bearer token of an outside agent.
    Agent,
    /// A header that a listed proxy set.
    Header,
}

impl Way {
    /// The word for the journal and for the foot of a page.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Token => "token",
            Self::Agent => "agent token",
            Self::Header => "header",
        }
    }
}

/// Somebody who is known. Handlers find it among the request's extensions; the gate puts it there.
#[derive(Debug, Clone)]
pub struct Visitor {
    /// As the journal names them.
    pub actor: Actor,
    /// By which way they are known.
    pub way: Way,
    /// What a form of theirs must carry in its field `csrf`; empty for a token, which no browser sends by itself.
    pub csrf: String,
}

impl Visitor {
    /// The name alone.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.actor {
            Actor::Human(name) | Actor::Token(name) | Actor::Cli(name) | Actor::Guard(name) => name,
            Actor::Agent(agent) => &agent.engine,
            Actor::Outside(outside) => &outside.agent,
            Actor::Watch => "watch",
            Actor::Server => "breakglass",
        }
    }

    /// Whether a browser sends their identity along by itself, so that another site's page could abuse it.
    pub(crate) const fn is_ambient(&self) -> bool {
        matches!(self.way, Way::Password | Way::Header)
    }
}

/// All that is needed to say who is asking.
pub(crate) struct Identity {
    passwords: Option<Watched<Passwords>>,
    tokens: Option<Watched<Tokens>>,
    proxy: Option<proxy::TrustedProxies>,
    sessions: Sessions,
    throttle: Throttle,
    /// Password hashing takes a processor and tens of MiB for a moment: at most so many at once.
    hashing: Semaphore,
}

/// How long a log-in waits for its turn at the hashing before it is told to come again.
const HASHING_WAIT: Duration = Duration::from_secs(10);

impl Identity {
    /// Reads the files once, so that a fault in them is said at the start.
    pub(crate) async fn new(config: &WebConfig) -> Self {
        let passwords = config.password_file.clone().map(Watched::<Passwords>::new);
        let tokens = config.token_file.clone().map(Watched::<Tokens>::new);
        if let Some(file) = &passwords {
            file.current().await;
        }
        if let Some(file) = &tokens {
            file.current().await;
        }
        Self {
            passwords,
            tokens,
            proxy: config.trusted_header.as_ref().map(proxy::TrustedProxies::new),
            sessions: Sessions::open(&config.state_dir, config.session_hours, config.secure_cookies),
            throttle: Throttle::default(),
            hashing: Semaphore::new(2),
        }
    }

    /// The one who sent these headers from this socket address, if they are known.
    pub(crate) async fn visitor(&self, headers: &HeaderMap, peer: IpAddr, now: Timestamp) -> Option<Visitor> {
        if let Some(bearer) = bearer(headers) {
            // Whoever shows a token is judged by it alone: a wrong one is not saved by a cookie beside it.
            let tokens = self.tokens.as_ref()?.current().await;
            let holder = tokens.holder_of(bearer)?;
            let way = if holder.is_agent { Way::Agent } else { Way::Token };
            return Some(Visitor { actor: Actor::Token(holder.name), way, csrf: String::new() });
        }
        if let Some(name) = self.session_name(headers, now).await {
            let csrf = self.sessions.csrf(cookie_value(headers, self.sessions.cookie_name())?);
            return Some(Visitor { actor: Actor::Human(name), way: Way::Password, csrf });
        }
        let name = self.proxy.as_ref()?.name_in(headers, peer)?;
        let csrf = self.sessions.csrf(&format!("header:{name}"));
        Some(Visitor { actor: Actor::Human(name), way: Way::Header, csrf })
    }

    async fn session_name(&self, headers: &HeaderMap, now: Timestamp) -> Option<String> {
        let claim = self.sessions.read(cookie_value(headers, self.sessions.cookie_name())?, now)?;
        // A session is worth as much as the line of the password file that it began with: take the line away or
        // change it, and the session ends.
        let passwords = self.passwords.as_ref()?.current().await;
        (passwords.stamp_of(&claim.name)? == claim.stamp).then_some(claim.name)
    }

    /// The sessions: issuing and ending them.
    pub(crate) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Whether there is a password file at all, so that the log-in page can say so.
    pub(crate) const fn has_passwords(&self) -> bool {
        self.passwords.is_some()
    }

    /// Whether a listed proxy may name people.
    pub(crate) const fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// What is wrong with the files, one sentence each, for the page and the log.
    pub(crate) async fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(file) = &self.passwords {
            faults.extend(file.faults().await);
        }
        if let Some(file) = &self.tokens {
            faults.extend(file.faults().await);
        }
        faults.extend(self.sessions.fault());
        faults
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// A name that may stand in the files and in a cookie.
fn is_name(text: &str) -> bool {
    let fine = |b: u8| b.is_ascii_alphanumeric() || b"._@-".contains(&b);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(fine)
}
