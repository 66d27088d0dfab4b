//! `sort`: in memory, in the byte order of the C locale.

use super::sink::{Filter, Flow, Sink};
use super::version;
use crate::diag::plan::Parsed;
use std::cmp::Ordering;

/// What is held at most; nothing is ever spilled to a disk.
const MOST_HELD: usize = 8 * 1024 * 1024;
/// And as lines, each of which costs more than its bytes.
const MOST_LINES: usize = 500_000;

/// How two keys are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum By {
    #[default]
    Bytes,
    Number,
    Human,
    Month,
    Version,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a letter of a key")]
struct Ways {
    by: By,
    reverse: bool,
    fold: bool,
    dictionary: bool,
    /// Blanks before the start, and before the end, of the key do not count.
    blanks: bool,
    blanks_end: bool,
}

impl Ways {
    fn letter(&mut self, letter: u8, end: bool) -> Option<()> {
        match letter {
            b'b' if end => self.blanks_end = true,
            b'b' => self.blanks = true,
            b'n' => self.by = By::Number,
            b'h' => self.by = By::Human,
            b'M' => self.by = By::Month,
            b'V' => self.by = By::Version,
            b'r' => self.reverse = true,
            b'f' => self.fold = true,
            b'd' => self.dictionary = true,
            _ => return None,
        }
        Some(())
    }
}

/// `F[.C][LETTERS][,F[.C][LETTERS]]`
#[derive(Debug, Clone, Copy, Default)]
struct Key {
    /// Field and character, from 0.
    start: (usize, usize),
    /// Field, counted from 1, and character; character 0 is the end of the field; field 0 is the end of the line.
    end: (usize, usize),
    ways: Ways,
}

impl Key {
    fn parse(text: &str) -> Option<Self> {
        let mut key = Self::default();
        let (start, end) = text.split_once(',').map_or((text, None), |(start, end)| (start, Some(end)));
        let (field, character) = key.position(start, false)?;
        key.start = (field.checked_sub(1)?, character.unwrap_or(1).checked_sub(1)?);
        if let Some(end) = end {
            let (field, character) = key.position(end, true)?;
            key.end = (Some(field).filter(|field| *field > 0)?, character.unwrap_or(0));
        }
        Some(key)
    }

    fn position(&mut self, text: &str, end: bool) -> Option<(usize, Option<usize>)> {
        let letters = text.find(|character: char| character.is_ascii_alphabetic()).unwrap_or(text.len());
        let (numbers, letters) = text.split_at_checked(letters)?;
        for letter in letters.bytes() {
            self.ways.letter(letter, end)?;
        }
        let (field, character) =
            numbers.split_once('.').map_or((numbers, None), |(field, character)| (field, Some(character)));
        let character = match character {
            Some(text) => Some(text.parse().ok()?),
            None => None,
        };
        Some((field.parse().ok()?, character))
    }
}

pub(crate) struct Sort {
    keys: Vec<Key>,
    global: Ways,
    separator: Option<u8>,
    unique: bool,
    stable: bool,
    held: Vec<u8>,
    lines: usize,
    full: bool,
}

impl Sort {
    pub(crate) fn new(parsed: &Parsed) -> Option<Self> {
        let mut global = Ways::default();
        for given in &parsed.options {
            let by = match given.name {
                "--numeric-sort" => By::Number,
                "--human-numeric-sort" => By::Human,
                "--month-sort" => By::Month,
                "--version-sort" => By::Version,
                _ => continue,
            };
            global.by = by;
        }
        global.reverse = parsed.has("--reverse");
        global.fold = parsed.has("--ignore-case");
        global.dictionary = parsed.has("--dictionary-order");
        global.blanks = parsed.has("--ignore-leading-blanks");
        global.blanks_end = global.blanks;
        let mut keys = Vec::new();
        for given in parsed.options.iter().filter(|given| given.name == "--key") {
            let mut key = Key::parse(given.value.as_deref()?)?;
            // A key without letters of its own has the global ones.
            if key.ways == Ways::default() {
                key.ways = global;
            }
            keys.push(key);
        }
        if keys.is_empty()
            && global != Ways::default()
            && global != (Ways { reverse: true, ..Ways::default() })
        {
            keys.push(Key { ways: global, ..Key::default() });
        }
        let separator = match parsed.value("--field-separator").map(str::as_bytes) {
            None => None,
            Some([byte]) => Some(*byte),
            Some(_) => return None,
        };
        let (unique, stable) = (parsed.has("--unique"), parsed.has("--stable"));
        Some(Self { keys, global, separator, unique, stable, held: Vec::new(), lines: 0, full: false })
    }

    fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        for key in &self.keys {
            let order = compare(key.ways, self.part(a, key), self.part(b, key));
            let order = if key.ways.reverse { order.reverse() } else { order };
            if order != Ordering::Equal {
                return order;
            }
        }
        if !self.keys.is_empty() && (self.unique || self.stable) {
            return Ordering::Equal;
        }
        let order = a.cmp(b);
        if self.global.reverse { order.reverse() } else { order }
    }

    fn part<'line>(&self, line: &'line [u8], key: &Key) -> &'line [u8] {
        let mut start = self.field(line, key.start.0);
        if key.ways.blanks {
            start += blanks(line.get(start..).unwrap_or_default());
        }
        let start = start.saturating_add(key.start.1).min(line.len());
        let end = match key.end {
            (0, _) => line.len(),
            (field, 0) => {
                // The end of that field, before its separator.
                let next = self.field(line, field);
                if self.separator.is_some()
                    && (next < line.len() || self.separator == line.last().copied())
                    && self.has_field(line, field)
                {
                    next - 1
                } else {
                    next
                }
            }
            (field, character) => {
                let mut end = self.field(line, field - 1);
                if key.ways.blanks_end {
                    end += blanks(line.get(end..).unwrap_or_default());
                }
                end.saturating_add(character).min(line.len())
            }
        };
        line.get(start..end.max(start)).unwrap_or_default()
    }

    /// Whether a line has a field of this number, from 0.
    fn has_field(&self, line: &[u8], number: usize) -> bool {
        line.iter().filter(|byte| Some(**byte) == self.separator).count() >= number
    }

    /// Where a field begins, from 0. Without a separator, blanks belong to the field that they stand before.
    fn field(&self, line: &[u8], number: usize) -> usize {
        let mut at = 0;
        for _ in 0..number.min(line.len() + 1) {
            let rest = line.get(at..).unwrap_or_default();
            if let Some(separator) = self.separator {
                match super::lines::find_byte(rest, separator) {
                    Some(found) => at += found + 1,
                    None => return line.len(),
                }
            } else {
                let blank = blanks(rest);
                at += blank + rest.iter().skip(blank).take_while(|byte| !is_blank(**byte)).count();
            }
        }
        at
    }
}

impl Filter for Sort {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        self.lines += bytes.iter().filter(|byte| **byte == b'\n').count();
        if self.held.len() + bytes.len() > MOST_HELD || self.lines > MOST_LINES {
            if !std::mem::replace(&mut self.full, true) {
                next.complain("sort: more than 8 MiB or 500000 lines to sort; filter before it");
            }
            return Flow::Enough;
        }
        self.held.extend_from_slice(bytes);
        Flow::More
    }

    fn finish(&mut self, next: &mut dyn Sink) -> u8 {
        if self.full {
            return 2;
        }
        let held = std::mem::take(&mut self.held);
        let text = held.strip_suffix(b"\n").unwrap_or(&held);
        if held.is_empty() {
            return 0;
        }
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        lines.sort_by(|a, b| self.compare(a, b));
        let mut before: Option<&[u8]> = None;
        for line in lines {
            let repeats =
                self.unique && before.is_some_and(|before| self.compare(before, line) == Ordering::Equal);
            if !repeats && super::lines::put_line(line, next) == Flow::Enough {
                break;
            }
            before = Some(line);
        }
        0
    }
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|byte| is_blank(**byte)).count()
}

fn compare(ways: Ways, a: &[u8], b: &[u8]) -> Ordering {
    match ways.by {
        By::Number => number(a, b),
        By::Human => human(a).cmp(&human(b)).then_with(|| number(a, b)),
        By::Month => month(a).cmp(&month(b)),
        By::Version => version::compare(a, b),
        By::Bytes => {
            let keep = |byte: &&u8| !ways.dictionary || byte.is_ascii_alphanumeric() || is_blank(**byte);
            let fold = |byte: &u8| if ways.fold { byte.to_ascii_uppercase() } else { *byte };
            a.iter().filter(keep).map(fold).cmp(b.iter().filter(keep).map(fold))
        }
    }
}

/// Sign, whole part and fraction of the number that a text begins with. Kept as digits: numbers of any length compare.
fn digits(text: &[u8]) -> (bool, &[u8], &[u8]) {
    let text = text.get(blanks(text)..).unwrap_or_default();
    let (negative, text) = text.strip_prefix(b"-").map_or((false, text), |rest| (true, rest));
    let run = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (whole, rest) = text.split_at(run(text));
    let zeros = whole.iter().take_while(|byte| **byte == b'0').count();
    let mut fraction =
        rest.strip_prefix(b".").map_or(&b""[..], |rest| rest.get(..run(rest)).unwrap_or_default());
    while let Some(shorter) = fraction.strip_suffix(b"0") {
        fraction = shorter;
    }
    (negative, whole.get(zeros..).unwrap_or_default(), fraction)
}

fn number(a: &[u8], b: &[u8]) -> Ordering {
    let ((a_negative, a_whole, a_fraction), (b_negative, b_whole, b_fraction)) = (digits(a), digits(b));
    let zero = |whole: &[u8], fraction: &[u8]| whole.is_empty() && fraction.is_empty();
    let a_negative = a_negative && !zero(a_whole, a_fraction);
    let b_negative = b_negative && !zero(b_whole, b_fraction);
    let size = a_whole
        .len()
        .cmp(&b_whole.len())
        .then_with(|| a_whole.cmp(b_whole))
        .then_with(|| a_fraction.cmp(b_fraction));
    match (a_negative, b_negative) {
        (true, true) => size.reverse(),
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => size,
    }
}

/// The rank of the unit behind a number, below zero for a negative one.
fn human(text: &[u8]) -> i32 {
    let (negative, whole, fraction) = digits(text);
    if whole.is_empty() && fraction.is_empty() {
        return 0;
    }
    let text = text.get(blanks(text)..).unwrap_or_default();
    let unit = text.iter().find(|byte| !matches!(byte, b'0'..=b'9' | b'.' | b'-'));
    let rank =
        unit.and_then(|unit| b"KMGTPEZY".iter().position(|it| it == unit || (*unit == b'k' && *it == b'K')));
    let rank = rank.and_then(|rank| i32::try_from(rank + 1).ok()).unwrap_or(0);
    if negative { -rank - 1 } else { rank + 1 }
}

fn month(text: &[u8]) -> usize {
    let text = text.get(blanks(text)..).unwrap_or_default();
    let named = super::calendar::MONTHS
        .iter()
        .position(|name| text.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(name.as_bytes())));
    named.map_or(0, |at| at + 1)
}
