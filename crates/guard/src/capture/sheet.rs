//! What a child writes on: its standard output, flushed piece by piece, so that what was found before a hang is out.

use std::fmt::Display;
use std::io::{self, Write};

/// A child's output.
#[derive(Debug)]
pub(crate) struct Sheet {
    out: io::Stdout,
}

impl Sheet {
    pub(crate) fn new() -> Self {
        Self { out: io::stdout() }
    }

    /// Bytes as they are. A reader that is gone is past caring, and so are we.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        let _ = self.out.write_all(bytes).and_then(|()| self.out.flush());
    }

    /// A line.
    pub(crate) fn line(&mut self, line: impl Display) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    /// A headed section; its text ends with a line break whether it had one or not.
    pub(crate) fn section(&mut self, head: &str, text: &str) {
        self.bytes(format!("== {head}\n{}\n\n", text.trim_end()).as_bytes());
    }
}
