//! Sessions as signed cookies: what is known of a session travels with it, so that logging in and staying logged in
//! need no database and survive a restart.
//!
//! A cookie is `VERSION.NAME.STAMP.EXPIRES.NONCE.MAC`. The stamp ties it to the password line that it began with. A
//! second, long-lived cookie marks a browser from which a name has logged in before; it opens nothing, but gives that
//! browser a lane of its own past everybody else's failed attempts.

use super::passwords::Stamp;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use breakglass_protocol::Timestamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// For so long a browser counts as known.
const DEVICE_COOKIE_DAYS: u64 = 90;
/// Sessions that were ended before their time and are remembered as such; the oldest gives way.
const MOST_ENDED: usize = 4096;

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
    ended: Mutex<BTreeMap<String, i64>>,
    fault: Option<String>,
}

/// What a valid session says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) name: String,
    pub(super) stamp: Stamp,
}

impl Sessions {
    /// With the key from the state directory; with a fresh one, said aloud, where that is out of reach.
    pub(super) fn open(state: &Path, hours: u32, secure: bool) -> Self {
        let (key, fault) = match kept_key(state) {
            Ok(key) => (key, None),
            Err(error) => {
                tracing::warn!(path = error.path, why = %error.source, "the session key cannot be kept");
                (rand::random(), Some(format!("{error} ({})", error.source)))
            }
        };
        Self { key, hours: hours.max(1), secure, ended: Mutex::default(), fault }
    }

    /// With a key that ends with this process.
    pub(super) fn passing(hours: u32, secure: bool, why: String) -> Self {
        tracing::warn!(why, "the session key cannot be kept");
        Self { key: rand::random(), hours: hours.max(1), secure, ended: Mutex::default(), fault: Some(why) }
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.fault.clone()
    }

    /// The cookie's name; the prefix makes browsers insist on `Secure` and on this very host.
    pub(crate) const fn cookie_name(&self) -> &'static str {
        if self.secure { "__Host-breakglass" } else { "breakglass" }
    }

    pub(crate) const fn device_cookie_name(&self) -> &'static str {
        if self.secure { "__Host-breakglass-device" } else { "breakglass-device" }
    }

    /// `Set-Cookie` for a session that begins now.
    pub(super) fn begin(&self, name: &str, stamp: Stamp, now: Timestamp) -> String {
        let seconds = u64::from(self.hours) * 3600;
        let expires = now.plus_millis(seconds * 1000).unix_millis();
        let nonce: [u8; 16] = rand::random();
        let (name64, stamp64) = (URL_SAFE_NO_PAD.encode(name), URL_SAFE_NO_PAD.encode(stamp));
        let body = format!("1.{name64}.{stamp64}.{expires}.{}", URL_SAFE_NO_PAD.encode(nonce));
        let mac = self.mac("session", &body);
        self.set_cookie(self.cookie_name(), &format!("{body}.{mac}"), seconds)
    }

    /// What a cookie's value says, where it is ours, whole, in time and not ended.
    pub(super) fn read(&self, value: &str, now: Timestamp) -> Option<Claim> {
        let (body, mac) = value.rsplit_once('.')?;
        if !self.mac_matches("session", body, mac) {
            return None;
        }
        let mut fields = body.split('.');
        let (version, name64, stamp64) = (fields.next()?, fields.next()?, fields.next()?);
        let expires: i64 = fields.next()?.parse().ok()?;
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner).contains_key(mac);
        if version != "1" || expires <= now.unix_millis() || ended {
            return None;
        }
        let name = String::from_utf8(URL_SAFE_NO_PAD.decode(name64).ok()?).ok()?;
        let stamp: Stamp = URL_SAFE_NO_PAD.decode(stamp64).ok()?.try_into().ok()?;
        Some(Claim { name, stamp })
    }

    /// Ends a session before its time, and says how the browser is told. The memory of it is this process's own: a
    /// copy of the cookie that was taken before comes back to life with a restart, until it expires or the password
    /// line changes.
    pub(crate) fn end(&self, headers: &HeaderMap, now: Timestamp) -> String {
        if let Some((_, mac)) =
            cookie_value(headers, self.cookie_name()).and_then(|value| value.rsplit_once('.'))
        {
            let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
            let until = now.plus_millis(u64::from(self.hours) * 3_600_000).unix_millis();
            ended.retain(|_, until| *until > now.unix_millis());
            if ended.len() >= MOST_ENDED {
                ended.pop_first();
            }
            ended.insert(mac.to_owned(), until);
        }
        self.set_cookie(self.cookie_name(), "", 0)
    }

    /// `Set-Cookie` that marks this browser as one from which the name has logged in.
    pub(super) fn mark_device(&self, name: &str) -> String {
        let nonce: [u8; 12] = rand::random();
        let body = format!("{}.{}", URL_SAFE_NO_PAD.encode(name), URL_SAFE_NO_PAD.encode(nonce));
        let mac = self.mac("device", &body);
        self.set_cookie(self.device_cookie_name(), &format!("{body}.{mac}"), DEVICE_COOKIE_DAYS * 86_400)
    }

    /// The mark of this browser, where it is one of ours and for this name.
    pub(super) fn device(&self, headers: &HeaderMap, name: &str) -> Option<String> {
        let value = cookie_value(headers, self.device_cookie_name())?;
        let (body, mac) = value.rsplit_once('.')?;
        let mine = body.split('.').next()? == URL_SAFE_NO_PAD.encode(name);
        (mine && self.mac_matches("device", body, mac)).then(|| body.to_owned())
    }

    /// What forms of this session (or of this name behind a proxy) must carry.
    pub(super) fn csrf(&self, session: &str) -> String {
        self.mac("csrf", session)
    }

    fn set_cookie(&self, name: &str, value: &str, seconds: u64) -> String {
        let secure = if self.secure { "; Secure" } else { "" };
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

    #[test]
    fn reads_back_only_its_own_whole_and_timely_cookies() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path(), 8, true);
        let now = Timestamp::from_unix_millis(1_000_000);
        let set = sessions.begin("mara", [7; 8], now);
        for part in ["__Host-breakglass=", "; HttpOnly", "; SameSite=Strict", "; Secure", "; Path=/"] {
            assert!(set.contains(part), "{set}");
        }
        let cookie = value(&set).to_owned();
        assert_eq!(sessions.read(&cookie, now), Some(Claim { name: "mara".to_owned(), stamp: [7; 8] }));
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
    fn an_ended_session_and_a_foreign_device_mark_open_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let sessions = Sessions::open(dir.path(), 8, false);
        let now = Timestamp::from_unix_millis(0);
        let cookie = value(&sessions.begin("mara", [0; 8], now)).to_owned();
        let mut headers = HeaderMap::new();
        let line = format!("other=1; breakglass={cookie}");
        headers.insert(header::COOKIE, HeaderValue::from_str(&line).unwrap());
        let told = sessions.end(&headers, now);
        assert!(told.contains("Max-Age=0"));
        assert_eq!(sessions.read(&cookie, now), None);

        let device = value(&sessions.mark_device("mara")).to_owned();
        let line = format!("breakglass-device={device}");
        headers.insert(header::COOKIE, HeaderValue::from_str(&line).unwrap());
        assert!(sessions.device(&headers, "mara").is_some());
        assert!(sessions.device(&headers, "ole").is_none());
        assert_eq!(sessions.read(&device, now), None, "a device mark is no session");
    }
}
