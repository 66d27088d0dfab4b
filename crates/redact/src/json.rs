//! A strict reader of one JSON document that writes it again as it reads: layout stays, strings are shown to a policy,
//! members can be left out. Nothing is built in memory but the path to where it stands.

use crate::bytes::{at, part, rest, run};

/// Deeper nesting than any engine prints.
const DEEPEST: usize = 96;

/// What is decided about a member of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Member {
    /// It is read on.
    Keep,
    /// It is left out, value and all.
    Drop,
    /// Whatever its value is, a marker of this kind stands there.
    Mask(&'static str),
}

/// Decides about what is read. Names are decoded; `path` holds those of the members on the way, a list's items having
/// none.
pub(crate) trait Policy {
    /// About the member that `path` ends in.
    fn member(&mut self, path: &[Vec<u8>]) -> Member;
    /// A string's new content, if it has to change.
    fn string(&mut self, path: &[Vec<u8>], value: &[u8]) -> Option<Vec<u8>>;
    /// A list of nothing but strings: the new contents of those that have to change.
    fn list(&mut self, path: &[Vec<u8>], values: &[Vec<u8>]) -> Vec<Option<Vec<u8>>>;
    /// An object begins; `name` is the string that it has under that name.
    fn enter(&mut self, name: Option<Vec<u8>>);
    /// It ends.
    fn leave(&mut self);
    /// Whether a list of bytes is a string, as a journal writes one that is not UTF-8.
    fn has_bytes(&self) -> bool;
}

/// What is wrong with a document, without its content.
pub(crate) type Wrong = &'static str;

/// Reads one document from `source` and appends it as the policy wants it; what follows it must be blank.
pub(crate) fn document(source: &[u8], policy: &mut dyn Policy, out: &mut Vec<u8>) -> Result<(), Wrong> {
    let mut reader = Reader { source, here: 0, path: Vec::new(), depth: 0, policy, out };
    reader.blanks();
    reader.value()?;
    reader.blanks();
    if reader.here < source.len() { Err("something follows the document") } else { Ok(()) }
}

struct Reader<'a> {
    source: &'a [u8],
    here: usize,
    path: Vec<Vec<u8>>,
    depth: usize,
    policy: &'a mut dyn Policy,
    out: &'a mut Vec<u8>,
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

impl Reader<'_> {
    fn peek(&self) -> u8 {
        at(self.source, self.here)
    }

    fn blanks(&mut self) {
        let end = run(self.source, self.here, is_space);
        self.copy(end);
    }

    fn copy(&mut self, end: usize) {
        self.out.extend_from_slice(part(self.source, self.here, end));
        self.here = end;
    }

    fn sign(&mut self, sign: u8, wrong: Wrong) -> Result<(), Wrong> {
        if self.peek() != sign {
            return Err(wrong);
        }
        self.copy(self.here.saturating_add(1));
        Ok(())
    }

    fn value(&mut self) -> Result<(), Wrong> {
        match self.peek() {
            b'{' => self.nested(Self::object),
            b'[' => self.nested(Self::array),
            b'"' => {
                let (value, end) = string(self.source, self.here)?;
                match self.policy.string(&self.path, &value) {
                    Some(changed) => write_string(&changed, self.out),
                    None => self.out.extend_from_slice(part(self.source, self.here, end)),
                }
                self.here = end;
                Ok(())
            }
            _ => {
                let end = scalar(self.source, self.here)?;
                self.copy(end);
                Ok(())
            }
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<(), Wrong>) -> Result<(), Wrong> {
        if self.depth >= DEEPEST {
            return Err("it is nested too deeply");
        }
        self.depth = self.depth.saturating_add(1);
        let done = read(self);
        self.depth = self.depth.saturating_sub(1);
        done
    }

    fn object(&mut self) -> Result<(), Wrong> {
        self.policy.enter(member_called_name(self.source, self.here));
        self.sign(b'{', "an object does not begin")?;
        let mut written = 0usize;
        loop {
            let mark = self.out.len();
            self.blanks();
            if self.peek() == b'}' {
                break;
            }
            let (key, end) = string(self.source, self.here)?;
            let shown = crate::text(&key);
            if shown == key {
                self.copy(end);
            } else {
                write_string(&shown, self.out);
                self.here = end;
            }
            self.blanks();
            self.sign(b':', "a member has no colon")?;
            self.blanks();
            // What it will be called the next time.
            self.path.push(shown);
            let decided = self.policy.member(&self.path);
            let before = self.out.len();
            self.value()?;
            self.path.pop();
            match decided {
                Member::Keep => {}
                Member::Mask(kind) => {
                    self.out.truncate(before);
                    let mut marker = Vec::new();
                    crate::marker::write(kind, &mut marker);
                    write_string(&marker, self.out);
                }
                Member::Drop => self.out.truncate(mark),
            }
            let kept = decided != Member::Drop;
            written = written.saturating_add(usize::from(kept));
            let space = run(self.source, self.here, is_space);
            match at(self.source, space) {
                b',' => {
                    if at(self.source, run(self.source, space.saturating_add(1), is_space)) != b'"' {
                        return Err("a comma is followed by no member");
                    }
                    if kept {
                        self.copy(space);
                        self.out.push(b',');
                    }
                    self.here = space.saturating_add(1);
                }
                b'}' => {
                    if !kept && written > 0 {
                        // The comma that the last member left behind.
                        if self.out.last() == Some(&b',') {
                            self.out.pop();
                        }
                    }
                    self.copy(space);
                    break;
                }
                _ => return Err("an object does not go on"),
            }
        }
        self.policy.leave();
        self.sign(b'}', "an object does not end")
    }

    fn array(&mut self) -> Result<(), Wrong> {
        if let Some((values, places)) = strings(self.source, self.here) {
            let changed = self.policy.list(&self.path, &values);
            for ((start, end), changed) in places.into_iter().zip(changed) {
                self.copy(start);
                match changed {
                    Some(changed) => write_string(&changed, self.out),
                    None => self.out.extend_from_slice(part(self.source, start, end)),
                }
                self.here = end;
            }
            let close = run(self.source, self.here, is_space);
            self.copy(close.saturating_add(1));
            return Ok(());
        }
        if self.policy.has_bytes()
            && let Some((value, end)) = bytes(self.source, self.here)
        {
            match self.policy.string(&self.path, &value) {
                Some(changed) => write_string(&changed, self.out),
                None => self.out.extend_from_slice(part(self.source, self.here, end)),
            }
            self.here = end;
            return Ok(());
        }
        self.sign(b'[', "a list does not begin")?;
        self.blanks();
        while self.peek() != b']' {
            self.value()?;
            self.blanks();
            match self.peek() {
                b',' => {
                    self.copy(self.here.saturating_add(1));
                    self.blanks();
                    if self.peek() == b']' {
                        return Err("a comma is followed by no item");
                    }
                }
                b']' => {}
                _ => return Err("a list does not go on"),
            }
        }
        self.sign(b']', "a list does not end")
    }
}

/// The contents of a list of at least one string and nothing else, and where they lie.
type Strings = (Vec<Vec<u8>>, Vec<(usize, usize)>);

fn strings(source: &[u8], start: usize) -> Option<Strings> {
    let (mut values, mut places) = (Vec::new(), Vec::new());
    let mut here = start.saturating_add(1);
    loop {
        here = run(source, here, is_space);
        let (value, end) = string(source, here).ok()?;
        values.push(value);
        places.push((here, end));
        here = run(source, end, is_space);
        match at(source, here) {
            b',' => here = here.saturating_add(1),
            b']' => return Some((values, places)),
            _ => return None,
        }
    }
}

/// The bytes that the list at `start` consists of, and its end.
fn bytes(source: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut value = Vec::new();
    let mut here = start.saturating_add(1);
    loop {
        here = run(source, here, is_space);
        let end = run(source, here, |byte| byte.is_ascii_digit());
        value.push(std::str::from_utf8(part(source, here, end)).ok()?.parse().ok()?);
        here = run(source, end, is_space);
        match at(source, here) {
            b',' => here = here.saturating_add(1),
            b']' => return Some((value, here.saturating_add(1))),
            _ => return None,
        }
    }
}

/// The string that the object at `start` has under `name`, if it is among its first members and reads plainly.
fn member_called_name(source: &[u8], start: usize) -> Option<Vec<u8>> {
    let mut here = start.saturating_add(1);
    let mut found = None;
    for _ in 0..64 {
        here = run(source, here, is_space);
        let (key, end) = string(source, here).ok()?;
        here = run(source, end, is_space);
        here = run(source, here.saturating_add(1), is_space);
        let plain = at(source, here) == b'"';
        let end = if plain {
            string(source, here).ok()?.1
        } else {
            scalar(source, here).ok().unwrap_or(usize::MAX)
        };
        if plain && key.eq_ignore_ascii_case(b"name") {
            found = Some(crate::text(&string(source, here).ok()?.0));
        }
        if found.is_some() || end == usize::MAX {
            return found;
        }
        here = run(source, end, is_space);
        if at(source, here) != b',' {
            return found;
        }
        here = here.saturating_add(1);
    }
    found
}

/// The end of a number, `true`, `false` or `null`.
fn scalar(source: &[u8], start: usize) -> Result<usize, Wrong> {
    let end = run(source, start, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.'));
    let word = part(source, start, end);
    if matches!(word, b"true" | b"false" | b"null") || is_number(word) {
        Ok(end)
    } else {
        Err("a value is none of JSON's")
    }
}

/// JSON's own grammar of numbers.
fn is_number(word: &[u8]) -> bool {
    let digits = |start: usize| run(word, start, |byte| byte.is_ascii_digit());
    let first = usize::from(at(word, 0) == b'-');
    let mut here = digits(first);
    if here == first || at(word, first) == b'0' && here > first.saturating_add(1) {
        return false;
    }
    if at(word, here) == b'.' {
        let fraction = here.saturating_add(1);
        here = digits(fraction);
        if here == fraction {
            return false;
        }
    }
    if matches!(at(word, here), b'e' | b'E') {
        let sign = here.saturating_add(1);
        let exponent = sign.saturating_add(usize::from(matches!(at(word, sign), b'+' | b'-')));
        here = digits(exponent);
        if here == exponent {
            return false;
        }
    }
    here == word.len()
}

/// A string's content and its end.
pub(crate) fn string(source: &[u8], start: usize) -> Result<(Vec<u8>, usize), Wrong> {
    if at(source, start) != b'"' {
        return Err("a name is not a string");
    }
    let mut value = Vec::new();
    let mut here = start.saturating_add(1);
    loop {
        let plain = run(source, here, |byte| byte >= 0x20 && !matches!(byte, b'"' | b'\\'));
        value.extend_from_slice(part(source, here, plain));
        here = plain;
        match (source.get(here), at(source, here.saturating_add(1))) {
            (Some(b'"'), _) => return Ok((value, here.saturating_add(1))),
            (Some(b'\\'), b'u') => {
                let (character, length) = escaped(source, here)?;
                value.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                here = here.saturating_add(length);
                continue;
            }
            (Some(b'\\'), escape) => value.push(match escape {
                b'"' | b'\\' | b'/' => escape,
                b'b' => 8,
                b'f' => 12,
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                _ => return Err("an escape is none of JSON's"),
            }),
            _ => return Err("a string does not end"),
        }
        here = here.saturating_add(2);
    }
}

/// `\uXXXX`, of two where one is half a character; the character and the length of its escape.
fn escaped(source: &[u8], start: usize) -> Result<(char, usize), Wrong> {
    let unit = |from: usize| {
        let digits = source.get(from..from.saturating_add(4))?;
        digits
            .iter()
            .all(u8::is_ascii_hexdigit)
            .then(|| std::str::from_utf8(digits).ok())
            .flatten()
            .and_then(|text| u32::from_str_radix(text, 16).ok())
    };
    let high = unit(start.saturating_add(2)).ok_or("an escape is none of JSON's")?;
    if (0xd800..0xdc00).contains(&high) && rest(source, start.saturating_add(6)).starts_with(b"\\u") {
        let low = unit(start.saturating_add(8)).ok_or("an escape is none of JSON's")?;
        if (0xdc00..0xe000).contains(&low) {
            let point = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
            return Ok((char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER), 12));
        }
    }
    Ok((char::from_u32(high).unwrap_or(char::REPLACEMENT_CHARACTER), 6))
}

/// Appends a string as JSON writes it.
pub(crate) fn write_string(value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for byte in value {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', *byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b'\r' => out.extend_from_slice(b"\\r"),
            0..=0x1f => {
                let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte & 15)]);
            }
            _ => out.push(*byte),
        }
    }
    out.push(b'"');
}
