//! What the handles, the writer and the subscribers share.

use crate::encode::Entry;
use crate::queue::{DoesNotFollow, Queue};
use crate::readers::Readers;
use crate::ring::Ring;
use crate::store::Standing;
use crate::{Frame, Limits};
use breakglass_chain::Tip;
use breakglass_incident::{IncidentId, Seq};
use breakglass_protocol::Timestamp;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

pub(crate) struct Shared {
    pub(crate) clock: fn() -> Timestamp,
    pub(crate) limits: Limits,
    pub(crate) readers: Arc<Readers>,
    /// Rung when something was put in line or the journal closes.
    pub(crate) bell: Condvar,
    /// Counts publications; subscribers sleep on it.
    pub(crate) published: watch::Sender<u64>,
    /// Becomes true when the writer has ended.
    pub(crate) ended: watch::Sender<bool>,
    queue: Mutex<Queue>,
    ring: Mutex<Ring>,
    head: Mutex<Tip>,
    read_trouble: Mutex<Option<(Timestamp, String)>>,
    /// Becomes true when the database is open.
    pub(crate) opened: watch::Sender<bool>,
    /// What was set aside, in a sentence fragment.
    aside: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn new(dir: PathBuf, clock: fn() -> Timestamp, limits: Limits) -> Self {
        Self {
            readers: Arc::new(Readers::new(dir, limits.read_deadline)),
            clock,
            limits,
            bell: Condvar::new(),
            published: watch::Sender::new(0),
            ended: watch::Sender::new(false),
            queue: Mutex::new(Queue::new(limits.queue)),
            ring: Mutex::new(Ring::new(limits.ring_frames, limits.ring_bytes, Seq(0))),
            head: Mutex::new(Tip::EMPTY),
            read_trouble: Mutex::new(None),
            opened: watch::Sender::new(false),
            aside: Mutex::new(None),
        }
    }

    /// The database is open and says where the chain stands.
    pub(crate) fn stand(&self, standing: &Standing) -> Result<(), DoesNotFollow> {
        let mut queue = self.queue();
        queue.stand(standing, (self.clock)())?;
        self.ring().incomplete_before(Seq(queue.first().0.saturating_sub(1)));
        drop(queue);
        self.stands(standing);
        Ok(())
    }

    /// Another database was begun in the place of a damaged one.
    pub(crate) fn stand_anew(&self, standing: &Standing) -> Result<(), DoesNotFollow> {
        self.queue().stand_anew(standing, (self.clock)())?;
        self.stands(standing);
        Ok(())
    }

    fn stands(&self, standing: &Standing) {
        *self.head() = standing.tip;
        // What was opened before this sees another database, or this one as it was.
        self.readers.forget();
        if let Some(aside) = &standing.aside {
            tracing::error!(%aside, "the journal begins anew");
            *self.aside.lock().unwrap_or_else(PoisonError::into_inner) = Some(aside.clone());
        }
        self.opened.send_replace(true);
    }

    /// The database cannot be opened: numbers begin behind what could be read of it, or far above whatever it may hold.
    /// Gives false where numbers have begun, because it was opened just now.
    pub(crate) fn begin_without(&self, peeked: Option<&Standing>) -> bool {
        let mut queue = self.queue();
        match peeked {
            _ if queue.has_begun() => return false,
            Some(standing) => {
                let remembered = standing.remembered.map_or(0, |remembered| remembered.head.seq);
                // Where the end was cut off, one number is left free for the gap that says so.
                let newest = if remembered > standing.tip.seq { remembered + 1 } else { standing.tip.seq };
                queue.begin(Seq(newest), standing.newest_incident);
                *self.head() = standing.tip;
            }
            None => queue.begin_unread((self.clock)()),
        }
        self.ring().incomplete_before(queue.newest());
        true
    }

    pub(crate) fn aside(&self) -> Option<String> {
        self.aside.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn head(&self) -> MutexGuard<'_, Tip> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read_trouble(&self) -> MutexGuard<'_, Option<(Timestamp, String)>> {
        self.read_trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows frames to all subscribers, in this order.
    pub(crate) fn publish(&self, frames: impl IntoIterator<Item = Frame>) {
        {
            let mut ring = self.ring();
            for frame in frames {
                ring.push(frame);
            }
        }
        self.published.send_modify(|count| *count = count.wrapping_add(1));
    }

    pub(crate) fn publish_unkept<'a>(&self, entries: impl IntoIterator<Item = &'a Arc<Entry>>) {
        self.publish(entries.into_iter().map(unkept_frame));
    }

    /// The disk refused or does not answer: everyone who waits is told and the live tail shows what is not kept.
    pub(crate) fn give_up(&self, why: &str) {
        let unshown = self.queue().give_up(why, (self.clock)());
        if !unshown.is_empty() {
            self.publish_unkept(&unshown);
        }
    }

    /// Frames after a number: from the database, and behind them what is held in memory because the disk does not take it. Where
    /// the disk does not even answer a read, what the ring still has.
    pub(crate) async fn frames(&self, incident: Option<IncidentId>, after: Seq, limit: usize) -> Vec<Frame> {
        // Before the read: what is committed between the two is found in both, never in none.
        let held = self.queue().held(incident, after);
        let read =
            self.read(move |connection| crate::archive::frames(connection, incident, after, limit)).await;
        let mut frames =
            read.unwrap_or_else(|_noted| self.ring().history(incident, after).take(limit).cloned().collect());
        if frames.len() < limit {
            let newest = frames.last().and_then(|frame| frame.seq).unwrap_or(after);
            let room = limit - frames.len();
            frames.extend(held.iter().filter(|e| e.event.seq > newest).take(room).map(unkept_frame));
        }
        frames
    }

    /// Reads, and keeps in mind whether that could be done.
    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: FnOnce(&rusqlite::Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let read = self.readers.read(work).await;
        match &read {
            Ok(_) => *self.read_trouble() = None,
            Err(why) => self.note_read_trouble(why.clone()),
        }
        read
    }

    fn note_read_trouble(&self, why: String) {
        let at = (self.clock)();
        let mut trouble = self.read_trouble();
        if trouble.is_none() {
            tracing::error!(%why, "the journal cannot be read; answering from memory");
            *trouble = Some((at, why));
        }
    }
}

pub(crate) fn unkept_frame(entry: &Arc<Entry>) -> Frame {
    Frame::event_frame(None, entry.event.incident, entry.json(false), Arc::clone(&entry.event))
}
