//! The one thread that writes: takes whatever waits, writes it in one transaction, shows it, and tells who asked.

use crate::Frame;
use crate::encode::Entry;
use crate::shared::Shared;
use crate::store::Store;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Events in one transaction. Bounded so that the first of a flood is acknowledged before the last is written.
const BATCH: usize = 512;
/// How long to wait before a disk that refused is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// Runs until the journal closes. What the disk would not take by then is lost, and the log says how much.
pub(crate) fn run(shared: &Shared, mut store: Store) {
    while let Some(batch) = next_batch(shared) {
        match store.write(&batch) {
            Ok(tip) => {
                *shared.head() = tip;
                // The disk answers: whether it can be read too, the next read says anew.
                *shared.read_trouble() = None;
                if batch.iter().any(|entry| entry.erases.is_some()) {
                    shared.ring().forget();
                }
                let told = shared.queue().committed(batch.len(), (shared.clock)());
                shared.publish(batch.iter().map(kept_frame));
                for reply in told {
                    // Whoever went away meanwhile needs no answer.
                    let _gone = reply.send(Ok(()));
                }
            }
            Err(error) => {
                tracing::error!(%error, events = batch.len(), "the journal cannot be written; holding events in memory");
                shared.give_up(&error.to_string());
                if !pause(shared) {
                    break;
                }
            }
        }
    }
    let lost = shared.queue().len();
    if lost > 0 {
        tracing::error!(events = lost, "the journal closes and the disk did not take these events");
    }
    drop(store);
    shared.ended.send_replace(true);
    shared.publish([]);
}

fn kept_frame(entry: &Arc<Entry>) -> Frame {
    Frame::event_frame(
        Some(entry.event.seq),
        entry.event.incident,
        entry.json(true),
        Arc::clone(&entry.event),
    )
}

/// Sleeps until something waits; `None` when the journal closes and nothing does.
fn next_batch(shared: &Shared) -> Option<Vec<Arc<Entry>>> {
    let mut queue = shared.queue();
    while queue.is_empty() {
        if queue.closing {
            return None;
        }
        queue = shared.bell.wait(queue).unwrap_or_else(PoisonError::into_inner);
    }
    Some(queue.batch(BATCH))
}

/// Waits before the next try; false when the journal closes meanwhile.
fn pause(shared: &Shared) -> bool {
    let queue = shared.queue();
    let waited = shared.bell.wait_timeout_while(queue, RETRY, |queue| !queue.closing);
    !waited.unwrap_or_else(PoisonError::into_inner).0.closing
}
