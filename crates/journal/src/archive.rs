//! Reading the database: frames, events, the list of incidents. Also for the command line, beside a running server or without one.

use crate::encode::{json, parse_event, push_event, removed};
use crate::reading::open_to_read;
use crate::store::signed;
use crate::{Frame, OpenError};
use breakglass_incident::{Event, EventBody, IncidentId, Seq};
use breakglass_protocol::Timestamp;
use bytes::Bytes;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;
use std::path::Path;

/// One line of the list of incidents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentSummary {
    /// Its number.
    pub id: IncidentId,
    /// The component that is to be recovered; empty where that was erased.
    pub target: String,
    /// Why it began.
    pub reason: String,
    /// When it began.
    pub opened: Timestamp,
    /// When it ended, and why.
    pub closed: Option<(Timestamp, String)>,
    /// How many events it has.
    pub events: u64,
    /// Its newest event.
    pub last: Seq,
}

/// Why the archive could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It could not be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Reading failed half way.
    #[error("the journal cannot be read; `breakglass journal verify` says where it is damaged")]
    Read {
        /// What the database engine said.
        #[from]
        source: rusqlite::Error,
    },
}

/// A journal opened for reading only. Takes no lock and needs no server; what a running server has not synced yet it does not see.
pub struct Archive {
    connection: Connection,
}

impl Archive {
    /// Opens the journal in a directory.
    ///
    /// # Errors
    /// Where there is none, or none that this version can read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self { connection: open_to_read(dir)? })
    }

    /// The newest `count` events, oldest first.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn tail(&self, count: usize) -> Result<Vec<Event>, ArchiveError> {
        Ok(tail(&self.connection, count)?)
    }

    /// All events of an incident, oldest first.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn incident(&self, id: IncidentId) -> Result<Vec<Event>, ArchiveError> {
        Ok(events(&frames(&self.connection, Some(id), Seq(0), usize::MAX)?))
    }

    /// All incidents, newest first.
    ///
    /// # Errors
    /// Where reading fails.
    pub fn incidents(&self) -> Result<Vec<IncidentSummary>, ArchiveError> {
        Ok(incidents(&self.connection)?)
    }
}

/// The events of frames.
pub(crate) fn events(frames: &[Frame]) -> Vec<Event> {
    frames.iter().filter_map(|frame| parse_event(&frame.json)).collect()
}

/// Frames after a number, oldest first, rendered into one buffer that they share.
pub(crate) fn frames(
    connection: &Connection,
    incident: Option<IncidentId>,
    after: Seq,
    limit: usize,
) -> rusqlite::Result<Vec<Frame>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let after = signed(after.0);
    let columns = "SELECT seq, incident, at, actor, kind, body FROM events";
    match incident {
        Some(id) => {
            let sql = format!("{columns} WHERE incident = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3");
            render(&mut connection.prepare_cached(&sql)?, params![signed(id.0), after, limit])
        }
        None => {
            let sql = format!("{columns} WHERE seq > ?1 ORDER BY seq LIMIT ?2");
            render(&mut connection.prepare_cached(&sql)?, params![after, limit])
        }
    }
}

pub(crate) fn tail(connection: &Connection, count: usize) -> rusqlite::Result<Vec<Event>> {
    let sql = "SELECT seq, incident, at, actor, kind, body FROM
               (SELECT * FROM events ORDER BY seq DESC LIMIT ?1) ORDER BY seq";
    let count = i64::try_from(count).unwrap_or(i64::MAX);
    Ok(events(&render(&mut connection.prepare_cached(sql)?, params![count])?))
}

fn render(
    statement: &mut rusqlite::CachedStatement<'_>,
    values: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Frame>> {
    let mut rows = statement.query(values)?;
    let mut text = Vec::new();
    let mut ends: Vec<(u64, Option<u64>, usize)> = Vec::new();
    while let Some(row) = rows.next()? {
        let (seq, incident): (i64, Option<i64>) = (row.get(0)?, row.get(1)?);
        let (seq, incident) = (seq.unsigned_abs(), incident.map(i64::unsigned_abs));
        let words = |at: usize| row.get_ref(at).and_then(|value| Ok(value.as_bytes()?));
        match row.get_ref(5)? {
            ValueRef::Null => {
                let was = String::from_utf8_lossy(words(4)?);
                let stands_in = json(&removed(&was, "its content was erased"));
                push_event(&mut text, seq, incident, words(2)?, words(3)?, stands_in.as_bytes());
            }
            body => push_event(&mut text, seq, incident, words(2)?, words(3)?, body.as_bytes()?),
        }
        ends.push((seq, incident, text.len()));
    }
    let buffer = Bytes::from(text);
    let mut start = 0;
    let cut = |(seq, incident, end): (u64, Option<u64>, usize)| {
        let json = buffer.slice(start..end);
        start = end;
        Frame::stored(Seq(seq), incident.map(IncidentId), json)
    };
    Ok(ends.into_iter().map(cut).collect())
}

pub(crate) fn incidents(connection: &Connection) -> rusqlite::Result<Vec<IncidentSummary>> {
    let mut counts: BTreeMap<u64, (u64, u64)> = BTreeMap::new();
    let mut count = connection.prepare_cached(
        "SELECT incident, count(*), max(seq) FROM events WHERE incident IS NOT NULL GROUP BY incident",
    )?;
    let mut rows = count.query([])?;
    while let Some(row) = rows.next()? {
        let (id, events, last): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        counts.insert(id.unsigned_abs(), (events.unsigned_abs(), last.unsigned_abs()));
    }
    let mut frame = connection.prepare_cached(
        "SELECT seq, incident, at, actor, kind, body FROM events
         WHERE kind IN ('incident-opened', 'incident-closed') ORDER BY seq",
    )?;
    let framing = events(&render(&mut frame, [])?);
    Ok(summarise(&framing, &counts))
}

/// The list, from the events that open and close incidents and from how many events each has.
pub(crate) fn summarise(framing: &[Event], counts: &BTreeMap<u64, (u64, u64)>) -> Vec<IncidentSummary> {
    let mut list: BTreeMap<u64, IncidentSummary> = BTreeMap::new();
    for event in framing {
        let Some(id) = event.incident else { continue };
        let (events, last) = counts.get(&id.0).copied().unwrap_or((1, event.seq.0));
        let summary = list.entry(id.0).or_insert_with(|| IncidentSummary {
            id,
            target: String::new(),
            reason: String::new(),
            opened: event.at,
            closed: None,
            events,
            last: Seq(last),
        });
        match &event.body {
            EventBody::IncidentOpened { target, reason } => {
                summary.target.clone_from(target);
                summary.reason.clone_from(reason);
            }
            EventBody::IncidentClosed { reason, .. } => summary.closed = Some((event.at, reason.clone())),
            EventBody::Removed { was, .. } if was == "incident-closed" => {
                summary.closed = Some((event.at, String::new()));
            }
            _ => {}
        }
    }
    list.into_values().rev().collect()
}
