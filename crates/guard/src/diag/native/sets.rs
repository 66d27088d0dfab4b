//! `tr`: bytes to bytes.

use super::sink::{Filter, Flow, Sink};
use crate::diag::plan::Parsed;

pub(crate) struct Tr {
    delete: Option<Box<[bool; 256]>>,
    map: Box<[u8; 256]>,
    squeeze: Option<Box<[bool; 256]>>,
    last: Option<u8>,
}

impl Tr {
    /// Nothing where the sets make no sense, or where the second could put control bytes into the text after it was
    /// redacted.
    pub(crate) fn new(parsed: &Parsed) -> Option<Self> {
        let delete = parsed.has("--delete");
        let squeeze = parsed.has("--squeeze-repeats");
        let mut sets = parsed.operands.iter();
        let (first, second) = (sets.next()?, sets.next());
        if sets.next().is_some()
            || (delete && second.is_some() != squeeze)
            || (!delete && !squeeze && second.is_none())
        {
            return None;
        }
        let mut from = Set::parse(first.text.as_bytes())?.bytes(0);
        if parsed.has("--complement") {
            from = (0..=255).filter(|byte| !from.contains(byte)).collect();
        }
        let mut map = [0; 256];
        for (at, byte) in (0..=255).zip(&mut map) {
            *byte = at;
        }
        let mut to = Vec::new();
        if let Some(second) = second {
            to = Set::parse(second.text.as_bytes())?.bytes(from.len());
            if to.iter().any(|byte| byte.is_ascii_control() && !matches!(byte, b'\n' | b'\t')) && !delete {
                return None;
            }
        }
        if !delete && let Some(last) = to.last().copied() {
            if parsed.has("--truncate-set1") {
                from.truncate(to.len());
            }
            for (at, byte) in from.iter().enumerate() {
                if let Some(place) = map.get_mut(usize::from(*byte)) {
                    *place = to.get(at).copied().unwrap_or(last);
                }
            }
        } else if !delete && second.is_some() {
            return None;
        }
        let squeezed = if second.is_some() { &to } else { &from };
        Some(Self {
            squeeze: squeeze.then(|| members(squeezed)),
            delete: delete.then(|| members(&from)),
            map: Box::new(map),
            last: None,
        })
    }
}

fn members(bytes: &[u8]) -> Box<[bool; 256]> {
    let mut members = Box::new([false; 256]);
    for byte in bytes {
        if let Some(member) = members.get_mut(usize::from(*byte)) {
            *member = true;
        }
    }
    members
}

fn holds(set: Option<&[bool; 256]>, byte: u8) -> bool {
    set.and_then(|set| set.get(usize::from(byte))).copied().unwrap_or(false)
}

impl Filter for Tr {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        let mut out = Vec::with_capacity(bytes.len());
        for byte in bytes {
            if holds(self.delete.as_deref(), *byte) {
                continue;
            }
            let byte = self.map.get(usize::from(*byte)).copied().unwrap_or(*byte);
            if self.last == Some(byte) && holds(self.squeeze.as_deref(), byte) {
                continue;
            }
            self.last = Some(byte);
            out.push(byte);
        }
        if out.is_empty() { Flow::More } else { next.push(&out) }
    }

    fn finish(&mut self, _: &mut dyn Sink) -> u8 {
        0
    }
}

/// A set as it is written: runs of bytes, one of which may fill up to the length of the other set (`[x*]`).
struct Set(Vec<(Vec<u8>, bool)>);

impl Set {
    fn parse(text: &[u8]) -> Option<Self> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some((part, after)) = bracket(rest) {
                parts.push(part?);
                rest = after;
                continue;
            }
            let (byte, after) = one(rest)?;
            rest = after;
            if let (Some(b'-'), Some(end)) = (rest.first(), rest.get(1..).filter(|end| !end.is_empty())) {
                let (last, after) = one(end)?;
                if last < byte {
                    return None;
                }
                parts.push(((byte..=last).collect(), false));
                rest = after;
            } else {
                parts.push((vec![byte], false));
            }
        }
        Some(Self(parts))
    }

    fn bytes(&self, length: usize) -> Vec<u8> {
        let fixed: usize = self.0.iter().filter(|(_, fills)| !fills).map(|(bytes, _)| bytes.len()).sum();
        let mut all = Vec::new();
        for (bytes, fills) in &self.0 {
            if *fills {
                let count = length.saturating_sub(fixed).min(256);
                all.extend(bytes.iter().cycle().take(count));
            } else {
                all.extend_from_slice(bytes);
            }
        }
        all
    }
}

/// `[:class:]`, `[=x=]`, `[x*n]`, `[x*]`; the inner nothing is a class that does not exist.
#[expect(clippy::type_complexity, reason = "what it is, or that it is wrong, and what follows")]
fn bracket(text: &[u8]) -> Option<(Option<(Vec<u8>, bool)>, &[u8])> {
    let inner = text.strip_prefix(b"[")?;
    if let Some(name) = inner.strip_prefix(b":") {
        let end = name.windows(2).position(|pair| pair == b":]")?;
        let (name, after) = name.split_at(end);
        let members = (0..=255u8).filter(|byte| class(name, *byte) == Some(true)).collect::<Vec<_>>();
        return Some((class(name, 0).map(|_| (members, false)), after.get(2..)?));
    }
    if let [b'=', byte, b'=', b']', after @ ..] = inner {
        return Some((Some((vec![*byte], false)), after));
    }
    let (byte, rest) = one(inner)?;
    let count = rest.strip_prefix(b"*")?;
    let end = count.iter().position(|byte| *byte == b']')?;
    let (digits, after) = count.split_at(end);
    let after = after.get(1..)?;
    if digits.is_empty() {
        return Some((Some((vec![byte], true)), after));
    }
    let radix = if digits.first() == Some(&b'0') { 8 } else { 10 };
    let count = usize::from_str_radix(std::str::from_utf8(digits).ok()?, radix).ok()?;
    Some((Some(if count == 0 { (vec![byte], true) } else { (vec![byte; count.min(256)], false) }), after))
}

/// One byte, which may be written with a backslash.
fn one(text: &[u8]) -> Option<(u8, &[u8])> {
    let (first, rest) = text.split_first()?;
    if *first != b'\\' {
        return Some((*first, rest));
    }
    let Some((second, after)) = rest.split_first() else { return Some((b'\\', rest)) };
    let plain = match second {
        b'a' => 7,
        b'b' => 8,
        b'f' => 12,
        b'n' => 10,
        b'r' => 13,
        b't' => 9,
        b'v' => 11,
        b'0'..=b'7' => {
            let octal = |byte: &u8| (b'0'..=b'7').contains(byte);
            let mut digits = rest.iter().take(3).take_while(|byte| octal(byte)).count();
            let value = |digits: usize| {
                rest.iter().take(digits).fold(0u32, |sum, byte| sum * 8 + u32::from(byte - b'0'))
            };
            if value(digits) > 255 {
                digits -= 1;
            }
            return Some((u8::try_from(value(digits)).ok()?, rest.get(digits..)?));
        }
        other => *other,
    };
    Some((plain, after))
}

/// Whether a byte is of a class of that name; nothing where there is none.
pub(crate) fn class(name: &[u8], byte: u8) -> Option<bool> {
    Some(match name {
        b"alpha" => byte.is_ascii_alphabetic(),
        b"digit" => byte.is_ascii_digit(),
        b"alnum" => byte.is_ascii_alphanumeric(),
        b"upper" => byte.is_ascii_uppercase(),
        b"lower" => byte.is_ascii_lowercase(),
        b"space" => matches!(byte, b' ' | b'\t'..=b'\r'),
        b"blank" => matches!(byte, b' ' | b'\t'),
        b"punct" => byte.is_ascii_punctuation(),
        b"print" => (0x20..0x7f).contains(&byte),
        b"graph" => byte.is_ascii_graphic(),
        b"cntrl" => byte.is_ascii_control(),
        b"xdigit" => byte.is_ascii_hexdigit(),
        _ => return None,
    })
}
