//! The bounded store on the tmpfs for lines that the record's disk did not take.
//!
//! Two files of bounded size: the newer is written, and once full replaces the older, whose lines are counted as dropped.
//! Their directory exists only while they do, so that its absence costs one call to see. No lock: a line is one append, and the record's own lock sees to a single taker.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Bytes of each of the two files.
const HALF: u64 = 128 * 1024;

const RING: &str = "ring";
const NEWER: &str = "newer.jsonl";
const OLDER: &str = "older.jsonl";
const TAKING: &str = "taking.jsonl";
const DROPPED: &str = "dropped";

/// What was taken out of the ring, to be forgotten once it is on the disk.
pub(super) struct Taken {
    ring: PathBuf,
    pub(super) lines: Vec<String>,
    /// Lines that were lost since the ring was full.
    pub(super) dropped: u64,
}

/// Adds a line, dropping the oldest ones where there is no room.
pub(super) fn add(state: &Path, line: &str) -> io::Result<()> {
    let ring = state.join(RING);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&ring)?;
    let newer = ring.join(NEWER);
    if fs::metadata(&newer).is_ok_and(|metadata| metadata.len() > HALF) {
        let older = ring.join(OLDER);
        let lost = read_lines(&older).len() as u64;
        fs::write(ring.join(DROPPED), (dropped(&ring) + lost).to_string())?;
        fs::rename(&newer, older)?;
    }
    let mut file = File::options().append(true).create(true).mode(0o600).open(newer)?;
    file.write_all(format!("{line}\n").as_bytes())
}

/// Takes out everything. It stays in files of its own until [`Taken::forget`], so that a failed write loses nothing.
pub(super) fn take(state: &Path) -> Taken {
    let ring = state.join(RING);
    if !ring.exists() {
        return Taken { ring, lines: Vec::new(), dropped: 0 };
    }
    let taking = ring.join(TAKING);
    for part in [OLDER, NEWER] {
        let from = ring.join(part);
        let text = fs::read(&from).unwrap_or_default();
        if !text.is_empty() {
            let moved = File::options()
                .append(true)
                .create(true)
                .mode(0o600)
                .open(&taking)
                .and_then(|mut file| file.write_all(&text));
            if moved.is_ok() {
                let _ = fs::remove_file(from);
            }
        }
    }
    let (lines, dropped) = (read_lines(&taking), dropped(&ring));
    Taken { ring, lines, dropped }
}

impl Taken {
    /// The lines are on the disk now.
    pub(super) fn forget(self) {
        if !self.lines.is_empty() {
            let _ = fs::remove_file(self.ring.join(TAKING));
            let _ = fs::remove_file(self.ring.join(DROPPED));
            // Stays where another guard has just added a line.
            let _ = fs::remove_dir(self.ring);
        }
    }
}

fn read_lines(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().filter(|line| line.starts_with('{') && line.ends_with('}')).map(str::to_owned).collect()
}

fn dropped(ring: &Path) -> u64 {
    fs::read_to_string(ring.join(DROPPED)).ok().and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stays_bounded_and_counts_what_it_drops() {
        let scratch = tempfile::tempdir().unwrap();
        let line = format!("{{\"x\":\"{}\"}}", "y".repeat(1000));
        for _ in 0..1000 {
            add(scratch.path(), &line).unwrap();
        }
        let taken = take(scratch.path());
        assert!(taken.lines.len() < 300, "{}", taken.lines.len());
        assert_eq!(taken.dropped + taken.lines.len() as u64, 1000);
        let again = take(scratch.path());
        assert_eq!(again.lines.len(), taken.lines.len(), "nothing is lost before it is forgotten");
        again.forget();
        assert!(take(scratch.path()).lines.is_empty());
    }
}
