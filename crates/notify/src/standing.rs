//! What people believe of one target, and what is held back until it is worth telling: flap damping for people.
//!
//! The watch has damped single looks already. Here a state that was real, and over before anybody could act on it, wakes nobody; a
//! target that goes down again and again is told as that, once. Times are the events' own, so that a restarted server comes to
//! the same answers from the same events.

use crate::notice::{Kind, Member, Notice};
use crate::pace::{Pace, passed};
use breakglass_incident::IncidentId;
use breakglass_protocol::Timestamp;
use std::collections::VecDeque;
use std::time::Duration;

/// One target.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    /// Whether it was last seen down.
    down: bool,
    /// Since when it is down or off, as the events have it.
    gone_since: Option<Timestamp>,
    /// When it was last seen to come back from that.
    back_at: Option<Timestamp>,
    /// In which incident people were told that it is down, and not yet that it is back.
    told: Option<Option<IncidentId>>,
    /// Whether people know of a verb since it was last seen well.
    pressed: bool,
    /// Whether somebody stopped it, which is no outage.
    stopped: bool,
    downs: VecDeque<Timestamp>,
    flapping: bool,
    held: Option<Held>,
}

#[derive(Debug)]
struct Held {
    member: Member,
    since: Timestamp,
    wait: Duration,
    bad: bool,
}

impl Standing {
    /// A verb was pressed on it, and people are told.
    pub(crate) const fn pressed(&mut self) {
        self.pressed = true;
    }

    /// A verb was carried out: whether it leaves the target off.
    pub(crate) const fn carried_out(&mut self, stop: bool, at: Timestamp) {
        self.stopped = stop;
        self.gone_since = if stop { Some(at) } else { self.gone_since };
    }

    /// It is down, and that is no alarm.
    pub(crate) const fn seen_down(&mut self, at: Timestamp) {
        self.down = true;
        self.gone_since = Some(at);
    }

    /// It is down. Gives what has to be told at once.
    pub(crate) fn down(&mut self, member: Member, pace: &Pace) -> Option<Notice> {
        self.seen_down(member.at);
        let known = self.told == Some(member.incident) && !self.flapping;
        if self.stopped || known || self.held.as_ref().is_some_and(|held| held.bad) {
            return None;
        }
        while self.downs.front().is_some_and(|first| passed(*first, member.at, pace.flap_window)) {
            self.downs.pop_front();
        }
        self.downs.push_back(member.at);
        let wait = if self.flapping { pace.stays_down } else { pace.gather };
        let begins = !self.flapping && self.downs.len() > pace.flaps;
        if !begins {
            self.held = Some(Held { since: member.at, member, wait, bad: true });
            return None;
        }
        self.flapping = true;
        let times = self.downs.len();
        self.held = Some(Held { since: member.at, member: member.clone(), wait: pace.stays_down, bad: true });
        Some(Notice::of_one(Kind::Flapping(times), member))
    }

    /// It is neither well nor down: a notice that it is down would not be true any more.
    pub(crate) fn in_between(&mut self, at: Timestamp) {
        self.up_again(at);
        self.held.take_if(|held| held.bad);
    }

    /// It is well. Gives what has to be told at once.
    pub(crate) fn back(&mut self, member: Member, pace: &Pace) -> Option<Notice> {
        self.up_again(member.at);
        self.stopped = false;
        self.held.take_if(|held| held.bad);
        if self.held.is_some() {
            return None;
        }
        let news = self.told.take().is_some() || self.pressed || self.flapping;
        self.pressed = false;
        if !news {
            return None;
        }
        if self.flapping {
            self.held = Some(Held { since: member.at, member, wait: pace.stays_well, bad: false });
            return None;
        }
        Some(Notice::of_one(Kind::Back, member))
    }

    const fn up_again(&mut self, at: Timestamp) {
        if self.down {
            self.back_at = Some(at);
        }
        self.down = false;
    }

    /// A person closed its incident: they know.
    pub(crate) fn closed(&mut self) {
        self.held.take_if(|held| held.bad);
    }

    /// Whether something waits for it to be well.
    pub(crate) const fn is_doubtful(&self) -> bool {
        self.down || self.stopped
    }

    /// It is seen to be well since then, whether or not an event says so: the first look of a server that finds everything in
    /// order is no event, and nothing may wait for ever for one. A board that has not looked since it went away says nothing.
    pub(crate) fn seen_well(&mut self, since: Timestamp) {
        if self.gone_since.is_none_or(|gone| since > gone) {
            self.up_again(since);
            self.stopped = false;
        }
    }

    /// Whether it is down, or has been back for so short a time that what depends on it may still be on its way.
    pub(crate) fn holds_up_others(&self, now: Timestamp, pace: &Pace) -> bool {
        self.down || self.back_at.is_some_and(|at| !passed(at, now, pace.waking))
    }

    /// Whether "down" is held back for it, and whether it is time to tell.
    pub(crate) fn holds_down(&self, now: Timestamp) -> Option<bool> {
        let held = self.held.as_ref().filter(|held| held.bad)?;
        Some(passed(held.since, now, held.wait))
    }

    /// What is told together with others that went down at the same time.
    pub(crate) const fn goes_with_others(&self) -> bool {
        !self.flapping
    }

    /// Whether "down" was told, and "back" was not.
    pub(crate) const fn is_told_down(&self) -> bool {
        self.told.is_some()
    }

    /// "Down" is told now.
    pub(crate) fn tell_down(&mut self) -> Option<Member> {
        let held = self.held.take_if(|held| held.bad)?;
        self.told = Some(held.member.incident);
        if self.flapping {
            // It stays down: whatever comes next is news again.
            self.flapping = false;
            self.downs.clear();
        }
        Some(held.member)
    }

    /// "Well for a while now" is told where it is time.
    pub(crate) fn tell_well(&mut self, now: Timestamp) -> Option<Member> {
        let held = self.held.take_if(|held| !held.bad && passed(held.since, now, held.wait))?;
        self.flapping = false;
        self.downs.clear();
        Some(held.member)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_incident::Seq;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_millis(second * 1000)
    }

    fn member(second: i64) -> Member {
        Member {
            seq: Seq(second.unsigned_abs()),
            incident: Some(IncidentId(second.unsigned_abs())),
            target: Some("devvm".to_owned()),
            at: at(second),
            known: at(second),
            sentence: "x".to_owned(),
        }
    }

    fn told_down(standing: &mut Standing, second: i64) -> bool {
        standing.holds_down(at(second)) == Some(true) && standing.tell_down().is_some()
    }

    #[test]
    fn what_is_over_within_seconds_is_never_told() {
        let (mut standing, pace) = (Standing::default(), Pace::default());
        assert_eq!(standing.down(member(0), &pace), None);
        assert_eq!(standing.holds_down(at(4)), Some(false));
        assert_eq!(standing.back(member(4), &pace), None);
        assert_eq!(standing.holds_down(at(60)), None);
    }

    #[test]
    fn down_and_back_are_told_once_each() {
        let (mut standing, pace) = (Standing::default(), Pace::default());
        assert_eq!(standing.down(member(0), &pace), None);
        // The observation that follows the incident's first event.
        assert_eq!(standing.down(member(0), &pace), None);
        assert!(told_down(&mut standing, 5));
        assert_eq!(standing.down(member(0), &pace), None);
        assert_eq!(standing.holds_down(at(60)), None);
        assert!(standing.back(member(60), &pace).is_some());
        assert_eq!(standing.back(member(61), &pace), None);
    }

    #[test]
    fn a_flapping_target_is_told_as_that_and_a_lasting_end_is_told_too() {
        let (mut standing, pace) = (Standing::default(), Pace::default());
        for round in 0..3 {
            let begin = round * 60;
            assert_eq!(standing.down(member(begin), &pace), None);
            assert!(told_down(&mut standing, begin + 5));
            assert!(standing.back(member(begin + 30), &pace).is_some());
        }
        let notice = standing.down(member(180), &pace).unwrap();
        assert_eq!(notice.kind, Kind::Flapping(4));
        for round in 3..9 {
            let begin = round * 60;
            assert_eq!(standing.back(member(begin + 30), &pace), None);
            assert_eq!(standing.tell_well(at(begin + 59)), None);
            assert_eq!(standing.down(member(begin + 60), &pace), None);
            assert!(!told_down(&mut standing, begin + 89));
        }
        // It stays down.
        assert!(told_down(&mut standing, 540 + 300));
        assert!(standing.back(member(900), &pace).is_some());
    }

    #[test]
    fn a_flapping_target_that_stays_well_is_told_to_be() {
        let (mut standing, pace) = (Standing { flapping: true, ..Standing::default() }, Pace::default());
        assert_eq!(standing.back(member(0), &pace), None);
        assert_eq!(standing.tell_well(at(899)), None);
        assert!(standing.tell_well(at(900)).is_some());
        assert!(!standing.flapping);
    }

    #[test]
    fn what_is_seen_to_be_well_is_neither_down_nor_stopped_though_no_event_says_so() {
        let (mut standing, pace) = (Standing::default(), Pace::default());
        standing.carried_out(true, at(0));
        standing.seen_down(at(1));
        // What the board knew before is no answer.
        standing.seen_well(at(0));
        assert!(standing.holds_up_others(at(9_000), &pace));
        standing.seen_well(at(9_000));
        assert!(!standing.holds_up_others(at(9_180), &pace));
        assert_eq!(standing.down(member(9_200), &pace), None);
        assert!(told_down(&mut standing, 9_205));
    }

    #[test]
    fn a_stopped_target_wakes_nobody_and_a_pressed_one_is_told_to_be_back() {
        let (mut standing, pace) = (Standing::default(), Pace::default());
        standing.pressed();
        standing.carried_out(true, at(1));
        assert_eq!(standing.down(member(1), &pace), None);
        assert_eq!(standing.holds_down(at(60)), None);
        assert!(standing.back(member(70), &pace).is_some());
        assert_eq!(standing.back(member(71), &pace), None);
    }
}
