//! Why a journal could not be opened, in words for whoever has to mend it.

use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// Why a journal could not be opened. Each says what to do; in each case the server can go on with
/// [`crate::Journal::open_degraded`], which keeps events in memory only.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory or a file in it cannot be used.
    #[error("the journal directory {path} cannot be used; check that it exists, is writable and not full", path = .path.display())]
    Directory {
        /// Which path.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another process has it open for writing.
    #[error("another breakglass (process {holder}) is writing the journal in {path}; stop that one, or use it", path = .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// What that process wrote of itself.
        holder: String,
    },
    /// The database was written by a newer version.
    #[error("the journal {path} has schema {found} and this version knows {known}; it was not touched; run the newer breakglass", path = .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The file is a database of something else.
    #[error("{path} is a database, but no journal of breakglass; it was not touched; give the journal another directory", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is no database, or a damaged one.
    #[error("the journal {path} is damaged; it was not touched; move it aside (it may be salvaged) and start again", path = .path.display())]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What the database engine said.
        #[source]
        source: rusqlite::Error,
    },
    /// The file was emptied or taken away since the server wrote it last.
    #[error("the journal {path} was damaged while no server ran: {why}; it was not touched", path = .path.display())]
    Emptied {
        /// The file.
        path: PathBuf,
        /// What is wrong, in a sentence fragment.
        why: String,
    },
    /// The database engine could not open it.
    #[error("the journal {path} cannot be opened; check its permissions and the free space", path = .path.display())]
    Database {
        /// The file.
        path: PathBuf,
        /// What the database engine said.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenError {
    /// With its causes, in one sentence fragment.
    #[must_use]
    pub fn told(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }

    /// What is wrong with the database itself, where that is why, in a sentence fragment.
    pub(crate) fn damage(&self) -> Option<String> {
        match self {
            Self::Corrupt { source, .. } => Some(source.to_string()),
            Self::Emptied { why, .. } => Some(why.clone()),
            _ => None,
        }
    }

    pub(crate) fn from_sqlite(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Corrupt { path, source },
            _ => Self::Database { path, source },
        }
    }
}
