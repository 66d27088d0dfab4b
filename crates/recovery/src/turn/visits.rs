//! How outside agents are counted and queued, for each token: nothing that one of them does keeps another waiting.

use breakglass_protocol::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Semaphore;

const HOUR_MILLIS: u64 = 3_600_000;
/// Looks of one token at the same time.
const LOOKS: usize = 4;
/// So many names are remembered; a token file has fewer.
const REMEMBERED: usize = 1_000;

/// All of them.
#[derive(Default)]
pub(crate) struct Visits {
    by: Mutex<HashMap<String, Visit>>,
}

struct Visit {
    since: Timestamp,
    calls: u64,
    lanes: Lanes,
}

/// Where calls queue: what changes something one after the other, looks a few at a time, so that a question that waits for
/// a person keeps nobody from looking.
#[derive(Clone)]
pub(crate) struct Lanes {
    pub(crate) changes: Arc<Semaphore>,
    pub(crate) looks: Arc<Semaphore>,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { changes: Arc::new(Semaphore::new(1)), looks: Arc::new(Semaphore::new(LOOKS)) }
    }
}

impl Visits {
    /// Counts a call; gives its number in this hour.
    pub(crate) fn count(&self, by: &str, now: Timestamp) -> u64 {
        self.with(by, now, |visit| {
            // After a clock was set back the hour is not waited for until it comes round.
            visit.since = visit.since.min(now);
            if now.millis_since(visit.since) >= HOUR_MILLIS {
                visit.since = now;
                visit.calls = 0;
            }
            visit.calls += 1;
            visit.calls
        })
    }

    /// The lanes of whoever came by this.
    pub(crate) fn lanes(&self, by: &str, now: Timestamp) -> Lanes {
        self.with(by, now, |visit| visit.lanes.clone())
    }

    fn with<T>(&self, by: &str, now: Timestamp, then: impl FnOnce(&mut Visit) -> T) -> T {
        let mut all = self.by.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED && !all.contains_key(by) {
            all.retain(|_, visit| now.millis_since(visit.since) < HOUR_MILLIS);
        }
        let new = || Visit { since: now, calls: 0, lanes: Lanes::default() };
        then(all.entry(by.to_owned()).or_insert_with(new))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_is_counted_for_each_by_itself() {
        let visits = Visits::default();
        let at = Timestamp::from_unix_millis;
        assert_eq!((visits.count("a", at(0)), visits.count("a", at(5)), visits.count("b", at(6))), (1, 2, 1));
        assert_eq!(visits.count("a", at(3_599_999)), 3);
        assert_eq!(visits.count("a", at(3_600_000)), 1);
        // Set back by a day: an hour later it begins anew all the same.
        assert_eq!(visits.count("a", at(-80_000_000)), 2);
        assert_eq!(visits.count("a", at(-76_400_000)), 1);
    }
}
