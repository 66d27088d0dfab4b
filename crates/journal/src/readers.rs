//! Two read connections, used off the async threads, each read under a deadline.

use crate::store::open_to_read;
use rusqlite::Connection;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) struct Readers {
    dir: PathBuf,
    deadline: Duration,
    idle: Mutex<Vec<Connection>>,
    permits: Arc<Semaphore>,
}

impl Readers {
    pub(crate) fn new(dir: PathBuf, deadline: Duration) -> Self {
        Self { dir, deadline, idle: Mutex::new(Vec::new()), permits: Arc::new(Semaphore::new(2)) }
    }

    /// Reads. A disk that hangs keeps its thread and one of the two permits, never the caller.
    ///
    /// # Errors
    /// Why it could not be read in time, in a sentence fragment.
    pub(crate) async fn read<T, F>(self: &Arc<Self>, work: F) -> Result<T, String>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    {
        let late = || format!("the disk did not answer a read in {:?}", self.deadline);
        let readers = Arc::clone(self);
        let reading = async {
            let permit =
                Arc::clone(&self.permits).acquire_owned().await.map_err(|error| error.to_string())?;
            tokio::task::spawn_blocking(move || {
                let _permit = permit;
                readers.read_here(work)
            })
            .await
            .map_err(|error| error.to_string())?
        };
        timeout(self.deadline, reading).await.unwrap_or_else(|_elapsed| Err(late()))
    }

    fn read_here<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, String> {
        let idle = self.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_to_read(&self.dir).map_err(|error| error.to_string())?,
        };
        let answer = work(&connection).map_err(|error| format!("the journal cannot be read: {error}"))?;
        self.idle().push(connection);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
