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
        let end = run(line, 0, |byte| byte.is_ascii_alphanumeric());
        if end > 0 && at(line, end) == b'=' {
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
        // A line of a private key leaves a blank one, since what follows it belongs to no dropped property above it.
        shown.pop();
        out.append(&mut shown);
        true
    }
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
