//! Sessions as signed cookies: what is known of a session travels with it, so that logging in and staying logged in
//! need no database and survive a restart.
//!
//! A cookie is `VERSION.NAME.STAMP.BEGAN.EXPIRES.NONCE.MAC`; the nonce is also the public name of the session. The stamp
//! ties it to the password line that it began with. A second, long-lived cookie marks a browser from which a name has
//! logged in before: it opens nothing and outlives a log-out, but gives that browser a lane of its own past everybody
//! else's failed attempts.

use super::passwords::Stamp;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_protocol::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// For so long a browser counts as known.
const DEVICE_DAYS: u64 = 90;
const DAY_MILLIS: u64 = 86_400_000;

/// Why the key that signs sessions could not be kept.
#[derive(Debug, thiserror::Error)]
#[error("the session key cannot be kept in {path}: log-ins work and end with this process")]
struct SessionKeyError {
    path: String,
    #[source]
    source: std::io::Error,
}

/// Issues and reads the cookies.
pub(crate) struct Sessions {
    key: [u8; 32],
    hours: u32,
    secure: bool,
    fault: Option<String>,
}

/// What a valid session says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its public name.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(super) stamp: Stamp,
    pub(super) began: Timestamp,
    pub(super) expires: Timestamp,
}

/// The mark of a browser from which a name has logged in before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Device {
    pub(super) mark: String,
    pub(super) began: Timestamp,
}

impl Sessions {
    /// With the key from the state directory; with a fresh one, said aloud, where that is out of reach. Blocks as long
    /// as the disk does.
    pub(super) fn open(state: &Path, hours: u32, secure: bool) -> Self {
        match kept_key(state) {
            Ok(key) => Self { key, hours: hours.max(1), secure, fault: None },
            Err(error) => Self::with_passing_key(hours, secure, format!("{error} ({})", error.source)),
        }
    }

    /// With a key that ends with this process.
    pub(super) fn with_passing_key(hours: u32, secure: bool, why: String) -> Self {
        tracing::warn!(why, "the session key cannot be kept");
        Self { key: rand::random(), hours: hours.max(1), secure, fault: Some(why) }
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.fault.clone()
    }

    /// The cookie's name; the prefix makes browsers insist on `Secure` and on this very host. Over TLS of our own it
    /// always has it.
    pub(crate) const fn cookie_name(&self, tls: bool) -> &'static str {
        if self.secure || tls { "__Host-breakglass" } else { "breakglass" }
    }

    const fn device_cookie_name(&self, tls: bool) -> &'static str {
        if self.secure || tls { "__Host-breakglass-device" } else { "breakglass-device" }
    }

    /// A session that begins now, and its `Set-Cookie`.
    pub(super) fn begin(&self, name: &str, stamp: Stamp, now: Timestamp, tls: bool) -> (Claim, String) {
        let seconds = u64::from(self.hours) * 3600;
        let expires = now.plus_millis(seconds * 1000);
        let nonce: [u8; 16] = rand::random();
        let id = URL_SAFE_NO_PAD.encode(nonce);
        let (name64, stamp64) = (URL_SAFE_NO_PAD.encode(name), URL_SAFE_NO_PAD.encode(stamp));
        let (from, until) = (now.unix_millis(), expires.unix_millis());
        let body = format!("2.{name64}.{stamp64}.{from}.{until}.{id}");
        let mac = self.mac("session", &body);
        let cookie = self.set_cookie(self.cookie_name(tls), &format!("{body}.{mac}"), seconds, tls);
        (Claim { id, name: name.to_owned(), stamp, began: now, expires }, cookie)
    }

    /// What a cookie's value says, where it is ours, whole and in time.
    pub(super) fn read(&self, value: &str, now: Timestamp) -> Option<Claim> {
        let (body, mac) = value.rsplit_once('.')?;
        if !self.mac_matches("session", body, mac) {
            return None;
        }
        let mut fields = body.split('.');
        let (version, name64, stamp64) = (fields.next()?, fields.next()?, fields.next()?);
        let (began, expires) = (millis(fields.next()?)?, millis(fields.next()?)?);
        let id = fields.next()?.to_owned();
        if version != "2" || expires <= now {
            return None;
        }
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name64).ok()?).ok()?;
        let stamp: Stamp = URL_SAFE_NO_PAD.decode(stamp64).ok()?.try_into().ok()?;
        Some(Claim { id, name, stamp, began, expires })
    }

    /// `Set-Cookie` that takes the session away from a browser.
    pub(crate) fn take_back(&self, tls: bool) -> String {
        self.set_cookie(self.cookie_name(tls), "", 0, tls)
    }

    /// `Set-Cookie` that marks this browser as one from which the name has logged in. A browser that has a mark for it
    /// keeps its lane.
    pub(super) fn mark_device(&self, headers: &HeaderMap, name: &str, now: Timestamp, tls: bool) -> String {
        let mark = match self.device(headers, name, now, tls) {
            Some(known) => known.mark,
            None => URL_SAFE_NO_PAD.encode(rand::random::<[u8; 12]>()),
        };
        let until = now.plus_millis(DEVICE_DAYS * DAY_MILLIS).unix_millis();
        let body = format!("{}.{}.{until}.{mark}", URL_SAFE_NO_PAD.encode(name), now.unix_millis());
        let mac = self.mac("device", &body);
        let value = format!("{body}.{mac}");
        self.set_cookie(self.device_cookie_name(tls), &value, DEVICE_DAYS * DAY_MILLIS / 1000, tls)
    }

    /// The mark of this browser, where it is one of ours, in time, and for this name.
    pub(super) fn device(
        &self,
        headers: &HeaderMap,
        name: &str,
        now: Timestamp,
        tls: bool,
    ) -> Option<Device> {
        let value = cookie_value(headers, self.device_cookie_name(tls))?;
        let (body, mac) = value.rsplit_once('.')?;
        let mut fields = body.split('.');
        let mine = fields.next()? == URL_SAFE_NO_PAD.encode(name);
        let (began, until, mark) = (millis(fields.next()?)?, millis(fields.next()?)?, fields.next()?);
        (mine && until > now && self.mac_matches("device", body, mac))
            .then(|| Device { mark: mark.to_owned(), began })
    }

    /// What forms of this session (or of this name behind a proxy) must carry.
    pub(super) fn csrf(&self, session: &str) -> String {
        self.mac("csrf", session)
    }

    fn set_cookie(&self, name: &str, value: &str, seconds: u64, tls: bool) -> String {
        let secure = if self.secure || tls { "; Secure" } else { "" };
        format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}")
    }

    fn keyed(&self, purpose: &str, body: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).ok()?;
        mac.update(purpose.as_bytes());
        mac.update(&[0]);
        mac.update(body.as_bytes());
        Some(mac)
    }

    fn mac(&self, purpose: &str, body: &str) -> String {
        // HMAC takes a key of any length, so there is always one; an empty text would match nothing in any case.
        self.keyed(purpose, body)
            .map_or_else(String::new, |mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }

    fn mac_matches(&self, purpose: &str, body: &str, mac: &str) -> bool {
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(mac) else { return false };
        self.keyed(purpose, body).is_some_and(|keyed| keyed.verify_slice(&bytes).is_ok())
    }
}

fn millis(text: &str) -> Option<Timestamp> {
    text.parse().ok().map(Timestamp::from_unix_millis)
}

/// The value of one cookie; of several with that name, the first.
pub(super) fn cookie_value<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        (key == name).then_some(value)
    })
}

fn kept_key(state: &Path) -> Result<[u8; 32], SessionKeyError> {
    let path = state.join("session.key");
    let told = |source| SessionKeyError { path: path.display().to_string(), source };
    match std::fs::File::open(&path) {
        Ok(mut file) => {
            let mut key = [0; 32];
            file.read_exact(&mut key).map_err(told)?;
            Ok(key)
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::create_dir_all(state).map_err(told)?;
            let key: [u8; 32] = rand::random();
            // Written beside and renamed: a crash half way must not leave a short key behind.
            let beside = state.join("session.key.new");
            let mut options = std::fs::OpenOptions::new();
            let mut file =
                options.write(true).create(true).truncate(true).mode(0o600).open(&beside).map_err(told)?;
            file.write_all(&key).and_then(|()| file.sync_all()).map_err(told)?;
            std::fs::rename(&beside, &path).map_err(told)?;
            Ok(key)
        }
        Err(error) => Err(told(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;
    use std::os::unix::fs::MetadataExt;

    fn value(set_cookie: &str) -> &str {
        set_cookie.split_once('=').and_then(|(_, rest)| rest.split_once(';')).map(|(value, _)| value).unwrap()
    }

    fn with_cookie(name: &str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let line = format!("other=1; {name}={value}");
        headers.insert(header::COOKIE, HeaderValue::from_str(&line).unwrap());
        headers
    }

    #[test]
    fn reads_back_only_its_own_whole_and_timely_cookies() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path(), 8, true);
        let now = Timestamp::from_unix_millis(1_000_000);
        let (claim, set) = sessions.begin("mara", [7; 8], now, false);
        for part in ["__Host-breakglass=", "; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/"] {
            assert!(set.contains(part), "{set}");
        }
        let cookie = value(&set).to_owned();
        assert_eq!(sessions.read(&cookie, now), Some(claim));
        assert_eq!(sessions.read(&cookie, now.plus_millis(8 * 3_600_000)), None, "expired");
        for at in 0..cookie.len() {
            let mut bytes = cookie.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            let same = sessions.read(&changed, now) == sessions.read(&cookie, now);
            // The last character of an unpadded base64 text has bits that mean nothing; a strict decoder refuses them.
            assert!(!same, "changed at {at}: {changed}");
        }
        let again = Sessions::open(dir.path(), 8, true);
        assert!(again.read(&cookie, now).is_some(), "a restart keeps sessions");
        let elsewhere = tempfile::tempdir().unwrap();
        assert!(Sessions::open(elsewhere.path(), 8, true).read(&cookie, now).is_none(), "another key");
        assert_eq!(std::fs::metadata(dir.path().join("session.key")).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn over_our_own_tls_cookies_are_secure_whatever_the_file_says() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path(), 8, false);
        let now = Timestamp::from_unix_millis(0);
        let (_, plain) = sessions.begin("mara", [0; 8], now, false);
        let (_, secure) = sessions.begin("mara", [0; 8], now, true);
        assert!(plain.starts_with("breakglass=") && !plain.contains("Secure"), "{plain}");
        assert!(secure.starts_with("__Host-breakglass=") && secure.contains("; Secure"), "{secure}");
    }

    #[test]
    fn a_mark_opens_nothing_is_for_one_name_and_ends_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path(), 8, false);
        let now = Timestamp::from_unix_millis(0);
        let device = value(&sessions.mark_device(&HeaderMap::new(), "mara", now, false)).to_owned();
        let headers = with_cookie("breakglass-device", &device);
        let known = sessions.device(&headers, "mara", now, false).unwrap();
        assert!(sessions.device(&headers, "ole", now, false).is_none());
        let later = now.plus_millis(DEVICE_DAYS * DAY_MILLIS);
        assert!(sessions.device(&headers, "mara", later, false).is_none(), "whatever the browser kept");
        assert_eq!(sessions.read(&device, now), None, "it is no session");
        let as_session = with_cookie("breakglass", &device);
        assert!(sessions.device(&as_session, "mara", now, false).is_none());
        let renewed = value(&sessions.mark_device(&headers, "mara", now, false)).to_owned();
        let renewed = sessions.device(&with_cookie("breakglass-device", &renewed), "mara", now, false);
        assert_eq!(renewed.unwrap().mark, known.mark, "a browser keeps its lane");
    }
}
