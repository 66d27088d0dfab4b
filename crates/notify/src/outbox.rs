//! What waits for one receiver, in order, bounded. Pure but for the pauses that the postman takes between tries.
//!
//! Order matters more than speed here: "answers again" must not come before "stopped answering". So the first one is tried
//! until it is taken or given up; one that the receiver keeps answering with a fault of its own steps back behind the others.

use crate::notice::{Letter, Member};
use crate::pace::Pace;
use breakglass_protocol::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// So many wait for one receiver at most.
const LONGEST: usize = 256;
/// After so many answered tries a letter steps back behind those that wait.
const PATIENCE: u32 = 6;

/// A letter on its way to one receiver.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) letter: Letter,
    /// The events that it tells.
    pub(crate) members: Vec<Member>,
    /// It is not tried after this.
    pub(crate) until: Timestamp,
    /// How often it was tried.
    pub(crate) tries: u32,
    answered: u32,
}

impl Job {
    pub(crate) const fn new(letter: Letter, members: Vec<Member>, until: Timestamp) -> Self {
        Self { letter, members, until, tries: 0, answered: 0 }
    }
}

/// The line.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: VecDeque<Job>,
    /// Tries in a row that failed.
    failures: u32,
}

impl Outbox {
    /// Puts a letter at the end; gives it back where the line is too long.
    pub(crate) fn push(&mut self, job: Job) -> Option<Job> {
        if self.is_full() {
            return Some(job);
        }
        self.waiting.push_back(job);
        None
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= LONGEST
    }

    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Those whose time is over.
    pub(crate) fn expired(&mut self, now: Timestamp) -> Vec<Job> {
        let (gone, left) = self.waiting.drain(..).partition(|job| job.until < now);
        self.waiting = left;
        Vec::from(gone)
    }

    /// The one that is tried next.
    pub(crate) fn first(&mut self) -> Option<&mut Job> {
        self.waiting.front_mut()
    }

    /// It was taken, or is given up.
    pub(crate) fn done(&mut self, taken: bool) -> Option<Job> {
        if taken {
            self.failures = 0;
        }
        self.waiting.pop_front()
    }

    /// It was not taken and is tried again. Gives the pause before the next try.
    pub(crate) fn again(&mut self, answered: bool, after: Option<Duration>, pace: &Pace) -> Duration {
        let doubled =
            pace.first_pause.saturating_mul(1_u32.checked_shl(self.failures.min(16)).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        let others = self.waiting.len() > 1;
        if answered && let Some(job) = self.waiting.front_mut() {
            job.answered += 1;
            if others && job.answered.is_multiple_of(PATIENCE) {
                self.waiting.rotate_left(1);
            }
        }
        after.unwrap_or_else(|| doubled.min(pace.longest_pause)).max(pace.first_pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::{Kind, Notice};
    use breakglass_fleet::Fleet;
    use breakglass_incident::Seq;

    fn job(seq: u64, until: i64) -> Job {
        let at = Timestamp::from_unix_millis(0);
        let member =
            Member { seq: Seq(seq), incident: None, target: None, at, known: at, sentence: String::new() };
        let fleet = Fleet::parse("[fleet]\nname = \"home\"\n", std::path::Path::new("x")).unwrap();
        let notice = Notice::of_one(Kind::Trial, member);
        Job::new(notice.letter(&fleet), notice.members, Timestamp::from_unix_millis(until))
    }

    fn first(outbox: &mut Outbox) -> u64 {
        outbox.first().unwrap().members[0].seq.0
    }

    #[test]
    fn the_order_is_kept_and_pauses_grow_up_to_their_bound() {
        let (mut outbox, pace) = (Outbox::default(), Pace::default());
        assert!(outbox.push(job(1, 9)).is_none());
        assert!(outbox.push(job(2, 9)).is_none());
        let pauses: Vec<u64> = (0..9).map(|_| outbox.again(false, None, &pace).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(first(&mut outbox), 1);
        assert_eq!(outbox.again(true, Some(Duration::from_secs(90)), &pace).as_secs(), 90);
        outbox.done(true);
        assert_eq!((first(&mut outbox), outbox.again(false, None, &pace).as_secs()), (2, 1));
    }

    #[test]
    fn a_letter_that_is_answered_with_a_fault_again_and_again_steps_back() {
        let (mut outbox, pace) = (Outbox::default(), Pace::default());
        assert!(outbox.push(job(1, 9)).is_none());
        assert!(outbox.push(job(2, 9)).is_none());
        for _ in 0..5 {
            outbox.again(true, None, &pace);
            assert_eq!(first(&mut outbox), 1);
        }
        outbox.again(true, None, &pace);
        assert_eq!(first(&mut outbox), 2);
    }

    #[test]
    fn it_is_bounded_and_what_is_too_old_leaves_it() {
        let mut outbox = Outbox::default();
        for seq in 0..256 {
            assert!(outbox.push(job(seq, i64::try_from(seq).unwrap())).is_none());
        }
        assert!(outbox.push(job(256, 9)).is_some());
        let gone = outbox.expired(Timestamp::from_unix_millis(200));
        assert_eq!((gone.len(), outbox.len(), first(&mut outbox)), (200, 56, 200));
    }
}
