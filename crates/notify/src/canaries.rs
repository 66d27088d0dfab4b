//! What people believe of the doors of each target: told once when they are not proven, once when they are again, damped like
//! everything else.
//!
//! The standing of a target's doors is no standing of the target: a target that serves may have lost its way in.

use crate::notice::{Kind, Member, Notice};
use crate::pace::Pace;
use crate::standing::Standing;
use breakglass_fleet::Fleet;
use breakglass_incident::Proof;
use breakglass_protocol::Timestamp;
use std::collections::BTreeMap;

/// By target.
#[derive(Debug, Default)]
pub(crate) struct Canaries(BTreeMap<String, Standing>);

/// What is said of doors that were tried.
pub(crate) fn sentence(doors: &[Proof]) -> String {
    let failed: Vec<String> = doors
        .iter()
        .filter_map(|proof| Some(format!("{}: {}. {}", proof.door, proof.failure()?, proof.next)))
        .collect();
    if failed.is_empty() { "Every door was tried anew, and all held".to_owned() } else { failed.join(". ") }
}

impl Canaries {
    /// Takes in one run; gives what is to be told at once.
    pub(crate) fn take(&mut self, target: &str, proven: bool, member: Member, pace: &Pace) -> Option<Notice> {
        let standing = self.0.entry(target.to_owned()).or_default();
        let notice = if proven { standing.back(member, pace) } else { standing.down(member, pace) };
        notice.map(of_doors)
    }

    /// What was held back and is to be told now: all that failed at about the same time in one notice.
    pub(crate) fn due(&mut self, now: Timestamp, fleet: &Fleet) -> Vec<Notice> {
        let mut notices = Vec::new();
        let free = |name: &str| !fleet.in_maintenance(name, now.unix_millis());
        let ripe = self.0.iter().any(|(name, standing)| standing.holds_down(now) == Some(true) && free(name));
        if ripe {
            let held = self.0.iter_mut().filter(|(name, standing)| {
                let is_time = standing.holds_down(now);
                free(name) && (is_time == Some(true) || is_time.is_some() && standing.goes_with_others())
            });
            let mut members: Vec<Member> = held.filter_map(|(_, standing)| standing.tell_down()).collect();
            members.sort_by_key(|member| member.seq);
            if !members.is_empty() {
                notices.push(Notice { kind: Kind::CanaryFailed, members });
            }
        }
        let well = self.0.values_mut().filter_map(|standing| standing.tell_well(now));
        notices.extend(well.map(|member| Notice::of_one(Kind::CanaryProven, member)));
        notices
    }

    /// Takes over what an earlier run's events tell, where nothing newer is known.
    pub(crate) fn adopt(&mut self, before: Self) {
        for (name, standing) in before.0 {
            self.0.entry(name).or_insert(standing);
        }
    }

    /// Whether people believe that the doors of this target do not hold.
    pub(crate) fn is_failed(&self, target: &str) -> bool {
        self.0.get(target).is_some_and(Standing::is_told_down)
    }
}

fn of_doors(notice: Notice) -> Notice {
    let kind = match notice.kind {
        Kind::Down => Kind::CanaryFailed,
        Kind::Flapping(times) => Kind::CanaryFlapping(times),
        Kind::Back => Kind::CanaryProven,
        other => other,
    };
    Notice { kind, ..notice }
}
