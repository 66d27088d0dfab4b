//! Which sessions there are, so that a person can look at them and end one.
//!
//! The register gives nobody anything: a session counts by its signature alone. It is filled by log-ins and by the
//! sessions that come by, so that one that was lost fills up again; it is kept in a file now and then, for a restart
//! and for the command line.

use breakglass_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "sessions.list";
/// No more are remembered; the one that ends first gives way.
const MOST: usize = 4096;
/// How exactly it is known when a session came by last.
const SEEN_EVERY_MILLIS: u64 = 30_000;
/// Of what a browser calls itself.
const LONGEST_BROWSER: usize = 160;

/// One session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEntry {
    /// Its public name: it opens nothing.
    pub id: String,
    /// Whose it is.
    pub name: String,
    /// When it began.
    pub began: Timestamp,
    /// When it is over by itself.
    pub expires: Timestamp,
    /// When it came by last, to within half a minute.
    pub seen: Timestamp,
    /// The address that it came from last.
    pub from: String,
    /// What its browser calls itself; anybody may claim anything.
    pub browser: String,
    /// Which line of the password file it began with.
    pub(crate) stamp: String,
}

/// All of them.
pub(super) struct Register {
    file: PathBuf,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    entries: BTreeMap<String, SessionEntry>,
    changed: bool,
}

impl Register {
    /// With what was kept, as far as it can be read.
    pub(super) fn open(state: &Path, now: Timestamp) -> Self {
        let register = Self::empty(state);
        for entry in read(state).unwrap_or_default().into_iter().filter(|entry| entry.expires > now) {
            register.lock().entries.insert(entry.id.clone(), entry);
        }
        register
    }

    pub(super) fn empty(state: &Path) -> Self {
        Self { file: state.join(FILE), held: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session came by, or began.
    pub(super) fn seen(&self, mut entry: SessionEntry) {
        let mut held = self.lock();
        if let Some(known) = held.entries.get(&entry.id)
            && entry.seen.millis_since(known.seen) < SEEN_EVERY_MILLIS
            && known.from == entry.from
        {
            return;
        }
        if held.entries.len() >= MOST && !held.entries.contains_key(&entry.id) {
            let first = held.entries.values().min_by_key(|entry| entry.expires).map(|entry| entry.id.clone());
            if let Some(first) = first {
                held.entries.remove(&first);
            }
        }
        let plain = |c: &char| !c.is_control();
        entry.browser = entry.browser.chars().filter(plain).take(LONGEST_BROWSER).collect();
        held.changed = true;
        held.entries.insert(entry.id.clone(), entry);
    }

    /// Those that are not over by themselves, the newest first.
    pub(super) fn list(&self, now: Timestamp) -> Vec<SessionEntry> {
        let mut held = self.lock();
        held.entries.retain(|_, entry| entry.expires > now);
        let mut all: Vec<SessionEntry> = held.entries.values().cloned().collect();
        all.sort_by_key(|entry| (std::cmp::Reverse(entry.seen), entry.id.clone()));
        all
    }

    /// Writes the list where it has changed. Blocks as long as the disk does.
    pub(super) fn keep(&self) {
        let text = {
            let mut held = self.lock();
            if !std::mem::take(&mut held.changed) {
                return;
            }
            let lines = held.entries.values().filter_map(|entry| serde_json::to_string(entry).ok());
            lines.fold(String::new(), |text, line| text + &line + "\n")
        };
        if let Err(error) = write(&self.file, &text) {
            tracing::debug!(why = %error, "the list of sessions is not kept");
            self.lock().changed = true;
        }
    }
}

/// The list as it was kept last.
///
/// # Errors
/// When it cannot be read; lines that make no sense are left out.
pub(crate) fn read(state: &Path) -> std::io::Result<Vec<SessionEntry>> {
    let text = std::fs::read_to_string(state.join(FILE))?;
    Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    let beside = path.with_extension("list.new");
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    std::fs::rename(beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, seen: i64, expires: i64) -> SessionEntry {
        SessionEntry {
            id: id.to_owned(),
            name: "mara".to_owned(),
            began: Timestamp::from_unix_millis(0),
            expires: Timestamp::from_unix_millis(expires),
            seen: Timestamp::from_unix_millis(seen),
            from: "192.0.2.9".to_owned(),
            browser: "Phone\u{1b}[31m".to_owned(),
            stamp: String::new(),
        }
    }

    #[test]
    fn it_is_kept_bounded_and_forgets_what_is_over() {
        let dir = tempfile::tempdir().unwrap();
        let now = Timestamp::from_unix_millis(500);
        let register = Register::open(dir.path(), now);
        register.seen(entry("a", 100, 1_000));
        register.seen(entry("b", 200, 400));
        assert_eq!(register.list(now).iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["a"]);
        assert_eq!(register.list(now)[0].browser, "Phone[31m");
        register.keep();
        assert_eq!(Register::open(dir.path(), now).list(now), register.list(now));
        for number in 0..5_000 {
            register.seen(entry(&number.to_string(), 300, 2_000 + number));
        }
        assert_eq!(register.list(now).len(), MOST);
    }
}
