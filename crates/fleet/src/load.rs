//! Reads the file: the one place of this crate that does I/O.

use crate::{Fleet, Invalid};
use std::path::{Path, PathBuf};

/// No fleet came out of the file.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file could not be read.
    #[error(
        "cannot read the fleet file {path}; no host reads it, so guards and plain `ssh` go on. \
         Name another file, or write a first one with `breakglass init`",
        path = path.display()
    )]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file was read and cannot be used.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

impl Fleet {
    /// Reads and parses a fleet file.
    ///
    /// # Errors
    /// Where the file cannot be read, is not UTF-8, or is no valid fleet.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| LoadError::Unreadable { path: path.to_path_buf(), source })?;
        Ok(Self::parse(&text, path)?)
    }
}
