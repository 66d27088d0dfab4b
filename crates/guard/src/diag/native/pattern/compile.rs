//! A pattern into a program. Jumps are relative, so a part that repeats is copied as it is.

use super::{Reading, is_word};
use crate::diag::native::sets::class;

/// Instructions of one program at most: what makes each byte of the text cost a bounded time.
const LARGEST: usize = 4000;
/// Groups within groups.
const DEEPEST: usize = 60;
/// Repetitions that a pattern may ask for, as GNU's.
const MOST: u32 = 32767;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Inst {
    Byte(u8),
    Any,
    Set(u16),
    Look(Look),
    Jump(i32),
    Split(i32, i32),
    Match,
}

/// A condition on the place, which takes no byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Start,
    End,
    Edge,
    NoEdge,
    WordStart,
    WordEnd,
    NoWordBefore,
    NoWordAfter,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wrong(pub(crate) &'static str);

const TOO_LARGE: Wrong = Wrong("the pattern is too large");

struct Compiler<'pattern> {
    reading: Reading,
    rest: &'pattern [u8],
    sets: Vec<[u64; 4]>,
    depth: usize,
}

pub(super) fn compile(patterns: &[&[u8]], reading: Reading) -> Result<(Vec<Inst>, Vec<[u64; 4]>), Wrong> {
    let mut compiler = Compiler { reading, rest: b"", sets: Vec::new(), depth: 0 };
    let mut program: Option<Vec<Inst>> = None;
    for pattern in patterns.iter().flat_map(|pattern| pattern.split(|byte| *byte == b'\n')) {
        let mut one = Vec::new();
        if reading.line {
            one.push(Inst::Look(Look::Start));
        } else if reading.word {
            one.push(Inst::Look(Look::NoWordBefore));
        }
        if reading.fixed {
            for byte in pattern {
                one.push(compiler.literal(*byte)?);
            }
        } else {
            compiler.rest = pattern;
            one.extend(compiler.alternatives()?);
            if !compiler.rest.is_empty() {
                return Err(Wrong("Unmatched ) or \\)"));
            }
        }
        if reading.line {
            one.push(Inst::Look(Look::End));
        } else if reading.word {
            one.push(Inst::Look(Look::NoWordAfter));
        }
        program = Some(match program {
            None => one,
            Some(before) => either(before, one)?,
        });
    }
    let mut program = program.unwrap_or_default();
    program.push(Inst::Match);
    if program.len() > LARGEST { Err(TOO_LARGE) } else { Ok((program, compiler.sets)) }
}

fn distance(length: usize) -> Result<i32, Wrong> {
    if length > LARGEST { Err(TOO_LARGE) } else { i32::try_from(length).map_err(|_| TOO_LARGE) }
}

fn either(a: Vec<Inst>, b: Vec<Inst>) -> Result<Vec<Inst>, Wrong> {
    let mut both = vec![Inst::Split(1, distance(a.len() + 2)?)];
    both.extend(a);
    both.push(Inst::Jump(distance(b.len() + 1)?));
    both.extend(b);
    Ok(both)
}

fn repeat(part: &[Inst], least: u32, most: Option<u32>) -> Result<Vec<Inst>, Wrong> {
    let copies = most.unwrap_or(least).max(least).max(1);
    if (part.len() + 2).saturating_mul(copies as usize) > LARGEST {
        return Err(TOO_LARGE);
    }
    let length = distance(part.len())?;
    let mut all = Vec::new();
    for _ in 0..least {
        all.extend_from_slice(part);
    }
    match most {
        None => {
            all.push(Inst::Split(1, length + 2));
            all.extend_from_slice(part);
            all.push(Inst::Jump(-(length + 1)));
        }
        Some(most) => {
            // Each further one may be the last: out of it is past all the others.
            for left in (1..=most.saturating_sub(least)).rev() {
                let past = distance((part.len() + 1) * left as usize)?;
                all.push(Inst::Split(1, past));
                all.extend_from_slice(part);
            }
        }
    }
    Ok(all)
}

impl Compiler<'_> {
    fn literal(&mut self, byte: u8) -> Result<Inst, Wrong> {
        if self.reading.ignore_case && byte.is_ascii_alphabetic() {
            return self.set(|other| other.eq_ignore_ascii_case(&byte));
        }
        Ok(Inst::Byte(byte))
    }

    fn set(&mut self, holds: impl Fn(u8) -> bool) -> Result<Inst, Wrong> {
        let mut bits = [0u64; 4];
        for byte in 0..=255u8 {
            if let Some(word) = bits.get_mut(usize::from(byte >> 6)) {
                *word |= u64::from(holds(byte)) << (byte & 63);
            }
        }
        let at = self.sets.iter().position(|set| *set == bits).unwrap_or_else(|| {
            self.sets.push(bits);
            self.sets.len() - 1
        });
        u16::try_from(at).ok().filter(|_| self.sets.len() <= LARGEST).map(Inst::Set).ok_or(TOO_LARGE)
    }

    /// Takes `token` off if it stands here; in a basic pattern with a backslash before it.
    fn operator(&mut self, token: u8) -> bool {
        let rest = if self.reading.extended { Some(self.rest) } else { self.rest.strip_prefix(b"\\") };
        match rest.and_then(|rest| rest.split_first()) {
            Some((byte, after)) if *byte == token => {
                self.rest = after;
                true
            }
            _ => false,
        }
    }

    fn alternatives(&mut self) -> Result<Vec<Inst>, Wrong> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(TOO_LARGE);
        }
        let mut all = self.sequence()?;
        while self.operator(b'|') {
            let other = self.sequence()?;
            all = either(all, other)?;
        }
        self.depth -= 1;
        Ok(all)
    }

    fn at(&self, token: u8) -> bool {
        let rest = if self.reading.extended { Some(self.rest) } else { self.rest.strip_prefix(b"\\") };
        rest.is_some_and(|rest| rest.first() == Some(&token))
    }

    fn sequence(&mut self) -> Result<Vec<Inst>, Wrong> {
        let mut all = Vec::new();
        // At the beginning a repetition has nothing to repeat and is meant literally.
        let mut begins = true;
        while !self.rest.is_empty()
            && !self.at(b'|')
            && !(self.at(b')') && (self.depth > 1 || !self.reading.extended))
        {
            let (mut part, repeatable) = self.atom(begins)?;
            begins = begins && !repeatable && part == [Inst::Look(Look::Start)];
            while !begins && (repeatable || self.reading.extended) {
                let Some((least, most)) = self.repetition()? else { break };
                part = repeat(&part, least, most)?;
            }
            all.extend(part);
            if all.len() > LARGEST {
                return Err(TOO_LARGE);
            }
        }
        Ok(all)
    }

    fn repetition(&mut self) -> Result<Option<(u32, Option<u32>)>, Wrong> {
        if let Some(rest) = self.rest.strip_prefix(b"*") {
            self.rest = rest;
            return Ok(Some((0, None)));
        }
        if self.operator(b'+') {
            return Ok(Some((1, None)));
        }
        if self.operator(b'?') {
            return Ok(Some((0, Some(1))));
        }
        let before = self.rest;
        if !self.operator(b'{') {
            return Ok(None);
        }
        let least = self.digits();
        let (least, most) = if let Some(rest) = self.rest.strip_prefix(b",") {
            self.rest = rest;
            (least.or(Some(0)), self.digits())
        } else {
            (least, least)
        };
        match (least, self.operator(b'}')) {
            (Some(least), true) if most.is_none_or(|most| most >= least) => {
                if least.max(most.unwrap_or(0)) > MOST { Err(TOO_LARGE) } else { Ok(Some((least, most))) }
            }
            // An extended pattern takes what is no interval literally.
            (_, _) if self.reading.extended => {
                self.rest = before;
                Ok(None)
            }
            (_, true) => Err(Wrong("Invalid content of \\{\\}")),
            (_, false) => Err(Wrong("Unmatched { or \\{")),
        }
    }

    fn digits(&mut self) -> Option<u32> {
        let count = self.rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.rest.split_at(count);
        self.rest = rest;
        if digits.is_empty() {
            None
        } else {
            Some(std::str::from_utf8(digits).ok()?.parse().unwrap_or(u32::MAX))
        }
    }

    /// One thing, and whether a repetition behind it means it.
    fn atom(&mut self, begins: bool) -> Result<(Vec<Inst>, bool), Wrong> {
        if self.operator(b'(') {
            let inner = self.alternatives()?;
            if !self.operator(b')') {
                return Err(Wrong("Unmatched ( or \\("));
            }
            return Ok((inner, true));
        }
        let Some((byte, after)) = self.rest.split_first() else { return Ok((Vec::new(), false)) };
        self.rest = after;
        let extended = self.reading.extended;
        let one = match byte {
            b'\\' => return self.escape(),
            b'.' => Inst::Any,
            b'[' => self.bracket()?,
            b'^' if extended || begins => return Ok((vec![Inst::Look(Look::Start)], false)),
            b'$' if extended || after.is_empty() || self.at(b')') || self.at(b'|') => {
                return Ok((vec![Inst::Look(Look::End)], false));
            }
            // What would repeat nothing is nothing in an extended pattern and itself in a basic one.
            b'*' | b'+' | b'?' if extended && begins => return Ok((Vec::new(), false)),
            byte => self.literal(*byte)?,
        };
        Ok((vec![one], true))
    }

    fn escape(&mut self) -> Result<(Vec<Inst>, bool), Wrong> {
        let Some((byte, after)) = self.rest.split_first() else { return Err(Wrong("Trailing backslash")) };
        self.rest = after;
        let look = match byte {
            b'b' => Look::Edge,
            b'B' => Look::NoEdge,
            b'<' => Look::WordStart,
            b'>' => Look::WordEnd,
            b'`' => Look::Start,
            b'\'' => Look::End,
            b'1'..=b'9' => return Err(Wrong("back-references are not known here")),
            _ => {
                let space = |byte: u8| class(b"space", byte) == Some(true);
                let one = match byte {
                    b'w' => self.set(is_word)?,
                    b'W' => self.set(|byte| !is_word(byte))?,
                    b's' => self.set(space)?,
                    b'S' => self.set(|byte| !space(byte))?,
                    byte => self.literal(*byte)?,
                };
                return Ok((vec![one], true));
            }
        };
        Ok((vec![Inst::Look(look)], false))
    }

    /// What stands between brackets; the opening one is taken.
    fn bracket(&mut self) -> Result<Inst, Wrong> {
        const OPEN: Wrong = Wrong("Unmatched [, [^, [:, [., or [=");
        let negated = self.rest.first() == Some(&b'^');
        let mut rest = self.rest.get(usize::from(negated)..).unwrap_or_default();
        let mut members = [false; 256];
        let mut first = true;
        loop {
            let Some((byte, after)) = rest.split_first() else { return Err(OPEN) };
            if *byte == b']' && !first {
                rest = after;
                break;
            }
            first = false;
            if let (b'[', Some(b':')) = (byte, after.first()) {
                let inner = after.get(1..).unwrap_or_default();
                let end = inner.windows(2).position(|pair| pair == b":]").ok_or(OPEN)?;
                let (name, after) = inner.split_at(end);
                for (other, member) in (0..=255).zip(&mut members) {
                    *member |= class(name, other).ok_or(Wrong("Invalid character class name"))?;
                }
                rest = after.get(2..).unwrap_or_default();
                continue;
            }
            let (low, after) = element(rest).ok_or(OPEN)?;
            let mut high = low;
            rest = after;
            if let [b'-', next, ..] = after
                && *next != b']'
            {
                (high, rest) = element(after.get(1..).unwrap_or_default()).ok_or(OPEN)?;
                if high < low {
                    return Err(Wrong("Invalid range end"));
                }
            }
            for member in members.iter_mut().take(usize::from(high) + 1).skip(usize::from(low)) {
                *member = true;
            }
        }
        self.rest = rest;
        let ignore_case = self.reading.ignore_case;
        let is = |byte: u8| members.get(usize::from(byte)).copied().unwrap_or(false);
        self.set(|byte| {
            let holds =
                is(byte) || (ignore_case && (is(byte.to_ascii_lowercase()) || is(byte.to_ascii_uppercase())));
            holds != negated
        })
    }
}

/// One byte between brackets, which may be written `[.x.]` or `[=x=]`.
fn element(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [b'[', b'.', byte, b'.', b']', after @ ..] | [b'[', b'=', byte, b'=', b']', after @ ..] => {
            Some((*byte, after))
        }
        [byte, after @ ..] => Some((*byte, after)),
        [] => None,
    }
}
