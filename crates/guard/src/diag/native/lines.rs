//! Cuts a stream into lines for the filters that think in lines.

use super::sink::{Filter, Flow, Sink};

/// A line that is longer is cut here: memory is bounded, whatever comes.
const LONGEST: usize = 16 * 1024 * 1024;

/// What is done with each line.
pub(crate) trait PerLine {
    /// A line without its line break; `ended` tells whether it had one, which only the last can lack.
    fn line(&mut self, line: &[u8], ended: bool, next: &mut dyn Sink) -> Flow;
    /// There are no more; the exit code.
    fn done(&mut self, next: &mut dyn Sink) -> u8;
}

/// A filter that hands on lines.
pub(crate) struct Lines<'each> {
    each: Box<dyn PerLine + 'each>,
    held: Vec<u8>,
    cut: bool,
    flow: Flow,
}

impl<'each> Lines<'each> {
    pub(crate) fn boxed(each: Box<dyn PerLine + 'each>) -> Box<dyn Filter + 'each> {
        Box::new(Self { each, held: Vec::new(), cut: false, flow: Flow::More })
    }

    fn hold(&mut self, bytes: &[u8], next: &mut dyn Sink) {
        let room = LONGEST - self.held.len();
        self.held.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        if bytes.len() > room && !self.cut {
            self.cut = true;
            next.complain("a line is longer than 16 MiB and was cut");
        }
    }
}

impl Filter for Lines<'_> {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        let mut rest = bytes;
        while let Some(at) = find_byte(rest, b'\n') {
            if self.flow == Flow::Enough {
                return Flow::Enough;
            }
            let (line, after) = rest.split_at(at);
            rest = after.get(1..).unwrap_or_default();
            if self.held.is_empty() && line.len() <= LONGEST {
                self.flow = self.each.line(line, true, next);
            } else {
                self.hold(line, next);
                let held = std::mem::take(&mut self.held);
                self.flow = self.each.line(&held, true, next);
            }
        }
        self.hold(rest, next);
        self.flow
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() && self.flow == Flow::More {
            let _ = self.each.line(&held, false, next);
        }
        self.each.done(next)
    }
}

/// Where a byte first stands.
pub(crate) fn find_byte(bytes: &[u8], byte: u8) -> Option<usize> {
    bytes.iter().position(|it| *it == byte)
}

/// Hands a line on with its line break.
pub(crate) fn put_line(line: &[u8], next: &mut dyn Sink) -> Flow {
    let mut whole = Vec::with_capacity(line.len() + 1);
    whole.extend_from_slice(line);
    whole.push(b'\n');
    next.push(&whole)
}
