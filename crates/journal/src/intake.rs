//! Taking a spool in: what the command line wrote while no server took it becomes events of the journal, each once.
//!
//! Where a spool has been read to stands in the database itself, in the transaction that writes the events, so that no crash
//! can take a line in twice or leave one out. A spool is believed as far as its chain holds and it tells what a command line can
//! tell; what a server alone may say (a gap, an erasure, a turn, a person's log-in) makes the whole of it suspect.

use crate::encode::Draft;
use crate::queue::{Late, Place};
use crate::spool::lines::{Line, read_from, walk};
use crate::store::signed;
use crate::{Journal, Keeping};
use breakglass_chain::{Hash, Tip};
use breakglass_incident::{
    Actor, ArtifactRef, CallId, CommandId, Event, EventBody, IncidentId, PressId, Seq, SpoolActor, TurnEvent,
    TurnId,
};
use rusqlite::{Connection, OptionalExtension as _, Transaction, params};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Which line of which spool became which event. A spool is named by the hash of its first line.
pub(crate) const CREATE: &str = "
CREATE TABLE IF NOT EXISTS taken_in (
  spool BLOB NOT NULL,
  line INTEGER NOT NULL,
  hash BLOB NOT NULL,
  seq INTEGER NOT NULL,
  incident INTEGER,
  PRIMARY KEY (spool, line)
) STRICT, WITHOUT ROWID;
";

/// Lines taken in at a time: few enough to hold up nobody who appends.
const CHUNK: usize = 128;
/// The largest artifact that is taken over from beside a spool, in bytes.
const LARGEST_ARTIFACT: u64 = 64 << 20;

/// A line that becomes an event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SpoolLine {
    pub(crate) spool: Hash,
    pub(crate) tip: Tip,
}

/// What came of taking in one spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TakenIn {
    /// Events that were taken in now.
    pub events: u64,
    /// Incidents that were opened by these and not closed, with their targets.
    pub open: Vec<(String, IncidentId)>,
}

/// Why a spool was not taken in, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum SpoolIntake {
    /// It is not what a command line wrote. Set it aside.
    #[error("line {line} {why}")]
    Damaged {
        /// The first line that does not hold.
        line: u64,
        /// What is wrong with it, in a sentence fragment.
        why: String,
    },
    /// It cannot be read now.
    #[error("it cannot be read")]
    Unreadable {
        /// What the system said.
        #[from]
        source: std::io::Error,
    },
    /// The journal does not take it now; it is tried again later.
    #[error("the journal does not take it now: {why}")]
    NotNow {
        /// Why, in a sentence fragment.
        why: String,
    },
}

/// Notes in the transaction that writes an event from which line it came.
pub(crate) fn mark(transaction: &Transaction<'_>, line: &SpoolLine, event: &Event) -> rusqlite::Result<()> {
    let mut insert = transaction.prepare_cached(
        "INSERT INTO taken_in (spool, line, hash, seq, incident) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?;
    insert.execute(params![
        line.spool.as_bytes(),
        signed(line.tip.seq),
        line.tip.hash.as_bytes(),
        signed(event.seq.0),
        event.incident.map(|id| signed(id.0)),
    ])?;
    Ok(())
}

/// Numbers of lines, and what they are in the journal.
type Numbers = BTreeMap<u64, (Seq, Option<IncidentId>)>;

impl Journal {
    /// Takes in what a spool tells that was not taken in yet, and answers when it is durable. The file is left as it is.
    ///
    /// # Errors
    /// [`SpoolIntake`]. What was taken in before the error stays.
    pub async fn take_in(&self, spool: &Path) -> Result<TakenIn, SpoolIntake> {
        let mut done = TakenIn::default();
        // One at a time: two that read the same cursor would take the same lines in.
        let mut queued = self.handle.intake.lock().await;
        let mut checked = false;
        loop {
            if let Keeping::NotKeeping { why, .. } = self.keeping() {
                return Err(SpoolIntake::NotNow { why });
            }
            if !self.is_open() {
                return Err(SpoolIntake::NotNow { why: "it is not open".to_owned() });
            }
            let path = spool.to_owned();
            let Some(id) = blocking(move || crate::spool::lines::name(&path)).await? else { return Ok(done) };
            let from = self.cursor(id).await?;
            if queued.get(&id).is_some_and(|line| *line > from.map_or(0, |tip| tip.seq)) {
                return Err(SpoolIntake::NotNow {
                    why: "the disk has not taken the lines before it yet".to_owned(),
                });
            }
            let path = spool.to_owned();
            let lines = blocking(move || {
                if !checked {
                    // All of it, before the first line is believed.
                    walk(&path, from, |line| permitted(&line).map(ControlFlow::Continue))?;
                }
                read_from(&path, from, CHUNK)
            });
            let lines = lines.await?;
            checked = true;
            let Some(last) = lines.last().map(|line| line.tip.seq) else { return Ok(done) };
            self.take_artifacts(spool, &lines).await;
            let known = self.numbers(id, &lines).await?;
            let taken_in = (self.handle.shared.clock)();
            let late = self.handle.shared.queue().take_late(lines.len(), |first, incident| {
                drafts(id, &lines, known, (first, incident), taken_in)
            });
            let Some((events, answer)) = late else {
                return Err(SpoolIntake::NotNow { why: "too many events wait for the disk".to_owned() });
            };
            queued.insert(id, last);
            self.handle.shared.bell.notify_all();
            let kept = answer.await.unwrap_or_else(|_closed| Err("the journal has closed".to_owned()));
            kept.map_err(|why| SpoolIntake::NotNow { why })?;
            done.take(&events);
        }
    }

    async fn cursor(&self, spool: Hash) -> Result<Option<Tip>, SpoolIntake> {
        let look = move |connection: &Connection| {
            let sql = "SELECT line, hash FROM taken_in WHERE spool = ?1 ORDER BY line DESC LIMIT 1";
            let of = |row: &rusqlite::Row<'_>| {
                Ok(Tip { seq: row.get::<_, i64>(0)?.unsigned_abs(), hash: Hash::from_bytes(row.get(1)?) })
            };
            connection.query_row(sql, [spool.as_bytes()], of).optional()
        };
        self.handle.shared.readers.read(look).await.map_err(|why| SpoolIntake::NotNow { why })
    }

    /// What earlier lines, which these refer to, are in the journal.
    async fn numbers(&self, spool: Hash, lines: &[Line]) -> Result<Numbers, SpoolIntake> {
        let wanted: Vec<u64> = lines.iter().flat_map(|line| refers_to(&line.event)).collect();
        let look = move |connection: &Connection| {
            let mut found = connection
                .prepare_cached("SELECT seq, incident FROM taken_in WHERE spool = ?1 AND line = ?2")?;
            let mut numbers = Numbers::new();
            for line in wanted {
                let of = |row: &rusqlite::Row<'_>| {
                    Ok((row.get::<_, i64>(0)?.unsigned_abs(), row.get::<_, Option<i64>>(1)?))
                };
                let known = found.query_row(params![spool.as_bytes(), signed(line)], of).optional()?;
                if let Some((seq, incident)) = known {
                    numbers.insert(line, (Seq(seq), incident.map(|id| IncidentId(id.unsigned_abs()))));
                }
            }
            Ok(numbers)
        };
        self.handle.shared.readers.read(look).await.map_err(|why| SpoolIntake::NotNow { why })
    }

    /// What lies beside the spool is kept beside the journal. One that is gone stays named by its event, and is missing there.
    async fn take_artifacts(&self, spool: &Path, lines: &[Line]) {
        let beside = spool.parent().map(|dir| dir.join("artifacts")).unwrap_or_default();
        for artifact in lines.iter().flat_map(|line| artifacts(&line.event.body)) {
            let path = beside.join(artifact.sha256.get(..2).unwrap_or_default()).join(&artifact.sha256);
            let is_name = artifact.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_name || artifact.bytes > LARGEST_ARTIFACT {
                continue;
            }
            let read = blocking(move || Ok(std::fs::read(path)?)).await;
            let put = match read {
                Ok(bytes) => self.put_artifact(&artifact.name, &artifact.media, bytes).await.map(drop),
                Err(error) => {
                    tracing::warn!(name = artifact.name, %error, "what a spool names does not lie beside it");
                    continue;
                }
            };
            if let Err(error) = put {
                tracing::warn!(name = artifact.name, %error, "what a spool names was not taken over");
            }
        }
    }
}

impl TakenIn {
    fn take(&mut self, events: &[Event]) {
        self.events += events.len() as u64;
        for event in events {
            let Some(id) = event.incident else { continue };
            match &event.body {
                EventBody::IncidentOpened { target, .. } => self.open.push((target.clone(), id)),
                EventBody::IncidentClosed { .. } => self.open.retain(|(_, open)| *open != id),
                _ => {}
            }
        }
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolIntake> + Send + 'static,
) -> Result<T, SpoolIntake> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}

/// Whether a command line writes such a line.
fn permitted(line: &Line) -> Result<(), SpoolIntake> {
    let refuse = |why: String| Err(SpoolIntake::Damaged { line: line.tip.seq, why });
    match &line.event.actor {
        Actor::Cli(_) | Actor::Guard(_) | Actor::Watch | Actor::Server => {}
        // One that called a tool while no server ran, through the command line.
        Actor::Outside(_)
            if is_outside_call(&line.event.body)
                || matches!(
                    &line.event.body,
                    EventBody::CommandStarted { .. } | EventBody::CommandFinished { .. }
                ) => {}
        other => return refuse(format!("names `{other}`, for whom no command line speaks")),
    }
    match &line.event.body {
        body if is_outside_call(body) => Ok(()),
        body @ (EventBody::ServerStarted { .. }
        | EventBody::ServerStopped {}
        | EventBody::LoggedIn { .. }
        | EventBody::LoginRefused { .. }
        | EventBody::SessionsEnded { .. }
        | EventBody::Gap { .. }
        | EventBody::SpoolSetAside { .. }
        | EventBody::Notified { .. }
        | EventBody::Erased { .. }
        | EventBody::Removed { .. }
        | EventBody::Turn(_)) => {
            refuse(format!("is of the kind {}, which no command line writes", body.kind()))
        }
        _ => Ok(()),
    }
}

/// A call of an outside agent, or its answer: the only events about agents that need no server.
fn is_outside_call(body: &EventBody) -> bool {
    let EventBody::Turn(event) = body else { return false };
    matches!(
        event,
        TurnEvent::ToolCalled { turn: TurnId::OUTSIDE, .. }
            | TurnEvent::ToolAnswered { turn: TurnId::OUTSIDE, .. }
    )
}

/// The lines of the same spool that an event names.
fn refers_to(event: &Event) -> Vec<u64> {
    let mut named: Vec<u64> = event.incident.iter().map(|id| id.0).collect();
    match &event.body {
        EventBody::VerbAccepted { press, .. } => named.push(press.0),
        EventBody::VerbFinished { press, .. } => named.extend(press.map(|press| press.0)),
        EventBody::CommandFinished { command, .. } => named.push(command.0),
        EventBody::Turn(TurnEvent::ToolAnswered { call, .. }) => named.push(call.0),
        _ => {}
    }
    named
}

fn artifacts(body: &EventBody) -> Vec<ArtifactRef> {
    match body {
        EventBody::ForensicsCaptured { parts, .. } => {
            parts.iter().filter_map(|part| part.artifact.clone()).collect()
        }
        EventBody::CommandFinished { rest, .. } | EventBody::Turn(TurnEvent::ToolAnswered { rest, .. }) => {
            rest.iter().cloned().collect()
        }
        _ => Vec::new(),
    }
}

/// The lines as events of the journal, under its own numbers, the first of which are given.
fn drafts(
    spool: Hash,
    lines: &[Line],
    mut known: Numbers,
    (first, mut incident): (Seq, IncidentId),
    taken_in: breakglass_protocol::Timestamp,
) -> Vec<Late> {
    let mut drafts = Vec::with_capacity(lines.len());
    for (line, seq) in lines.iter().zip(first.0..) {
        let event = &line.event;
        let opens = matches!(event.body, EventBody::IncidentOpened { .. });
        let of = event.incident.and_then(|id| known.get(&id.0)).and_then(|(_, incident)| *incident);
        let (place, of) = if opens {
            let new = incident;
            incident.0 += 1;
            (Place::New, Some(new))
        } else {
            (of.map_or(Place::Loose, Place::In), of)
        };
        let by = Box::new(event.actor.clone());
        let actor = Actor::Spool(SpoolActor { by, line: line.tip.to_string(), taken_in });
        let mut draft = Draft::new(actor, renumbered(event.body.clone(), &known));
        draft.taken = Some(SpoolLine { spool, tip: line.tip });
        known.insert(line.tip.seq, (Seq(seq), of));
        drafts.push(Late { draft, place, at: event.at });
    }
    drafts
}

/// A press, a command and a call are named by the number of their event. A name that the spool does not explain is none.
fn renumbered(mut body: EventBody, known: &Numbers) -> EventBody {
    let number = |line: u64| known.get(&line).map(|(seq, _)| seq.0);
    match &mut body {
        EventBody::VerbPressed { seen, .. } => *seen = None,
        EventBody::VerbAccepted { press, .. } => *press = PressId(number(press.0).unwrap_or(0)),
        EventBody::VerbFinished { press, .. } => {
            *press = press.and_then(|press| number(press.0)).map(PressId)
        }
        EventBody::CommandFinished { command, .. } => *command = CommandId(number(command.0).unwrap_or(0)),
        EventBody::Turn(TurnEvent::ToolAnswered { call, .. }) => *call = CallId(number(call.0).unwrap_or(0)),
        _ => {}
    }
    body
}

/// Moves a spool that is not believed out of the way, under its lock. Gives its new name.
///
/// # Errors
/// Where it cannot be moved.
pub fn set_spool_aside(spool: &Path, at: breakglass_protocol::Timestamp) -> std::io::Result<PathBuf> {
    let stamp = at.to_string().replace([':', '.'], "-");
    let into = spool.with_extension(format!("set-aside-{stamp}"));
    let file = std::fs::File::open(spool)?;
    // A command that is writing right now ends its line first. One that hangs is not waited for: its file moves with it.
    for _ in 0..50 {
        if file.try_lock().is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::fs::rename(spool, &into)?;
    Ok(into)
}
