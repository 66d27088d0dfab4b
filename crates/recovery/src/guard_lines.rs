//! Bytes as they come through a power door, cut into the lines of the guard's machine output.
//!
//! What comes is from another machine and may be anything: lines are bounded, and what is no line of the protocol is
//! kept only as a short excerpt, for the sentence that tells a person what came instead.

use breakglass_protocol::{Line, parse_line};

/// A line holds at most one part of forensics in base64; QEMU's screendump of a 4K screen is the largest known.
const LONGEST_LINE: usize = 24 << 20;
/// How much of what is no line is kept.
const EXCERPT: usize = 400;

/// Cuts a stream into lines.
#[derive(Debug, Default)]
pub(crate) struct GuardLines {
    pending: Vec<u8>,
    skipping: bool,
    excerpt: String,
}

impl GuardLines {
    /// Takes the next bytes of standard output; gives the lines that are whole now.
    pub(crate) fn stdout(&mut self, bytes: &[u8]) -> Vec<Line> {
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match piece.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (piece, false),
            };
            if !self.skipping {
                self.pending.extend_from_slice(text);
            }
            if self.pending.len() > LONGEST_LINE {
                self.skipping = true;
                self.pending = Vec::new();
                self.keep_excerpt("(a line that was longer than any line of the protocol)");
            }
            if ended {
                let whole = std::mem::take(&mut self.pending);
                if !std::mem::take(&mut self.skipping) {
                    lines.extend(self.read(&whole));
                }
            }
        }
        lines
    }

    /// Takes bytes of standard error, where the guard and the login shell say what is wrong.
    pub(crate) fn stderr(&mut self, bytes: &[u8]) {
        self.keep_excerpt(&String::from_utf8_lossy(bytes));
    }

    /// What came that was no line, shortened and without control characters; empty where all was well.
    pub(crate) fn excerpt(&self) -> &str {
        self.excerpt.trim()
    }

    fn read(&mut self, whole: &[u8]) -> Option<Line> {
        let text = String::from_utf8_lossy(whole);
        if text.trim().is_empty() {
            return None;
        }
        let line = parse_line(&text).ok();
        if line.is_none() {
            self.keep_excerpt(&text);
        }
        line
    }

    fn keep_excerpt(&mut self, text: &str) {
        let room = EXCERPT.saturating_sub(self.excerpt.chars().count());
        self.excerpt.extend(text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(room));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::{Timestamp, Verb, VmName, render_line};

    fn started() -> Line {
        Line::Started {
            at: Timestamp::from_unix_millis(1),
            verb: Some(Verb::Cycle),
            vm: Some(VmName::new("devvm").unwrap()),
            command: None,
            operation: None,
            joined: false,
        }
    }

    #[test]
    fn cuts_lines_wherever_the_network_did() {
        let text = format!("{}\n{}\n", render_line(&started()), render_line(&started()));
        for size in [1, 2, 7, 64, 4096] {
            let mut lines = GuardLines::default();
            let heard: Vec<Line> =
                text.as_bytes().chunks(size).flat_map(|chunk| lines.stdout(chunk)).collect();
            assert_eq!(heard, [started(), started()], "in pieces of {size}");
            assert_eq!(lines.excerpt(), "");
        }
    }

    #[test]
    fn keeps_a_short_excerpt_of_what_is_no_line() {
        let mut lines = GuardLines::default();
        assert!(lines.stdout(b"Welcome to \x1b[31mpve\n").is_empty());
        lines.stderr("sh: breakglass-guard: not found\n".repeat(100).as_bytes());
        assert!(lines.excerpt().starts_with("Welcome to  [31mpve"), "{}", lines.excerpt());
        assert!(lines.excerpt().chars().count() <= EXCERPT);
    }

    #[test]
    fn an_endless_line_is_dropped_and_the_next_one_is_read() {
        let mut lines = GuardLines::default();
        for _ in 0..26 {
            assert!(lines.stdout(&vec![b'x'; 1 << 20]).is_empty());
        }
        assert!(lines.pending.len() <= LONGEST_LINE);
        assert_eq!(lines.stdout(format!("\n{}\n", render_line(&started())).as_bytes()), [started()]);
    }
}
