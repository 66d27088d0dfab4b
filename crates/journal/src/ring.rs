//! The newest frames in memory, shared by all subscribers. Bounded; whoever falls out of it reads the database.

use crate::Frame;
use breakglass_incident::{IncidentId, Seq};
use std::collections::VecDeque;

pub(crate) struct Ring {
    frames: VecDeque<Frame>,
    /// Place of the oldest frame that is held. Places count all frames there ever were.
    first: u64,
    bytes: usize,
    most_frames: usize,
    most_bytes: usize,
    /// Everything durable above this number is held here, or was never published.
    complete_after: Seq,
}

pub(crate) enum Next {
    /// The frame at the asked place.
    Frame(Frame),
    /// The reader is up to date.
    UpToDate,
    /// The frame at the asked place is not held any more.
    Behind,
}

impl Ring {
    pub(crate) const fn new(most_frames: usize, most_bytes: usize, complete_after: Seq) -> Self {
        Self { frames: VecDeque::new(), first: 0, bytes: 0, most_frames, most_bytes, complete_after }
    }

    pub(crate) fn push(&mut self, frame: Frame) {
        self.bytes += frame.json.len();
        self.frames.push_back(frame);
        // The newest stays, however large it is.
        while self.frames.len() > 1 && (self.frames.len() > self.most_frames || self.bytes > self.most_bytes)
        {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(frame) = self.frames.pop_front() {
            self.first += 1;
            self.bytes -= frame.json.len();
            self.complete_after = frame.seq.unwrap_or(self.complete_after);
        }
    }

    /// Forgets everything that is held, so that what was erased is served from nowhere.
    pub(crate) fn forget(&mut self) {
        while !self.frames.is_empty() {
            self.drop_oldest();
        }
    }

    /// What was durable up to this number was never published here.
    pub(crate) fn incomplete_before(&mut self, newest: Seq) {
        self.complete_after = self.complete_after.max(newest);
    }

    /// The place that the next frame will have.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    pub(crate) const fn first(&self) -> u64 {
        self.first
    }

    /// Whether every durable event after `seq` is held.
    pub(crate) fn covers(&self, seq: Seq) -> bool {
        seq >= self.complete_after
    }

    pub(crate) fn at(&self, place: u64) -> Next {
        let Some(offset) = place.checked_sub(self.first) else { return Next::Behind };
        let frame = usize::try_from(offset).ok().and_then(|offset| self.frames.get(offset));
        frame.map_or(Next::UpToDate, |frame| Next::Frame(frame.clone()))
    }

    /// The durable events after a number that are held, oldest first.
    pub(crate) fn history(&self, incident: Option<IncidentId>, after: Seq) -> impl Iterator<Item = &Frame> {
        let wanted = move |frame: &&Frame| {
            frame.seq.is_some_and(|seq| seq > after) && (incident.is_none() || frame.incident == incident)
        };
        self.frames.iter().filter(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    #[test]
    fn stays_within_its_bounds_and_knows_what_it_lost() {
        let mut ring = Ring::new(3, 10, Seq(0));
        assert!(ring.covers(Seq(0)));
        for n in 1..=5 {
            ring.push(Frame::stored(Seq(n), None, Bytes::from_static(b"xx")));
        }
        assert_eq!((ring.first(), ring.end()), (2, 5));
        assert!(ring.covers(Seq(2)) && !ring.covers(Seq(1)));
        assert!(matches!(ring.at(1), Next::Behind));
        assert!(matches!(ring.at(2), Next::Frame(frame) if frame.seq == Some(Seq(3))));
        assert!(matches!(ring.at(5), Next::UpToDate));
        ring.push(Frame::live(None, Bytes::from_static(b"a very large frame")));
        assert_eq!((ring.first(), ring.end()), (5, 6));
        ring.forget();
        assert!(ring.covers(Seq(5)) && !ring.covers(Seq(4)));
        assert!(matches!(ring.at(5), Next::Behind));
    }
}
