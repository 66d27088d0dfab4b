//! What waits for the disk, in order. This is where an event gets its number; see the crate's words on numbers.

use crate::encode::{Draft, Entry};
use breakglass_incident::{Actor, Event, EventBody, IncidentId, Seq};
use breakglass_protocol::Timestamp;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::oneshot;

/// What the writer answers: durable, or why not.
pub(crate) type Answer = Result<(), String>;

pub(crate) struct Waiting {
    pub(crate) entry: Arc<Entry>,
    reply: Option<oneshot::Sender<Answer>>,
    /// Whoever asked was told that it is not kept, and the live tail has shown it as that.
    given_up: bool,
}

/// Since when and why the disk does not take events.
#[derive(Debug, Clone)]
pub(crate) struct Trouble {
    pub(crate) since: Timestamp,
    pub(crate) why: String,
    /// Events that were told not to be kept since then, held or dropped.
    pub(crate) unkept: u64,
}

struct Dropped {
    count: u64,
    since: Timestamp,
}

pub(crate) enum Place {
    Loose,
    In(IncidentId),
    New,
}

pub(crate) enum Taken {
    /// It waits for the disk; the answer comes.
    Waits(Arc<Event>, oneshot::Receiver<Answer>),
    /// The disk does not answer: it is held (or was dropped) and nobody waits.
    NotKept(Arc<Entry>, String),
}

pub(crate) struct Queue {
    next_seq: u64,
    next_incident: u64,
    most: usize,
    waiting: VecDeque<Waiting>,
    dropped: Option<Dropped>,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) closing: bool,
    /// False where the database could not be opened: then nothing ever takes what waits.
    pub(crate) has_writer: bool,
}

impl Queue {
    pub(crate) const fn new(newest: Seq, newest_incident: u64, most: usize) -> Self {
        Self {
            next_seq: newest.0 + 1,
            next_incident: newest_incident + 1,
            most,
            waiting: VecDeque::new(),
            dropped: None,
            trouble: None,
            closing: false,
            has_writer: true,
        }
    }

    /// Gives a draft its number and puts it in line.
    pub(crate) fn take(&mut self, draft: Draft, place: Place, at: Timestamp) -> Taken {
        let seq = Seq(self.next_seq);
        self.next_seq += 1;
        let incident = match place {
            Place::Loose => None,
            Place::In(id) => Some(id),
            Place::New => {
                self.next_incident += 1;
                Some(IncidentId(self.next_incident - 1))
            }
        };
        let entry = Arc::new(draft.place(seq, incident, at));
        if self.waiting.len() >= self.most || self.dropped.is_some() {
            self.dropped.get_or_insert(Dropped { count: 0, since: at }).count += 1;
            let full = "more events came than are held in memory until the disk takes them";
            let trouble =
                self.trouble.get_or_insert_with(|| Trouble { since: at, why: full.to_owned(), unkept: 0 });
            trouble.unkept += 1;
            return Taken::NotKept(entry, trouble.why.clone());
        }
        if let Some(trouble) = &mut self.trouble {
            trouble.unkept += 1;
            let why = trouble.why.clone();
            self.waiting.push_back(Waiting { entry: Arc::clone(&entry), reply: None, given_up: true });
            return Taken::NotKept(entry, why);
        }
        let (reply, answer) = oneshot::channel();
        let event = Arc::clone(&entry.event);
        self.waiting.push_back(Waiting { entry, reply: Some(reply), given_up: false });
        Taken::Waits(event, answer)
    }

    pub(crate) fn batch(&self, most: usize) -> Vec<Arc<Entry>> {
        self.waiting.iter().take(most).map(|waiting| Arc::clone(&waiting.entry)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a number has been given to an event, durable or not, in this journal.
    pub(crate) const fn has_given(&self, seq: Seq) -> bool {
        seq.0 < self.next_seq
    }

    /// Whether an event still waits for the disk.
    pub(crate) fn holds(&self, seq: Seq) -> bool {
        self.waiting.front().is_some_and(|first| first.entry.event.seq <= seq)
    }

    /// The first `count` are durable. Gives back whom to tell. Where the disk did not answer before, a `gap` event is put in
    /// line that says so; it stands right after the hole, if there is one, because nothing was taken since the first was dropped.
    pub(crate) fn committed(&mut self, count: usize, at: Timestamp) -> Vec<oneshot::Sender<Answer>> {
        let told =
            self.waiting.drain(..count.min(self.waiting.len())).filter_map(|waiting| waiting.reply).collect();
        let trouble = self.trouble.take();
        let dropped = self.dropped.take();
        if trouble.is_some() || dropped.is_some() {
            let (since, why) =
                trouble.map_or((at, "unknown".to_owned()), |trouble| (trouble.since, trouble.why));
            let missing = dropped.as_ref().map_or(0, |dropped| dropped.count);
            let from = dropped.map_or(since, |dropped| dropped.since.min(since));
            let body = EventBody::Gap { missing, from, until: at, reason: why };
            let entry = Draft::new(Actor::Server, body).place(Seq(self.next_seq), None, at);
            self.next_seq += 1;
            self.waiting.push_back(Waiting { entry: Arc::new(entry), reply: None, given_up: false });
        }
        told
    }

    /// The disk refused or does not answer. Everyone who waits is told; gives back what the live tail has not shown yet.
    pub(crate) fn give_up(&mut self, why: &str, at: Timestamp) -> Vec<Arc<Entry>> {
        let trouble =
            self.trouble.get_or_insert_with(|| Trouble { since: at, why: String::new(), unkept: 0 });
        why.clone_into(&mut trouble.why);
        let mut unshown = Vec::new();
        for waiting in self.waiting.iter_mut().filter(|waiting| !waiting.given_up) {
            waiting.given_up = true;
            trouble.unkept += 1;
            unshown.push(Arc::clone(&waiting.entry));
            if let Some(reply) = waiting.reply.take() {
                // Whoever went away meanwhile needs no answer.
                let _gone = reply.send(Err(why.to_owned()));
            }
        }
        unshown
    }

    /// Events that were shown as not kept and are still held, oldest first.
    pub(crate) fn held(&self, incident: Option<IncidentId>, after: Seq) -> Vec<Arc<Entry>> {
        let wanted = |event: &Event| event.seq > after && (incident.is_none() || event.incident == incident);
        let held = self.waiting.iter().filter(|waiting| waiting.given_up && wanted(&waiting.entry.event));
        held.map(|waiting| Arc::clone(&waiting.entry)).collect()
    }
}
