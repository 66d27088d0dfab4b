//! `Name=value` lines of `systemctl show`. What holds an environment or a credential goes, value and continuation; the rest
//! is text, in which `ExecStart` has arguments.

use crate::bytes::{at, begins, part, rest, run};
use crate::lines::Lines;
use crate::marker::{self, CREDENTIAL, ENVIRONMENT};
use crate::rows::Rows;

/// Redacts properties as they come.
#[derive(Debug, Default)]
pub(crate) struct Properties {
    text: Lines,
    /// The last property was dropped, and lines without a name belong to it.
    dropping: bool,
}

impl Rows for Properties {
    fn row(&mut self, line: &[u8], out: &mut Vec<u8>) -> bool {
        let end = name_end(line);
        let before = self.dropping;
        if let Some(end) = end {
            let kind = kind(part(line, 0, end));
            self.dropping = kind.is_some();
            if let Some(kind) = kind {
                out.extend_from_slice(part(line, 0, end.saturating_add(1)));
                marker::write(kind, out);
                return true;
            }
        }
        // A blank line parts the properties of two units.
        self.dropping &= !line.is_empty();
        if self.dropping {
            return false;
        }
        let mut shown = Vec::new();
        self.text.push(line, &mut shown);
        self.text.push(b"\n", &mut shown);
        // A line of a private key leaves a blank one, and a line whose name has gone stands after one: neither it nor what
        // follows belongs to the dropped property above.
        shown.pop();
        if before && !shown.is_empty() && name_end(&shown).is_none() {
            out.push(b'\n');
        }
        out.append(&mut shown);
        true
    }
}

/// The end of the property's name, if the line begins with one.
fn name_end(line: &[u8]) -> Option<usize> {
    let end = run(line, 0, |byte| byte.is_ascii_alphanumeric());
    (end > 0 && at(line, end) == b'=').then_some(end)
}

/// What a property holds that must not be shown.
fn kind(name: &[u8]) -> Option<&'static str> {
    let has = |wanted: &[u8]| (0..name.len()).any(|start| begins(rest(name, start), wanted));
    if has(b"environment") {
        Some(ENVIRONMENT)
    } else {
        (has(b"credential") || has(b"password")).then_some(CREDENTIAL)
    }
}
