//! How far the chain had come, remembered beside the database: `journal.head`.
//!
//! A database alone cannot show that its end is gone: SQLite takes a damaged write-ahead log for one that ends earlier, and an
//! emptied file for a new one. Against this file it shows. It is written after each commit and not synced, so it may lag behind the
//! database and is never ahead of it.

use crate::Head;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

const NAME: &str = "journal.head";

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    pub(crate) head: Head,
    /// The events up to the head lie in a database that was set aside: they are not lost, and not in this chain.
    pub(crate) aside: bool,
}

/// The file, open for writing.
#[derive(Debug)]
pub(crate) struct HeadFile(Option<File>);

impl HeadFile {
    pub(crate) fn open(dir: &Path) -> Self {
        let mut options = OpenOptions::new();
        let opened = options.write(true).create(true).truncate(false).mode(0o600).open(dir.join(NAME));
        if let Err(error) = &opened {
            tracing::warn!(%error, "journal.head cannot be written; a cut end of the journal would not show by itself");
        }
        Self(opened.ok())
    }

    /// Notes where the chain stands. The text always has the same length, so that one write replaces it.
    pub(crate) fn note(&self, head: Head, aside: bool) {
        let word = if aside { "aside" } else { "holds" };
        let text = format!("{:020}:{} {word}\n", head.seq, head.hash);
        if let Some(file) = &self.0 {
            // A convenience: the events themselves are durable already.
            let _unnoted = file.write_all_at(text.as_bytes(), 0);
        }
    }
}

/// Reads it. One that is absent or garbled tells nothing.
pub(crate) fn read(dir: &Path) -> Option<Remembered> {
    let text = std::fs::read_to_string(dir.join(NAME)).ok()?;
    let (head, word) = text.trim().split_once(' ')?;
    Some(Remembered { head: head.parse().ok()?, aside: word == "aside" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_chain::digest;

    #[test]
    fn is_read_as_it_was_noted() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read(dir.path()), None);
        let file = HeadFile::open(dir.path());
        for (seq, aside) in [(7, true), (1_795_316_920_125, false)] {
            let head = Head { seq, hash: digest(b"x") };
            file.note(head, aside);
            assert_eq!(read(dir.path()), Some(Remembered { head, aside }));
        }
        std::fs::write(dir.path().join(NAME), "garbage").unwrap();
        assert_eq!(read(dir.path()), None);
    }
}
