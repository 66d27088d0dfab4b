//! `grep`: lines that match, with what stands around them.

use super::amount::plain;
use super::lines::{PerLine, find_byte};
use super::pattern::{Pattern, Reading, Wrong};
use super::sink::{Flow, Sink};
use crate::diag::plan::Parsed;
use std::collections::VecDeque;

/// Lines before a match are held up to so many bytes.
const MOST_HELD: usize = 8 * 1024 * 1024;

/// What is printed of a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Print {
    Lines,
    /// Only what matched.
    Matches,
    Count,
    NameIfAny,
    NameIfNone,
    Nothing,
}

struct Before {
    number: u64,
    offset: u64,
    line: Vec<u8>,
}

#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Grep {
    pattern: Pattern,
    print: Print,
    invert: bool,
    numbers: bool,
    offsets: bool,
    text: bool,
    skip_binary: bool,
    most: u64,
    /// Lines before and after; nothing where no context was asked for.
    around: Option<(u64, u64)>,
    /// Of the text at hand: the name that stands before its lines, and the one it is called by.
    prefix: Option<Vec<u8>>,
    name: Vec<u8>,
    binary: bool,
    number: u64,
    offset: u64,
    selected: u64,
    after: u64,
    last_shown: u64,
    before: VecDeque<Before>,
    before_bytes: usize,
    /// Of all texts.
    shown_any: bool,
    pub(crate) selected_any: bool,
}

impl Grep {
    /// # Errors
    /// What is wrong with a pattern or a number.
    pub(crate) fn new(parsed: &Parsed) -> Result<Self, Wrong> {
        let mut patterns: Vec<&[u8]> = parsed
            .options
            .iter()
            .filter(|given| given.name == "--regexp")
            .filter_map(|given| given.value.as_deref().map(str::as_bytes))
            .collect();
        if patterns.is_empty() {
            patterns.push(parsed.operands.first().ok_or(Wrong("a pattern is missing"))?.text.as_bytes());
        }
        let syntax = ["--extended-regexp", "--basic-regexp", "--fixed-strings"];
        let syntax =
            parsed.options.iter().rev().find(|given| syntax.contains(&given.name)).map(|given| given.name);
        let reading = Reading {
            extended: syntax == Some("--extended-regexp"),
            fixed: syntax == Some("--fixed-strings"),
            ignore_case: parsed.has("--ignore-case"),
            word: parsed.has("--word-regexp"),
            line: parsed.has("--line-regexp"),
        };
        let number = |name: &str| match parsed.value(name) {
            Some(text) => plain(text).map(Some).ok_or(Wrong("invalid number")),
            None => Ok(None),
        };
        let (around, before, after) =
            (number("--context")?, number("--before-context")?, number("--after-context")?);
        let context = around.or(before).or(after).map(|_| {
            let around = around.unwrap_or(0);
            (before.unwrap_or(around), after.unwrap_or(around))
        });
        let print = match () {
            () if parsed.has("--quiet") => Print::Nothing,
            () if parsed.has("--files-with-matches") => Print::NameIfAny,
            () if parsed.has("--files-without-match") => Print::NameIfNone,
            () if parsed.has("--count") => Print::Count,
            () if parsed.has("--only-matching") => Print::Matches,
            () => Print::Lines,
        };
        Ok(Self {
            pattern: Pattern::new(&patterns, reading)?,
            print,
            invert: parsed.has("--invert-match"),
            numbers: parsed.has("--line-number"),
            offsets: parsed.has("--byte-offset"),
            text: parsed.has("--text"),
            skip_binary: parsed.has("-I"),
            most: number("--max-count")?.unwrap_or(u64::MAX),
            around: context.filter(|_| matches!(print, Print::Lines | Print::Matches)),
            prefix: parsed.has("--with-filename").then(|| STANDARD_INPUT.to_vec()),
            name: STANDARD_INPUT.to_vec(),
            binary: false,
            number: 0,
            offset: 0,
            selected: 0,
            after: 0,
            last_shown: 0,
            before: VecDeque::new(),
            before_bytes: 0,
            shown_any: false,
            selected_any: false,
        })
    }

    /// Another text begins.
    pub(crate) fn begin(&mut self, name: &[u8], prefixed: bool, binary: bool) {
        self.name = name.to_vec();
        self.prefix = prefixed.then(|| name.to_vec());
        self.binary = binary && !self.text;
        (self.number, self.offset, self.selected, self.after, self.last_shown) = (0, 0, 0, 0, 0);
        self.before.clear();
        self.before_bytes = 0;
    }

    /// Whether nothing more needs to be read of any text: `-q` has its answer.
    pub(crate) fn is_done(&self) -> bool {
        self.most == 0 || (self.print == Print::Nothing && self.selected_any)
    }

    fn put(&self, line: &[u8], number: u64, offset: u64, mark: u8, next: &mut dyn Sink) -> Flow {
        let mut out = Vec::with_capacity(line.len() + 32);
        if let Some(prefix) = &self.prefix {
            out.extend_from_slice(prefix);
            out.push(mark);
        }
        for (shown, value) in [(self.numbers, number), (self.offsets, offset)] {
            if shown {
                out.extend_from_slice(value.to_string().as_bytes());
                out.push(mark);
            }
        }
        out.extend_from_slice(line);
        out.push(b'\n');
        next.push(&out)
    }

    /// A group of lines begins that does not touch the one before.
    fn separate(&mut self, first: u64, next: &mut dyn Sink) {
        if self.around.is_some() && self.shown_any && (self.last_shown == 0 || self.last_shown + 1 < first) {
            let _ = next.push(b"--\n");
        }
        self.shown_any = true;
    }

    fn select(&mut self, line: &[u8], next: &mut dyn Sink) -> Flow {
        if self.binary {
            next.complain(&format!("grep: {}: binary file matches", String::from_utf8_lossy(&self.name)));
            return Flow::Enough;
        }
        let first = self.before.front().map_or(self.number, |before| before.number);
        self.separate(first, next);
        let mut flow = Flow::More;
        for before in std::mem::take(&mut self.before) {
            if self.print == Print::Lines {
                flow = self.put(&before.line, before.number, before.offset, b'-', next);
            }
        }
        self.before_bytes = 0;
        if self.print == Print::Lines {
            flow = self.put(line, self.number, self.offset, b':', next);
        } else if !self.invert {
            let mut from = 0;
            while let Some((start, end)) = self.pattern.find(line, from) {
                if end > start {
                    let part = line.get(start..end).unwrap_or_default();
                    flow = self.put(part, self.number, self.offset + start as u64, b':', next);
                }
                from = end.max(start + usize::from(end == start));
                if from > line.len() {
                    break;
                }
            }
        }
        self.last_shown = self.number;
        self.after = self.around.map_or(0, |(_, after)| after);
        if self.selected >= self.most && self.after == 0 { Flow::Enough } else { flow }
    }

    fn pass(&mut self, line: &[u8], next: &mut dyn Sink) -> Flow {
        let Some((before, _)) = self.around else { return Flow::More };
        if self.after > 0 {
            self.after -= 1;
            self.last_shown = self.number;
            if self.print == Print::Lines {
                let flow = self.put(line, self.number, self.offset, b'-', next);
                let over = self.selected >= self.most && self.after == 0;
                return if over { Flow::Enough } else { flow };
            }
        } else if before > 0 {
            self.before_bytes += line.len();
            self.before.push_back(Before { number: self.number, offset: self.offset, line: line.to_vec() });
            while self.before.len() as u64 > before
                || (self.before_bytes > MOST_HELD && self.before.len() > 1)
            {
                self.before_bytes -= self.before.pop_front().map_or(0, |gone| gone.line.len());
            }
        }
        Flow::More
    }
}

const STANDARD_INPUT: &[u8] = b"(standard input)";

impl PerLine for &mut Grep {
    fn line(&mut self, line: &[u8], _: bool, next: &mut dyn Sink) -> Flow {
        self.number += 1;
        if !self.text && !self.binary && find_byte(line, 0).is_some() {
            self.binary = true;
        }
        if (self.binary && self.skip_binary) || self.most == 0 {
            return Flow::Enough;
        }
        let matches = self.pattern.is_in(line) != self.invert;
        // Behind the last line that is selected, everything is context.
        let flow = if matches && self.selected < self.most {
            self.selected += 1;
            self.selected_any = true;
            match self.print {
                Print::Lines | Print::Matches => self.select(line, next),
                Print::Count if self.selected < self.most => Flow::More,
                _ => Flow::Enough,
            }
        } else {
            self.pass(line, next)
        };
        self.offset += line.len() as u64 + 1;
        flow
    }

    fn done(&mut self, next: &mut dyn Sink) -> u8 {
        let named = match self.print {
            Print::Count => {
                let mut out = self.prefix.clone().unwrap_or_default();
                if self.prefix.is_some() {
                    out.push(b':');
                }
                out.extend_from_slice(format!("{}\n", self.selected).as_bytes());
                let _ = next.push(&out);
                return u8::from(!self.selected_any);
            }
            Print::NameIfAny => self.selected > 0,
            Print::NameIfNone => self.selected == 0,
            _ => false,
        };
        if named {
            let _ = super::lines::put_line(&self.name, next);
        }
        u8::from(!self.selected_any)
    }
}

impl PerLine for Grep {
    fn line(&mut self, line: &[u8], ended: bool, next: &mut dyn Sink) -> Flow {
        (&mut &mut *self).line(line, ended, next)
    }

    fn done(&mut self, next: &mut dyn Sink) -> u8 {
        (&mut &mut *self).done(next)
    }
}
