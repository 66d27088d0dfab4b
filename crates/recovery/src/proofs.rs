//! What is remembered of each door that was tried: when, what was found, and when it was last proven.

use breakglass_incident::Proof;
use breakglass_protocol::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// A door as it was last tried.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProofView {
    /// When it was last tried.
    pub tried_at: Timestamp,
    /// When it was last proven; absent where that is not remembered.
    pub proven_at: Option<Timestamp>,
    /// What did not hold, and what to do about it; absent where the last try proved it.
    pub failure: Option<String>,
}

impl ProofView {
    /// Whether the last try proved it, and that is no longer ago than two periods. What is proven only when somebody asks does
    /// not grow old.
    #[must_use]
    pub fn holds(&self, now: Timestamp, every: Option<Duration>) -> bool {
        self.failure.is_none() && !self.is_old(now, every)
    }

    /// Whether more than two periods went by since it was proven.
    #[must_use]
    pub fn is_old(&self, now: Timestamp, every: Option<Duration>) -> bool {
        let Some(every) = every else { return false };
        self.proven_at.is_none_or(|at| u128::from(now.millis_since(at)) > 2 * every.as_millis())
    }
}

/// By door.
#[derive(Debug, Default)]
pub(crate) struct Proofs(BTreeMap<String, ProofView>);

impl Proofs {
    pub(crate) fn of(&self, door: &str) -> Option<ProofView> {
        self.0.get(door).cloned()
    }

    /// What is older than what is known says only when a door was last proven.
    pub(crate) fn take(&mut self, at: Timestamp, doors: &[Proof]) {
        for proof in doors {
            let before = self.0.get(&proof.door).cloned();
            let proven_before = before.as_ref().and_then(|before| before.proven_at);
            let proven_at = proven_before.max(proof.proven.then_some(at));
            let view = match before {
                Some(before) if before.tried_at > at => ProofView { proven_at, ..before },
                _ => {
                    let failure = proof.failure().map(|failure| format!("{failure}. {}", proof.next));
                    ProofView { tried_at: at, proven_at, failure }
                }
            };
            self.0.insert(proof.door.clone(), view);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_incident::Trial;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_unix_millis(hour * 3_600_000)
    }

    fn found(proven: bool) -> [Proof; 1] {
        let trial = Trial { what: "`status` answers".into(), held: proven, seen: "silence".into() };
        [Proof { door: "d".into(), kind: "power".into(), proven, trials: vec![trial], next: "Look".into() }]
    }

    #[test]
    fn a_failure_shows_and_does_not_forget_when_it_was_well() {
        let mut proofs = Proofs::default();
        proofs.take(at(1), &found(true));
        proofs.take(at(7), &found(false));
        let view = proofs.of("d").unwrap();
        assert_eq!((view.tried_at, view.proven_at), (at(7), Some(at(1))));
        assert_eq!(view.failure.as_deref(), Some("not so: `status` answers (silence). Look"));
        // An older event that is read later changes nothing.
        proofs.take(at(6), &found(true));
        let view = proofs.of("d").unwrap();
        assert!(view.failure.is_some() && view.proven_at == Some(at(6)));
    }

    #[test]
    fn it_grows_old_after_two_periods_and_never_without_one() {
        let mut proofs = Proofs::default();
        proofs.take(at(1), &found(true));
        let view = proofs.of("d").unwrap();
        let six = Some(Duration::from_secs(6 * 3600));
        assert!(view.holds(at(13), six) && !view.holds(at(14), six) && view.holds(at(14), None));
    }
}
