//! Lines that can only be judged whole: held up to a bound, stripped, and given to what knows their form.

use crate::bytes::rest;
use crate::marker;
use crate::strip::Stripper;

/// A longer line is not shown: `journalctl` itself leaves fields of more than 4 KiB out unless asked.
const LONGEST: usize = 1024 * 1024;

/// What knows the form of lines.
pub(crate) trait Rows: std::fmt::Debug {
    /// Appends what may be shown of a line, and says whether it has a line in the output at all.
    fn row(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool;
}

/// Holds a line until it is whole.
#[derive(Debug, Default)]
pub(crate) struct Held {
    line: Vec<u8>,
    too_long: bool,
}

impl Held {
    /// Takes the next bytes and appends what is safe to show by now.
    pub(crate) fn push(&mut self, mut bytes: &[u8], rows: &mut dyn Rows, out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let feed = bytes.iter().position(|byte| *byte == b'\n');
            let piece = bytes.get(..feed.unwrap_or(bytes.len())).unwrap_or_default();
            self.too_long |= piece.len() > LONGEST.saturating_sub(self.line.len());
            if self.too_long {
                self.line.clear();
            } else {
                self.line.extend_from_slice(piece);
            }
            if feed.is_some() && self.end_line(rows, out) {
                out.push(b'\n');
            }
            bytes = rest(bytes, piece.len().saturating_add(usize::from(feed.is_some())));
        }
    }

    /// Takes the end of the lines.
    pub(crate) fn finish(&mut self, rows: &mut dyn Rows, out: &mut Vec<u8>) {
        if self.too_long || !self.line.is_empty() {
            self.end_line(rows, out);
        }
    }

    fn end_line(&mut self, rows: &mut dyn Rows, out: &mut Vec<u8>) -> bool {
        let held = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            marker::write(marker::LINE, out);
            return true;
        }
        let mut line = Vec::with_capacity(held.len());
        let mut stripper = Stripper::default();
        stripper.feed(&held, 0, &mut line);
        stripper.end_line(&mut line);
        rows.row(&line, out)
    }
}
