//! The handle that the server holds.

use crate::archive::{events, incidents, summarise, tail};
use crate::artifacts::Artifacts;
use crate::encode::Draft;
use crate::queue::{Place, Taken};
use crate::shared::Shared;
use crate::store::{Store, signed};
use crate::{ArtifactError, Frame, Head, IncidentSummary, Limits, OpenError, Tail, writer};
use breakglass_incident::{Actor, ArtifactRef, Event, EventBody, IncidentId, Seq, View};
use breakglass_protocol::Timestamp;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How many events are read and parsed at a time.
const PAGE: usize = 256;

/// Whether an event is durable. Whoever tells a person that something is recorded looks at this first; whoever only goes on
/// with a rescue need not: the journal itself shows what it does not keep.
#[derive(Debug, Clone, PartialEq)]
pub enum Kept {
    /// It is synced to the disk.
    Durable(Event),
    /// It is not, and the rescue goes on: it was shown live and is tried again.
    NotKept {
        /// The event. Its number is its own for as long as this server runs.
        event: Event,
        /// Why, in a sentence fragment.
        why: String,
    },
}

impl Kept {
    /// The event, durable or not.
    #[must_use]
    pub const fn event(&self) -> &Event {
        match self {
            Self::Durable(event) | Self::NotKept { event, .. } => event,
        }
    }

    /// Its number.
    #[must_use]
    pub const fn seq(&self) -> Seq {
        self.event().seq
    }

    /// Whether it is durable.
    #[must_use]
    pub const fn is_durable(&self) -> bool {
        matches!(self, Self::Durable(_))
    }
}

/// Whether the journal keeps what happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// It does.
    Ok,
    /// It does not; the page shows it in red.
    NotKeeping {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence fragment.
        why: String,
        /// How many events were not kept so far. Those that fit into memory are written when the disk is back.
        missing: u64,
    },
}

/// Which events to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Only those of one incident.
    pub incident: Option<IncidentId>,
    /// Only those after this number; `Seq(0)` for all.
    pub after: Seq,
    /// At most so many.
    pub limit: usize,
}

impl Wanted {
    /// All events of one incident.
    #[must_use]
    pub const fn incident(id: IncidentId) -> Self {
        Self { incident: Some(id), after: Seq(0), limit: usize::MAX }
    }
}

/// Why a body was not erased.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// There is no such event.
    #[error("there is no event {seq} in the journal; nothing was erased")]
    NoSuchEvent {
        /// The number.
        seq: Seq,
    },
    /// The event is one that the chain's own account rests on.
    #[error("event {seq} is of the kind {kind}, which the chain's own account rests on; nothing was erased")]
    Needed {
        /// The number.
        seq: Seq,
        /// Its kind.
        kind: String,
    },
    /// The disk did not take it.
    #[error(
        "the disk did not take the erasure ({why}); the content is still there; try again when the journal keeps events"
    )]
    NotKept {
        /// Why.
        why: String,
    },
}

/// The journal. Clones share it; it closes when the last is gone.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    artifacts: Artifacts,
    ended_in_order: Option<bool>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        close(&self.shared);
    }
}

fn close(shared: &Shared) {
    let mut queue = shared.queue();
    queue.closing = true;
    let writes = queue.has_writer;
    drop(queue);
    shared.bell.notify_all();
    if !writes {
        shared.ended.send_replace(true);
        shared.publish([]);
    }
}

impl Journal {
    /// Opens the journal in a directory, which is made if need be, and takes its lock.
    ///
    /// # Errors
    /// Where it cannot be written by this process; nothing was changed then.
    pub fn open(dir: &Path, clock: fn() -> Timestamp) -> Result<Self, OpenError> {
        Self::open_with(dir, clock, Limits::default())
    }

    /// [`Journal::open`] with other bounds.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(dir: &Path, clock: fn() -> Timestamp, limits: Limits) -> Result<Self, OpenError> {
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
        made.map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
        let (store, standing) = Store::open(dir)?;
        let artifacts = Artifacts::open(dir, limits);
        let shared =
            Arc::new(Shared::new(dir.to_owned(), clock, limits, standing.tip, standing.newest_incident));
        let for_writer = Arc::clone(&shared);
        let started = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || writer::run(&for_writer, store));
        started.map_err(|source| OpenError::Directory { path: dir.to_owned(), source })?;
        let ended_in_order = standing.ended_in_order;
        Ok(Self { handle: Arc::new(Handle { shared, artifacts, ended_in_order }) })
    }

    /// A journal in memory only, for a server whose journal could not be opened: everything goes on, events are shown live and held
    /// up to the bound, [`Journal::keeping`] says that nothing is kept. It stays so until the server is started again.
    #[must_use]
    pub fn open_degraded(dir: &Path, clock: fn() -> Timestamp, why: &OpenError) -> Self {
        Self::degraded_with(dir, clock, why, Limits::default())
    }

    /// [`Journal::open_degraded`] with other bounds.
    #[must_use]
    pub fn degraded_with(dir: &Path, clock: fn() -> Timestamp, why: &OpenError, limits: Limits) -> Self {
        let shared = Arc::new(Shared::new(dir.to_owned(), clock, limits, Head::EMPTY, 0));
        {
            let mut queue = shared.queue();
            queue.has_writer = false;
            queue.give_up(&why.to_string(), clock());
        }
        let artifacts = Artifacts::open(dir, limits);
        Self { handle: Arc::new(Handle { shared, artifacts, ended_in_order: None }) }
    }

    /// Appends an event and waits until it is durable, at most [`Limits::append_deadline`]; not at all while the disk is known
    /// not to answer. It is in line once this was polled, so dropping the future does not take it back.
    pub async fn append(&self, incident: Option<IncidentId>, actor: Actor, body: EventBody) -> Kept {
        let place = incident.map_or(Place::Loose, Place::In);
        self.put(Draft::new(actor, body), place).await
    }

    /// Opens an incident: gives it the next number and appends its first event.
    pub async fn open_incident(&self, target: &str, reason: &str, actor: Actor) -> (IncidentId, Kept) {
        let body = EventBody::IncidentOpened { target: target.to_owned(), reason: reason.to_owned() };
        let kept = self.put(Draft::new(actor, body), Place::New).await;
        (kept.event().incident.unwrap_or(IncidentId(0)), kept)
    }

    async fn put(&self, draft: Draft, place: Place) -> Kept {
        let shared = &self.handle.shared;
        let taken = {
            let mut queue = shared.queue();
            queue.take(draft, place, (shared.clock)())
        };
        let (event, mut answer) = match taken {
            Taken::NotKept(entry, why) => {
                shared.publish_unkept([&entry]);
                return Kept::NotKept { event: (*entry.event).clone(), why };
            }
            Taken::Waits(event, answer) => (event, answer),
        };
        shared.bell.notify_all();
        let answered = match timeout(shared.limits.append_deadline, &mut answer).await {
            Ok(answered) => answered,
            Err(_elapsed) => {
                if shared.queue().holds(event.seq) {
                    let why = format!("the disk did not answer in {:?}", shared.limits.append_deadline);
                    tracing::error!(%why, "the journal cannot be written; holding events in memory");
                    shared.give_up(&why);
                }
                // It was answered just now, by the writer or by the line above.
                answer.await
            }
        };
        let event = (*event).clone();
        match answered {
            Ok(Ok(())) => Kept::Durable(event),
            Ok(Err(why)) => Kept::NotKept { event, why },
            Err(_dropped) => Kept::NotKept { event, why: "the journal has closed".to_owned() },
        }
    }

    /// Shows something to all subscribers that is not an event, such as text as it streams. It has no id and is not kept.
    pub fn live(&self, incident: Option<IncidentId>, json: Bytes) {
        self.handle.shared.publish([Frame::live(incident, json)]);
    }

    /// Everything from now on.
    #[must_use]
    pub fn subscribe(&self) -> Tail {
        Tail::live(Arc::clone(&self.handle.shared))
    }

    /// What came after a number (a client's `Last-Event-ID`, or `Seq(0)` for all), and then live, without a hole or a repetition.
    /// A number that this journal has not reached comes from another one, and gets everything.
    #[must_use]
    pub fn attach(&self, incident: Option<IncidentId>, after: Seq) -> Tail {
        Tail::after(Arc::clone(&self.handle.shared), incident, after)
    }

    /// Events, oldest first; those that the disk did not take yet stand last. Where the disk does not answer, what is in memory.
    pub async fn replay(&self, wanted: Wanted) -> Vec<Event> {
        let mut all = Vec::new();
        self.pages(wanted, |page| all.extend(page)).await;
        all
    }

    /// An incident as it stands, folded page by page, so that a long one is never in memory as a whole list of events.
    pub async fn view(&self, id: IncidentId) -> View {
        let mut view = View::default();
        self.pages(Wanted::incident(id), |page| page.iter().for_each(|event| view.apply(event))).await;
        view
    }

    async fn pages(&self, wanted: Wanted, mut take: impl FnMut(Vec<Event>)) {
        let (mut after, mut left) = (wanted.after, wanted.limit);
        while left > 0 {
            let size = left.min(PAGE);
            let frames = self.replay_frames(Wanted { incident: wanted.incident, after, limit: size }).await;
            let newest =
                frames.last().and_then(|frame| frame.seq.or_else(|| frame.event().map(|event| event.seq)));
            let last_page = frames.len() < size;
            left -= size;
            take(events(&frames));
            match newest {
                Some(newest) if !last_page => after = newest,
                _ => break,
            }
            // Parsing is work: let others on this thread have their turn between pages.
            tokio::task::yield_now().await;
        }
    }

    /// [`Journal::replay`] as stored JSON, without parsing it.
    pub async fn replay_frames(&self, wanted: Wanted) -> Vec<Frame> {
        self.handle.shared.frames(wanted.incident, wanted.after, wanted.limit).await
    }

    /// All events of an incident.
    pub async fn incident(&self, id: IncidentId) -> Vec<Event> {
        self.replay(Wanted::incident(id)).await
    }

    /// The newest events, oldest first.
    pub async fn tail(&self, count: usize) -> Vec<Event> {
        let shared = &self.handle.shared;
        let held = shared.queue().held(None, Seq(0));
        let read = shared.readers.read(move |connection| tail(connection, count)).await;
        let mut newest = read.unwrap_or_else(|why| {
            shared.note_read_trouble(why);
            shared
                .ring()
                .history(None, Seq(0))
                .filter_map(Frame::event)
                .map(|event| (*event).clone())
                .collect()
        });
        let last = newest.last().map_or(Seq(0), |event| event.seq);
        newest.extend(held.iter().filter(|entry| entry.event.seq > last).map(|entry| (*entry.event).clone()));
        newest.split_off(newest.len().saturating_sub(count))
    }

    /// All incidents, newest first, those in memory included.
    pub async fn incidents(&self) -> Vec<IncidentSummary> {
        let shared = &self.handle.shared;
        let held: Vec<Event> =
            shared.queue().held(None, Seq(0)).iter().map(|entry| (*entry.event).clone()).collect();
        let mut list = match shared.readers.read(incidents).await {
            Ok(list) => list,
            Err(why) => {
                shared.note_read_trouble(why);
                Vec::new()
            }
        };
        for event in held {
            let Some(id) = event.incident else { continue };
            match (list.iter_mut().find(|known| known.id == id), &event.body) {
                (Some(known), EventBody::IncidentClosed { reason, .. }) => {
                    known.closed = Some((event.at, reason.clone()));
                    known.last = event.seq;
                }
                (Some(known), _) => known.last = event.seq,
                (None, EventBody::IncidentOpened { .. }) => {
                    list.splice(0..0, summarise(&[event], &BTreeMap::new()));
                }
                (None, _) => {}
            }
        }
        list
    }

    /// Where the chain stands on the disk. Print it, keep it elsewhere: only against it a cut tail is noticed.
    #[must_use]
    pub fn head(&self) -> Head {
        *self.handle.shared.head()
    }

    /// Whether the journal keeps what happens.
    #[must_use]
    pub fn keeping(&self) -> Keeping {
        let shared = &self.handle.shared;
        let trouble = shared.queue().trouble.clone();
        match (trouble, shared.read_trouble().clone()) {
            (Some(trouble), _) => {
                Keeping::NotKeeping { since: trouble.since, why: trouble.why, missing: trouble.unkept }
            }
            (None, Some((since, why))) => Keeping::NotKeeping { since, why, missing: 0 },
            (None, None) => Keeping::Ok,
        }
    }

    /// Whether the run of the server before this one said good-bye; `None` where there was none, or it cannot be read.
    #[must_use]
    pub fn ended_in_order(&self) -> Option<bool> {
        self.handle.ended_in_order
    }

    /// Takes the body of an event out of the journal and appends an event that says so.
    ///
    /// Artifacts that the body named stay; they are found by nobody who does not know their digest.
    ///
    /// # Errors
    /// Where there is no such event, or the disk does not take it.
    pub async fn erase(&self, seq: Seq, why: &str, actor: Actor) -> Result<Event, EraseError> {
        let shared = &self.handle.shared;
        let number = signed(seq.0);
        let look = move |connection: &rusqlite::Connection| {
            use rusqlite::OptionalExtension as _;
            let of = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<i64>>(1)?));
            connection.query_row("SELECT kind, incident FROM events WHERE seq = ?1", [number], of).optional()
        };
        let found = shared.readers.read(look).await.map_err(|why| EraseError::NotKept { why })?;
        let (kind, incident) = found.ok_or(EraseError::NoSuchEvent { seq })?;
        if kind == "gap" || kind == "erased" {
            return Err(EraseError::Needed { seq, kind });
        }
        let mut draft = Draft::new(actor, EventBody::Erased { which: seq, was: kind, why: why.to_owned() });
        draft.erases = Some(seq);
        let place = incident.map_or(Place::Loose, |id| Place::In(IncidentId(id.unsigned_abs())));
        match self.put(draft, place).await {
            Kept::Durable(event) => Ok(event),
            Kept::NotKept { why, .. } => Err(EraseError::NotKept { why }),
        }
    }

    /// Keeps something large beside the journal, named by its content. The same bytes are kept once.
    ///
    /// # Errors
    /// Where it is too large, the limit is reached, or the disk does not take it in time.
    pub async fn put_artifact(
        &self,
        name: &str,
        media: &str,
        bytes: impl Into<Bytes>,
    ) -> Result<ArtifactRef, ArtifactError> {
        let bytes = bytes.into();
        let size = bytes.len() as u64;
        let digest = self.handle.artifacts.put(bytes).await?;
        Ok(ArtifactRef {
            sha256: digest.to_string(),
            name: name.to_owned(),
            media: media.to_owned(),
            bytes: size,
        })
    }

    /// The bytes of an artifact, checked against their digest.
    ///
    /// # Errors
    /// Where there is no such artifact, or its bytes are not what they were.
    pub async fn artifact(&self, sha256: &str) -> Result<Vec<u8>, ArtifactError> {
        self.handle.artifacts.read(sha256).await
    }

    /// Writes what waits, ends the writer and gives back the lock, waiting at most `patience` for the disk. Says whether it
    /// ended in time. Appends after this are not kept.
    pub async fn close(&self, patience: Duration) -> bool {
        let shared = &self.handle.shared;
        close(shared);
        let mut ended = shared.ended.subscribe();
        let closed =
            timeout(patience, ended.wait_for(|ended| *ended)).await.is_ok_and(|waited| waited.is_ok());
        shared.give_up("the journal has closed");
        closed
    }
}
