//! Looking at sessions and ending them: from the page, and from the command line without a server.

use super::ended::{self, End, SessionsError};
use super::register::{self, SessionEntry};
use super::{Identity, Peer};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_protocol::Timestamp;
use std::path::Path;

/// Whose sessions are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Owner<'a> {
    /// This person's.
    One(&'a str),
    /// Anybody's.
    Anybody,
}

/// What came of ending sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Ended for good: whose it was.
    Ended { name: String },
    /// Ended for this run; it could not be written down.
    NotKept { name: String, why: String },
    /// There is no such session.
    NoSuch,
}

impl Identity {
    /// The sessions that count now, the one that came by last first.
    pub(crate) async fn list_sessions(&self, owner: Owner<'_>, now: Timestamp) -> Vec<SessionEntry> {
        let Some(passwords) = &self.passwords else { return Vec::new() };
        let passwords = passwords.current().await;
        let counts = |entry: &SessionEntry| {
            let stamp = passwords.stamp_of(&entry.name).map(|stamp| URL_SAFE_NO_PAD.encode(stamp));
            let theirs = matches!(owner, Owner::Anybody) || owner == Owner::One(&entry.name);
            theirs
                && stamp.as_ref() == Some(&entry.stamp)
                && !self.ended.has(&entry.id, &entry.name, entry.began)
        };
        self.register.list(now).into_iter().filter(counts).collect()
    }

    /// Ends one session by its public name.
    pub(crate) async fn end(&self, id: &str, owner: Owner<'_>, now: Timestamp) -> Ending {
        let all = self.list_sessions(owner, now).await;
        let Some(entry) = all.into_iter().find(|entry| entry.id == id) else { return Ending::NoSuch };
        let end = End::Session { id: entry.id, until: entry.expires.unix_millis() };
        self.ended_by(entry.name, end).await
    }

    /// Ends the very session that these headers carry.
    pub(crate) async fn end_own(&self, headers: &HeaderMap, peer: Peer, now: Timestamp) {
        if let Some(claim) = self.claim(headers, peer, now).await {
            let end = End::Session { id: claim.id, until: claim.expires.unix_millis() };
            let _ = self.ended.add(end).await;
        }
    }

    /// Ends all sessions of a person that began before now, and forgets the browsers that are known for them.
    pub(crate) async fn end_all_of(&self, name: &str, now: Timestamp) -> Ending {
        if !super::is_name(name) {
            return Ending::NoSuch;
        }
        let before = before(self.ended.floor(name, now), &self.register.list(now), name);
        let end = End::Person { name: name.to_owned(), before };
        self.ended_by(name.to_owned(), end).await
    }

    async fn ended_by(&self, name: String, end: End) -> Ending {
        match self.ended.add(end).await {
            Ok(()) => Ending::Ended { name },
            Err(why) => Ending::NotKept { name, why },
        }
    }

    /// The names of all tokens.
    pub(crate) async fn token_names(&self) -> Vec<String> {
        match &self.tokens {
            Some(tokens) => tokens.current().await.names(),
            None => Vec::new(),
        }
    }
}

/// The sessions as the server kept them last, without those that were ended; for the command line.
///
/// # Errors
/// When there is no list, or it cannot be read.
pub fn sessions(state: &Path, now: Timestamp) -> Result<Vec<SessionEntry>, SessionsError> {
    let ended = ended::Ended::open(state, now);
    let mut all = register::read(state).map_err(|source| SessionsError::read(state, source))?;
    all.retain(|entry| entry.expires > now && !ended.has(&entry.id, &entry.name, entry.began));
    all.sort_by_key(|entry| (std::cmp::Reverse(entry.seen), entry.id.clone()));
    Ok(all)
}

/// Ends one session; a running server hears of it within a second.
///
/// # Errors
/// When it cannot be written down.
pub fn end_session(state: &Path, entry: &SessionEntry) -> Result<(), SessionsError> {
    let end = End::Session { id: entry.id.clone(), until: entry.expires.unix_millis() };
    append(state, end)
}

/// Ends all sessions of a person that began before now; a running server hears of it within a second.
///
/// # Errors
/// When it cannot be written down.
pub fn end_sessions_of(state: &Path, name: &str, now: Timestamp) -> Result<(), SessionsError> {
    // Without the list of sessions, what began before now ends all the same.
    let known = register::read(state).unwrap_or_default();
    let before = before(ended::Ended::open(state, now).floor(name, now), &known, name);
    append(state, End::Person { name: name.to_owned(), before })
}

/// Where "began before now" ends for a person, in milliseconds since 1970. What begins in this very millisecond began
/// before as well, and so did what is known to have begun while the clock was ahead.
fn before(floor: Timestamp, known: &[SessionEntry], name: &str) -> i64 {
    let theirs = known.iter().filter(|entry| entry.name == name).map(|entry| entry.began.unix_millis());
    theirs.fold(floor.unix_millis(), i64::max).saturating_add(1)
}

/// A state directory that is not there is made by the server alone: made by whoever types, it would belong to them.
fn append(state: &Path, end: End) -> Result<(), SessionsError> {
    let there = std::fs::metadata(state).map(drop);
    there.and_then(|()| ended::append(state, &[end])).map_err(|source| SessionsError::write(state, source))
}
