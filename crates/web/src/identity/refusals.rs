//! What the journal is told of log-ins that were refused: each of the first ones, then how many there were. A flood
//! must not fill the disk that a rescue is written to.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So many are told one by one in a window.
const EACH: u32 = 20;
/// A window.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);
/// So many different addresses are told apart; there may be more.
const ADDRESSES: usize = 1000;

/// The count of the present window.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<Option<Window>>);

struct Window {
    began: Instant,
    told: u32,
    more: u64,
    from: std::collections::HashSet<IpAddr>,
}

/// What is to be done about one refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Tell it.
    Each,
    /// It is counted, as the first of its window: call [`Refusals::summary`] when [`WINDOW`] is over.
    FirstCounted,
    /// It is counted.
    Counted,
}

impl Refusals {
    /// One more was refused.
    pub(crate) fn one_more(&self, from: IpAddr, now: Instant) -> Telling {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let over = |window: &Window| window.more == 0 && now.duration_since(window.began) >= WINDOW;
        if held.as_ref().is_none_or(over) {
            *held = Some(Window { began: now, told: 0, more: 0, from: std::collections::HashSet::new() });
        }
        let Some(window) = held.as_mut() else { return Telling::Each };
        if window.told < EACH {
            window.told += 1;
            return Telling::Each;
        }
        if window.from.len() < ADDRESSES {
            window.from.insert(from);
        }
        window.more += 1;
        if window.more == 1 { Telling::FirstCounted } else { Telling::Counted }
    }

    /// How many were counted, from how many addresses; the next window begins.
    pub(crate) fn summary(&self) -> Option<(u64, String)> {
        let window = self.0.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        let addresses = match window.from.len() {
            ADDRESSES => format!("{ADDRESSES} addresses or more"),
            1 => window.from.iter().map(IpAddr::to_string).collect(),
            number => format!("{number} addresses"),
        };
        (window.more > 0).then_some((window.more, addresses))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_told_in_a_few_events_that_count_every_attempt() {
        let (refusals, start) = (Refusals::default(), Instant::now());
        let mut told = 0;
        let mut timers = 0;
        for number in 0..5000_u16 {
            let from = IpAddr::from([10, 0, 0, u8::try_from(number % 200).unwrap()]);
            match refusals.one_more(from, start + Duration::from_millis(u64::from(number))) {
                Telling::Each => told += 1,
                Telling::FirstCounted => timers += 1,
                Telling::Counted => {}
            }
        }
        assert_eq!((told, timers), (20, 1));
        assert_eq!(refusals.summary(), Some((4980, "200 addresses".to_owned())));
        assert_eq!(refusals.summary(), None);
        assert_eq!(refusals.one_more([10, 0, 0, 1].into(), start + WINDOW), Telling::Each);
    }
}
