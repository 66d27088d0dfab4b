//! Whose password is hashed next.
//!
//! Hashing takes a processor and tens of MiB for a moment, so it is what a flood of log-ins would use up. Two lines
//! stand for it and never wait for each other: one for browsers that are known for the name they give, one for all
//! others, where whoever comes from the quietest corner of the network is next. In each, one password is hashed at a
//! time, on a thread of its own that keeps the memory for it. The place travels with the work: a client that hangs up frees nothing early.

use super::passwords::Scratch;
use super::throttle::{Count, Prefix, count};
use std::collections::{BTreeMap, HashMap};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
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
    known_worker: Worker,
    strangers: Arc<Line>,
    strangers_worker: Worker,
}

/// The right to hash one password; given back when the work is done.
pub(super) struct Place {
    seat: Seat,
    worker: Worker,
}

enum Seat {
    Known { _permit: OwnedSemaphorePermit },
    Stranger(Chair),
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            known: Arc::new(Semaphore::new(1)),
            known_worker: Worker::start("hashing-known"),
            strangers: Arc::default(),
            strangers_worker: Worker::start("hashing"),
        }
    }
}

impl Hashing {
    /// Somebody there has asked, whether or not they will be looked at.
    pub(super) fn heard(&self, prefix: Prefix, now: Instant) {
        let mut standing = self.strangers.lock();
        count(&mut standing.asked, prefix, now, |_| Duration::ZERO);
        count(&mut standing.blocks, prefix.block(), now, |_| Duration::ZERO);
    }

    /// Somebody there got in: no noise comes from there.
    pub(super) fn welcome(&self, prefix: Prefix) {
        self.strangers.lock().asked.remove(&prefix);
    }

    /// A place for a browser that is known; nothing where its line does not move.
    pub(super) async fn known(&self) -> Option<Place> {
        let permit = tokio::time::timeout(LONGEST_WAIT, Arc::clone(&self.known).acquire_owned()).await;
        let seat = Seat::Known { _permit: permit.ok()?.ok()? };
        Some(Place { seat, worker: self.known_worker.clone() })
    }

    /// A place for anybody else; nothing where there are too many, most of all from the same corner.
    pub(super) async fn stranger(&self, prefix: Prefix) -> Option<Place> {
        let chair = match self.strangers.join(prefix) {
            Joined::Seated(chair) => chair,
            Joined::Waiting(called) => tokio::time::timeout(LONGEST_WAIT, called).await.ok()?.ok()?,
            Joined::Full => return None,
        };
        Some(Place { seat: Seat::Stranger(chair), worker: self.strangers_worker.clone() })
    }
}

impl Place {
    /// Does the work and gives the place back: at once, or after a rest where strangers stand in line. False where the
    /// work came to no end.
    pub(super) async fn work(self, work: impl FnOnce(&mut Scratch) -> bool + Send + 'static) -> bool {
        let (tell, told) = oneshot::channel();
        let seat = self.seat;
        self.worker.run(Box::new(move |scratch| {
            let began = Instant::now();
            let _ = tell.send(work(scratch));
            let crowded = matches!(&seat, Seat::Stranger(chair) if !chair.0.lock().waiting.is_empty());
            if crowded {
                std::thread::sleep(began.elapsed().min(LONGEST_REST));
            }
            drop(seat);
        }));
        told.await.unwrap_or(false)
    }
}

type Job = Box<dyn FnOnce(&mut Scratch) + Send>;

/// A thread that does one thing after the other, and ends with the last who may ask it.
#[derive(Clone)]
struct Worker(Option<mpsc::Sender<Job>>);

impl Worker {
    fn start(name: &str) -> Self {
        let (give, take) = mpsc::channel::<Job>();
        let started = std::thread::Builder::new().name(name.to_owned()).spawn(move || {
            let mut scratch = Scratch::default();
            for job in take {
                job(&mut scratch);
            }
        });
        if let Err(error) = &started {
            tracing::warn!(why = %error, "no thread for hashing passwords; others are used");
        }
        Self(started.is_ok().then_some(give))
    }

    fn run(&self, job: Job) {
        let left = match &self.0 {
            Some(give) => give.send(job).err().map(|mpsc::SendError(job)| job),
            None => Some(job),
        };
        if let Some(job) = left {
            tokio::task::spawn_blocking(move || job(&mut Scratch::default()));
        }
    }
}

#[derive(Default)]
struct Line(Mutex<Standing>);

#[derive(Default)]
struct Standing {
    taken: bool,
    arrivals: u64,
    /// In the order of arrival.
    waiting: BTreeMap<u64, Waiting>,
    asked: HashMap<Prefix, Count>,
    blocks: HashMap<Prefix, Count>,
}

struct Waiting {
    prefix: Prefix,
    call: oneshot::Sender<Chair>,
}

impl Standing {
    /// How noisy it is there now: attempts of the prefix, then of the block around it.
    fn noise(&self, prefix: Prefix) -> (u32, u32) {
        let of = |counts: &HashMap<Prefix, Count>, key| counts.get(&key).map_or(0, |count| count.failures);
        (of(&self.asked, prefix), of(&self.blocks, prefix.block()))
    }

    /// The one to be called next; those who have gone are forgotten.
    fn next(&mut self) -> Option<Waiting> {
        self.waiting.retain(|_, waiting| !waiting.call.is_closed());
        let rank = |(arrival, waiting): (&u64, &Waiting)| (self.noise(waiting.prefix), *arrival);
        let (_, arrival) = self.waiting.iter().map(rank).min()?;
        self.waiting.remove(&arrival)
    }

    /// Makes room for somebody from there where the noisiest is noisier.
    fn make_room(&mut self, prefix: Prefix) -> bool {
        let rank = |(arrival, waiting): (&u64, &Waiting)| (self.noise(waiting.prefix), *arrival);
        let noisiest = self.waiting.iter().map(rank).max();
        match noisiest {
            Some((noise, arrival)) if noise > self.noise(prefix) => self.waiting.remove(&arrival).is_some(),
            _ => false,
        }
    }
}

/// The one chair of the line. Dropped, it goes to the next.
struct Chair(Arc<Line>);

enum Joined {
    Seated(Chair),
    Waiting(oneshot::Receiver<Chair>),
    Full,
}

impl Line {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(self: &Arc<Self>, prefix: Prefix) -> Joined {
        let mut standing = self.lock();
        if !standing.taken {
            standing.taken = true;
            return Joined::Seated(Chair(Arc::clone(self)));
        }
        standing.waiting.retain(|_, waiting| !waiting.call.is_closed());
        if standing.waiting.values().filter(|waiting| waiting.prefix == prefix).count() >= MOST_OF_ONE {
            return Joined::Full;
        }
        if standing.waiting.len() >= MOST && !standing.make_room(prefix) {
            return Joined::Full;
        }
        let (call, called) = oneshot::channel();
        standing.arrivals += 1;
        let arrival = standing.arrivals;
        standing.waiting.insert(arrival, Waiting { prefix, call });
        Joined::Waiting(called)
    }
}

impl Drop for Chair {
    fn drop(&mut self) {
        let next = {
            let mut standing = self.0.lock();
            let next = standing.next();
            standing.taken = next.is_some();
            next
        };
        if let Some(next) = next {
            // Who goes just now drops the chair, and it comes by here once more.
            let _ = next.call.send(Self(Arc::clone(&self.0)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(last: u8) -> Prefix {
        Prefix::of([192, 0, 2, last].into())
    }

    fn elsewhere(last: u8) -> Prefix {
        Prefix::of([198, 51, 100, last].into())
    }

    #[tokio::test]
    async fn the_quietest_is_next_and_a_known_browser_waits_for_no_stranger() {
        let (hashing, now) = (Arc::new(Hashing::default()), Instant::now());
        let first = hashing.stranger(from(1)).await;
        assert!(first.is_some());
        let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
        for prefix in [from(2), from(3), elsewhere(4)] {
            let (hashing, tell) = (Arc::clone(&hashing), tell.clone());
            tokio::spawn(async move {
                let place = hashing.stranger(prefix).await.unwrap();
                let _ = tell.send(prefix);
                assert!(place.work(|_| true).await);
            });
        }
        while hashing.strangers.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        // What happens while they wait counts: the first to come has turned out to be the noisiest.
        for _ in 0..50 {
            hashing.heard(from(2), now);
        }
        let known = hashing.known().await.unwrap();
        assert!(known.work(|_| true).await, "while the strangers' chair is taken");
        drop(first);
        let mut order = Vec::new();
        for _ in 0..3 {
            order.extend(told.recv().await);
        }
        assert_eq!(order, [elsewhere(4), from(3), from(2)]);
    }

    #[tokio::test]
    async fn the_line_is_bounded_and_who_hangs_up_is_passed_over() {
        let hashing = Hashing::default();
        let line = Arc::clone(&hashing.strangers);
        let Joined::Seated(chair) = line.join(from(0)) else { panic!("the line was empty") };
        let mut held = Vec::new();
        for number in 0..=255_u8 {
            hashing.heard(from(number), Instant::now());
            match line.join(from(number)) {
                Joined::Waiting(called) => held.push(called),
                _ => panic!("{number} found it full"),
            }
        }
        assert!(matches!(line.join(from(7)), Joined::Full), "nobody is noisier");
        let Joined::Waiting(mut quiet) = line.join(elsewhere(2)) else { panic!("a quiet corner finds room") };
        assert_eq!(line.lock().waiting.len(), MOST);
        held.drain(..200);
        drop(chair);
        let chair = quiet.try_recv().expect("the quietest is called first");
        let of_one: Vec<_> = (0..6).map(|_| line.join(from(250))).collect();
        assert!(of_one.iter().filter(|joined| matches!(joined, Joined::Full)).count() >= 2);
        drop((held, of_one));
        drop(chair);
        assert!(!line.lock().taken, "nobody is left to be called");
    }

    #[tokio::test]
    async fn a_client_that_hangs_up_frees_nothing_early() {
        let hashing = Hashing::default();
        let (go, wait) = mpsc::channel::<()>();
        let place = hashing.stranger(from(1)).await.unwrap();
        let mut work = Box::pin(place.work(move |_| wait.recv().is_ok()));
        assert!(futures_util::poll!(work.as_mut()).is_pending());
        drop(work);
        assert!(matches!(hashing.strangers.join(from(2)), Joined::Waiting(_)), "it is hashed still");
        drop(go);
    }
}
