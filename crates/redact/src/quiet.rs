//! Whether a word is one of the many in which nothing can be found. Every answer comes from a table: a redactor spends its
//! time on such words. A yes must be right, a no costs only time.

use crate::bytes::{at, before, is_blank, part, rest, skip_blanks};
use crate::triples::three;
use crate::{keys, options, scan, shapes, words};

/// What bytes of words are.
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const JOINT: u8 = 4;

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut byte = 0usize;
    while byte < 256 {
        #[expect(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "evaluated by the compiler, below 256"
        )]
        {
            kinds[byte] = match byte as u8 {
                b'a'..=b'z' | b'A'..=b'Z' => LETTER,
                b'0'..=b'9' => DIGIT,
                b'_' | b'-' | b'.' => JOINT,
                _ => 0,
            };
        }
        byte += 1;
    }
    kinds
};
static TABLE: [u8; 256] = KINDS;

/// The kind of a byte; nothing where it belongs to no word.
fn kind(byte: u8) -> u8 {
    TABLE.get(usize::from(byte)).copied().unwrap_or(0)
}

/// A run of letters, digits, `_`, `-` and `.`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Word {
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// The kinds of its bytes together.
    kinds: u8,
}

impl Word {
    /// The word that begins at `start`.
    pub(crate) fn at(line: &[u8], start: usize) -> Self {
        let (mut end, mut kinds) = (start, 0);
        for byte in rest(line, start) {
            let kind = kind(*byte);
            if kind == 0 {
                break;
            }
            kinds |= kind;
            end = end.wrapping_add(1);
        }
        Self { start, end, kinds }
    }

    fn has(self, kind: u8) -> bool {
        self.kinds & kind != 0
    }

    fn len(self) -> usize {
        self.end.wrapping_sub(self.start)
    }

    /// Whether nothing can be found that begins with this word, or has it as its name. `base64_end` is where the base64
    /// ends that this word may be the beginning of, as far as that is known.
    pub(crate) fn is_quiet(self, line: &[u8], content: usize, base64_end: &mut usize) -> bool {
        let letters = three(line, self.start);
        let option = at(line, self.start) == b'-' && self.len() > 1;
        let shaped = shapes::may_begin(letters) && shapes::at_start(line, self.start).is_some();
        !option
            && !shaped
            && before(line, self.start) != b'%'
            && self.is_alone(line, content, letters)
            && !self.has_shape_within(line)
            && !self.is_long_base64(line, base64_end)
    }

    /// Whether neither a value beside it nor a word after it can be its secret.
    fn is_alone(self, line: &[u8], content: usize, letters: u32) -> bool {
        let after = self.end.wrapping_add(1);
        let next = at(line, self.end);
        match next {
            b' ' | b'\t' | 0 | b'\n' => {
                self.end >= line.len() || !self.has(LETTER) || !self.leads(line, content, letters)
            }
            b'=' | b':' => {
                !self.promises(line)
                    && (next == b'=' || is_blank(at(line, after)) || !self.is_before_colon(line, after))
            }
            b'"' | b'\'' | b'`' => {
                let list = at(line, after) == b' ' && at(line, after.wrapping_add(1)) == next;
                let named = joins(line, after) && self.promises(line);
                !list && !named && !options::may_begin(letters)
            }
            b']' => !joins(line, after) || !self.promises(line),
            b',' => at(line, skip_blanks(line, after)) != b'<',
            b'/' => !matches!(at(line, self.start), b'w' | b'h' | b's' | b'i'),
            b'+' | b'?' => at(line, after) != b'=',
            b'>' => before(line, self.start) != b'<',
            b'%' | b'~' | b'\\' => false,
            _ => true,
        }
    }

    /// Whether it may be a name whose secret a blank follows, or a program among whose arguments one may be.
    fn leads(self, line: &[u8], content: usize, letters: u32) -> bool {
        let name = part(line, self.start, self.end);
        let joined = joins(line, self.end);
        words::may_begin(letters) && words::has_row(name)
            || options::may_begin(letters) && options::has_row(name)
            || (joined || self.speaks_of_next(line, content)) && keys::may_promise(name)
            || joined && scan::speaks(name).is_some()
    }

    /// Whether it may be a name that says something of what stands beside it: a secret's, or `name:`, `value:`.
    fn promises(self, line: &[u8]) -> bool {
        let name = part(line, self.start, self.end);
        self.has(LETTER) && (keys::may_promise(name) || scan::speaks(name).is_some())
    }

    /// Whether it is the first word of its line, as a directive's name is, or one goes before a small word, as in a sentence.
    fn speaks_of_next(self, line: &[u8], content: usize) -> bool {
        self.start == content
            || matches!(
                at(line, skip_blanks(line, self.end)),
                b'i' | b'w' | b't' | b'n' | b's' | b'r' | b'c' | b'u'
            )
    }

    /// Whether the colon after it may be that of an address, of a bot's token or of a driver's source.
    fn is_before_colon(self, line: &[u8], after: usize) -> bool {
        at(line, after) == b'/'
            || self.has(DIGIT) && self.len() >= 8
            || rest(line, after).iter().take_while(|byte| !is_blank(**byte)).any(|byte| *byte == b'@')
    }

    /// Whether a part of a long word may have a shape.
    fn has_shape_within(self, line: &[u8]) -> bool {
        self.len() >= LONG
            && self.has(JOINT)
            && (self.start..self.end).any(|here| {
                kind(at(line, here)) == JOINT && shapes::at_start(line, here.wrapping_add(1)).is_some()
            })
    }

    /// Whether it begins so much base64 that it may be random.
    fn is_long_base64(self, line: &[u8], known: &mut usize) -> bool {
        if self.len() < LONG && !matches!(at(line, self.end), b'+' | b'/') {
            return false;
        }
        if self.start >= *known {
            let run = rest(line, self.start)
                .iter()
                .take_while(|byte| {
                    matches!(kind(**byte), LETTER | DIGIT) || matches!(**byte, b'+' | b'/' | b'-' | b'_')
                })
                .count();
            *known = self.start.wrapping_add(run);
        }
        known.wrapping_sub(self.start) >= RANDOM
    }
}

/// Words of so many bytes are looked into.
const LONG: usize = 12;
/// So much base64, with two signs of padding, may be a secret by its entropy alone.
const RANDOM: usize = 30;

/// Whether a sign that joins a value to a name may follow, blanks before it or not.
fn joins(line: &[u8], from: usize) -> bool {
    matches!(at(line, skip_blanks(line, from)), b'=' | b':' | b'+' | b'?' | b',' | b'>' | b'%' | b']')
}
