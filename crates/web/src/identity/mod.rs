//! Who is asking: a bearer token, a signed session, or a header from a listed proxy; and how a person logs in.
//!
//! Nothing here needs a database: sessions are signed cookies, names and tokens are two small files, and the record of
//! a log-in is the journal's business alone. What a role may do is decided by the table of routes, not here.

mod attempts;
mod ended;
mod file;
mod hashing;
mod passwords;
mod proxy;
mod refusals;
mod register;
mod revoke;
mod sessions;
pub(crate) mod single;
mod throttle;
mod tokens;
mod visitor;

pub(crate) use attempts::{Attempt, Attempted};
pub use ended::SessionsError;
pub(crate) use refusals::{Telling, WINDOW};
pub use register::SessionEntry;
pub(crate) use revoke::{Ending, Owner};
pub use revoke::{end_session, end_sessions_of, sessions};
use sessions::cookie_value;
use throttle::LaneCount;
pub use visitor::{Visitor, Way};

use crate::config::WebConfig;
use crate::server::Peer;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_fleet::{Role, Roles};
use breakglass_incident::Actor;
use breakglass_protocol::Timestamp;
use ended::Ended;
use file::Watched;
use hashing::Hashing;
use passwords::Passwords;
use refusals::Refusals;
use register::Register;
use sessions::{Claim, Sessions};
use single::Single;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use throttle::Throttle;
use tokens::{Opens, Tokens};
use tokio_util::sync::CancellationToken;

/// A disk that takes longer hangs; people log in without it.
const DISK_DEADLINE: Duration = Duration::from_secs(3);
/// How soon what the command line ended is heard.
const LISTEN_EVERY: Duration = Duration::from_millis(500);
/// Every so many of those, the register is kept.
const KEEP_EVERY: u32 = 10;

/// All that is needed to say who is asking.
pub(crate) struct Identity {
    passwords: Option<Watched<Passwords>>,
    tokens: Option<Watched<Tokens>>,
    proxy: Option<proxy::TrustedProxies>,
    roles: Roles,
    sessions: Sessions,
    ended: Ended,
    register: Arc<Register>,
    throttle: Throttle,
    hashing: Hashing,
    refusals: Refusals,
}

impl Identity {
    /// Reads the files once, so that a fault in them is said at the start.
    pub(crate) async fn new(config: &WebConfig, now: Timestamp) -> Self {
        let passwords = config.page.password_file.clone().map(Watched::<Passwords>::new);
        let tokens = config.page.token_file.clone().map(Watched::<Tokens>::new);
        if let Some(file) = &passwords {
            file.current().await;
        }
        if let Some(file) = &tokens {
            file.current().await;
        }
        let (hours, secure) = (config.page.session_hours, config.page.secure_cookies);
        let state = config.state_dir.clone();
        let opening = tokio::task::spawn_blocking(move || {
            (Sessions::open(&state, hours, secure), Ended::open(&state, now), Register::open(&state, now))
        });
        let (sessions, ended, register) = match tokio::time::timeout(DISK_DEADLINE, opening).await {
            Ok(Ok(opened)) => opened,
            _ => (
                Sessions::with_passing_key(
                    hours,
                    secure,
                    "the disk of the session key does not answer: \
                    log-ins work and end with this process"
                        .to_owned(),
                ),
                Ended::out_of_reach(&config.state_dir, now),
                Register::empty(&config.state_dir),
            ),
        };
        Self {
            passwords,
            tokens,
            proxy: config.page.trusted_header.as_ref().map(proxy::TrustedProxies::new),
            roles: config.page.roles.clone(),
            sessions,
            ended,
            register: Arc::new(register),
            throttle: Throttle::default(),
            hashing: Hashing::default(),
            refusals: Refusals::default(),
        }
    }

    /// Hears what the command line ends and keeps the register, until `stop`.
    pub(crate) async fn follow(&self, clock: impl Fn() -> Timestamp, stop: CancellationToken) {
        let keeping = Single::default();
        for round in 1_u32.. {
            let ending = tokio::select! {
                () = stop.cancelled() => true,
                () = tokio::time::sleep(LISTEN_EVERY) => false,
            };
            if ending || round % KEEP_EVERY == 0 {
                let register = Arc::clone(&self.register);
                if let Some(kept) = keeping.start(move || register.keep()) {
                    let _ = tokio::time::timeout(DISK_DEADLINE, kept).await;
                }
            }
            if ending {
                return;
            }
            let refreshing = self.ended.refresh(clock());
            tokio::select! {
                () = stop.cancelled() => {}
                () = refreshing => {}
            }
        }
    }

    /// The one who sent these headers from this socket address, if they are known.
    pub(crate) async fn visitor(&self, headers: &HeaderMap, peer: Peer, now: Timestamp) -> Option<Visitor> {
        if let Some(bearer) = bearer(headers) {
            // Whoever shows a token is judged by it alone: a wrong one is not saved by a cookie beside it.
            let tokens = self.tokens.as_ref()?.current().await;
            let holder = tokens.holder_of(bearer)?;
            // An outside agent has no role: what it may do is granted in the fleet file, tool by tool.
            let (way, role) = match holder.opens {
                Opens::AgentTools => (Way::Agent, Role::View),
                Opens::Metrics => (Way::Metrics, Role::View),
                Opens::ByRole => (Way::Token, self.roles.of_token(&holder.name)),
            };
            let actor = Actor::Token(holder.name);
            return Some(Visitor { actor, way, role, csrf: String::new(), session: None });
        }
        let proxied = self.proxy.as_ref().and_then(|proxy| {
            let name = proxy.name_in(headers, peer.address.ip())?;
            Some((name, proxy.groups_in(headers)))
        });
        if let Some(claim) = self.claim(headers, peer, now).await {
            let csrf = self.sessions.csrf(cookie_value(headers, self.sessions.cookie_name(peer.tls))?);
            let groups = proxied.filter(|(name, _)| *name == claim.name).map(|(_, groups)| groups);
            let role = self.roles.of_person(&claim.name, &groups.unwrap_or_default());
            self.register.seen(entry(&claim, headers, peer, now));
            let actor = Actor::Human(claim.name);
            return Some(Visitor { actor, way: Way::Password, role, csrf, session: Some(claim.id) });
        }
        let (name, groups) = proxied?;
        let csrf = self.sessions.csrf(&format!("header:{name}"));
        let role = self.roles.of_person(&name, &groups);
        Some(Visitor { actor: Actor::Human(name), way: Way::Header, role, csrf, session: None })
    }

    /// What of these headers says who somebody is, in memory of its own: the rest of a request is not kept for it.
    pub(crate) fn kept_of(&self, headers: &HeaderMap) -> Box<[(HeaderName, HeaderValue)]> {
        let named = [header::AUTHORIZATION, header::COOKIE, header::USER_AGENT];
        let counts = |name: &HeaderName| named.contains(name) || self.proxy.is_some();
        let copied = |value: &HeaderValue| HeaderValue::from_bytes(value.as_bytes()).ok();
        let kept = headers.iter().filter(|(name, _)| counts(name));
        kept.filter_map(|(name, value)| Some((name.clone(), copied(value)?))).collect()
    }

    /// Who is at the far end of a proxy, where it is listed and says so.
    pub(crate) fn client(&self, headers: &HeaderMap, peer: Peer) -> IpAddr {
        let proxy = self.proxy.as_ref();
        proxy.and_then(|proxy| proxy.client_in(headers, peer.address.ip())).unwrap_or(peer.client)
    }

    async fn claim(&self, headers: &HeaderMap, peer: Peer, now: Timestamp) -> Option<Claim> {
        let cookie = cookie_value(headers, self.sessions.cookie_name(peer.tls))?;
        let claim = self.sessions.read(cookie, now)?;
        if self.ended.has(&claim.id, &claim.name, claim.began) {
            return None;
        }
        // A session is worth as much as the line of the password file that it began with: take the line away or
        // change it, and the session ends.
        let passwords = self.passwords.as_ref()?.current().await;
        (passwords.stamp_of(&claim.name)? == claim.stamp).then_some(claim)
    }

    /// The cookies' names and forms.
    pub(crate) const fn sessions(&self) -> &Sessions {
        &self.sessions
    }

    /// Whether there is a password file at all, so that the log-in page can say so.
    pub(crate) const fn has_passwords(&self) -> bool {
        self.passwords.is_some()
    }

    /// Whether bearer tokens are accepted.
    pub(crate) const fn has_tokens(&self) -> bool {
        self.tokens.is_some()
    }

    /// Whether a listed proxy may name people.
    pub(crate) const fn has_proxy(&self) -> bool {
        self.proxy.is_some()
    }

    /// What the journal is told of attempts that were refused.
    pub(crate) const fn refusals(&self) -> &Refusals {
        &self.refusals
    }

    /// In how many lanes failed log-ins are remembered.
    pub(crate) fn lanes(&self, now: Instant) -> LaneCount {
        self.throttle.count_lanes(now)
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
        faults.extend(self.session_fault());
        faults
    }

    /// What is wrong with how sessions are kept.
    pub(crate) fn session_fault(&self) -> Option<String> {
        self.sessions.fault().or_else(|| self.ended.fault())
    }
}

/// A session as the register tells of it.
fn entry(claim: &Claim, headers: &HeaderMap, peer: Peer, now: Timestamp) -> SessionEntry {
    let browser = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    SessionEntry {
        id: claim.id.clone(),
        name: claim.name.clone(),
        began: claim.began,
        expires: claim.expires,
        seen: now,
        from: peer.client.to_canonical().to_string(),
        browser: browser.to_owned(),
        stamp: URL_SAFE_NO_PAD.encode(claim.stamp),
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
