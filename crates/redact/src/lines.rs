//! A stream of lines in bounded memory. An ordinary line is read whole; of one that does not end, a window is held that
//! overlaps with the one before, so that where chunks or windows end changes nothing.
//!
//! Numbers: a line of up to 128 KiB is read whole. Beyond, 16 KiB at the window's end wait for the next window, which is more
//! than any shape needs; a secret that is longer still is dropped until what ends it. 4 KiB before the window stay for
//! what looks backwards.

use crate::blocks::Blocks;
use crate::bytes::{find, is_blank, part, rest, run};
use crate::marker;
use crate::scan::{self, Setting};
use crate::span::Stop;
use crate::strip::{self, Stripper};

const WINDOW: usize = 128 * 1024;
const OVERLAP: usize = 16 * 1024;
const BEHIND: usize = 4 * 1024;
/// A private key that began in a long line is looked for up to its end in so much of what was held.
const TAIL: usize = 64;

/// Redacts lines as they come.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    stripper: Stripper,
    blocks: Blocks,
    arguments: bool,
    /// The line so far, stripped; of a long one, its window.
    held: Vec<u8>,
    /// How much of it has been shown already and stays only to be looked back at.
    done: usize,
    /// The line is a long one.
    long: bool,
    /// A secret goes on until this.
    swallowing: Option<Stop>,
}

impl Lines {
    /// Arguments, each ended by NUL, if `arguments`; else text.
    pub(crate) fn new(arguments: bool) -> Self {
        Self { arguments, ..Self::default() }
    }

    /// Takes the next bytes and appends what is safe to show by now.
    pub(crate) fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            if let Some(line) = self.whole_line(bytes) {
                self.blocks.line(line, true, out);
                bytes = rest(bytes, line.len().saturating_add(1));
                continue;
            }
            // The stripper holds back up to three bytes of a character, and must not overshoot the window by them.
            let room = WINDOW.saturating_sub(self.held.len().saturating_add(4)).max(1);
            let piece = bytes.get(..room).unwrap_or(bytes);
            // A line feed inside of an argument ends nothing.
            let feed = if self.arguments { None } else { piece.iter().position(|byte| *byte == b'\n') };
            let content = feed.map_or(piece, |feed| piece.get(..feed).unwrap_or_default());
            self.strip(content);
            if feed.is_some() {
                self.end_line(true, out);
            } else if self.held.len() >= WINDOW {
                self.window(out);
            }
            bytes = rest(bytes, content.len().saturating_add(usize::from(feed.is_some())));
        }
    }

    /// A line that lies whole in what came and has nothing to strip: nearly every one.
    fn whole_line<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        if self.arguments || self.long || !self.held.is_empty() || !self.stripper.is_idle() {
            return None;
        }
        let plain = strip::plain(bytes);
        (plain < WINDOW && bytes.get(plain) == Some(&b'\n')).then(|| part(bytes, 0, plain))
    }

    /// Takes the end of the text.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        self.stripper.end_line(&mut self.held);
        if !self.held.is_empty() || self.long {
            self.end_line(false, out);
        }
    }

    fn strip(&mut self, content: &[u8]) {
        if !self.arguments {
            self.stripper.feed(content, self.done, &mut self.held);
            return;
        }
        for argument in content.split_inclusive(|byte| matches!(*byte, 0 | b'\n')) {
            match argument.split_last() {
                Some((end @ (0 | b'\n'), argument)) => {
                    self.stripper.feed(argument, self.done, &mut self.held);
                    self.stripper.end_line(&mut self.held);
                    self.held.push(*end);
                }
                _ => self.stripper.feed(argument, self.done, &mut self.held),
            }
        }
    }

    fn end_line(&mut self, feed: bool, out: &mut Vec<u8>) {
        self.stripper.end_line(&mut self.held);
        if self.long {
            self.show(self.held.len(), true, out);
            if feed {
                out.push(b'\n');
            }
        } else if self.arguments {
            self.arguments_line(feed, out);
        } else {
            self.blocks.line(&self.held, feed, out);
        }
        self.held.clear();
        self.done = 0;
        self.long = false;
        self.swallowing = None;
    }

    /// Arguments are read as what they are, then once more as the lines of text that they come out as. Without a NUL they are
    /// such lines already.
    fn arguments_line(&mut self, feed: bool, out: &mut Vec<u8>) {
        let mut read = Vec::with_capacity(self.held.len());
        if self.held.contains(&0) {
            crate::line::redact(&self.held, Setting { arguments: true, ..Setting::default() }, &mut read);
        } else {
            read.extend_from_slice(&self.held);
        }
        if read.last() == Some(&0) {
            read.pop();
        }
        for byte in &mut read {
            if *byte == 0 {
                *byte = b' ';
            }
        }
        let mut lines = read.split(|byte| *byte == b'\n').peekable();
        while let Some(line) = lines.next() {
            self.blocks.line(line, feed || lines.peek().is_some(), out);
        }
    }

    /// The window is full: shows its beginning and keeps its end.
    fn window(&mut self, out: &mut Vec<u8>) {
        self.long = true;
        let cut = self.held.len().saturating_sub(OVERLAP);
        let cut = self.show(cut, false, out);
        let keep = cut.saturating_sub(BEHIND);
        self.held.drain(..keep);
        self.done = cut.saturating_sub(keep);
    }

    /// Shows what is held up to `cut` or the end of the secret that `cut` falls into, and says up to where.
    fn show(&mut self, cut: usize, last: bool, out: &mut Vec<u8>) -> usize {
        let mut from = self.done;
        if let Some(stop) = self.swallowing {
            match self.swallowed(stop) {
                Some(end) => {
                    from = end;
                    self.swallowing = None;
                }
                None => {
                    return if stop == Stop::Pem && !last {
                        self.held.len().saturating_sub(TAIL).max(from)
                    } else {
                        self.held.len()
                    };
                }
            }
        }
        let mut found = Vec::new();
        scan::scan(&self.held, Setting { arguments: self.arguments, ..Setting::default() }, &mut found);
        crate::line::in_order(&mut found);
        let mut cut = cut.max(from);
        for span in found {
            let open = span.end >= self.held.len() && !last;
            if span.end <= from || span.start >= cut {
                continue;
            }
            if span.start > from {
                self.copy(from, span.start, out);
            }
            marker::write(span.kind, out);
            from = span.end;
            if open {
                self.swallowing = Some(span.stop);
            }
            cut = cut.max(span.end);
        }
        self.copy(from, cut, out);
        cut
    }

    fn copy(&self, from: usize, to: usize, out: &mut Vec<u8>) {
        let content = self.held.get(from..to).unwrap_or_default();
        out.extend(content.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }));
    }

    /// Where the secret that is being dropped ends, if it does in what is held.
    fn swallowed(&self, stop: Stop) -> Option<usize> {
        let held = &self.held;
        let tail = rest(held, self.done);
        let offset = match stop {
            Stop::Word => tail.iter().position(|byte| {
                is_blank(*byte) || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>' | b'&' | b',' | b';')
            })?,
            Stop::Quote(quote) => tail.iter().position(|byte| *byte == quote)?,
            Stop::Line => return None,
            Stop::Pem => {
                let end = find(tail, 0, b"----END ")?;
                let close = find(tail, end.saturating_add(6), b"----")?;
                run(tail, close, |byte| byte == b'-')
            }
        };
        Some(self.done.saturating_add(offset))
    }
}
