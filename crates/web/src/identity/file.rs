//! A small file of names, read again when it changes.
//!
//! A disk that hangs must not shut people out: what was read last stays valid, at most one reader is ever stuck, and
//! nobody waits for it longer than half a second.

use super::single::Single;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

/// Such a file is a page long; one of a mebibyte is a mistake.
const LARGEST: u64 = 1 << 20;
const LOOK_EVERY: Duration = Duration::from_millis(500);
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What a file of names is read into.
pub(super) trait FromLines: Default + Send + Sync + 'static {
    /// Takes one `name:rest` line.
    ///
    /// # Errors
    /// What is wrong with it, without repeating a secret.
    fn take(&mut self, name: &str, rest: &str) -> Result<(), String>;
}

/// The file as it was when it was last read.
pub(super) struct Watched<T> {
    inner: Arc<Inner<T>>,
    reader: Single,
}

struct Inner<T> {
    path: PathBuf,
    held: RwLock<Held<T>>,
}

struct Held<T> {
    value: Arc<T>,
    faults: Vec<String>,
    seen: Option<Mark>,
    looked: Option<Instant>,
}

/// Enough of the metadata to notice every change that matters.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mark {
    inode: u64,
    bytes: u64,
    seconds: i64,
    nanos: i64,
}

impl<T: FromLines> Watched<T> {
    pub(super) fn new(path: PathBuf) -> Self {
        let held = Held { value: Arc::new(T::default()), faults: Vec::new(), seen: None, looked: None };
        Self { inner: Arc::new(Inner { path, held: RwLock::new(held) }), reader: Single::default() }
    }

    /// What the file says, looked at again when the last look is older than half a second.
    pub(super) async fn current(&self) -> Arc<T> {
        if self.inner.is_stale()
            && let Some(done) = self.reader.start({
                let inner = Arc::clone(&self.inner);
                move || inner.look()
            })
        {
            let _ = tokio::time::timeout(LONGEST_WAIT, done).await;
        }
        Arc::clone(&self.inner.read_held().value)
    }

    /// What was wrong with it at the last look.
    pub(super) async fn faults(&self) -> Vec<String> {
        self.current().await;
        self.inner.read_held().faults.clone()
    }
}

impl<T: FromLines> Inner<T> {
    fn read_held(&self) -> std::sync::RwLockReadGuard<'_, Held<T>> {
        self.held.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_stale(&self) -> bool {
        self.read_held().looked.is_none_or(|at| at.elapsed() > LOOK_EVERY)
    }

    fn look(&self) {
        let looked = std::fs::metadata(&self.path).map_err(|error| error.to_string());
        let mark = looked.as_ref().ok().map(mark);
        let unchanged = mark.is_some() && self.read_held().seen == mark;
        let read = if unchanged { None } else { Some(looked.and_then(|meta| read::<T>(&self.path, &meta))) };
        let mut held = self.held.write().unwrap_or_else(PoisonError::into_inner);
        held.looked = Some(Instant::now());
        match read {
            None => {}
            Some(Ok((value, faults))) => {
                *held = Held { value: Arc::new(value), faults, seen: mark, looked: held.looked };
            }
            Some(Err(why)) => {
                let fault = format!("{}: {why}; what was read before still counts", self.path.display());
                if held.faults.first() != Some(&fault) {
                    tracing::warn!(file = %self.path.display(), why, "a file of names cannot be read");
                }
                held.faults = vec![fault];
                held.seen = None;
            }
        }
    }
}

fn mark(meta: &Metadata) -> Mark {
    Mark { inode: meta.ino(), bytes: meta.size(), seconds: meta.mtime(), nanos: meta.mtime_nsec() }
}

fn read<T: FromLines>(path: &Path, meta: &Metadata) -> Result<(T, Vec<String>), String> {
    if !meta.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    if meta.mode() & 0o002 != 0 {
        return Err("everybody on this machine may write to it; take that away with chmod o-w".to_owned());
    }
    if meta.size() > LARGEST {
        return Err("it is larger than 1 MiB".to_owned());
    }
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    let mut value = T::default();
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let taken = match line.split_once(':') {
            Some((name, rest)) if super::is_name(name) => value.take(name, rest.trim()),
            Some(_) => {
                Err("the name has other characters than letters, digits and `._@-`, or over 64".to_owned())
            }
            None => Err("there is no `name:` before it".to_owned()),
        };
        if let Err(why) = taken {
            faults.push(format!("{}, line {}: {why}; the line is not used", path.display(), number + 1));
        }
    }
    Ok((value, faults))
}
