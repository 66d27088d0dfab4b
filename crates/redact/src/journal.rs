//! One JSON object a line, as `journalctl -o json` prints them. What is no object is read as text.

use crate::bytes::at;
use crate::json::{self, Member, Policy};
use crate::lines::Lines;
use crate::marker::{self, DATA, ENVIRONMENT, PRIVATE_KEY};
use crate::masks;
use crate::rows::Rows;

/// Redacts entries as they come.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    messages: Messages,
}

/// What the entries' messages and the lines between them say is one text, in which a private key may span several.
#[derive(Debug, Default)]
struct Messages {
    text: Lines,
}

impl Rows for Journal {
    fn row(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool {
        self.entry(line, out) || self.other(line, out)
    }
}

impl Journal {
    /// Whether the line is an object, which is appended as it may be shown.
    fn entry(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool {
        let mark = out.len();
        let read = at(line, 0) == b'{' && json::document(line, &mut self.messages, out).is_ok();
        if !read {
            out.truncate(mark);
        }
        read
    }

    /// A line that is no entry, as text. Whether anything of it may be shown.
    fn other(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool {
        let mut shown = Vec::new();
        self.messages.text.push(line, &mut shown);
        self.messages.text.push(b"\n", &mut shown);
        let some = !shown.is_empty();
        if some {
            shown.pop();
        }
        // Without its secrets it may read as an entry, and must then be treated as one.
        if !self.entry(&shown, out) {
            out.append(&mut shown);
        }
        some
    }
}

impl Messages {
    /// A text that goes on where the last one ended; a part of a key leaves its marker.
    fn message(&mut self, value: &[u8]) -> Vec<u8> {
        let mut shown = Vec::new();
        self.text.push(value, &mut shown);
        self.text.push(b"\n", &mut shown);
        if shown.is_empty() {
            marker::write(PRIVATE_KEY, &mut shown);
        } else {
            shown.pop();
        }
        shown
    }
}

impl Policy for Messages {
    fn member(&mut self, path: &[Vec<u8>]) -> Member {
        match path.last().map_or(&b""[..], Vec::as_slice) {
            b"COREDUMP" => Member::Mask(DATA),
            name if name.ends_with(b"ENVIRON") || name.ends_with(b"ENVIRONMENT") => Member::Mask(ENVIRONMENT),
            _ => Member::Keep,
        }
    }

    fn string(&mut self, path: &[Vec<u8>], value: &[u8]) -> Option<Vec<u8>> {
        let name = path.last().map_or(&b""[..], Vec::as_slice);
        let shown = if let Some(kind) = masks::by_name(name, value) {
            let mut shown = Vec::new();
            marker::write(kind, &mut shown);
            shown
        } else if name == b"MESSAGE" {
            self.message(value)
        } else {
            crate::text(value)
        };
        (shown != value).then_some(shown)
    }

    fn list(&mut self, _: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
        let shown = masks::arguments(values);
        values.iter().zip(shown).map(|(value, shown)| (shown != *value).then_some(shown)).collect()
    }

    fn enter(&mut self, _: Option<Vec<u8>>) {}

    fn leave(&mut self) {}

    fn has_bytes(&self) -> bool {
        true
    }
}
