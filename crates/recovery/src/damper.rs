//! Flap damping: a state counts once it was seen often enough in a row.

use crate::judge::Verdict;
use breakglass_triage::Health;
use std::time::{Duration, Instant};

/// For so long a verdict that must last has to have been the same.
const MUST_LAST: Duration = Duration::from_millis(700);

/// Counts looks that agree.
#[derive(Debug, Default)]
pub(crate) struct Damper {
    streak: Option<(Health, u32, Instant)>,
}

impl Damper {
    /// Takes the verdict of one look; whether it counts now.
    pub(crate) fn counts(&mut self, verdict: &Verdict, confirm: u32, now: Instant) -> bool {
        let health = verdict.state.health;
        let (seen, since) = match self.streak {
            Some((same, seen, since)) if same == health => (seen.saturating_add(1), since),
            _ => (1, now),
        };
        self.streak = Some((health, seen, since));
        let lasted = !verdict.must_last || now.duration_since(since) >= MUST_LAST;
        seen >= confirm.max(1) && lasted
    }

    /// Forgets the streak, because a verb changed everything.
    pub(crate) fn forget(&mut self) {
        self.streak = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_incident::TargetState;

    fn verdict(health: Health, must_last: bool) -> Verdict {
        let state = TargetState { health, sentence: String::new(), wedge: None };
        Verdict { state, alarm: true, must_last }
    }

    #[test]
    fn one_bad_look_between_good_ones_never_counts() {
        let mut damper = Damper::default();
        let now = Instant::now();
        for _ in 0..50 {
            assert!(!damper.counts(&verdict(Health::Down, false), 2, now));
            assert!(!damper.counts(&verdict(Health::Good, false), 2, now));
        }
        assert!(damper.counts(&verdict(Health::Good, false), 2, now));
        assert!(!damper.counts(&verdict(Health::Down, false), 2, now));
        assert!(damper.counts(&verdict(Health::Down, false), 2, now));
    }

    #[test]
    fn what_must_last_waits_for_the_clock_too() {
        let mut damper = Damper::default();
        let now = Instant::now();
        for _ in 0..5 {
            assert!(!damper.counts(&verdict(Health::Down, true), 2, now));
        }
        assert!(damper.counts(&verdict(Health::Down, true), 2, now + MUST_LAST));
    }
}
