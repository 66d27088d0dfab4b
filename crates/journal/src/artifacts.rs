//! Large things, kept as files named by the SHA-256 of their content: `artifacts/ab/abcdef…`.
//!
//! The same bytes are kept once. A file stands under its name only when it is whole and synced. Nothing is ever removed to
//! make room: at the limit a new one is refused, because the old ones are evidence.

use crate::{DiskThreads, Limits};
use breakglass_chain::{Hash, digest};
use bytes::Bytes;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Why an artifact could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// It is larger than one may be.
    #[error("{bytes} bytes are more than the {limit} that one artifact may have; it was not kept")]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// There is no room under the limit of all together.
    #[error(
        "the artifacts have {used} of {limit} bytes and {bytes} more do not fit; it was not kept; move old incidents' files away"
    )]
    Full {
        /// Its size.
        bytes: u64,
        /// What is used.
        used: u64,
        /// The limit.
        limit: u64,
    },
    /// The disk refused.
    #[error("the disk refused the artifact; what it belongs to goes on without it")]
    Disk {
        /// What the system said.
        #[from]
        source: std::io::Error,
    },
    /// The disk did not answer in time. What was asked of it may still happen.
    #[error("the disk did not answer in {waited:?}; what it belongs to goes on without it")]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// There is none of this name.
    #[error("there is no artifact {sha256}")]
    NoSuch {
        /// What was asked for.
        sha256: String,
    },
    /// What was asked for is no SHA-256.
    #[error("an artifact is named by 64 hexadecimal digits")]
    NotADigest,
    /// Its bytes are not those that were kept.
    #[error("the file of artifact {sha256} was changed since it was kept; do not trust it")]
    Damaged {
        /// Its name.
        sha256: String,
    },
}

pub(crate) struct Artifacts {
    inner: Arc<Inner>,
    threads: DiskThreads,
}

struct Inner {
    dir: PathBuf,
    one: u64,
    all: u64,
    /// Bytes of all files, counted when the first is put.
    used: Mutex<Option<u64>>,
}

impl Artifacts {
    pub(crate) fn open(dir: &Path, limits: Limits) -> Self {
        let inner = Inner {
            dir: dir.join("artifacts"),
            one: limits.artifact_bytes,
            all: limits.artifacts_bytes,
            used: Mutex::new(None),
        };
        Self { inner: Arc::new(inner), threads: DiskThreads::new(2, limits.artifact_deadline) }
    }

    pub(crate) async fn put(&self, bytes: Bytes) -> Result<Hash, ArtifactError> {
        self.off_thread(move |inner| inner.put(&bytes)).await
    }

    pub(crate) async fn read(&self, sha256: &str) -> Result<Vec<u8>, ArtifactError> {
        let hash: Hash = sha256.parse().map_err(|_not| ArtifactError::NotADigest)?;
        self.off_thread(move |inner| inner.read(hash)).await
    }

    async fn off_thread<T, F>(&self, work: F) -> Result<T, ArtifactError>
    where
        T: Send + 'static,
        F: FnOnce(&Inner) -> Result<T, ArtifactError> + Send + 'static,
    {
        let inner = Arc::clone(&self.inner);
        let done = self.threads.run(move || work(&inner)).await;
        done.unwrap_or_else(|| Err(ArtifactError::TimedOut { waited: self.threads.deadline() }))
    }
}

impl Inner {
    fn path(&self, hash: Hash) -> PathBuf {
        let name = hash.to_string();
        let shelf: String = name.chars().take(2).collect();
        self.dir.join(shelf).join(name)
    }

    fn put(&self, bytes: &[u8]) -> Result<Hash, ArtifactError> {
        let size = bytes.len() as u64;
        if size > self.one {
            return Err(ArtifactError::TooLarge { bytes: size, limit: self.one });
        }
        let hash = digest(bytes);
        let path = self.path(hash);
        // Held while writing: two of the same content, and the sum of two different ones, must not pass each other.
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if fs::metadata(&path).is_ok_and(|meta| meta.len() == size) {
            return Ok(hash);
        }
        let before = match *used {
            Some(used) => used,
            None => self.count()?,
        };
        if before.saturating_add(size) > self.all {
            return Err(ArtifactError::Full { bytes: size, used: before, limit: self.all });
        }
        let shelf = path.parent().unwrap_or(&self.dir);
        DirBuilder::new().recursive(true).mode(0o700).create(shelf)?;
        let unfinished = self.dir.join(format!("unfinished-{hash}"));
        let written = write_synced(&unfinished, bytes).and_then(|()| fs::rename(&unfinished, &path));
        if let Err(error) = written {
            let _leftover = fs::remove_file(&unfinished);
            return Err(error.into());
        }
        sync_directory(shelf)?;
        sync_directory(&self.dir)?;
        *used = Some(before + size);
        Ok(hash)
    }

    fn read(&self, hash: Hash) -> Result<Vec<u8>, ArtifactError> {
        let sha256 = hash.to_string();
        let bytes = match fs::read(self.path(hash)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                return Err(ArtifactError::NoSuch { sha256 });
            }
            Err(error) => return Err(error.into()),
        };
        if digest(&bytes) == hash { Ok(bytes) } else { Err(ArtifactError::Damaged { sha256 }) }
    }

    fn count(&self) -> std::io::Result<u64> {
        let shelves = match fs::read_dir(&self.dir) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
            other => other?,
        };
        let mut sum = 0;
        for shelf in shelves {
            let shelf = shelf?;
            if shelf.file_type()?.is_dir() {
                for file in fs::read_dir(shelf.path())? {
                    sum += file?.metadata()?.len();
                }
            } else {
                // Cut off by a crash; nobody else writes here, the journal's lock is ours.
                fs::remove_file(shelf.path())?;
            }
        }
        Ok(sum)
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> std::io::Result<()> {
    File::open(path)?.sync_all()
}
