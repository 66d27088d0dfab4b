//! Two read connections, used off the async threads, each read under a deadline.

use crate::DiskThreads;
use crate::reading::open_to_read;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub(crate) struct Readers {
    dir: PathBuf,
    threads: DiskThreads,
    /// Connections at rest, and how often the database was replaced: one to a database that is gone is not used again.
    idle: Mutex<(u64, Vec<Connection>)>,
}

impl Readers {
    pub(crate) fn new(dir: PathBuf, deadline: Duration) -> Self {
        Self { dir, threads: DiskThreads::new(2, deadline), idle: Mutex::new((0, Vec::new())) }
    }

    /// Reads. A disk that hangs keeps its thread, one of the two, and never the caller.
    ///
    /// # Errors
    /// Why it could not be read in time, in a sentence fragment.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let readers = Arc::clone(self);
        let read = self.threads.run(move || readers.read_here(work)).await;
        read.unwrap_or_else(|| {
            Err(format!("the disk did not answer a read in {:?}", self.threads.deadline()))
        })
    }

    fn read_here<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        let (replaced, idle) = {
            let mut idle = self.idle();
            (idle.0, idle.1.pop())
        };
        let connection = match idle {
            Some(connection) => connection,
            None => open_to_read(&self.dir).map_err(|error| error.to_string())?,
        };
        let answer = work(&connection).map_err(|error| format!("the journal cannot be read: {error}"))?;
        let mut idle = self.idle();
        if idle.0 == replaced {
            idle.1.push(connection);
        }
        Ok(answer)
    }

    /// The database was replaced by another: connections to the old one are of no use.
    pub(crate) fn forget(&self) {
        let mut idle = self.idle();
        idle.0 += 1;
        idle.1.clear();
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, (u64, Vec<Connection>)> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
