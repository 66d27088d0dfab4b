//! How a journal is opened: at once or not at all, for tools; under a deadline and whatever the disk does, for the server.

use crate::artifacts::Artifacts;
use crate::journal::Handle;
use crate::shared::Shared;
use crate::store::{Damaged, Standing, Store};
use crate::{Head, Journal, Limits, OpenError, writer};
use breakglass_incident::Seq;
use breakglass_protocol::Timestamp;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use tokio::sync::Mutex;

impl Journal {
    /// Opens the journal in a directory, which is made if need be, and takes its lock. A damaged one is left as it is.
    ///
    /// # Errors
    /// Where it cannot be written by this process; nothing was changed then.
    pub fn open(dir: &Path, clock: fn() -> Timestamp) -> Result<Self, OpenError> {
        Self::open_with(dir, clock, Limits::default())
    }

    /// [`Journal::open`] with other bounds.
    ///
    /// # Errors
    /// As there.
    pub fn open_with(dir: &Path, clock: fn() -> Timestamp, limits: Limits) -> Result<Self, OpenError> {
        make(dir)?;
        let (store, standing) = Store::open(dir, Damaged::Refuse)?;
        let shared = Arc::new(Shared::new(dir.to_owned(), clock, limits));
        // A queue that has given no number yet goes on from any chain.
        let _follows = shared.stand(&standing);
        let for_writer = Arc::clone(&shared);
        thread(dir, move || writer::run(&for_writer, store))?;
        Ok(Self::of(shared, dir, limits, standing.ended_in_order))
    }

    /// For a server: opens the journal, and goes on whatever the disk does. Within [`Limits::open_deadline`] it is open, or events
    /// are held in memory, [`Journal::keeping`] says why, and it is opened as soon as that can be done. A database that is
    /// damaged is set aside (never deleted) and another begun; one that is newer, foreign or not ours to read is left alone. Blocks.
    ///
    /// # Errors
    /// [`OpenError::InUse`], and where no thread can be started.
    pub fn begin(dir: &Path, clock: fn() -> Timestamp, limits: Limits) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::new(dir.to_owned(), clock, limits));
        let (tell, told) = sync_channel(1);
        let (for_writer, at) = (Arc::clone(&shared), dir.to_owned());
        thread(dir, move || writer::open_and_run(&for_writer, &at, &tell))?;
        let standing: Option<Standing> = match told.recv_timeout(limits.open_deadline) {
            Ok(writer::First::Opened(standing)) => Some(standing),
            Ok(writer::First::Refused(in_use @ OpenError::InUse { .. }, _)) => return Err(in_use),
            Ok(writer::First::Refused(error, peeked)) => {
                shared.begin_without(peeked.as_ref());
                shared.give_up(&error.told());
                peeked
            }
            Err(_silent) => {
                if shared.begin_without(None) {
                    let why = format!(
                        "the disk did not answer in {:?} when the server started",
                        limits.open_deadline
                    );
                    tracing::error!(%why, "events are held in memory until the journal can be opened");
                    shared.give_up(&why);
                }
                None
            }
        };
        Ok(Self::of(shared, dir, limits, standing.and_then(|standing| standing.ended_in_order)))
    }

    /// A journal in memory only: everything goes on, events are shown live and held up to the bound, [`Journal::keeping`] says that
    /// nothing is kept. It stays so.
    #[must_use]
    pub fn open_degraded(dir: &Path, clock: fn() -> Timestamp, why: &OpenError) -> Self {
        Self::degraded_with(dir, clock, why, Limits::default())
    }

    /// [`Journal::open_degraded`] with other bounds.
    #[must_use]
    pub fn degraded_with(dir: &Path, clock: fn() -> Timestamp, why: &OpenError, limits: Limits) -> Self {
        let shared = Arc::new(Shared::new(dir.to_owned(), clock, limits));
        {
            let mut queue = shared.queue();
            queue.begin(Seq(Head::EMPTY.seq), 0);
            queue.has_writer = false;
            queue.give_up(&why.told(), clock());
        }
        Self::of(shared, dir, limits, None)
    }

    fn of(shared: Arc<Shared>, dir: &Path, limits: Limits, ended_in_order: Option<bool>) -> Self {
        let artifacts = Artifacts::open(dir, limits);
        Self { handle: Arc::new(Handle { shared, artifacts, ended_in_order, intake: Mutex::default() }) }
    }
}

/// Makes the directory, for its owner alone.
pub(crate) fn make(dir: &Path) -> Result<(), OpenError> {
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(|source| OpenError::Directory { path: dir.to_owned(), source })
}

fn thread(dir: &Path, work: impl FnOnce() + Send + 'static) -> Result<(), OpenError> {
    let started = std::thread::Builder::new().name("journal".to_owned()).spawn(work);
    started.map(|_handle| ()).map_err(|source| OpenError::Directory { path: dir.to_owned(), source })
}
