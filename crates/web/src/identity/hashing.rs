//! Whose password is hashed next.
//!
//! Hashing takes a processor and tens of MiB for a moment, so it is what a flood of log-ins would use up. Two lines
//! stand for it and never wait for each other: one for browsers that are known for the name they give, one for all
//! others, where whoever comes from the quietest corner of the network is next. In each, one password is hashed at a
//! time. The place travels with the work: a client that hangs up while its password is hashed frees nothing early.

use super::throttle::{Prefix, Rank};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// How long somebody stands in a line before they are told to come again.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// So many stand in the line of strangers; then the noisiest gives way.
const MOST: usize = 256;
/// So many of them from one prefix: a household's worth.
const MOST_OF_ONE: usize = 4;
/// While others wait, strangers' hashing rests for as long as it worked, at most this: half a processor is left to
/// what this machine is for.
const LONGEST_REST: Duration = Duration::from_millis(500);

/// Both lines.
pub(super) struct Hashing {
    known: Arc<Semaphore>,
    strangers: Arc<Line>,
}

/// The right to hash one password; given back when it is dropped.
pub(super) struct Place(Inner);

enum Inner {
    Known { _permit: OwnedSemaphorePermit },
    Stranger(Seat),
}

impl Default for Hashing {
    fn default() -> Self {
        Self { known: Arc::new(Semaphore::new(1)), strangers: Arc::default() }
    }
}

impl Hashing {
    /// A place for a browser that is known; nothing where its line does not move.
    pub(super) async fn known(&self) -> Option<Place> {
        let permit = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.known).acquire_owned()).await;
        permit.ok()?.ok().map(|permit| Place(Inner::Known { _permit: permit }))
    }

    /// A place for anybody else; nothing where there are too many, most of all from the same corner.
    pub(super) async fn stranger(&self, rank: Rank, prefix: Prefix) -> Option<Place> {
        let seat = match self.strangers.join(rank, prefix) {
            Joined::Seated(seat) => seat,
            Joined::Waiting(called) => tokio::time::timeout(LONGEST_WAIT, called).await.ok()?.ok()?,
            Joined::Full => return None,
        };
        Some(Place(Inner::Stranger(seat)))
    }
}

impl Place {
    /// Gives the place back after work that took so long: at once, or after a rest where strangers stand in line.
    pub(super) fn leave_after(self, worked: Duration) {
        let crowded = matches!(&self.0, Inner::Stranger(seat) if !seat.0.lock().waiting.is_empty());
        if crowded {
            tokio::spawn(async move {
                tokio::time::sleep(worked.min(LONGEST_REST)).await;
                drop(self);
            });
        }
    }
}

#[derive(Default)]
struct Line(Mutex<Standing>);

#[derive(Default)]
struct Standing {
    taken: bool,
    arrivals: u64,
    waiting: BTreeMap<(Rank, u64), Waiting>,
}

struct Waiting {
    prefix: Prefix,
    call: oneshot::Sender<Seat>,
}

/// The one seat of the line. Dropped, it goes to the next.
struct Seat(Arc<Line>);

enum Joined {
    Seated(Seat),
    Waiting(oneshot::Receiver<Seat>),
    Full,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, rank: Rank, prefix: Prefix) -> Joined {
        let mut standing = self.lock();
        if !standing.taken {
            standing.taken = true;
            return Joined::Seated(Seat(Arc::clone(self)));
        }
        standing.waiting.retain(|_, waiting| !waiting.call.is_closed());
        if standing.waiting.values().filter(|waiting| waiting.prefix == prefix).count() >= MOST_OF_ONE {
            return Joined::Full;
        }
        if standing.waiting.len() >= MOST {
            match standing.waiting.last_key_value() {
                Some(((noisiest, _), _)) if *noisiest > rank => standing.waiting.pop_last(),
                _ => return Joined::Full,
            };
        }
        let (call, called) = oneshot::channel();
        standing.arrivals += 1;
        let arrival = standing.arrivals;
        standing.waiting.insert((rank, arrival), Waiting { prefix, call });
        Joined::Waiting(called)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        loop {
            let next = {
                let mut standing = self.0.lock();
                let next = standing.waiting.pop_first();
                standing.taken = next.is_some();
                next
            };
            let Some((_, next)) = next else { return };
            // Who has gone is passed over here; who goes just now drops the seat, and it comes by here once more.
            if !next.call.is_closed() {
                let _ = next.call.send(Self(Arc::clone(&self.0)));
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Prefix {
        Prefix::of([192, 0, 2, last].into())
    }

    #[tokio::test]
    async fn the_quietest_is_next_and_a_known_browser_waits_for_no_stranger() {
        let hashing = Arc::new(Hashing::default());
        let first = hashing.stranger(Rank::default(), from(1)).await;
        assert!(first.is_some());
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for (last, asked) in [(2, 900), (3, 1), (4, 40)] {
            let (hashing, tell) = (Arc::clone(&hashing), tell.clone());
            tokio::spawn(async move {
                let place = hashing.stranger(Rank::of(asked, 1000), from(last)).await;
                let _ = tell.send(last);
                drop(place);
            });
        }
        while hashing.strangers.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        assert!(hashing.known().await.is_some(), "while the strangers' seat is taken");
        drop(first);
        let mut order = Vec::new();
        for _ in 0..3 {
            order.extend(told.recv().await);
        }
        assert_eq!(order, [3, 4, 2]);
        assert!(!hashing.strangers.lock().taken);
    }

    #[tokio::test]
    async fn the_line_is_bounded_and_who_hangs_up_is_passed_over() {
        let line = Arc::new(Line::default());
        let Joined::Seated(seat) = line.join(Rank::default(), from(0)) else { panic!("the line was empty") };
        let mut held = Vec::new();
        for number in 0..=255_u8 {
            match line.join(Rank::of(5, 5), from(number)) {
                Joined::Waiting(called) => held.push(called),
                _ => panic!("{number} found it full"),
            }
        }
        assert!(matches!(line.join(Rank::of(5, 5), Prefix::of([198, 51, 100, 1].into())), Joined::Full));
        let Joined::Waiting(mut quiet) = line.join(Rank::of(1, 1), Prefix::of([198, 51, 100, 2].into()))
        else {
            panic!("a quiet corner finds a place")
        };
        assert_eq!(line.lock().waiting.len(), MOST);
        held.drain(..200);
        drop(seat);
        let seat = quiet.try_recv().expect("the quietest is called first");
        let of_one: Vec<_> = (0..6).map(|_| line.join(Rank::of(9, 9), from(250))).collect();
        assert!(of_one.iter().filter(|joined| matches!(joined, Joined::Full)).count() >= 2);
        drop((held, of_one));
        drop(seat);
        assert!(!line.lock().taken, "nobody is left to be called");
    }
}
