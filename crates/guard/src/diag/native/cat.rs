//! `cat` with its decorations, and `tac`.

use super::lines::{PerLine, put_line};
use super::sink::{Filter, Flow, Sink};
use crate::diag::plan::Parsed;

/// Lines that `tac` holds at most, in bytes.
const MOST_HELD: usize = 8 * 1024 * 1024;

pub(crate) struct Cat {
    number: bool,
    number_filled: bool,
    squeeze: bool,
    ends: bool,
    tabs: bool,
    nonprinting: bool,
    line: u64,
    /// Line breaks just before here; the beginning of the text counts as one.
    breaks: u8,
    carriage_return: bool,
}

impl Cat {
    pub(crate) fn boxed(parsed: &Parsed) -> Box<dyn Filter> {
        let has = |names: &[&str]| names.iter().any(|name| parsed.has(name));
        let number_filled = parsed.has("--number-nonblank");
        Box::new(Self {
            number: parsed.has("--number") && !number_filled,
            number_filled,
            squeeze: parsed.has("--squeeze-blank"),
            ends: has(&["--show-ends", "--show-all", "-e"]),
            tabs: has(&["--show-tabs", "--show-all", "-t"]),
            nonprinting: has(&["--show-nonprinting", "--show-all", "-e", "-t"]),
            line: 0,
            breaks: 1,
            carriage_return: false,
        })
    }

    fn is_plain(&self) -> bool {
        !(self.number || self.number_filled || self.squeeze || self.ends || self.tabs || self.nonprinting)
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == b'\n' && self.breaks >= 2 && self.squeeze {
            return;
        }
        if self.breaks > 0 && (self.number || (self.number_filled && byte != b'\n')) {
            self.line += 1;
            out.extend_from_slice(format!("{:6}\t", self.line).as_bytes());
        }
        if std::mem::take(&mut self.carriage_return) {
            out.extend_from_slice(if byte == b'\n' { b"^M" } else { b"\r" });
        }
        if byte == b'\n' {
            self.breaks = (self.breaks + 1).min(2);
            if self.ends {
                out.push(b'$');
            }
            out.push(b'\n');
            return;
        }
        self.breaks = 0;
        match byte {
            b'\r' if self.ends && !self.nonprinting => self.carriage_return = true,
            b'\t' if self.tabs => out.extend_from_slice(b"^I"),
            b'\t' => out.push(byte),
            _ if self.nonprinting => visible(byte, out),
            _ => out.push(byte),
        }
    }
}

fn visible(byte: u8, out: &mut Vec<u8>) {
    let low = byte & 0x7f;
    if byte >= 0x80 {
        out.extend_from_slice(b"M-");
    }
    match low {
        0..0x20 => out.extend_from_slice(&[b'^', low + 0x40]),
        0x7f => out.extend_from_slice(b"^?"),
        _ => out.push(low),
    }
}

impl Filter for Cat {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        if self.is_plain() {
            return next.push(bytes);
        }
        let mut out = Vec::with_capacity(bytes.len() * 2);
        for byte in bytes {
            self.byte(*byte, &mut out);
        }
        next.push(&out)
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        if self.carriage_return {
            let _ = next.push(b"\r");
        }
        0
    }
}

/// Lines, last first.
#[derive(Default)]
pub(crate) struct Tac {
    held: Vec<u8>,
    full: bool,
}

impl Filter for Tac {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        if self.held.len() + bytes.len() > MOST_HELD {
            if !std::mem::replace(&mut self.full, true) {
                next.complain("tac: more than 8 MiB to turn round; send `tail` before it");
            }
            return Flow::Enough;
        }
        self.held.extend_from_slice(bytes);
        Flow::More
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        if self.full {
            return 1;
        }
        for line in self.held.split_inclusive(|byte| *byte == b'\n').rev() {
            if next.push(line) == Flow::Enough {
                break;
            }
        }
        0
    }
}

/// Numbers lines.
pub(crate) struct Nl {
    /// Which lines of the body: `a`ll, `t`hose with text, `n`one.
    which: u8,
    width: usize,
    separator: String,
    format: String,
    number: u64,
    step: u64,
    body: bool,
}

impl Nl {
    pub(crate) fn new(parsed: &Parsed) -> Option<Self> {
        let number = |name: &str, default: u64| match parsed.value(name) {
            Some(text) => super::amount::plain(text),
            None => Some(default),
        };
        let width = usize::try_from(number("--number-width", 6)?).ok()?.clamp(1, 100);
        let which = parsed.value("--body-numbering").map_or(Some(b't'), |text| text.bytes().next())?;
        Some(Self {
            which,
            width,
            separator: parsed.value("--number-separator").unwrap_or("\t").to_owned(),
            format: parsed.value("--number-format").unwrap_or("rn").to_owned(),
            number: number("--starting-line-number", 1)?,
            step: number("--line-increment", 1)?,
            body: true,
        })
    }
}

impl PerLine for Nl {
    fn line(&mut self, line: &[u8], _: bool, next: &mut dyn Sink) -> Flow {
        // The marks of a page's parts; header and footer carry no numbers.
        if let b"\\:\\:\\:" | b"\\:\\:" | b"\\:" = line {
            self.body = line == b"\\:\\:";
            return next.push(b"\n");
        }
        let numbered = self.body && (self.which == b'a' || (self.which == b't' && !line.is_empty()));
        let (number, width) = (self.number, self.width);
        let mut text = match (numbered, self.format.as_str()) {
            (false, _) => " ".repeat(width + self.separator.len()),
            (true, "ln") => format!("{number:<width$}{}", self.separator),
            (true, "rz") => format!("{number:0width$}{}", self.separator),
            (true, _) => format!("{number:width$}{}", self.separator),
        }
        .into_bytes();
        if numbered {
            self.number = self.number.saturating_add(self.step);
        }
        text.extend_from_slice(line);
        put_line(&text, next)
    }

    fn done(&mut self, _: &mut dyn Sink) -> u8 {
        0
    }
}
