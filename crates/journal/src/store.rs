//! The database: its schema, how it is opened, and how a batch of events is written in one transaction.

use crate::encode::Entry;
use crate::head_file::{self, HeadFile, Remembered};
use crate::lock::{Lock, LockFailure};
use crate::reading::open_to_read;
use crate::{OpenError, aside, intake};
use breakglass_chain::{GENESIS, Hash, Tip};
use breakglass_protocol::Timestamp;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, params};
use std::fs::OpenOptions;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The schema that this version writes, in `user_version`.
pub(crate) const SCHEMA: i64 = 1;
/// From here on incidents are numbered while the journal cannot be read: the seconds since 1970, above any that was counted.
pub(crate) const FIRST_INCIDENT_UNREAD: u64 = 1_000_000_000;
/// `application_id` of the file, so that another program's database is not taken for a journal: "bgjl".
pub(crate) const APPLICATION: i64 = 0x6267_6a6c;

/// Bodies are text, actors are JSON as they go to clients, hashes are raw bytes. A body that is absent was erased.
const CREATE: &str = "
CREATE TABLE events (
  seq INTEGER PRIMARY KEY,
  incident INTEGER,
  at TEXT NOT NULL,
  actor TEXT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT,
  body_digest BLOB NOT NULL,
  prev BLOB NOT NULL,
  hash BLOB NOT NULL
) STRICT;
CREATE INDEX events_of_incident ON events (incident, seq) WHERE incident IS NOT NULL;
CREATE INDEX events_that_frame ON events (kind, seq)
  WHERE kind IN ('incident-opened', 'incident-closed', 'server-started', 'server-stopped');
";

/// Why a batch was not written. Nothing of it is in the database, as far as is known; it is tried again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("{0}")]
    Sqlite(rusqlite::Error),
    #[error("the database file was moved or replaced while the server ran")]
    Replaced,
    #[error("{}", .0.told())]
    Adrift(OpenError),
    #[error("the database is damaged: {0}")]
    Damaged(rusqlite::Error),
    #[error("somebody else wrote into the journal: it stands at {found}, {ours} was expected")]
    Overtaken { found: Tip, ours: Tip },
}

impl WriteError {
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(self, Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::ReadOnly))
    }
}

impl From<rusqlite::Error> for WriteError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error),
            _ => Self::Sqlite(error),
        }
    }
}

/// What is done with a database that is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damaged {
    /// It is left alone and nothing is opened.
    Refuse,
    /// It is set aside and another begun; the time names its directory.
    SetAside(Timestamp),
}

/// What the database says when it is opened.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) tip: Tip,
    pub(crate) newest_incident: u64,
    pub(crate) ended_in_order: Option<bool>,
    /// How far the chain had come as the server remembers it.
    pub(crate) remembered: Option<Remembered>,
    /// What was set aside to begin this one, and why, in a sentence fragment.
    pub(crate) aside: Option<String>,
}

pub(crate) struct Store {
    connection: Connection,
    path: PathBuf,
    file: (u64, u64),
    tip: Tip,
    head: HeadFile,
    /// Whether the connection was given up and another could not be opened yet.
    adrift: bool,
    _lock: Lock,
}

pub(crate) fn database_path(dir: &Path) -> PathBuf {
    dir.join("journal.db")
}

impl Store {
    pub(crate) fn open(dir: &Path, damaged: Damaged) -> Result<(Self, Standing), OpenError> {
        let lock = Lock::take(&dir.join("journal.lock")).map_err(|failure| match failure {
            LockFailure::Held(holder) => OpenError::InUse { path: dir.to_owned(), holder },
            LockFailure::Io(source) => OpenError::Directory { path: dir.join("journal.lock"), source },
        })?;
        let path = database_path(dir);
        let disk = |source| OpenError::Directory { path: path.clone(), source };
        aside::finish_unfinished(dir).map_err(disk)?;
        let mut remembered = head_file::read(dir);
        let mut set_aside = None;
        let mut opened = match aside::emptied(dir, remembered) {
            Some(why) => Err(OpenError::Emptied { path: path.clone(), why }),
            None => open_file(dir, &path, damaged, remembered),
        };
        if let (Err(error), Damaged::SetAside(at)) = (&opened, damaged)
            && let Some(why) = error.damage()
        {
            let into = aside::set_aside(dir, at, &why, remembered).map_err(disk)?;
            set_aside = Some(told_aside(&into, &why));
            remembered = remembered.map(|remembered| Remembered { aside: true, ..remembered });
            opened = open_file(dir, &path, damaged, remembered);
        }
        let (connection, mut standing) = opened?;
        standing.aside = standing.aside.or(set_aside);
        let file = identity(&path).map_err(disk)?;
        let head = HeadFile::open(dir);
        Ok((Self { connection, path, file, tip: standing.tip, head, adrift: false, _lock: lock }, standing))
    }

    /// Sets the database aside, which has turned out to be damaged while it was written, and begins another. The lock stays.
    ///
    /// # Errors
    /// Where the disk does not take it; then the database is as it was.
    pub(crate) fn begin_anew(&mut self, at: Timestamp, why: &str) -> Result<Standing, OpenError> {
        let dir = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        let disk = |source| OpenError::Directory { path: self.path.clone(), source };
        self.adrift = true;
        // Closed first, and without touching the log: by its name it would be that of the new database.
        leave_log(&self.connection, true).map_err(|source| OpenError::from_sqlite(&self.path, source))?;
        self.connection =
            Connection::open_in_memory().map_err(|source| OpenError::from_sqlite(&self.path, source))?;
        let into = aside::set_aside(&dir, at, why, head_file::read(&dir)).map_err(disk)?;
        let (connection, mut standing) = open_file(&dir, &self.path, Damaged::Refuse, None)?;
        standing.aside = Some(told_aside(&into, why));
        self.file = identity(&self.path).map_err(disk)?;
        self.connection = connection;
        self.tip = standing.tip;
        self.adrift = false;
        Ok(standing)
    }

    /// Opens the database again: a connection that was made while others of this process could only read stays unable to
    /// write, because the engine shares what it maps between them.
    ///
    /// # Errors
    /// Where it cannot be opened; then writing goes on failing, and this is tried again.
    pub(crate) fn reconnect(&mut self) -> Result<(), OpenError> {
        self.adrift = true;
        self.connection =
            Connection::open_in_memory().map_err(|source| OpenError::from_sqlite(&self.path, source))?;
        let dir = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        self.connection = open_file(&dir, &self.path, Damaged::Refuse, None)?.0;
        self.adrift = false;
        Ok(())
    }

    /// Writes all entries in one transaction and syncs it. On an error the database is as it was.
    pub(crate) fn write(&mut self, batch: &[Arc<Entry>]) -> Result<Tip, WriteError> {
        if self.adrift {
            self.reconnect().map_err(WriteError::Adrift)?;
        }
        if identity(&self.path).ok() != Some(self.file) {
            return Err(WriteError::Replaced);
        }
        let mut links = Vec::with_capacity(batch.len());
        let mut prev = self.tip.hash;
        for entry in batch {
            let hash = entry.link(&prev);
            links.push((entry, prev, hash));
            prev = hash;
        }
        let transaction =
            self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let found = tip(&transaction)?;
        // A commit that reported an error may have landed after all: then the database stands inside this batch.
        let done = if found == self.tip {
            0
        } else {
            let at = links
                .iter()
                .position(|(entry, _, hash)| entry.event.seq.0 == found.seq && *hash == found.hash);
            at.ok_or(WriteError::Overtaken { found, ours: self.tip })? + 1
        };
        let mut erased = false;
        {
            let mut insert = transaction.prepare_cached(
                "INSERT INTO events (seq, incident, at, actor, kind, body, body_digest, prev, hash)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
            )?;
            for (entry, prev, hash) in links.iter().skip(done) {
                insert.execute(params![
                    signed(entry.event.seq.0),
                    entry.event.incident.map(|id| signed(id.0)),
                    entry.at,
                    entry.actor,
                    entry.kind(),
                    entry.body,
                    entry.body_digest.as_bytes(),
                    prev.as_bytes(),
                    hash.as_bytes(),
                ])?;
                if let Some(line) = &entry.taken {
                    intake::mark(&transaction, line, &entry.event)?;
                }
                if let Some(which) = entry.erases {
                    transaction
                        .execute("UPDATE events SET body = NULL WHERE seq = ?1", params![signed(which.0)])?;
                    erased = true;
                }
            }
        }
        transaction.commit()?;
        if let Some((entry, _, hash)) = links.last() {
            self.tip = Tip { seq: entry.event.seq.0, hash: *hash };
        }
        self.head.note(self.tip, false);
        if erased {
            // The old bytes are overwritten in the database (`secure_delete`) and still stand in the log beside it.
            let cleaned =
                self.connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
            if !matches!(cleaned, Ok(0)) {
                tracing::warn!(
                    "erased bytes stay in the write-ahead log until its next checkpoint, a reader holds it"
                );
            }
        }
        Ok(self.tip)
    }
}

fn told_aside(into: &Path, why: &str) -> String {
    format!(
        "the journal before this one was damaged ({why}) and lies in {}; nothing of it was deleted",
        into.display()
    )
}

/// Opens the file, makes it where there is none, and looks at what it is.
fn open_file(
    dir: &Path,
    path: &Path,
    damaged: Damaged,
    remembered: Option<Remembered>,
) -> Result<(Connection, Standing), OpenError> {
    // Made here and not by the engine, so that nobody else may read it.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.and_then(|_file| std::fs::File::open(dir)?.sync_all())
        .map_err(|source| OpenError::Directory { path: path.to_owned(), source })?;
    let sqlite = |source| OpenError::from_sqlite(path, source);
    let connection = connect(path).map_err(sqlite)?;
    let mut standing = prepare(&connection, path, remembered)?;
    standing.remembered = remembered;
    if let (Some(remembered), Damaged::SetAside(at)) = (remembered, damaged)
        && remembered.head.seq > standing.tip.seq
        && !remembered.aside
    {
        let why = format!(
            "the journal ended with event {}, and {} was remembered",
            standing.tip.seq, remembered.head.seq
        );
        match aside::copy_log(dir, at, &why) {
            Ok(Some(into)) => {
                tracing::warn!(copy = %into.display(), "{why}; its log was copied before it is written again")
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "{why}; its log could not be copied"),
        }
    }
    connection.execute_batch(intake::CREATE).and_then(|()| leave_log(&connection, false)).map_err(sqlite)?;
    Ok((connection, standing))
}

/// How far the chain has come, read without writing anything: for a disk that takes no writes.
pub(crate) fn peek(dir: &Path) -> Option<Standing> {
    let connection = open_to_read(dir).ok()?;
    let mut standing = standing(&connection).ok()?;
    standing.remembered = head_file::read(dir);
    Some(standing)
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    std::fs::metadata(path).map(|meta| (meta.dev(), meta.ino()))
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(500))?;
    connection.pragma_update(None, "cache_size", -1024)?;
    // Until it is known to be sound, closing it must not touch the log.
    leave_log(&connection, true)?;
    Ok(connection)
}

/// Whether closing the connection leaves the write-ahead log as it is, instead of moving it into the database.
fn leave_log(connection: &Connection, leave: bool) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, leave).map(|_set| ())
}

/// Looks at what the file is before anything in it is changed, then sets it up.
fn prepare(
    connection: &Connection,
    path: &Path,
    remembered: Option<Remembered>,
) -> Result<Standing, OpenError> {
    let sqlite = |source| OpenError::from_sqlite(path, source);
    let number = |name: &str| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let found = number("user_version").map_err(sqlite)?;
    let application = number("application_id").map_err(sqlite)?;
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(sqlite)?;
    if application != APPLICATION && tables > 0 {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    if found > SCHEMA {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA });
    }
    let were = remembered.filter(|it| !it.aside).map_or(0, |it| it.head.seq);
    if tables == 0 && were > 0 {
        // All of it stood in the log, and the engine passes over a log that is damaged.
        let why = format!("nothing in it can be read, and the server remembers {were} events");
        return Err(OpenError::Emptied { path: path.to_owned(), why });
    }
    connection
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0))
        .and_then(|_mode| connection.pragma_update(None, "synchronous", "FULL"))
        .and_then(|()| connection.query_row("PRAGMA secure_delete = ON", [], |row| row.get::<_, i64>(0)))
        .map_err(sqlite)?;
    if tables == 0 {
        let create = format!(
            "BEGIN IMMEDIATE; {CREATE} PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {SCHEMA}; COMMIT;"
        );
        connection.execute_batch(&create).map_err(sqlite)?;
    }
    standing(connection).map_err(sqlite)
}

fn standing(connection: &Connection) -> rusqlite::Result<Standing> {
    // Numbers that a server gave while it could not read the journal are not gone on from.
    let newest_incident = connection.query_row(
        "SELECT coalesce(max(incident), 0) FROM events WHERE incident IS NOT NULL AND incident < ?1",
        [signed(FIRST_INCIDENT_UNREAD)],
        |row| row.get::<_, i64>(0),
    )?;
    let last = connection
        .query_row(
            "SELECT kind FROM events WHERE kind IN ('server-started', 'server-stopped') ORDER BY seq DESC LIMIT 1",
            [],
            |row| row.get::<_, String>(0),
        )
        .optional()?;
    Ok(Standing {
        tip: tip(connection)?,
        newest_incident: newest_incident.unsigned_abs(),
        ended_in_order: last.map(|kind| kind == "server-stopped"),
        remembered: None,
        aside: None,
    })
}

/// Number and hash of the newest event.
pub(crate) fn tip(connection: &Connection) -> rusqlite::Result<Tip> {
    let mut newest = connection.prepare_cached("SELECT seq, hash FROM events ORDER BY seq DESC LIMIT 1")?;
    let found = newest
        .query_row([], |row| {
            Ok(Tip { seq: row.get::<_, i64>(0)?.unsigned_abs(), hash: Hash::from_bytes(row.get(1)?) })
        })
        .optional()?;
    Ok(found.unwrap_or(Tip { seq: 0, hash: GENESIS }))
}

/// Numbers as SQLite has them.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
