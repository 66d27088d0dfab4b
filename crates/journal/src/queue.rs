//! What waits for the disk, in order. This is where an event gets its number; see the crate's words on numbers.

use crate::encode::{Draft, Entry};
use crate::store::{FIRST_INCIDENT_UNREAD, Standing};
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

/// Why the numbers that were given so far do not follow the chain that was found at last.
#[derive(Debug, thiserror::Error)]
#[error(
    "the journal could be read at last and ends with event {found}, and this server began to count at {first}: what is held in \
     memory cannot follow it; note what happened, then start the server again"
)]
pub(crate) struct DoesNotFollow {
    found: u64,
    first: u64,
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

/// An event that happened earlier, and when.
pub(crate) struct Late {
    pub(crate) draft: Draft,
    pub(crate) place: Place,
    pub(crate) at: Timestamp,
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
    /// The first number that this queue gave; 0 until it is known where to begin.
    first: u64,
    /// Whether the gap that stands before everything else has been put in line and not been written yet.
    leads: bool,
    most: usize,
    waiting: VecDeque<Waiting>,
    dropped: Option<Dropped>,
    pub(crate) trouble: Option<Trouble>,
    pub(crate) closing: bool,
    /// False where the database could not be opened: then nothing ever takes what waits.
    pub(crate) has_writer: bool,
}

impl Queue {
    /// A queue that does not know yet with which number to begin.
    pub(crate) const fn new(most: usize) -> Self {
        Self {
            next_seq: 0,
            next_incident: 0,
            first: 0,
            leads: false,
            most,
            waiting: VecDeque::new(),
            dropped: None,
            trouble: None,
            closing: false,
            has_writer: true,
        }
    }

    /// Where numbers begin is known: the chain was read, or is empty.
    pub(crate) const fn begin(&mut self, newest: Seq, newest_incident: u64) {
        self.first = newest.0 + 1;
        self.next_seq = self.first;
        self.next_incident = newest_incident + 1;
    }

    /// Where the chain stands cannot be read: numbers begin far above any that it can have come to, with the milliseconds since
    /// 1970 (the journal would have to take a thousand events each second, for ever).
    pub(crate) fn begin_unread(&mut self, at: Timestamp) {
        let millis = u64::try_from(at.unix_millis()).unwrap_or(0).max(1000 * FIRST_INCIDENT_UNREAD);
        self.begin(Seq(millis), millis / 1000);
    }

    pub(crate) const fn has_begun(&self) -> bool {
        self.first > 0
    }

    /// The first number that this queue gave.
    pub(crate) const fn first(&self) -> Seq {
        Seq(self.first)
    }

    /// The newest number that this queue gave, or the newest of the chain before it.
    pub(crate) const fn newest(&self) -> Seq {
        Seq(self.next_seq.saturating_sub(1))
    }

    /// The database was opened. Where it does not end right before the first number of this queue, a gap is put before
    /// everything that waits, and says why.
    pub(crate) fn stand(&mut self, standing: &Standing, at: Timestamp) -> Result<(), DoesNotFollow> {
        let tip = standing.tip.seq;
        let remembered = standing.remembered.map_or(tip, |remembered| remembered.head.seq.max(tip));
        let is_aside = standing.aside.is_some() || standing.remembered.is_some_and(|it| it.aside && tip == 0);
        let missing = if is_aside { 0 } else { remembered - tip };
        if !self.has_begun() {
            self.begin(Seq(remembered), standing.newest_incident);
            if remembered == tip && !is_aside {
                return Ok(());
            }
            self.next_seq += 1;
            let why = self.trouble.as_ref().map(|trouble| trouble.why.clone());
            self.lead(Seq(remembered + 1), tip, missing, standing, why, at);
            return Ok(());
        }
        if remembered + 1 == self.first && tip == remembered && !is_aside {
            if self.waiting.is_empty() {
                // What was not kept before this was nothing; that it could not have been is told.
                let _nobody_waits = self.committed(0, at);
            }
            return Ok(());
        }
        let place = self.first.saturating_sub(1);
        if place <= remembered && !(is_aside && place > 0) {
            return Err(DoesNotFollow { found: remembered, first: self.first });
        }
        self.next_incident = standing.newest_incident + 1;
        let why = self.trouble.as_ref().map(|trouble| trouble.why.clone());
        self.lead(Seq(place), tip, missing, standing, why, at);
        Ok(())
    }

    /// As [`Self::stand`], after another database was begun while this one was written: what waits comes first in it.
    pub(crate) fn stand_anew(&mut self, standing: &Standing, at: Timestamp) -> Result<(), DoesNotFollow> {
        self.first = self.waiting.front().map_or(self.next_seq, |waiting| waiting.entry.event.seq.0);
        let newest_incident = self.next_incident.saturating_sub(1);
        self.stand(&Standing { newest_incident, ..standing.clone() }, at)
    }

    fn lead(
        &mut self,
        place: Seq,
        tip: u64,
        missing: u64,
        standing: &Standing,
        why: Option<String>,
        at: Timestamp,
    ) {
        let hole = place.0.saturating_sub(1).saturating_sub(tip);
        let cut = format!(
            "the journal ended with event {tip}, and more were remembered: its end was cut off, or its log damaged"
        );
        let reason = match (&standing.aside, why) {
            (Some(aside), _) => aside.clone(),
            (None, Some(why)) if missing == 0 => {
                format!("it could not be read when the server started ({why})")
            }
            (None, _) => cut,
        };
        let from = self.trouble.as_ref().map_or(at, |trouble| trouble.since);
        let skipped = hole.saturating_sub(missing);
        let body = EventBody::Gap { missing, skipped, from, until: at, reason };
        let entry = Draft::new(Actor::Server, body).place(place, None, at);
        self.waiting.push_front(Waiting { entry: Arc::new(entry), reply: None, given_up: false });
        self.leads = true;
    }

    /// Gives a draft its number and puts it in line.
    pub(crate) fn take(&mut self, draft: Draft, place: Place, at: Timestamp) -> Taken {
        let (seq, incident) = self.number(place);
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

    /// Puts what a spool tells in line, all of it or nothing: nothing while the disk does not take events, so that no line waits
    /// without its place in the chain being certain. `drafts` gets the first number and the first incident number that are free.
    pub(crate) fn take_late(
        &mut self,
        count: usize,
        drafts: impl FnOnce(Seq, IncidentId) -> Vec<Late>,
    ) -> Option<(Vec<Event>, oneshot::Receiver<Answer>)> {
        let is_sound = self.trouble.is_none() && self.dropped.is_none() && !self.closing;
        if !is_sound || self.waiting.len() + count > self.most {
            return None;
        }
        let (reply, answer) = oneshot::channel();
        let mut events = Vec::with_capacity(count);
        for Late { draft, place, at } in drafts(Seq(self.next_seq), IncidentId(self.next_incident)) {
            let (seq, incident) = self.number(place);
            let entry = Arc::new(draft.place(seq, incident, at));
            events.push((*entry.event).clone());
            self.waiting.push_back(Waiting { entry, reply: None, given_up: false });
        }
        if let Some(last) = self.waiting.back_mut() {
            last.reply = Some(reply);
        }
        Some((events, answer))
    }

    fn number(&mut self, place: Place) -> (Seq, Option<IncidentId>) {
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
        (seq, incident)
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
        // The gap that stands before everything has told of the trouble.
        let told_already = std::mem::take(&mut self.leads) && dropped.is_none();
        if !told_already && (trouble.is_some() || dropped.is_some()) {
            let (since, why) =
                trouble.map_or((at, "unknown".to_owned()), |trouble| (trouble.since, trouble.why));
            let missing = dropped.as_ref().map_or(0, |dropped| dropped.count);
            let from = dropped.map_or(since, |dropped| dropped.since.min(since));
            let body = EventBody::Gap { missing, skipped: 0, from, until: at, reason: why };
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
