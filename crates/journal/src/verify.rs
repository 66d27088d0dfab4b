//! Walking the database's chain from the first event to the last. Reads only, takes no lock, works beside a running server.

use crate::encode::link_row;
use crate::reading::open_to_read;
use crate::{Head, OpenError};
use breakglass_chain::{Hash, digest};
use breakglass_incident::{EventBody, Seq};
use rusqlite::{Connection, Row, params};
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// What a journal that holds looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many events there are.
    pub events: u64,
    /// Where the chain stands. Export it: only against it a cut tail is noticed.
    pub head: Head,
    /// How many `gap` events there are.
    pub gaps: u64,
    /// How many events these say were lost.
    pub missing: u64,
    /// How many bodies were erased, each accounted for by an event that says so.
    pub erased: u64,
}

/// How a journal is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The event is not what was written.
    Edited,
    /// The event stands at another place than it was written to.
    Reordered,
    /// Events before it are gone and no `gap` accounts for them.
    Missing,
    /// The chain ends before the event that an exported head names.
    Truncated,
    /// The event's body is gone and no event accounts for that.
    BodyMissing,
    /// The database itself is damaged here.
    Unreadable,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edited => "edited",
            Self::Reordered => "reordered",
            Self::Missing => "events missing before it",
            Self::Truncated => "truncated",
            Self::BodyMissing => "content missing",
            Self::Unreadable => "unreadable",
        })
    }
}

/// Why a journal does not verify.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The first damage that was found.
    #[error("event {seq}: {what}: {detail}; the {sound} events before it hold")]
    Damaged {
        /// At which number.
        seq: Seq,
        /// How.
        what: Damage,
        /// What was seen, in a sentence fragment.
        detail: String,
        /// How many events before it hold.
        sound: u64,
    },
}

/// Verifies a journal, against a head that was exported before where there is one.
///
/// # Errors
/// The first damage.
pub fn verify(dir: &Path, expected: Option<Head>) -> Result<Verified, Broken> {
    let connection = open_to_read(dir)?;
    let mut walk = Walk::default();
    let outcome = walk.all(&connection, expected);
    outcome.map_err(|stop| {
        let (seq, what, detail) = match stop {
            Stop::At(seq, what, detail) => (seq, what, detail),
            Stop::Sqlite(error) => {
                (walk.head.map_or(1, |head| head.seq + 1), Damage::Unreadable, error.to_string())
            }
        };
        Broken::Damaged { seq: Seq(seq), what, detail, sound: walk.events }
    })
}

enum Stop {
    At(u64, Damage, String),
    Sqlite(rusqlite::Error),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

#[derive(Default)]
struct Walk {
    events: u64,
    head: Option<Head>,
    gaps: u64,
    missing: u64,
    erased: u64,
    /// Events without a body, until the event that accounts for it comes by.
    bodiless: BTreeSet<u64>,
}

struct Stored {
    seq: i64,
    incident: Option<u64>,
    at: String,
    actor: String,
    kind: String,
    body: Option<String>,
    body_digest: Hash,
    prev: Hash,
    hash: Hash,
}

impl Stored {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            seq: row.get(0)?,
            incident: row.get::<_, Option<i64>>(1)?.map(i64::unsigned_abs),
            at: row.get(2)?,
            actor: row.get(3)?,
            kind: row.get(4)?,
            body: row.get(5)?,
            body_digest: Hash::from_bytes(row.get(6)?),
            prev: Hash::from_bytes(row.get(7)?),
            hash: Hash::from_bytes(row.get(8)?),
        })
    }

    fn link(&self, prev: &Hash) -> Hash {
        let seq = self.seq.unsigned_abs();
        link_row(prev, seq, self.incident, &self.at, &self.actor, &self.kind, &self.body_digest)
    }
}

impl Walk {
    fn all(&mut self, connection: &Connection, expected: Option<Head>) -> Result<Verified, Stop> {
        // One transaction, so that a writer beside us does not move the end while we walk.
        let snapshot = connection.unchecked_transaction()?;
        let sound: String = snapshot.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if sound != "ok" {
            return Err(Stop::At(1, Damage::Unreadable, sound));
        }
        let mut statement = snapshot.prepare(
            "SELECT seq, incident, at, actor, kind, body, body_digest, prev, hash FROM events ORDER BY seq",
        )?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let before = self.head.map_or(0, |head| head.seq);
            self.step(&snapshot, &Stored::read(row)?)?;
            self.compare(before, expected)?;
        }
        if let Some(first) = self.bodiless.first() {
            return Err(Stop::At(
                *first,
                Damage::BodyMissing,
                "no event accounts for its erasure".to_owned(),
            ));
        }
        let head = self.head.unwrap_or(Head::EMPTY);
        if let Some(expected) = expected.filter(|expected| expected.seq > head.seq) {
            let detail = format!("the journal ends with {}, the exported head is {}", head.seq, expected.seq);
            return Err(Stop::At(head.seq + 1, Damage::Truncated, detail));
        }
        let Self { events, gaps, missing, erased, .. } = *self;
        Ok(Verified { events, head, gaps, missing, erased })
    }

    fn step(&mut self, connection: &Connection, stored: &Stored) -> Result<(), Stop> {
        let before = self.head.unwrap_or(Head::EMPTY);
        let due = before.seq + 1;
        let Some(seq) = u64::try_from(stored.seq).ok().filter(|seq| *seq >= due) else {
            return Err(Stop::At(
                due,
                Damage::Reordered,
                format!("its number is {}, {due} was due", stored.seq),
            ));
        };
        if stored.prev != before.hash || stored.link(&before.hash) != stored.hash {
            return Err(self.name_break(connection, stored, seq)?);
        }
        if stored.body.as_ref().is_some_and(|body| digest(body.as_bytes()) != stored.body_digest) {
            return Err(Stop::At(seq, Damage::Edited, "its content is not what was written".to_owned()));
        }
        let body = stored.body.as_ref().and_then(|body| serde_json::from_str::<EventBody>(body).ok());
        let hole = seq - due;
        let accounted = match &body {
            Some(EventBody::Gap { missing, skipped, .. }) => missing.saturating_add(*skipped),
            _ => 0,
        };
        if hole != accounted {
            return Err(Stop::At(
                seq,
                Damage::Missing,
                format!("{hole} numbers before it are absent and {accounted} accounted for"),
            ));
        }
        match &body {
            Some(EventBody::Gap { missing, .. }) => {
                self.gaps += 1;
                self.missing += missing;
            }
            Some(EventBody::Erased { which, .. }) if self.bodiless.remove(&which.0) => self.erased += 1,
            _ => {}
        }
        if stored.body.is_none() {
            self.bodiless.insert(seq);
        }
        self.events += 1;
        self.head = Some(Head { seq, hash: stored.hash });
        Ok(())
    }

    /// Tells an event that was moved from one that was changed, and a change of this one from a change of the one before.
    fn name_break(&self, connection: &Connection, stored: &Stored, seq: u64) -> Result<Stop, Stop> {
        let before = self.head.unwrap_or(Head::EMPTY);
        if stored.prev == before.hash {
            return Ok(Stop::At(
                seq,
                Damage::Edited,
                "its time, actor, kind, incident or digest was changed".to_owned(),
            ));
        }
        let moved: bool = connection.query_row(
            "SELECT EXISTS (SELECT 1 FROM events WHERE hash = ?1)",
            params![stored.prev.as_bytes()],
            |row| row.get(0),
        )?;
        if moved {
            return Ok(Stop::At(
                seq,
                Damage::Reordered,
                "it follows another event than the one before it".to_owned(),
            ));
        }
        if seq > before.seq + 1 {
            let detail = format!("{} is the event before it, and not the one that it follows", before.seq);
            return Ok(Stop::At(seq, Damage::Missing, detail));
        }
        Ok(Stop::At(seq, Damage::Edited, "it, or the event before it, is not what was written".to_owned()))
    }

    /// `before` is the number of the event before the newest.
    fn compare(&self, before: u64, expected: Option<Head>) -> Result<(), Stop> {
        match (self.head, expected) {
            (Some(head), Some(expected)) if before < expected.seq && expected.seq < head.seq => {
                let detail = format!(
                    "the exported head is {}, and a gap says that it was lost or lies elsewhere",
                    expected.seq
                );
                Err(Stop::At(before + 1, Damage::Truncated, detail))
            }
            (Some(head), Some(expected)) if head.seq == expected.seq && head.hash != expected.hash => {
                let detail = format!("its hash is {}, the exported head says {}", head.hash, expected.hash);
                Err(Stop::At(head.seq, Damage::Edited, detail))
            }
            _ => Ok(()),
        }
    }
}
