//! Sessions that were ended before their time: a short list in one file, which the server and the command line both
//! append to.
//!
//! A line is `session ID UNTIL`, `person NAME BEFORE` (all that began before) or `everybody BEFORE`; times are
//! milliseconds since 1970. What the page ends counts at once, in memory, and is written after; what the command line
//! appends counts within half a second. Where the list cannot be written, the page says so. Where it is there and
//! cannot be read at the start, all sessions count as ended: logging in again costs a person seconds and needs no disk.

use super::single::Single;
use breakglass_journal::SharedDir;
use breakglass_protocol::Timestamp;
use std::collections::BTreeMap;
use std::fs::TryLockError;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FILE: &str = "sessions.ended";
const LOCK: &str = "sessions.lock";
const NEW_FILE: &str = "sessions.ended.new";
const PERMISSIONS: u32 = 0o644;
/// From this size on, lines whose session is over anyway are taken out.
const ROOM: u64 = 256 * 1024;
/// No list is longer: one of more is not ours.
const LARGEST: u64 = 16 << 20;
/// For so long the ends of a person's sessions are remembered: as long as a browser is known.
const PERSON_DAYS: i64 = 90;
const DAY_MILLIS: i64 = 86_400_000;
/// How long a write may take before the page says that it is not kept.
const WRITE_DEADLINE: Duration = Duration::from_secs(1);
/// How often the turn of another that writes is waited for; longer than that takes is a disk that hangs.
const TURN_EVERY: Duration = Duration::from_millis(10);
const TURN_TRIES: u32 = 100;

/// Why the command line cannot look at sessions or end them.
#[derive(Debug, thiserror::Error)]
pub enum SessionsError {
    /// There is no list to read.
    #[error(
        "the list of sessions in {state} cannot be read; the server writes it once somebody has logged in"
    )]
    Read {
        /// The state directory.
        state: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The end of a session cannot be written down.
    #[error(
        "{state} cannot be written, so nothing was ended; a changed password line ends a person's sessions too"
    )]
    Write {
        /// The state directory.
        state: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl SessionsError {
    pub(super) fn read(state: &Path, source: std::io::Error) -> Self {
        Self::Read { state: state.to_owned(), source }
    }

    pub(super) fn write(state: &Path, source: std::io::Error) -> Self {
        Self::Write { state: state.to_owned(), source }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum End {
    /// One session, which would be over by itself at `until`.
    Session { id: String, until: i64 },
    /// All of a person's that began before.
    Person { name: String, before: i64 },
    /// All that began before.
    Everybody { before: i64 },
}

impl End {
    fn line(&self) -> String {
        match self {
            Self::Session { id, until } => format!("session {id} {until}\n"),
            Self::Person { name, before } => format!("person {name} {before}\n"),
            Self::Everybody { before } => format!("everybody {before}\n"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split(' ');
        let end = match (words.next()?, words.next()?, words.next()) {
            ("session", id, Some(until)) => Self::Session { id: id.to_owned(), until: until.parse().ok()? },
            ("person", name, Some(before)) => {
                Self::Person { name: name.to_owned(), before: before.parse().ok()? }
            }
            ("everybody", before, None) => Self::Everybody { before: before.parse().ok()? },
            _ => return None,
        };
        words.next().is_none().then_some(end)
    }

    const fn is_live(&self, now: Timestamp) -> bool {
        match self {
            Self::Session { until, .. } => *until > now.unix_millis(),
            Self::Person { before, .. } | Self::Everybody { before } => {
                *before > now.unix_millis() - PERSON_DAYS * DAY_MILLIS
            }
        }
    }
}

/// The list.
#[derive(Clone)]
pub(super) struct Ended(Arc<Inner>);

struct Inner {
    state: PathBuf,
    held: Mutex<Held>,
    writing: Single,
    looking: Single,
}

#[derive(Default)]
struct Held {
    sessions: BTreeMap<String, i64>,
    people: BTreeMap<String, i64>,
    everybody: i64,
    /// What counts and could not be written yet.
    unkept: Vec<End>,
    fault: Option<String>,
    seen: Option<(u64, u64)>,
    /// A line makes no sense: once what follows from that is written, such lines are taken out.
    garbled: bool,
}

impl Held {
    fn add(&mut self, end: &End) {
        match end {
            End::Session { id, until } => {
                self.sessions.insert(id.clone(), *until);
            }
            End::Person { name, before } => {
                let held = self.people.entry(name.clone()).or_default();
                *held = (*held).max(*before);
            }
            End::Everybody { before } => self.everybody = self.everybody.max(*before),
        }
    }
}

/// What a list on disk says.
struct Found {
    ends: Vec<End>,
    whole: bool,
    seen: Option<(u64, u64)>,
}

impl Ended {
    /// Reads the list; blocks as long as its disk does.
    pub(super) fn open(state: &Path, now: Timestamp) -> Self {
        let ended = Self::unread(state);
        match ended.0.read() {
            Ok(read) if read.whole => ended.0.take(&read),
            Ok(read) => {
                ended.0.take(&read);
                ended.distrust(now, "a line of it makes no sense");
                ended.0.lock().garbled = true;
            }
            Err(error) => ended.distrust(now, &error.to_string()),
        }
        ended
    }

    /// Where the list could not even be looked at in time.
    pub(super) fn out_of_reach(state: &Path, now: Timestamp) -> Self {
        let ended = Self::unread(state);
        ended.distrust(now, "its disk does not answer");
        ended
    }

    fn unread(state: &Path) -> Self {
        Self(Arc::new(Inner {
            state: state.to_owned(),
            held: Mutex::default(),
            writing: Single::default(),
            looking: Single::default(),
        }))
    }

    fn distrust(&self, now: Timestamp, why: &str) {
        tracing::error!(why, "the list of ended sessions cannot be read: everybody logs in again");
        let all = End::Everybody { before: now.unix_millis() };
        let mut held = self.0.lock();
        held.add(&all);
        held.unkept.push(all);
        held.fault = Some(format!(
            "the list of ended sessions could not be read at the start ({why}), so every session from before counts as ended"
        ));
    }

    /// Whether such a session was ended.
    pub(super) fn has(&self, id: &str, name: &str, began: Timestamp) -> bool {
        let held = self.0.lock();
        held.sessions.contains_key(id)
            || began.unix_millis() < held.everybody
            || held.people.get(name).is_some_and(|before| began.unix_millis() < *before)
    }

    /// When a session of theirs must be said to have begun at the earliest, to count at all. A clock that stood wrong
    /// when something was ended, and was set back since, must lock nobody out.
    pub(super) fn floor(&self, name: &str, now: Timestamp) -> Timestamp {
        let held = self.0.lock();
        let before = held.people.get(name).copied().unwrap_or_default().max(held.everybody);
        Timestamp::from_unix_millis(before.max(now.unix_millis()))
    }

    /// Ends something: at once for this server, then on disk.
    ///
    /// # Errors
    /// Why it could not be written in time. It counts all the same until this server ends, and is tried again.
    pub(super) async fn add(&self, end: End) -> Result<(), String> {
        {
            let mut held = self.0.lock();
            held.add(&end);
            held.unkept.push(end);
        }
        self.write().await
    }

    /// Follows the file and writes what is left to be written; call it every now and then.
    pub(super) async fn refresh(&self, now: Timestamp) {
        let left = !self.0.lock().unkept.is_empty();
        if left {
            let _ = self.write().await;
        }
        let inner = Arc::clone(&self.0);
        // A disk that hangs holds up this and nothing else.
        if let Some(looked) = self.0.looking.start(move || inner.look(now)) {
            let _ = looked.await;
        }
    }

    /// Writes all that is left to be written, once nobody else does.
    async fn write(&self) -> Result<(), String> {
        let written = tokio::time::timeout(WRITE_DEADLINE, async {
            loop {
                let inner = Arc::clone(&self.0);
                let work = move || inner.write();
                match self.0.writing.start(work) {
                    Some(written) => return written.await,
                    None => tokio::time::sleep(TURN_EVERY).await,
                }
            }
        });
        let written =
            written.await.ok().flatten().unwrap_or_else(|| Err("its disk does not answer".to_owned()));
        let mut held = self.0.lock();
        let left = held.unkept.len();
        held.fault = written.as_ref().err().map(|why| {
            format!(
                "{left} ended sessions could not be written down ({why}): they are ended, and come back if the server \
                 starts again before the disk is mended"
            )
        });
        written
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.0.lock().fault.clone()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is left to be written. Only one thread does so at a time, and only its end of the list is added to meanwhile.
    fn write(&self) -> Result<(), String> {
        let ends = self.lock().unkept.clone();
        if !ends.is_empty() {
            append(&self.state, &ends).map_err(|error| error.to_string())?;
            self.lock().unkept.drain(..ends.len());
        }
        Ok(())
    }

    fn take(&self, read: &Found) {
        let mut held = self.lock();
        for end in &read.ends {
            held.add(end);
        }
        held.seen = read.seen;
    }

    fn look(&self, now: Timestamp) {
        let path = self.state.join(FILE);
        let Ok(meta) = std::fs::metadata(&path) else { return };
        if self.lock().seen == Some((meta.ino(), meta.size())) {
            return;
        }
        if let Ok(read) = self.read() {
            self.take(&read);
        }
        let garbled = {
            let held = self.lock();
            held.garbled && held.unkept.is_empty()
        };
        if (garbled || meta.size() > ROOM) && compact(&self.state, now).is_ok() {
            self.lock().garbled = false;
        }
        self.lock().sessions.retain(|_, until| *until > now.unix_millis());
    }

    fn read(&self) -> std::io::Result<Found> {
        let file = match SharedDir::state(&self.state).and_then(|state| state.read(FILE)) {
            // Nothing was ever ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Found { ends: Vec::new(), whole: true, seen: None });
            }
            other => other?,
        };
        let meta = file.metadata()?;
        if meta.size() > LARGEST {
            return Err(std::io::Error::other("it is no list of ours"));
        }
        let mut text = String::new();
        file.take(LARGEST).read_to_string(&mut text)?;
        let lines: Vec<Option<End>> = text.lines().filter(|line| !line.is_empty()).map(End::parse).collect();
        let whole = lines.iter().all(Option::is_some);
        let seen = Some((meta.ino(), u64::try_from(text.len()).unwrap_or(u64::MAX)));
        Ok(Found { ends: lines.into_iter().flatten().collect(), whole, seen })
    }
}

/// Appends to the list of that state directory. Server and command line take turns by a lock.
///
/// # Errors
/// When the list cannot be written.
pub(crate) fn append(state: &Path, ends: &[End]) -> std::io::Result<()> {
    std::fs::create_dir_all(state)?;
    let state = SharedDir::state(state)?;
    let _turn = turn(&state)?;
    let mut file = state.append(FILE, PERMISSIONS)?;
    // What a crash cut off must not swallow the next line: it stays a line of its own, and makes no sense.
    let text: String = std::iter::once("\n".to_owned()).chain(ends.iter().map(End::line)).collect();
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn compact(state: &Path, now: Timestamp) -> std::io::Result<()> {
    let state = SharedDir::state(state)?;
    let _turn = turn(&state)?;
    let mut text = String::new();
    state.read(FILE)?.take(LARGEST).read_to_string(&mut text)?;
    let live = text.lines().filter_map(End::parse).filter(|end| end.is_live(now));
    let text: String = live.map(|end| end.line()).collect();
    let mut file = state.make(NEW_FILE, PERMISSIONS)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    state.rename(NEW_FILE, FILE)
}

fn turn(state: &SharedDir) -> std::io::Result<std::fs::File> {
    let lock = state.append(LOCK, PERMISSIONS)?;
    for _ in 0..TURN_TRIES {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(TryLockError::WouldBlock) => std::thread::sleep(TURN_EVERY),
            Err(TryLockError::Error(error)) => return Err(error),
        }
    }
    Err(std::io::Error::other("another process has held it for a second"))
}

#[cfg(test)]
mod tests;
