//! A few threads for work on a disk that may hang, and a deadline for whoever waits for it.
//!
//! A thread that hangs with its disk cannot be ended, and the threads of a process are few. So at most so many of each kind of
//! work are under way, and once all of these have hung for longer than the deadline, nobody waits for another: it is told at
//! once that the disk does not answer, until one of them comes back.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Threads for one kind of work. Cheap to clone; all clones are one.
#[derive(Debug, Clone)]
pub struct DiskThreads {
    permits: Arc<Semaphore>,
    /// When each of those under way began.
    begun: Arc<Mutex<Vec<Instant>>>,
    most: usize,
    deadline: Duration,
}

impl DiskThreads {
    /// At most so many threads; nobody waits longer than `deadline`.
    #[must_use]
    pub fn new(most: usize, deadline: Duration) -> Self {
        Self { permits: Arc::new(Semaphore::new(most)), begun: Arc::default(), most, deadline }
    }

    /// How long is waited at most.
    #[must_use]
    pub const fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Does it on a thread; `None` where the disk did not answer in time, or is known not to. What has begun goes on.
    pub async fn run<T, F>(&self, work: F) -> Option<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if self.all_hang() {
            return None;
        }
        let working = async {
            let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
            let under_way = UnderWay::begin(&self.begun);
            let working = tokio::task::spawn_blocking(move || {
                let _held = (under_way, permit);
                work()
            });
            working.await.ok()
        };
        timeout(self.deadline, working).await.ok().flatten()
    }

    fn all_hang(&self) -> bool {
        let begun = lock(&self.begun);
        begun.len() >= self.most && begun.iter().all(|began| began.elapsed() >= self.deadline)
    }
}

fn lock(begun: &Mutex<Vec<Instant>>) -> MutexGuard<'_, Vec<Instant>> {
    begun.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One of those under way; over when dropped.
struct UnderWay {
    all: Arc<Mutex<Vec<Instant>>>,
    began: Instant,
}

impl UnderWay {
    fn begin(all: &Arc<Mutex<Vec<Instant>>>) -> Self {
        let began = Instant::now();
        lock(all).push(began);
        Self { all: Arc::clone(all), began }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut all = lock(&self.all);
        if let Some(at) = all.iter().position(|began| *began == self.began) {
            all.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, channel};

    fn hang(go: Receiver<()>) -> impl FnOnce() + Send + 'static {
        move || {
            let _ = go.recv();
        }
    }

    #[tokio::test]
    async fn nobody_waits_for_a_disk_that_is_known_to_hang_and_it_may_come_back() {
        let threads = DiskThreads::new(2, Duration::from_secs(1));
        let ((go, gone), (go_too, gone_too)) = (channel(), channel());
        assert_eq!(threads.run(|| 1).await, Some(1));
        assert_eq!(threads.run(hang(gone)).await, None);
        // One hangs, the other is free.
        assert_eq!(threads.run(|| 2).await, Some(2));
        assert_eq!(threads.run(hang(gone_too)).await, None);
        // Each for itself would have been waited for.
        let began = Instant::now();
        for _ in 0..100 {
            assert_eq!(threads.run(|| 3).await, None);
        }
        assert!(began.elapsed() < Duration::from_secs(50), "{:?}", began.elapsed());
        go.send(()).unwrap();
        while threads.run(|| 4).await.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        go_too.send(()).unwrap();
    }

    #[tokio::test]
    async fn readers_that_went_away_early_do_not_make_a_slow_disk_a_hung_one() {
        let threads = DiskThreads::new(2, Duration::from_secs(30));
        let (mut going, mut left) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            let (go, gone) = channel();
            going.push(go);
            let threads = threads.clone();
            left.push(tokio::spawn(async move { threads.run(hang(gone)).await }));
        }
        while lock(&threads.begun).len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        left.iter().for_each(tokio::task::JoinHandle::abort);
        let third = tokio::spawn({
            let threads = threads.clone();
            async move { threads.run(|| 3).await }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        going.iter().for_each(|go| go.send(()).unwrap());
        assert_eq!(third.await.unwrap(), Some(3), "it was waited for");
    }
}
