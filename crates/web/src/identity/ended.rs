//! Sessions that were ended before their time: a short list in one file, which the server and the command line both
//! append to.
//!
//! A line is `session ID UNTIL`, `person NAME BEFORE` (all that began before) or `everybody BEFORE`; times are
//! milliseconds since 1970. What the page ends counts at once, in memory, and is written after; what the command line
//! appends counts within half a second. Where the list cannot be written, the page says so. Where it is there and
//! cannot be read at the start, all sessions count as ended: logging in again costs a person seconds and needs no disk.

use breakglass_protocol::Timestamp;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

const FILE: &str = "sessions.ended";
const LOCK: &str = "sessions.lock";
/// From this size on, lines whose session is over anyway are taken out.
const ROOM: u64 = 256 * 1024;
/// No list is longer: one of more is not ours.
const LARGEST: u64 = 16 << 20;
/// For so long the ends of a person's sessions are remembered: as long as a browser is known.
const PERSON_DAYS: i64 = 90;
const DAY_MILLIS: i64 = 86_400_000;
/// How long a write may take before the page says that it is not kept.
const WRITE_DEADLINE: Duration = Duration::from_secs(1);

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
        Self(Arc::new(Inner { state: state.to_owned(), held: Mutex::default() }))
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

    /// Ends something: at once for this server, then on disk.
    ///
    /// # Errors
    /// Why it could not be written in time. It counts all the same until this server ends, and is tried again.
    pub(super) async fn add(&self, end: End) -> Result<(), String> {
        let mut unkept = {
            let mut held = self.0.lock();
            held.add(&end);
            held.unkept.push(end);
            held.unkept.clone()
        };
        unkept.dedup();
        self.write(unkept).await
    }

    /// Follows the file and writes what is left to be written; call it every now and then.
    pub(super) async fn refresh(&self, now: Timestamp) {
        let unkept = self.0.lock().unkept.clone();
        if !unkept.is_empty() {
            let _ = self.write(unkept).await;
        }
        let inner = Arc::clone(&self.0);
        // A disk that hangs holds up this and nothing else.
        let _ = tokio::task::spawn_blocking(move || inner.look(now)).await;
    }

    async fn write(&self, ends: Vec<End>) -> Result<(), String> {
        let inner = Arc::clone(&self.0);
        let count = ends.len();
        let work = tokio::task::spawn_blocking(move || append(&inner.state, &ends));
        let written = match tokio::time::timeout(WRITE_DEADLINE, work).await {
            Ok(Ok(written)) => written.map_err(|error| error.to_string()),
            _ => Err("its disk does not answer".to_owned()),
        };
        let mut held = self.0.lock();
        match written {
            Ok(()) => {
                let done = count.min(held.unkept.len());
                held.unkept.drain(..done);
                held.fault = None;
                Ok(())
            }
            Err(why) => {
                held.fault = Some(format!(
                    "{} ended sessions could not be written down ({why}): they are ended, and come back if the server \
                     starts again before the disk is mended",
                    held.unkept.len()
                ));
                Err(why)
            }
        }
    }

    pub(super) fn fault(&self) -> Option<String> {
        self.0.lock().fault.clone()
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
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
        let path = self.state.join(FILE);
        let file = match std::fs::File::open(&path) {
            // Nothing was ever ended.
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Ok(Found { ends: Vec::new(), whole: true, seen: None });
            }
            other => other?,
        };
        let meta = file.metadata()?;
        if !meta.is_file() || meta.size() > LARGEST {
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
    let _turn = turn(state)?;
    let mut file =
        OpenOptions::new().append(true).read(true).create(true).mode(0o644).open(state.join(FILE))?;
    // What a crash cut off must not swallow the next line: it stays a line of its own, and makes no sense.
    let text: String = std::iter::once("\n".to_owned()).chain(ends.iter().map(End::line)).collect();
    file.write_all(text.as_bytes())?;
    file.sync_data()
}

fn compact(state: &Path, now: Timestamp) -> std::io::Result<()> {
    let _turn = turn(state)?;
    let (path, beside) = (state.join(FILE), state.join("sessions.ended.new"));
    let text = std::fs::read_to_string(&path)?;
    let live = text.lines().filter_map(End::parse).filter(|end| end.is_live(now));
    let text: String = live.map(|end| end.line()).collect();
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o644).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    std::fs::rename(beside, path)
}

fn turn(state: &Path) -> std::io::Result<std::fs::File> {
    std::fs::create_dir_all(state)?;
    let lock =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o644).open(state.join(LOCK))?;
    lock.lock()?;
    Ok(lock)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_unix_millis(millis)
    }

    fn one(id: &str) -> End {
        End::Session { id: id.to_owned(), until: 9_000 }
    }

    #[tokio::test]
    async fn what_was_ended_stays_so_after_a_restart_and_what_the_command_line_ends_is_heard() {
        let dir = tempfile::tempdir().unwrap();
        let ended = Ended::open(dir.path(), at(1_000));
        assert!(!ended.has("a", "mara", at(500)));
        ended.add(one("a")).await.unwrap();
        append(dir.path(), &[End::Person { name: "ole".to_owned(), before: 700 }]).unwrap();
        assert!(ended.has("a", "mara", at(500)) && !ended.has("b", "ole", at(500)));
        ended.refresh(at(1_000)).await;
        assert!(
            ended.has("b", "ole", at(500)) && !ended.has("b", "ole", at(800)),
            "since then he logged in again"
        );
        let again = Ended::open(dir.path(), at(2_000));
        assert!(again.has("a", "mara", at(500)) && again.has("c", "ole", at(600)));
        assert!(!again.has("c", "mara", at(600)) && again.fault().is_none());
    }

    #[tokio::test]
    async fn a_list_that_cannot_be_read_ends_every_session_once() {
        let dir = tempfile::tempdir().unwrap();
        append(dir.path(), &[one("a")]).unwrap();
        let mut file = OpenOptions::new().append(true).open(dir.path().join(FILE)).unwrap();
        file.write_all(b"session b").unwrap();
        let ended = Ended::open(dir.path(), at(1_000));
        assert!(ended.has("anything", "anybody", at(999)) && !ended.has("new", "anybody", at(1_000)));
        assert!(ended.fault().unwrap().contains("counts as ended"));
        ended.refresh(at(1_000)).await;
        let again = Ended::open(dir.path(), at(5_000));
        assert!(again.fault().is_none(), "{:?}", again.fault());
        assert!(!again.has("new", "anybody", at(1_500)), "who logged in since then stays in");
        assert!(again.has("old", "anybody", at(900)));
        std::fs::create_dir(dir.path().join("x")).unwrap();
        std::fs::create_dir(dir.path().join("x").join(FILE)).unwrap();
        assert!(Ended::open(&dir.path().join("x"), at(5_000)).has("old", "anybody", at(4_000)));
    }

    #[tokio::test]
    async fn without_a_disk_an_end_counts_and_is_told_and_is_written_later() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state");
        std::fs::write(&state, "in the way").unwrap();
        let ended = Ended::unread(&state);
        assert!(ended.add(one("a")).await.is_err());
        assert!(ended.has("a", "mara", at(500)));
        assert!(ended.fault().unwrap().contains("come back"));
        std::fs::remove_file(&state).unwrap();
        ended.refresh(at(1_000)).await;
        assert!(ended.fault().is_none());
        assert!(Ended::open(&state, at(2_000)).has("a", "mara", at(500)));
    }

    #[test]
    fn what_is_over_by_itself_is_taken_out() {
        let dir = tempfile::tempdir().unwrap();
        let old = End::Session { id: "old".to_owned(), until: 10 };
        append(dir.path(), &[old, one("a"), End::Person { name: "ole".to_owned(), before: 5 }]).unwrap();
        compact(dir.path(), at(1_000)).unwrap();
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert_eq!(text, "session a 9000\nperson ole 5\n");
        compact(dir.path(), at(1_000 + 91 * DAY_MILLIS)).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), "");
    }
}
