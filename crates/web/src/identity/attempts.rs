//! One attempt to log in, from the form to its end.

use super::throttle::{Lane, Prefix};
use super::{Identity, entry};
use crate::server::Peer;
use axum::http::HeaderMap;
use breakglass_protocol::Timestamp;
use std::time::Instant;

/// No password is longer; the rest of a longer one would only cost hashing time.
const LONGEST_PASSWORD: usize = 1024;

/// What somebody typed, and from where.
pub(crate) struct Attempt<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) peer: Peer,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) now: Timestamp,
}

/// How it ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Attempted {
    /// They are in: the cookies to set.
    In { cookies: [String; 2] },
    /// Name or password is wrong; which one is not told.
    Wrong,
    /// Not looked at: the lane is closed for so many seconds.
    Wait { seconds: u64 },
    /// Not looked at: too many are hashing right now.
    Crowded,
    /// There is no password file.
    NoPasswords,
}

impl Identity {
    /// Judges an attempt. Costs the same time whether or not the name exists.
    pub(crate) async fn attempt(&self, attempt: Attempt<'_>) -> Attempted {
        let Some(file) = &self.passwords else { return Attempted::NoPasswords };
        let typed: String = attempt.name.chars().take(64).collect();
        let prefix = Prefix::of(attempt.peer.address.ip());
        let (now, tls) = (attempt.now, attempt.peer.tls);
        let known = self.sessions.device(attempt.headers, &typed, now, tls);
        // Whoever ends a person's sessions means the browsers that are known for them too.
        let lane = match known.filter(|device| !self.ended.has("", &typed, device.began)) {
            Some(device) => Lane::Device(device.mark),
            None => Lane::From(typed.clone(), prefix),
        };
        self.hashing.heard(prefix, Instant::now());
        if let Err(wait) = self.throttle.try_now(&lane, &typed, prefix, Instant::now()) {
            return Attempted::Wait { seconds: wait.as_secs() + 1 };
        }
        let place = match lane {
            Lane::Device(_) => self.hashing.known().await,
            Lane::From(..) => self.hashing.stranger(prefix).await,
        };
        let Some(place) = place else {
            self.throttle.not_looked_at(&lane, &typed, prefix, Instant::now());
            return Attempted::Crowded;
        };
        let passwords = file.current().await;
        let check = passwords.check_for(&typed);
        let password = attempt.password.as_bytes().to_vec();
        let fits = password.len() <= LONGEST_PASSWORD;
        // A client that hangs up here leaves the work, and the place with it, to end by itself.
        let passes = place.work(move |scratch| fits && check.passes(&password, scratch)).await;
        match passwords.stamp_of(&typed) {
            Some(stamp) if passes => {
                self.throttle.succeeded(&lane, &typed, prefix);
                self.hashing.welcome(prefix);
                let (claim, session) = self.sessions.begin(&typed, stamp, now, tls);
                self.register.seen(entry(&claim, attempt.headers, attempt.peer, now));
                let device = self.sessions.mark_device(attempt.headers, &typed, now, tls);
                Attempted::In { cookies: [session, device] }
            }
            _ => Attempted::Wrong,
        }
    }
}
