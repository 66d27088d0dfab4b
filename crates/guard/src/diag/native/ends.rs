//! `head` and `tail`: the two ends of a text, by lines or bytes.

use super::amount::{Sign, amount};
use super::lines::find_byte;
use super::sink::{Filter, Flow, Sink};
use crate::diag::plan::Parsed;

/// What may be held back at most.
pub(crate) const MOST_HELD: usize = 8 * 1024 * 1024;

/// How much of which end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) lines: bool,
    pub(crate) sign: Sign,
    pub(crate) count: u64,
}

impl Extent {
    /// As the options say; the later of `--lines` and `--bytes` counts.
    pub(crate) fn new(parsed: &Parsed) -> Option<Self> {
        let given = parsed.options.iter().rev().find(|given| matches!(given.name, "--lines" | "--bytes"));
        let Some(given) = given else { return Some(Self { lines: true, sign: Sign::None, count: 10 }) };
        let (sign, count) = amount(given.value.as_deref()?)?;
        Some(Self { lines: given.name == "--lines", sign, count })
    }
}

/// The filter of `head` for an extent.
pub(crate) fn head(extent: Extent) -> Box<dyn Filter> {
    match extent.sign {
        Sign::Minus => Box::new(AllBut { extent, held: Vec::new(), full: false }),
        _ => Box::new(First { lines: extent.lines, left: extent.count }),
    }
}

/// The filter of `tail` for an extent.
pub(crate) fn tail(extent: Extent) -> Box<dyn Filter> {
    match extent.sign {
        Sign::Plus => Box::new(From { lines: extent.lines, skip: extent.count.saturating_sub(1) }),
        _ => Box::new(Last { extent, held: Vec::new(), trimmed: 0, cut: false }),
    }
}

struct First {
    lines: bool,
    left: u64,
}

impl Filter for First {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        let taken = advance(self.lines, &mut self.left, bytes);
        let flow = next.push(bytes.get(..taken).unwrap_or(bytes));
        if self.left == 0 { Flow::Enough } else { flow }
    }

    fn finish(&mut self, _: &mut dyn Sink) -> u8 {
        0
    }
}

/// How many bytes of these the next `left` lines or bytes take, and counts them off.
fn advance(lines: bool, left: &mut u64, bytes: &[u8]) -> usize {
    if !lines {
        let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
        *left -= taken as u64;
        return taken;
    }
    let mut at = 0;
    while *left > 0 {
        let Some(found) = find_byte(bytes.get(at..).unwrap_or_default(), b'\n') else { return bytes.len() };
        at += found + 1;
        *left -= 1;
    }
    at
}

struct From {
    lines: bool,
    skip: u64,
}

impl Filter for From {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        let skipped = advance(self.lines, &mut self.skip, bytes);
        match bytes.get(skipped..) {
            Some(rest) if !rest.is_empty() => next.push(rest),
            _ => Flow::More,
        }
    }

    fn finish(&mut self, _: &mut dyn Sink) -> u8 {
        0
    }
}

struct Last {
    extent: Extent,
    held: Vec<u8>,
    /// Length after the last trimming: the next one waits until it has doubled, so that each byte is moved few times.
    trimmed: usize,
    cut: bool,
}

impl Last {
    fn trim(&mut self) {
        let mut start = tail_start(&self.held, self.extent);
        if self.held.len() - start > MOST_HELD {
            start = self.held.len() - MOST_HELD;
            self.cut = true;
        }
        self.held.drain(..start);
        self.trimmed = self.held.len();
    }
}

/// Where the last lines or bytes begin.
fn tail_start(held: &[u8], extent: Extent) -> usize {
    let count = usize::try_from(extent.count).unwrap_or(usize::MAX);
    if !extent.lines {
        return held.len().saturating_sub(count);
    }
    if count == 0 {
        return held.len();
    }
    // The break that ends the last line does not begin another.
    let body = held.strip_suffix(b"\n").unwrap_or(held);
    let breaks = body.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n');
    breaks.map(|(at, _)| at + 1).nth(count - 1).unwrap_or(0)
}

impl Filter for Last {
    fn feed(&mut self, bytes: &[u8], _: &mut dyn Sink) -> Flow {
        self.held.extend_from_slice(bytes);
        if self.held.len() > 2 * self.trimmed + 256 * 1024 {
            self.trim();
        }
        Flow::More
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        self.trim();
        if self.cut {
            next.complain("tail: only the last 8 MiB are shown");
        }
        let _ = next.push(&self.held);
        0
    }
}

/// `head -n -N`: all but the last.
struct AllBut {
    extent: Extent,
    held: Vec<u8>,
    full: bool,
}

impl Filter for AllBut {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        self.held.extend_from_slice(bytes);
        let sure = tail_start(&self.held, self.extent);
        if self.held.len() - sure > MOST_HELD {
            if !std::mem::replace(&mut self.full, true) {
                next.complain("head: more than 8 MiB would have to be held back");
            }
            self.held.clear();
            return Flow::Enough;
        }
        if sure < 64 * 1024 || self.full {
            return Flow::More;
        }
        let held = self.held.split_off(sure);
        let flow = next.push(&self.held);
        self.held = held;
        flow
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        let sure = tail_start(&self.held, self.extent);
        let _ = next.push(self.held.get(..sure).unwrap_or_default());
        u8::from(self.full)
    }
}
