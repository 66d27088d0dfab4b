//! `uniq`: lines that repeat the one before.

use super::amount::plain;
use super::lines::{PerLine, put_line};
use super::sink::{Flow, Sink};
use crate::diag::plan::Parsed;

#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Uniq {
    count: bool,
    all_repeated: bool,
    /// Lines that stand alone are shown.
    single: bool,
    /// The first of lines that repeat is shown.
    repeated: bool,
    ignore_case: bool,
    skip_fields: u64,
    skip_chars: u64,
    check_chars: Option<u64>,
    held: Option<(Vec<u8>, u64)>,
}

impl Uniq {
    pub(crate) fn new(parsed: &Parsed) -> Option<Self> {
        let number = |name: &str| parsed.value(name).map_or(Some(0), plain);
        let (repeated, unique) = (parsed.has("--repeated"), parsed.has("--unique"));
        let all_repeated = parsed.has("--all-repeated");
        Some(Self {
            count: parsed.has("--count"),
            all_repeated,
            single: !repeated && !all_repeated,
            repeated: !unique,
            ignore_case: parsed.has("--ignore-case"),
            skip_fields: number("--skip-fields")?,
            skip_chars: number("--skip-chars")?,
            check_chars: match parsed.value("--check-chars") {
                Some(text) => Some(plain(text)?),
                None => None,
            },
            held: None,
        })
    }

    fn key<'line>(&self, line: &'line [u8]) -> &'line [u8] {
        let mut rest = line;
        let blank = |byte: &u8| matches!(byte, b' ' | b'\t');
        for _ in 0..self.skip_fields.min(line.len() as u64) {
            let blanks = rest.iter().take_while(|byte| blank(byte)).count();
            let text = rest.iter().skip(blanks).take_while(|byte| !blank(byte)).count();
            rest = rest.get(blanks + text..).unwrap_or_default();
        }
        let size = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        rest = rest.get(size(self.skip_chars)..).unwrap_or_default();
        self.check_chars.map_or(rest, |count| rest.get(..size(count)).unwrap_or(rest))
    }

    fn put(&self, line: &[u8], count: u64, next: &mut dyn Sink) -> Flow {
        if !(if count == 1 { self.single } else { self.repeated }) || (self.all_repeated && count > 1) {
            return Flow::More;
        }
        if self.count {
            let mut text = format!("{count:7} ").into_bytes();
            text.extend_from_slice(line);
            return put_line(&text, next);
        }
        put_line(line, next)
    }
}

impl PerLine for Uniq {
    fn line(&mut self, line: &[u8], _: bool, next: &mut dyn Sink) -> Flow {
        let mut held = self.held.take();
        if let Some((before, count)) = &mut held {
            let (a, b) = (self.key(before), self.key(line));
            let same = if self.ignore_case { a.eq_ignore_ascii_case(b) } else { a == b };
            if same {
                *count += 1;
                if self.all_repeated && self.repeated {
                    if *count == 2 {
                        let _ = put_line(before, next);
                    }
                    let _ = put_line(line, next);
                }
                self.held = held;
                return Flow::More;
            }
        }
        let flow = held.map_or(Flow::More, |(before, count)| self.put(&before, count, next));
        self.held = Some((line.to_vec(), 1));
        flow
    }

    fn done(&mut self, next: &mut dyn Sink) -> u8 {
        if let Some((line, count)) = self.held.take() {
            let _ = self.put(&line, count, next);
        }
        0
    }
}
