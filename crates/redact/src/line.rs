//! One line, redacted until nothing more is found in it: a marker changes what stands beside what, and a second reader
//! must find nothing that the first left.

use crate::marker;
use crate::scan::{self, Outlook, Setting};
use crate::span::{Span, Stop};

/// More rounds than any line has been seen to need; one that needs more goes whole.
const ROUNDS: usize = 8;

/// What became of a line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Read {
    pub(crate) outlook: Outlook,
    /// A private key began and did not end.
    pub(crate) open_key: bool,
}

/// Appends the line without its secrets.
pub(crate) fn redact(line: &[u8], setting: Setting, out: &mut Vec<u8>) -> Read {
    let mut found = Vec::new();
    let outlook = scan::scan(line, setting, &mut found);
    let mut read = Read { outlook, open_key: false };
    if found.is_empty() {
        out.extend_from_slice(line);
        return read;
    }
    let mut current = rewritten(line, &mut found);
    read.open_key = found.iter().any(|span| span.stop == Stop::Pem);
    for _ in 0..ROUNDS {
        found.clear();
        read.outlook = scan::scan(&current, setting, &mut found);
        if found.is_empty() {
            out.append(&mut current);
            return read;
        }
        read.open_key |= found.iter().any(|span| span.stop == Stop::Pem);
        current = rewritten(&current, &mut found);
    }
    marker::write(marker::LINE, out);
    read.outlook = Outlook::default();
    read
}

/// Puts spans in the order of their beginnings; of those that begin together, the one that was found first stays first.
pub(crate) fn in_order(found: &mut [Span]) {
    found.sort_by_key(|span| span.start);
}

/// The line with a marker in place of each span.
fn rewritten(line: &[u8], found: &mut [Span]) -> Vec<u8> {
    let mut out = Vec::with_capacity(line.len().saturating_add(32));
    let mut done = 0;
    in_order(found);
    for span in found {
        if span.start < done {
            done = done.max(span.end);
            continue;
        }
        out.extend_from_slice(line.get(done..span.start).unwrap_or_default());
        marker::write(span.kind, &mut out);
        done = span.end;
    }
    out.extend_from_slice(line.get(done..).unwrap_or_default());
    out
}
