//! `wc`: lines, words, characters, bytes and the longest line.

use super::sink::{Filter, Flow, Sink};
use crate::diag::plan::Parsed;

/// The columns that `wc` has, in the order that it prints them in.
const COLUMNS: [&str; 5] = ["--lines", "--words", "--chars", "--bytes", "--max-line-length"];

/// Which columns are shown.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown([bool; 5]);

impl Shown {
    pub(crate) fn new(parsed: &Parsed) -> Self {
        let asked = COLUMNS.map(|name| parsed.has(name));
        Self(if asked.contains(&true) { asked } else { [true, true, false, true, false] })
    }

    pub(crate) fn columns(self) -> usize {
        self.0.iter().filter(|shown| **shown).count()
    }

    /// Whether the size alone is asked for.
    pub(crate) fn only_bytes(self) -> bool {
        self.0 == [false, false, false, true, false]
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) values: [u64; 5],
    in_word: bool,
    column: u64,
}

impl Counts {
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        let [lines, words, chars, size, longest] = &mut self.values;
        *size += bytes.len() as u64;
        for byte in bytes {
            // Of a character of several bytes the first counts; a byte that begins none does not print.
            let begins = matches!(byte, 0..0x80 | 0xc2..0xf5);
            *chars += u64::from(begins);
            if matches!(byte, b'\n' | b'\r' | 0x0c) {
                *longest = (*longest).max(self.column);
                self.column = 0;
                *lines += u64::from(*byte == b'\n');
            }
            match byte {
                b'\t' => self.column += 8 - self.column % 8,
                0..0x20 | 0x7f => {}
                _ => self.column += u64::from(begins),
            }
            if matches!(byte, b' ' | b'\t'..=b'\r') {
                *words += u64::from(std::mem::take(&mut self.in_word));
            } else if begins && !matches!(byte, 0..0x20 | 0x7f) {
                self.in_word = true;
            }
        }
    }

    /// What was still open at the end of the text.
    pub(crate) fn close(&mut self) {
        let [_, words, _, _, longest] = &mut self.values;
        *words += u64::from(std::mem::take(&mut self.in_word));
        *longest = (*longest).max(std::mem::take(&mut self.column));
    }

    /// Adds another text to a total.
    pub(crate) fn add(&mut self, other: &Self) {
        for (at, (sum, more)) in self.values.iter_mut().zip(other.values).enumerate() {
            *sum = if at == 4 { (*sum).max(more) } else { *sum + more };
        }
    }

    /// One line of output, without line break.
    pub(crate) fn text(&self, shown: Shown, width: usize) -> String {
        let values = self.values.iter().zip(shown.0).filter(|(_, shown)| *shown);
        values.map(|(value, _)| format!("{value:width$}")).collect::<Vec<_>>().join(" ")
    }
}

/// `wc` in a pipeline.
pub(crate) struct Wc {
    pub(crate) shown: Shown,
    pub(crate) counts: Counts,
}

impl Filter for Wc {
    fn feed(&mut self, bytes: &[u8], _: &mut dyn Sink) -> Flow {
        self.counts.feed(bytes);
        Flow::More
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        self.counts.close();
        let width = if self.shown.columns() == 1 { 1 } else { 7 };
        let _ = next.push(format!("{}\n", self.counts.text(self.shown, width)).as_bytes());
        0
    }
}
