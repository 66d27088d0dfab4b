//! Work on a disk that may hang: one piece of it at a time.
//!
//! A thread that waits for a hung disk cannot be ended. One of each kind may be stuck; a second would take a thread that
//! something else needs.

use std::sync::{Mutex, PoisonError};
use tokio::task::JoinHandle;

/// The place for one piece of such work.
#[derive(Default)]
pub(crate) struct Single(Mutex<Option<JoinHandle<()>>>);

impl Single {
    /// Starts it, unless the one before is on its way or stuck. What comes back is ready when the work is done, with its
    /// result, or with nothing where it panicked.
    pub(crate) fn start<T: Send + 'static, W: FnOnce() -> T + Send + 'static>(
        &self,
        work: W,
    ) -> Option<impl Future<Output = Option<T>> + use<T, W>> {
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if running.as_ref().is_some_and(|running| !running.is_finished()) {
            return None;
        }
        let (tell, told) = tokio::sync::oneshot::channel();
        *running = Some(tokio::task::spawn_blocking(move || {
            let _ = tell.send(work());
        }));
        Some(async { told.await.ok() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_second_is_not_started_beside_one_that_is_stuck() {
        let single = Single::default();
        let (go, gone) = std::sync::mpsc::channel::<()>();
        let stuck = single.start(move || gone.recv()).unwrap();
        for _ in 0..3 {
            assert!(single.start(|| ()).is_none());
        }
        go.send(()).unwrap();
        assert_eq!(stuck.await, Some(Ok(())));
        while single.start(|| ()).is_none() {
            tokio::task::yield_now().await;
        }
    }
}
