//! The one thread that writes: takes whatever waits, writes it in one transaction, shows it, and tells who asked.

use crate::Frame;
use crate::encode::Entry;
use crate::shared::Shared;
use crate::store::{Damaged, Standing, Store, WriteError, peek};
use crate::{OpenError, opening};
use std::path::Path;
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// Events in one transaction. Bounded so that the first of a flood is acknowledged before the last is written.
const BATCH: usize = 512;
/// How long to wait before a disk that refused is tried again.
const RETRY: Duration = Duration::from_millis(500);

/// How long to wait before a journal that could not be opened is tried again.
const REOPEN: Duration = Duration::from_secs(2);
/// So many writes in a row say that the database is damaged before that is believed.
const BELIEVED: u32 = 2;

/// What came of the first try to open it.
pub(crate) enum First {
    Opened(Standing),
    /// Why not, and how far the chain had come where that could be read all the same.
    Refused(OpenError, Option<Standing>),
}

/// Opens the journal, however long it takes, and then runs as [`run`]. The first outcome is told; a second server ends here.
pub(crate) fn open_and_run(shared: &Shared, dir: &Path, tell: &SyncSender<First>) {
    let mut said = String::new();
    let store = loop {
        // A reader that was opened while nothing could be written would keep the writer from writing, too.
        shared.readers.forget();
        let opened = opening::make(dir).and_then(|()| Store::open(dir, Damaged::SetAside((shared.clock)())));
        match opened {
            Ok((store, standing)) => {
                let follows = shared.stand(&standing);
                // Nobody listens any more where the first try took too long.
                let _late = tell.try_send(First::Opened(standing));
                match follows {
                    Ok(()) => break Some(store),
                    Err(error) => {
                        tracing::error!(%error, "nothing is kept until the server is started again");
                        shared.give_up(&error.to_string());
                        while pause(shared, REOPEN) {}
                        break None;
                    }
                }
            }
            Err(error) => {
                let why = error.told();
                if why != said {
                    tracing::error!(%why, "the journal cannot be opened; events are held in memory and it is tried again");
                    said.clone_from(&why);
                }
                let in_use = matches!(error, OpenError::InUse { .. });
                let first = tell.try_send(First::Refused(error, peek(dir))).is_ok();
                if in_use && first {
                    return;
                }
                if shared.queue().has_begun() {
                    shared.give_up(&why);
                }
                if !pause(shared, REOPEN) {
                    break None;
                }
            }
        }
    };
    match store {
        Some(store) => run(shared, store),
        None => end(shared),
    }
}

/// Runs until the journal closes. What the disk would not take by then is lost, and the log says how much.
pub(crate) fn run(shared: &Shared, mut store: Store) {
    let mut damaged = 0;
    while let Some(batch) = next_batch(shared) {
        match store.write(&batch) {
            Ok(tip) => {
                damaged = 0;
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
                damaged = if matches!(error, WriteError::Damaged(_)) { damaged + 1 } else { 0 };
                if error.is_read_only() {
                    shared.readers.forget();
                    if let Err(error) = store.reconnect() {
                        tracing::warn!(why = error.told(), "the journal cannot be opened again");
                    }
                }
                if damaged >= BELIEVED {
                    begin_anew(shared, &mut store, &error);
                }
                if !pause(shared, RETRY) {
                    break;
                }
            }
        }
    }
    // Whoever closes the database last tidies its log into it, and only this connection can.
    shared.readers.forget();
    drop(store);
    end(shared);
}

/// Sets the damaged database aside and goes on with another.
fn begin_anew(shared: &Shared, store: &mut Store, error: &WriteError) {
    match store.begin_anew((shared.clock)(), &error.to_string()) {
        Ok(standing) => {
            if let Err(error) = shared.stand_anew(&standing) {
                shared.give_up(&error.to_string());
            }
        }
        Err(refused) => tracing::error!(why = refused.told(), "the damaged journal cannot be set aside"),
    }
}

fn end(shared: &Shared) {
    let lost = shared.queue().len();
    if lost > 0 {
        tracing::error!(events = lost, "the journal closes and the disk did not take these events");
    }
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
fn pause(shared: &Shared, at_most: Duration) -> bool {
    let queue = shared.queue();
    let waited = shared.bell.wait_timeout_while(queue, at_most, |queue| !queue.closing);
    !waited.unwrap_or_else(PoisonError::into_inner).0.closing
}
