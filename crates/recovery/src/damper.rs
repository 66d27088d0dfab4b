//! Flap damping: a state counts once it was seen often enough in a row, or is known to have lasted for as long.

use crate::judge::Verdict;
use breakglass_fleet::Watch;
use breakglass_triage::Health;

/// Counts looks that agree.
#[derive(Debug, Default)]
pub(crate) struct Damper {
    streak: Option<(Health, u32)>,
}

impl Damper {
    /// Takes the verdict of one look; whether it counts now.
    pub(crate) fn counts(&mut self, verdict: &Verdict, watch: &Watch) -> bool {
        let health = verdict.state.health;
        let seen = match self.streak {
            Some((same, seen)) if same == health => seen.saturating_add(1),
            _ => 1,
        };
        self.streak = Some((health, seen));
        let confirm = watch.confirm.max(1);
        // One question that has been hanging for as long as several looks take says what they would say.
        let as_long = watch.interval.saturating_mul(confirm.saturating_sub(1));
        seen >= confirm || (!verdict.lasted.is_zero() && verdict.lasted >= as_long)
    }

    /// Forgets the streak, because a verb changed everything.
    pub(crate) fn forget(&mut self) {
        self.streak = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn verdict(health: Health, lasted: Duration) -> Verdict {
        Verdict { lasted, ..Verdict::new(health, None, "") }
    }

    #[test]
    fn one_bad_look_between_good_ones_never_counts() {
        let (mut damper, watch) = (Damper::default(), Watch::default());
        for _ in 0..50 {
            assert!(!damper.counts(&verdict(Health::Down, Duration::ZERO), &watch));
            assert!(!damper.counts(&verdict(Health::Good, Duration::ZERO), &watch));
        }
        assert!(damper.counts(&verdict(Health::Good, Duration::ZERO), &watch));
        assert!(!damper.counts(&verdict(Health::Down, Duration::ZERO), &watch));
        assert!(damper.counts(&verdict(Health::Down, Duration::ZERO), &watch));
    }

    #[test]
    fn a_question_that_hung_through_a_whole_interval_needs_no_second_look() {
        let (mut damper, watch) = (Damper::default(), Watch::default());
        assert!(!damper.counts(&verdict(Health::Down, Duration::from_secs(4)), &watch));
        damper.forget();
        assert!(damper.counts(&verdict(Health::Down, Duration::from_secs(5)), &watch));
    }
}
