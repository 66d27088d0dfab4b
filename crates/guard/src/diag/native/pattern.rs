//! Regular expressions, basic and extended, byte by byte and in linear time: a pattern becomes a program for a machine
//! that follows all its branches at once, so no pattern makes it go back. Back-references, which need that, are not known.
//!
//! Bytes are characters, as in the C locale: `.` is one byte.

mod compile;

pub(crate) use compile::Wrong;
use compile::{Inst, Look};

/// How patterns are to be read, and where they may match.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Reading {
    pub(crate) extended: bool,
    pub(crate) fixed: bool,
    pub(crate) ignore_case: bool,
    pub(crate) word: bool,
    pub(crate) line: bool,
}

/// Patterns, compiled; a line matches where one of them does.
pub(crate) struct Pattern {
    program: Vec<Inst>,
    sets: Vec<[u64; 4]>,
    /// Bytes that a match can begin with; nothing where it may be empty or begins with a condition.
    first: Option<Box<[bool; 256]>>,
    now: Threads,
    then: Threads,
    stack: Vec<u32>,
}

/// The branches that are alive, oldest match first, and where the match of each begins.
#[derive(Default)]
struct Threads {
    list: Vec<(u32, usize)>,
    seen: Vec<bool>,
}

impl Threads {
    fn clear(&mut self) {
        for (at, _) in self.list.drain(..) {
            if let Some(seen) = self.seen.get_mut(at as usize) {
                *seen = false;
            }
        }
    }
}

impl Pattern {
    /// # Errors
    /// What is wrong with a pattern, in GNU's words where it has them.
    pub(crate) fn new(patterns: &[&[u8]], reading: Reading) -> Result<Self, Wrong> {
        let (program, sets) = compile::compile(patterns, reading)?;
        let size = program.len();
        let threads = || Threads { list: Vec::new(), seen: vec![false; size] };
        let mut new = Self { program, sets, first: None, now: threads(), then: threads(), stack: Vec::new() };
        new.first = new.first_bytes();
        Ok(new)
    }

    fn first_bytes(&self) -> Option<Box<[bool; 256]>> {
        let mut first = Box::new([false; 256]);
        let mut seen = vec![false; self.program.len()];
        let mut todo = vec![0];
        while let Some(at) = todo.pop() {
            if std::mem::replace(seen.get_mut(at)?, true) {
                continue;
            }
            match self.program.get(at)? {
                Inst::Jump(by) => todo.push(at.checked_add_signed(*by as isize)?),
                Inst::Split(a, b) => {
                    todo.push(at.checked_add_signed(*a as isize)?);
                    todo.push(at.checked_add_signed(*b as isize)?);
                }
                // Conditions only take matches away.
                Inst::Look(_) => todo.push(at + 1),
                Inst::Match => return None,
                one => {
                    for (byte, able) in (0..=255).zip(first.iter_mut()) {
                        *able |= takes(one, byte, &self.sets);
                    }
                }
            }
        }
        Some(first)
    }

    /// Whether the line has a match.
    pub(crate) fn is_in(&mut self, line: &[u8]) -> bool {
        self.run(line, 0, true).is_some()
    }

    /// The first match at or after `from`, and of those that begin there the longest.
    pub(crate) fn find(&mut self, line: &[u8], from: usize) -> Option<(usize, usize)> {
        self.run(line, from, false)
    }

    fn run(&mut self, line: &[u8], from: usize, any: bool) -> Option<(usize, usize)> {
        let mut found: Option<(usize, usize)> = None;
        let mut at = from;
        self.now.clear();
        loop {
            if found.is_none() {
                if let (true, Some(first)) = (self.now.list.is_empty(), &self.first) {
                    // Nothing is under way: on to the next byte that can begin something.
                    let able = |byte: &u8| first.get(usize::from(*byte)).copied().unwrap_or(true);
                    at += line.get(at..)?.iter().position(able)?;
                }
                follow(&self.program, &mut self.stack, &mut self.now, line, at, (0, at));
            }
            let byte = line.get(at).copied();
            self.then.clear();
            for index in 0..self.now.list.len() {
                let Some(&(thread, start)) = self.now.list.get(index) else { break };
                if found.is_some_and(|(best, _)| start > best) {
                    break;
                }
                match (self.program.get(thread as usize), byte) {
                    (Some(Inst::Match), _) => {
                        // Older threads stand first, and a later match of the same start is longer.
                        if found.is_none_or(|(best, _)| start <= best) {
                            found = Some((start, at));
                        }
                        if any {
                            return found;
                        }
                    }
                    (Some(one), Some(byte)) if takes(one, byte, &self.sets) => {
                        follow(
                            &self.program,
                            &mut self.stack,
                            &mut self.then,
                            line,
                            at + 1,
                            (thread + 1, start),
                        );
                    }
                    _ => {}
                }
            }
            std::mem::swap(&mut self.now, &mut self.then);
            if byte.is_none() || (found.is_some() && self.now.list.is_empty()) {
                return found;
            }
            at += 1;
        }
    }
}

fn takes(inst: &Inst, byte: u8, sets: &[[u64; 4]]) -> bool {
    match inst {
        Inst::Byte(expected) => *expected == byte,
        Inst::Any => true,
        Inst::Set(set) => sets
            .get(usize::from(*set))
            .and_then(|set| set.get(usize::from(byte >> 6)))
            .is_some_and(|bits| bits >> (byte & 63) & 1 == 1),
        _ => false,
    }
}

/// Adds a branch, and all that it leads to without taking a byte.
fn follow(
    program: &[Inst],
    stack: &mut Vec<u32>,
    threads: &mut Threads,
    line: &[u8],
    at: usize,
    begin: (u32, usize),
) {
    let (first, start) = begin;
    stack.push(first);
    while let Some(here) = stack.pop() {
        match threads.seen.get_mut(here as usize) {
            Some(seen) if !*seen => *seen = true,
            _ => continue,
        }
        threads.list.push((here, start));
        match program.get(here as usize) {
            Some(Inst::Jump(by)) => stack.push(here.wrapping_add_signed(*by)),
            Some(Inst::Split(a, b)) => {
                stack.push(here.wrapping_add_signed(*b));
                stack.push(here.wrapping_add_signed(*a));
            }
            Some(Inst::Look(look)) if holds(*look, line, at) => stack.push(here + 1),
            _ => {}
        }
    }
}

fn holds(look: Look, line: &[u8], at: usize) -> bool {
    let word = |byte: Option<&u8>| byte.is_some_and(|byte| is_word(*byte));
    let before = || word(at.checked_sub(1).and_then(|before| line.get(before)));
    let after = || word(line.get(at));
    match look {
        Look::Start => at == 0,
        Look::End => at == line.len(),
        Look::Edge => before() != after(),
        Look::NoEdge => before() == after(),
        Look::WordStart => !before() && after(),
        Look::WordEnd => before() && !after(),
        Look::NoWordBefore => !before(),
        Look::NoWordAfter => !after(),
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests;
