//! Which events are told, and when: a fold over the journal. It does no I/O and reads no clock, so that a restarted server that
//! folds the same events comes to the same notices with the same keys.

use crate::canaries::{Canaries, sentence};
use crate::notice::{Kind, Member, Notice};
use crate::pace::Pace;
use crate::standing::Standing;
use breakglass_fleet::Fleet;
use breakglass_incident::{Actor, Delivery, Event, EventBody, Seq, TurnEvent};
use breakglass_protocol::{Outcome, Timestamp, Verb};
use breakglass_triage::Health;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// So many events are remembered as seen: an event that was not kept comes a second time when the disk has taken it.
const REMEMBERED: usize = 20_000;

/// What has been seen and told so far.
pub(crate) struct Selection {
    fleet: Arc<Fleet>,
    pace: Pace,
    targets: BTreeMap<String, Standing>,
    canaries: Canaries,
    seen: BTreeSet<(Seq, Timestamp)>,
    order: VecDeque<(Seq, Timestamp)>,
    told: BTreeMap<(Seq, String), Delivery>,
    traces: BTreeMap<String, Seq>,
}

impl Selection {
    pub(crate) fn new(fleet: Arc<Fleet>, pace: Pace) -> Self {
        Self {
            fleet,
            pace,
            targets: BTreeMap::new(),
            canaries: Canaries::default(),
            seen: BTreeSet::new(),
            order: VecDeque::new(),
            told: BTreeMap::new(),
            traces: BTreeMap::new(),
        }
    }

    /// Takes in the next event; gives what is to be told of it at once.
    pub(crate) fn take(&mut self, event: &Event) -> Option<Notice> {
        if !self.first_sight(event) {
            return None;
        }
        if let EventBody::Notified { of, receiver, how, .. } = &event.body {
            self.traces.entry(receiver.clone()).or_insert(event.seq);
            if *of != Seq(0) {
                self.told.insert((*of, receiver.clone()), *how);
            }
            return None;
        }
        // What a spool tells is over, but that somebody pressed a verb is worth knowing late.
        let late = matches!(event.actor, Actor::Spool(_));
        match &event.body {
            EventBody::VerbPressed { target, verb, .. } if verb.is_mutating() => {
                let by = event.actor.to_string();
                self.standing(target).pressed();
                Some(Notice::of_one(Kind::Pressed(*verb), member(event, Some(target), &by)))
            }
            _ if late => None,
            EventBody::IncidentOpened { target, reason }
                if matches!(event.actor, Actor::Watch | Actor::Server) =>
            {
                let why = reason.strip_prefix(&format!("{target}: ")).unwrap_or(reason);
                self.down(target, member(event, Some(target), why))
            }
            EventBody::Observed { target, state, .. } => {
                let member = member(event, Some(target), &state.sentence);
                match state.health {
                    Health::Down => self.down(target, member),
                    Health::Good => {
                        let pace = self.pace;
                        self.standing(target).back(member, &pace)
                    }
                    Health::Degraded => {
                        self.standing(target).in_between(event.at);
                        None
                    }
                    Health::Unknown => None,
                }
            }
            EventBody::Verified { target, doors, .. } => {
                let proven = doors.iter().all(|proof| proof.proven);
                let pace = self.pace;
                self.canaries.take(target, proven, member(event, Some(target), &sentence(doors)), &pace)
            }
            EventBody::IncidentClosed { target, .. } => {
                self.standing(target).closed();
                None
            }
            EventBody::VerbFinished { target, verb, outcome: Outcome::Done, .. } if verb.is_mutating() => {
                self.standing(target).carried_out(*verb == Verb::Stop, event.at);
                None
            }
            EventBody::Turn(TurnEvent::ApprovalAsked { expires, .. }) => {
                Some(Notice::of_one(Kind::Asked(*expires), member(event, None, "")))
            }
            _ => None,
        }
    }

    /// Whether the event comes for the first time.
    fn first_sight(&mut self, event: &Event) -> bool {
        let name = (event.seq, event.at);
        if !self.seen.insert(name) {
            return false;
        }
        self.order.push_back(name);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
            let (from, to) = ((oldest.0, String::new()), (Seq(oldest.0.0.saturating_add(1)), String::new()));
            let gone: Vec<_> = self.told.range(from..to).map(|(name, _)| name.clone()).collect();
            for one in &gone {
                self.told.remove(one);
            }
        }
        true
    }

    fn down(&mut self, target: &str, member: Member) -> Option<Notice> {
        // Without an incident nobody thought that it is an alarm: a maintenance window, or somebody stopped it.
        let pace = self.pace;
        let incident = member.incident;
        let standing = self.standing(target);
        if incident.is_none() {
            standing.seen_down(member.at);
            return None;
        }
        standing.down(member, &pace)
    }

    fn standing(&mut self, target: &str) -> &mut Standing {
        self.targets.entry(target.to_owned()).or_default()
    }

    /// What has been held back and is to be told now. Whatever runs on a hypervisor that is down, or has only just come back,
    /// is part of that; whatever is in maintenance waits for its end.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Notice> {
        let mut groups: BTreeMap<Option<String>, Vec<String>> = BTreeMap::new();
        let mut alone = Vec::new();
        let mut ripe = BTreeSet::new();
        for (name, standing) in &self.targets {
            let Some(is_time) = standing.holds_down(now) else { continue };
            let host = self.fleet.hypervisor_of(name).map(|host| host.name.clone());
            let part_of_more = host.as_ref().and_then(|host| self.targets.get(host));
            if part_of_more.is_some_and(|host| host.holds_up_others(now, &self.pace))
                || self.fleet.in_maintenance(name, now.unix_millis())
            {
                continue;
            }
            if !standing.goes_with_others() {
                alone.extend(is_time.then(|| name.clone()));
                continue;
            }
            if is_time {
                ripe.insert(host.clone());
            }
            groups.entry(host).or_default().push(name.clone());
        }
        groups.retain(|host, _| ripe.contains(host));
        let together = groups.into_values().chain(alone.into_iter().map(|name| vec![name]));
        let mut notices = Vec::new();
        for names in together {
            let mut members: Vec<Member> = names
                .iter()
                .filter_map(|name| self.targets.get_mut(name).and_then(Standing::tell_down))
                .collect();
            members.sort_by_key(|member| member.seq);
            if !members.is_empty() {
                notices.push(Notice { kind: Kind::Down, members });
            }
        }
        let well = self.targets.values_mut().filter_map(|standing| standing.tell_well(now));
        notices.extend(well.map(|member| Notice::of_one(Kind::Back, member)));
        notices.extend(self.canaries.due(now, &self.fleet));
        notices
    }

    /// Takes over what an earlier run's events tell, where nothing newer is known.
    pub(crate) fn adopt(&mut self, before: Self) {
        for (name, standing) in before.targets {
            self.targets.entry(name).or_insert(standing);
        }
        self.canaries.adopt(before.canaries);
        for (receiver, since) in before.traces {
            self.traces.insert(receiver, since);
        }
        self.told.extend(before.told);
    }

    /// The targets of which it matters that they are well, should no event say so.
    pub(crate) fn doubtful(&self) -> Vec<String> {
        let doubtful = self.targets.iter().filter(|(_, standing)| standing.is_doubtful());
        doubtful.map(|(name, _)| name.clone()).collect()
    }

    /// That target is well since then, as the board has it.
    pub(crate) fn seen_well(&mut self, target: &str, since: Timestamp) {
        if let Some(standing) = self.targets.get_mut(target) {
            standing.seen_well(since);
        }
    }

    /// Whether people believe that this target is down, or would if they had been told.
    pub(crate) fn is_down(&self, target: &str) -> bool {
        self.targets.get(target).is_some_and(Standing::is_told_down)
    }

    /// Whether people believe that the doors of this target do not hold.
    pub(crate) fn is_unproven(&self, target: &str) -> bool {
        self.canaries.is_failed(target)
    }

    /// Whether that receiver was told of that event, or given up.
    pub(crate) fn was_told(&self, member: &Member, receiver: &str) -> bool {
        let told = self.told.get(&(member.seq, receiver.to_owned()));
        told.is_some_and(|how| *how != Delivery::Waiting)
    }

    /// Whether that receiver was told of things before that event, or was to be told of this very one. One that was not may be
    /// new here.
    pub(crate) fn is_known(&self, member: &Member, receiver: &str) -> bool {
        self.traces.get(receiver).is_some_and(|since| *since < member.seq)
            || self.told.contains_key(&(member.seq, receiver.to_owned()))
    }
}

fn member(event: &Event, target: Option<&str>, sentence: &str) -> Member {
    let known = match &event.actor {
        Actor::Spool(spool) => spool.taken_in,
        _ => event.at,
    };
    Member {
        seq: event.seq,
        incident: event.incident,
        target: target.map(str::to_owned),
        at: event.at,
        known,
        sentence: sentence.to_owned(),
    }
}

#[cfg(test)]
mod tests;
