//! One attempt to log in, from the form to its end.

use super::throttle::{Lane, Prefix};
use super::{HASHING_WAIT, Identity};
use axum::http::HeaderMap;
use breakglass_protocol::Timestamp;
use std::net::IpAddr;
use std::time::Instant;

/// No password is longer; the rest of a longer one would only cost hashing time.
const LONGEST_PASSWORD: usize = 1024;

/// What somebody typed, and from where.
pub(crate) struct Attempt<'a> {
    pub(crate) name: &'a str,
    pub(crate) password: &'a str,
    pub(crate) peer: IpAddr,
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
        let prefix = Prefix::of(attempt.peer);
        let lane = match self.sessions.device(attempt.headers, &typed) {
            Some(mark) => Lane::Device(mark),
            None => Lane::From(typed.clone(), prefix),
        };
        if let Err(wait) = self.throttle.try_now(&lane, &typed, prefix, Instant::now()) {
            return Attempted::Wait { seconds: wait.as_secs() + 1 };
        }
        let passwords = file.current().await;
        let check = passwords.check_for(&typed);
        let password = attempt.password.as_bytes().to_vec();
        let turn = tokio::time::timeout(HASHING_WAIT, self.hashing.acquire()).await;
        let Ok(Ok(turn)) = turn else { return Attempted::Crowded };
        let fits = password.len() <= LONGEST_PASSWORD;
        let passes =
            tokio::task::spawn_blocking(move || fits && check.passes(&password)).await.unwrap_or(false);
        drop(turn);
        match passwords.stamp_of(&typed) {
            Some(stamp) if passes => {
                self.throttle.succeeded(&lane, &typed, prefix);
                let session = self.sessions.begin(&typed, stamp, attempt.now);
                Attempted::In { cookies: [session, self.sessions.mark_device(&typed)] }
            }
            _ => Attempted::Wrong,
        }
    }
}
