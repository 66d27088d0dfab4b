//! `cut`: bytes, characters (which are bytes, as with GNU's) or fields of each line.

use super::lines::{PerLine, find_byte, put_line};
use super::sink::{Flow, Sink};
use crate::diag::plan::Parsed;
use crate::sorted::sort;

pub(crate) struct Cut {
    fields: bool,
    /// Sorted, merged where they overlap, from 1, both ends included.
    ranges: Vec<(usize, usize)>,
    complement: bool,
    only_delimited: bool,
    delimiter: u8,
    between: Option<Vec<u8>>,
}

impl Cut {
    pub(crate) fn new(parsed: &Parsed) -> Option<Self> {
        let fields = parsed.value("--fields");
        let list = fields.or_else(|| parsed.value("--bytes")).or_else(|| parsed.value("--characters"))?;
        let delimiter = match parsed.value("--delimiter").map(str::as_bytes) {
            None => b'\t',
            Some([byte]) => *byte,
            Some(_) => return None,
        };
        let between = parsed.value("--output-delimiter").map(|text| text.as_bytes().to_vec());
        Some(Self {
            fields: fields.is_some(),
            ranges: ranges(list)?,
            complement: parsed.has("--complement"),
            only_delimited: parsed.has("--only-delimited"),
            delimiter,
            between,
        })
    }

    fn wants(&self, number: usize) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&number)) != self.complement
    }

    fn bytes(&self, line: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(line.len());
        for (at, byte) in line.iter().enumerate().filter(|(at, _)| self.wants(at + 1)) {
            // A delimiter stands between ranges, and ranges that touch are two.
            let begins = !self.complement && self.ranges.iter().any(|(from, _)| *from == at + 1);
            let begins = begins || (self.complement && at > 0 && !self.wants(at));
            if let (true, false, Some(between)) = (begins, out.is_empty(), &self.between) {
                out.extend_from_slice(between);
            }
            out.push(*byte);
        }
        out
    }
}

impl PerLine for Cut {
    fn line(&mut self, line: &[u8], _: bool, next: &mut dyn Sink) -> Flow {
        if !self.fields {
            return put_line(&self.bytes(line), next);
        }
        if find_byte(line, self.delimiter).is_none() {
            return if self.only_delimited { Flow::More } else { put_line(line, next) };
        }
        let own = [self.delimiter];
        let between = self.between.as_deref().unwrap_or(&own);
        let mut out = Vec::with_capacity(line.len() + 1);
        let mut first = true;
        for (at, field) in line.split(|byte| *byte == self.delimiter).enumerate() {
            if self.wants(at + 1) {
                if !std::mem::take(&mut first) {
                    out.extend_from_slice(between);
                }
                out.extend_from_slice(field);
            }
        }
        put_line(&out, next)
    }

    fn done(&mut self, _: &mut dyn Sink) -> u8 {
        0
    }
}

/// `1,3-5,7-`; ranges that overlap become one.
fn ranges(list: &str) -> Option<Vec<(usize, usize)>> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|number| *number > 0);
    let mut found = Vec::new();
    for part in list.split([',', ' ']) {
        found.push(match part.split_once('-') {
            None => (number(part)?, number(part)?),
            Some(("", "")) => return None,
            Some(("", to)) => (1, number(to)?),
            Some((from, "")) => (number(from)?, usize::MAX),
            Some((from, to)) => (number(from)?, number(to)?),
        });
    }
    if found.iter().any(|(from, to)| from > to) {
        return None;
    }
    sort(&mut found);
    let mut merged: Vec<(usize, usize)> = Vec::new();
    for (from, to) in found {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    Some(merged)
}
