//! How fast somebody may guess passwords, and how the owner still gets in.
//!
//! Failures are counted in lanes. A lane is one name tried from one address prefix, or one browser from which that name
//! has logged in before; so nobody elsewhere can close the owner's lane, and even somebody behind the same address
//! translation cannot close the lane of the owner's own browser. A closed lane opens again after at most
//! [`LONGEST`]; an attempt while it is closed is not looked at and does not keep it closed. Two more counts
//! slow down those who change names or addresses: one for the prefix, one for the name. The prefix's closes its fresh lanes
//! for a moment, the name's leaves them without free slips.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// No lane stays closed for longer.
pub(super) const LONGEST: Duration = Duration::from_secs(60);
/// Slips of the finger that cost nothing.
const FREE: u32 = 3;
/// A prefix may fail so often, over all names, before its fresh lanes begin where a failed one would be.
const FREE_FOR_PREFIX: u32 = 30;
/// A name may fail so often, from everywhere, before it is called hot.
const FREE_FOR_NAME: u32 = 50;
/// What is forgotten after so long without a failure.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// How many of each are remembered: about a mebibyte in all.
const MOST: usize = 4096;

/// Whose attempts are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Lane {
    /// A browser that is known for this name.
    Device(String),
    /// This name (as typed, cut to 64 characters) from this prefix.
    From(String, Prefix),
}

/// An IPv4 address, or the first 64 bits of an IPv6 one, which is what one customer gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Prefix(u64, bool);

impl Prefix {
    pub(super) fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits()), false),
            IpAddr::V6(v6) => Self(u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX), true),
        }
    }

    /// What one customer may be given many prefixes of: 256 IPv4 addresses, or a /48.
    pub(super) const fn block(self) -> Self {
        Self(if self.1 { self.0 >> 16 } else { self.0 >> 8 }, self.1)
    }
}

/// How often something happened lately.
#[derive(Debug, Clone, Copy)]
pub(super) struct Count {
    pub(super) failures: u32,
    last: Instant,
    open_at: Instant,
}

/// How many lanes there are, and how many of them are closed right now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LaneCount {
    pub(crate) all: usize,
    pub(crate) closed: usize,
}

/// All lanes.
#[derive(Default)]
pub(super) struct Throttle {
    lanes: Mutex<Lanes>,
}

#[derive(Default)]
struct Lanes {
    lanes: HashMap<Lane, Count>,
    prefixes: HashMap<Prefix, Count>,
    names: HashMap<String, Count>,
}

impl Throttle {
    /// Asks to try a password now. A yes counts as a failure at once, so that attempts side by side count before the
    /// first of them was looked at; an attempt that passes takes it back with [`Self::succeeded`].
    ///
    /// # Errors
    /// How long the attempt has to wait instead.
    pub(super) fn try_now(
        &self,
        lane: &Lane,
        name: &str,
        prefix: Prefix,
        now: Instant,
    ) -> Result<(), Duration> {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let until = |count: &Count| count.open_at.checked_duration_since(now).filter(|wait| !wait.is_zero());
        let own = lanes.lanes.get(lane).and_then(until);
        let wait = match lane {
            Lane::Device(_) => own,
            Lane::From(..) => own.max(lanes.prefixes.get(&prefix).and_then(until)),
        };
        if let Some(wait) = wait {
            return Err(wait);
        }
        let name_failures = count(&mut lanes.names, name.to_owned(), now, |_| Duration::ZERO);
        // Another name from the same prefix is held up only a moment: others behind that address want in as well.
        count(&mut lanes.prefixes, prefix, now, |failures| {
            if failures > FREE_FOR_PREFIX { Duration::from_secs(2) } else { Duration::ZERO }
        });
        let hot = u32::from(name_failures > FREE_FOR_NAME) * 3;
        count(&mut lanes.lanes, lane.clone(), now, |failures| delay(failures + hot));
        Ok(())
    }

    /// Takes an attempt back that was let through and then not looked at: nobody has failed.
    pub(super) fn not_looked_at(&self, lane: &Lane, name: &str, prefix: Prefix, now: Instant) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = lanes.lanes.get_mut(lane) {
            count.failures = count.failures.saturating_sub(1);
            count.open_at = now;
        }
        lanes.take_back(name, prefix);
    }

    /// Counts the lanes, for the metrics.
    pub(super) fn count_lanes(&self, now: Instant) -> LaneCount {
        let lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = lanes.lanes.values().filter(|count| count.open_at > now).count();
        LaneCount { all: lanes.lanes.len(), closed }
    }

    /// Forgets a lane whose owner got in.
    pub(super) fn succeeded(&self, lane: &Lane, name: &str, prefix: Prefix) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.lanes.remove(lane);
        lanes.take_back(name, prefix);
    }
}

impl Lanes {
    fn take_back(&mut self, name: &str, prefix: Prefix) {
        if let Some(count) = self.prefixes.get_mut(&prefix) {
            count.failures = count.failures.saturating_sub(1);
        }
        if let Some(count) = self.names.get_mut(name) {
            count.failures = count.failures.saturating_sub(1);
        }
    }
}

/// 1, 2, 4, … seconds after the free ones, at most [`LONGEST`].
fn delay(failures: u32) -> Duration {
    match failures.checked_sub(FREE) {
        None | Some(0) => Duration::ZERO,
        Some(over) => Duration::from_secs(1_u64 << (over - 1).min(6)).min(LONGEST),
    }
}

/// Half at once, so that a flood of new keys does not search the whole table for each of them.
fn forget_older_half<K: Eq + Hash>(counts: &mut HashMap<K, Count>) {
    let mut times: Vec<Instant> = counts.values().map(|count| count.last).collect();
    times.sort_unstable();
    let mut drop = times.len() / 2;
    if let Some(&middle) = times.get(drop) {
        // Many may share one moment: no more than half of them go.
        counts.retain(|_, count| {
            let goes = drop > 0 && count.last <= middle;
            drop -= usize::from(goes);
            !goes
        });
    }
}

/// Counts one more, and gives how many that are.
pub(super) fn count<K: Eq + Hash>(
    counts: &mut HashMap<K, Count>,
    key: K,
    now: Instant,
    closed_for: impl Fn(u32) -> Duration,
) -> u32 {
    if counts.len() >= MOST && !counts.contains_key(&key) {
        counts.retain(|_, count| now.duration_since(count.last) < FORGET);
        if counts.len() >= MOST {
            forget_older_half(counts);
        }
    }
    let entry = counts.entry(key).or_insert(Count { failures: 0, last: now, open_at: now });
    if now.duration_since(entry.last) >= FORGET {
        entry.failures = 0;
    }
    entry.failures = entry.failures.saturating_add(1);
    entry.last = now;
    entry.open_at = now + closed_for(entry.failures);
    entry.failures
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Prefix {
        Prefix::of(text.parse().unwrap())
    }

    fn lane(name: &str, prefix: Prefix) -> Lane {
        Lane::From(name.to_owned(), prefix)
    }

    #[test]
    fn a_thousand_failures_close_a_lane_for_a_minute_and_no_longer() {
        let (throttle, start, home) = (Throttle::default(), Instant::now(), at("192.0.2.7"));
        let mut now = start;
        let mut tried = 0;
        while now < start + Duration::from_secs(3600) {
            match throttle.try_now(&lane("mara", home), "mara", home, now) {
                Ok(_) => tried += 1,
                Err(wait) => assert!(wait <= LONGEST, "{wait:?}"),
            }
            now += Duration::from_millis(500);
        }
        assert!((60..90).contains(&tried), "an hour of hammering gets {tried} guesses");
        assert!(throttle.try_now(&lane("mara", home), "mara", home, now + LONGEST).is_ok());
    }

    #[test]
    fn the_owner_elsewhere_and_the_owners_browser_are_not_held_up() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for last in 0..=255_u8 {
            let from = at(&format!("198.51.100.{last}"));
            for _ in 0..8 {
                let _ = throttle.try_now(&lane("mara", from), "mara", from, now);
            }
        }
        let shared = at("198.51.100.3");
        assert!(throttle.try_now(&lane("mara", shared), "mara", shared, now).is_err());
        let device = Lane::Device("known".to_owned());
        assert!(throttle.try_now(&device, "mara", shared, now).is_ok(), "her own browser");
        let home = at("192.0.2.7");
        let quiet = throttle.try_now(&lane("mara", home), "mara", home, now);
        assert_eq!(quiet, Ok(()), "an address that never failed");
        assert!(
            throttle.try_now(&lane("mara", home), "mara", home, now).is_err(),
            "a hot name has no free slips"
        );
        throttle.succeeded(&lane("mara", home), "mara", home);
        assert!(throttle.try_now(&lane("mara", home), "mara", home, now).is_ok(), "who got in starts anew");
    }

    #[test]
    fn what_was_not_looked_at_closes_no_lane() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let noisy = at("198.51.100.7");
        for _ in 0..100 {
            assert_eq!(throttle.try_now(&lane("mara", noisy), "mara", noisy, now), Ok(()));
            throttle.not_looked_at(&lane("mara", noisy), "mara", noisy, now);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for number in 0..10_000_u32 {
            let from = Prefix(u64::from(number), false);
            let _ = throttle.try_now(&lane("x", from), &number.to_string(), from, now);
        }
        let lanes = throttle.lanes.lock().unwrap();
        assert!(lanes.lanes.len() <= MOST && lanes.prefixes.len() <= MOST && lanes.names.len() <= MOST);
    }

    #[test]
    fn one_customers_ipv6_addresses_share_a_prefix() {
        assert_eq!(at("2001:db8::1"), at("2001:db8::ffff:1"));
        assert_ne!(at("2001:db8::1"), at("2001:db8:0:1::1"));
        assert_eq!(at("::ffff:192.0.2.7"), at("192.0.2.7"));
    }
}
