//! What one asks of a door, and what comes back while it runs. Plain values; nothing here does anything.

use bytes::Bytes;
use std::time::Duration;

/// One command for one door.
#[derive(Debug, Clone)]
pub struct Ask<'a> {
    /// The door's name in `fleet.toml`.
    pub door: &'a str,
    /// What is sent. The account's login shell, or the forced command of the key, decides what it means.
    pub command: String,
    /// The time for all of it: connect, log in, open, run, stop.
    pub deadline: Duration,
    /// How many bytes of each of the two outputs [`crate::Doors::capture`] keeps; what is beyond is read and dropped.
    pub stdout_limit: usize,
}

/// A piece of output, in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// From standard output.
    Stdout(Bytes),
    /// From standard error.
    Stderr(Bytes),
}

/// Output that was kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Captured {
    /// The head of standard output.
    pub stdout: Vec<u8>,
    /// The head of standard error.
    pub stderr: Vec<u8>,
    /// Whether anything was dropped because a limit was reached.
    pub cut: bool,
}

impl Captured {
    /// Takes a chunk in, up to `limit` bytes of each output.
    pub(crate) fn take(&mut self, chunk: &Chunk, limit: usize) {
        let (kept, bytes) = match chunk {
            Chunk::Stdout(bytes) => (&mut self.stdout, bytes),
            Chunk::Stderr(bytes) => (&mut self.stderr, bytes),
        };
        let room = limit.saturating_sub(kept.len());
        if let Some(head) = bytes.get(..room) {
            kept.extend_from_slice(head);
            self.cut |= bytes.len() > room;
        } else {
            kept.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_head_of_each_output_and_says_that_it_cut() {
        let mut captured = Captured::default();
        captured.take(&Chunk::Stdout(Bytes::from_static(b"abc")), 4);
        captured.take(&Chunk::Stderr(Bytes::from_static(b"12")), 4);
        assert!(!captured.cut);
        captured.take(&Chunk::Stdout(Bytes::from_static(b"d")), 4);
        assert!(!captured.cut, "exactly the limit is not a cut");
        captured.take(&Chunk::Stdout(Bytes::from_static(b"e")), 4);
        assert!(captured.cut);
        assert_eq!((captured.stdout, captured.stderr), (b"abcd".to_vec(), b"12".to_vec()));
    }
}
