//! Setting a damaged database aside: moved, with its log, into a directory beside the new one. Nothing is deleted. See ADR-0019.
//!
//! Three files are moved and a crash may come between any two. A file `unfinished` in the directory says that it did; the next
//! start moves the rest before it looks at any database, so that a log never meets a database that it does not belong to.

use crate::head_file::{HeadFile, Remembered};
use breakglass_protocol::Timestamp;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

const PREFIX: &str = "journal.damaged-";
const UNFINISHED: &str = "unfinished";
const WHY: &str = "why";
/// The log first: without it the old database is still damaged or merely shorter; without its database the log is a danger.
const FILES: [&str; 3] = ["journal.db-wal", "journal.db-shm", "journal.db"];

/// Whether a database that looks new has been emptied or taken away; how, in a sentence fragment.
pub(crate) fn emptied(dir: &Path, remembered: Option<Remembered>) -> Option<String> {
    let length = |name: &str| fs::metadata(dir.join(name)).map(|meta| meta.len());
    let what = match length("journal.db") {
        Ok(0) => "is empty",
        Err(error) if error.kind() == io::ErrorKind::NotFound => "is gone",
        _ => return None,
    };
    let left = length("journal.db-wal").unwrap_or(0);
    match remembered.filter(|remembered| !remembered.aside && remembered.head.seq > 0) {
        Some(remembered) => {
            Some(format!("journal.db {what}, and the server remembers {} events", remembered.head.seq))
        }
        None if left > 0 => Some(format!("journal.db {what}, and {left} bytes of its log are still there")),
        None => None,
    }
}

/// Moves the database and its log aside. Gives the directory.
pub(crate) fn set_aside(
    dir: &Path,
    at: Timestamp,
    why: &str,
    remembered: Option<Remembered>,
) -> io::Result<PathBuf> {
    let into = new_directory(dir, at)?;
    let mark = into.join(UNFINISHED);
    fs::write(&mark, format!("{why}\n"))?;
    File::open(&mark)?.sync_all()?;
    if let Some(remembered) = remembered {
        HeadFile::open(dir).note(remembered.head, true);
    }
    finish(dir, &into)?;
    Ok(into)
}

/// Copies the log, where it is about to be overwritten and may hold what the database lacks.
pub(crate) fn copy_log(dir: &Path, at: Timestamp, why: &str) -> io::Result<Option<PathBuf>> {
    let log = dir.join("journal.db-wal");
    if fs::metadata(&log).map_or(0, |meta| meta.len()) == 0 {
        return Ok(None);
    }
    let into = new_directory(dir, at)?;
    fs::copy(log, into.join("journal.db-wal"))?;
    fs::write(into.join(WHY), format!("{why}\n"))?;
    Ok(Some(into))
}

/// Ends what a crash interrupted.
pub(crate) fn finish_unfinished(dir: &Path) -> io::Result<()> {
    for into in set_aside_before(dir)? {
        if into.join(UNFINISHED).exists() {
            finish(dir, &into)?;
        }
    }
    Ok(())
}

/// The directories beside a journal in which damaged ones lie, oldest first.
///
/// # Errors
/// Where the directory cannot be read.
pub fn set_aside_before(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn new_directory(dir: &Path, at: Timestamp) -> io::Result<PathBuf> {
    let stamp = at.to_string().replace([':', '.'], "-");
    for attempt in 1..100 {
        let number = if attempt == 1 { String::new() } else { format!("-{attempt}") };
        let into = dir.join(format!("{PREFIX}{stamp}{number}"));
        match DirBuilder::new().mode(0o700).create(&into) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => return made.map(|()| into),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

fn finish(dir: &Path, into: &Path) -> io::Result<()> {
    for name in FILES {
        match fs::rename(dir.join(name), into.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    File::open(dir)?.sync_all()?;
    fs::rename(into.join(UNFINISHED), into.join(WHY))?;
    File::open(into)?.sync_all()?;
    Ok(())
}
