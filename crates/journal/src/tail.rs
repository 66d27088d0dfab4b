//! A subscription: first what is in the database, then what happens, without a hole between the two.

use crate::Frame;
use crate::ring::Next;
use crate::shared::{Shared, unkept_frame};
use breakglass_incident::{IncidentId, Seq};
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// How many frames are read from the database at a time: what a subscriber that is behind costs in memory.
const PAGE: usize = 512;

/// Frames as they come. Durable events come once and in order; a subscriber that is too slow for the ring is served from the database until it
/// has caught up, and loses only live text, which comes again as an event when it is whole. Should the disk not even answer a read,
/// it goes on with what memory has, and [`crate::Journal::keeping`] says so. An event that was shown as not kept
/// comes a second time, with its id, once the disk has taken it.
pub struct Tail {
    shared: Arc<Shared>,
    wake: watch::Receiver<u64>,
    incident: Option<IncidentId>,
    /// The newest durable event that was given out or was there before.
    last: Seq,
    /// The next place in the ring.
    place: u64,
    /// Before this place, frames without id are history and not shown.
    live_from: u64,
    backlog: VecDeque<Frame>,
    catching_up: bool,
}

impl Tail {
    /// From now on.
    pub(crate) fn live(shared: Arc<Shared>) -> Self {
        let wake = shared.published.subscribe();
        // The place first: an event that is durable and not yet shown in between counts as history, never as lost.
        let place = shared.ring().end();
        let last = Seq(shared.head().seq);
        Self {
            shared,
            wake,
            incident: None,
            last,
            place,
            live_from: place,
            backlog: VecDeque::new(),
            catching_up: false,
        }
    }

    /// What came after a number, and then live.
    pub(crate) fn after(shared: Arc<Shared>, incident: Option<IncidentId>, after: Seq) -> Self {
        let wake = shared.published.subscribe();
        // A number that was never given comes from another journal (this one was moved aside and begun anew, say). Waiting for it to
        // come round would lose everything until then.
        let after = if shared.queue().has_given(after) { after } else { Seq(0) };
        let mut backlog = VecDeque::new();
        let (place, catching_up) = {
            let ring = shared.ring();
            let covered = ring.covers(after);
            if covered {
                backlog.extend(ring.history(incident, after).cloned());
            }
            (ring.end(), !covered)
        };
        if !catching_up {
            backlog.extend(shared.queue().held(incident, after).iter().map(unkept_frame));
        }
        Self { shared, wake, incident, last: after, place, live_from: place, backlog, catching_up }
    }

    /// The next frame; waits for it. `None` when the journal has closed and everything was given out.
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready() {
                return Some(frame);
            }
            if self.catching_up {
                self.read_page().await;
                continue;
            }
            if *self.shared.ended.borrow() {
                return self.ready();
            }
            self.wake.changed().await.ok()?;
        }
    }

    /// The next frame where one is there already; `None` where it has to be waited for. Never reads the disk.
    pub fn ready(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.backlog.pop_front() {
                if self.backlog.is_empty() {
                    // A thousand subscribers that were behind once should not hold a thousand empty pages.
                    self.backlog = VecDeque::new();
                }
                self.last = frame.seq.unwrap_or(self.last);
                return Some(frame);
            }
            if self.catching_up {
                return None;
            }
            // What comes after this look wakes the sleeper; what came before it is seen by it.
            self.wake.borrow_and_update();
            let next = self.shared.ring().at(self.place);
            match next {
                Next::UpToDate => return None,
                Next::Behind => self.fall_back(),
                Next::Frame(frame) => {
                    let place = self.place;
                    self.place += 1;
                    match frame.seq {
                        Some(seq) if seq <= self.last => continue,
                        None if place < self.live_from => continue,
                        _ => {}
                    }
                    self.last = frame.seq.unwrap_or(self.last);
                    if self.incident.is_none() || frame.incident == self.incident {
                        return Some(frame);
                    }
                }
            }
        }
    }

    /// The ring has moved on: what it does not hold any more is in the database, what comes from here on is in the ring.
    fn fall_back(&mut self) {
        self.catching_up = true;
        let ring = self.shared.ring();
        self.place = ring.first();
        self.live_from = ring.end();
    }

    async fn read_page(&mut self) {
        let frames = self.shared.frames(self.incident, self.last, PAGE).await;
        self.catching_up = frames.len() >= PAGE;
        self.backlog.extend(frames);
    }
}
