//! The handle that the server holds.

use crate::archive::{events, incidents, summarise, tail};
use crate::artifacts::Artifacts;
use crate::encode::Draft;
use crate::queue::{Place, Taken};
use crate::shared::Shared;
use crate::store::signed;
use crate::{ArtifactError, EraseError, Frame, Head, IncidentSummary, Keeping, Kept, Tail, Wanted};
use breakglass_chain::Hash;
use breakglass_incident::{Actor, ArtifactRef, Event, EventBody, IncidentId, Seq, View};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How many events are read and parsed at a time.
const PAGE: usize = 256;

/// The journal. Clones share it; it closes when the last is gone.
#[derive(Clone)]
pub struct Journal {
    pub(crate) handle: Arc<Handle>,
}

pub(crate) struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) artifacts: Artifacts,
    pub(crate) ended_in_order: Option<bool>,
    /// Up to which line each spool has been put in line for the disk.
    pub(crate) intake: tokio::sync::Mutex<BTreeMap<Hash, u64>>,
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
        let read = shared.read(move |connection| tail(connection, count)).await;
        let mut newest = read.unwrap_or_else(|_noted| {
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
        let mut list = shared.read(incidents).await.unwrap_or_default();
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

    /// The newest number that was given to an event, durable or held in memory: what a page that is made now has seen.
    #[must_use]
    pub fn newest(&self) -> Seq {
        self.handle.shared.queue().newest()
    }

    /// The first number that was given since this process opened the journal: what is before it is of earlier runs.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.handle.shared.queue().first()
    }

    /// The number after which the newest `count` durable events of earlier runs come. Numbers may have holes, so it is asked
    /// and not computed; where the disk does not answer, 0.
    pub async fn before_newest(&self, count: u64) -> Seq {
        let (shared, first) = (&self.handle.shared, self.first());
        let look = move |connection: &rusqlite::Connection| {
            use rusqlite::OptionalExtension as _;
            let sql = "SELECT seq FROM events WHERE seq < ?1 ORDER BY seq DESC LIMIT 1 OFFSET ?2";
            let of = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
            connection.query_row(sql, [signed(first.0), signed(count)], of).optional()
        };
        let found = shared.readers.read(look).await;
        Seq(found.ok().flatten().map_or(0, i64::unsigned_abs))
    }

    /// What was set aside because it was damaged, and where it lies, in a sentence fragment.
    #[must_use]
    pub fn set_aside(&self) -> Option<String> {
        self.handle.shared.aside()
    }

    /// Whether the database is open, so that what earlier runs left can be read and what happens now is written.
    #[must_use]
    pub fn is_open(&self) -> bool {
        *self.handle.shared.opened.borrow()
    }

    /// Waits until the database is open: at once where it is.
    pub async fn opened(&self) {
        let mut opened = self.handle.shared.opened.subscribe();
        if opened.wait_for(|opened| *opened).await.is_err() {
            std::future::pending::<()>().await;
        }
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
