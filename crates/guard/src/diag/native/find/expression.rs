//! What `find` asks of each file, as a tree.

use super::Visit;
use crate::diag::native::facts::letter;
use crate::diag::native::files::Run;
use crate::diag::native::users::Names;
use crate::diag::native::{amount, calendar, glob};
use crate::diag::places::{Last, kind};
use crate::diag::plan::Given;
use rustix::fs::StatxTimestamp;
use std::cmp::Ordering;

/// Tests of one expression at most.
const MOST: usize = 200;

/// One question, or two joined; joined ones by their place in the list.
#[derive(Clone)]
pub(super) enum Test {
    True(bool),
    Not(usize),
    And(usize, usize),
    Or(usize, usize),
    Name {
        pattern: Vec<u8>,
        ignore_case: bool,
        whole: bool,
    },
    Type(Vec<u8>),
    /// The time's letter, seconds of one unit, and how many.
    Age(u8, i64, Compared),
    Newer(i64, u32),
    Size(u64, Compared),
    Links(Compared),
    User(Compared),
    Group(Compared),
    Mode(u8, u32),
    NoUser,
    NoGroup,
    Empty,
    Print(u8),
    Format(Vec<u8>),
    Ls,
    Prune,
    Quit,
}

/// `+N`, `-N` or `N`.
#[derive(Clone, Copy)]
pub(super) struct Compared(Ordering, u64);

impl Compared {
    fn new(text: &str) -> Option<Self> {
        let (sign, count) = amount::amount(text)?;
        Some(Self(
            match sign {
                amount::Sign::Plus => Ordering::Greater,
                amount::Sign::Minus => Ordering::Less,
                amount::Sign::None => Ordering::Equal,
            },
            count,
        ))
    }

    fn holds(self, value: u64) -> bool {
        value.cmp(&self.1) == self.0
    }
}

/// The whole question.
pub(super) struct Expression {
    pub(super) tests: Vec<Test>,
    pub(super) root: usize,
    /// It prints, so that nothing is printed beside it.
    pub(super) acts: bool,
}

struct Parser<'given, 'run, 'any> {
    given: std::iter::Peekable<std::slice::Iter<'given, Given>>,
    tests: Vec<Test>,
    acts: bool,
    run: &'any Run<'run>,
    names: &'any mut Names,
    depth: usize,
}

impl Expression {
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub(super) fn new(run: &Run<'_>, names: &mut Names) -> Result<Self, String> {
        let given = run.parsed.options.iter().peekable();
        let mut parser = Parser { given, tests: Vec::new(), acts: false, run, names, depth: 0 };
        let root =
            if parser.given.peek().is_some() { parser.any()? } else { parser.add(Test::True(true))? };
        if let Some(given) = parser.given.peek() {
            return Err(format!("{} stands where nothing may", given.name));
        }
        Ok(Self { tests: parser.tests, root, acts: parser.acts })
    }
}

impl Parser<'_, '_, '_> {
    fn add(&mut self, test: Test) -> Result<usize, String> {
        if self.tests.len() >= MOST {
            return Err("the expression is too long".to_owned());
        }
        self.tests.push(test);
        Ok(self.tests.len() - 1)
    }

    fn any(&mut self) -> Result<usize, String> {
        self.depth += 1;
        let mut left = self.all()?;
        while self.given.next_if(|given| given.name == "-o").is_some() {
            let right = self.all()?;
            left = self.add(Test::Or(left, right))?;
        }
        self.depth -= 1;
        Ok(left)
    }

    fn all(&mut self) -> Result<usize, String> {
        let mut left = self.one()?;
        loop {
            let _ = self.given.next_if(|given| given.name == "-a");
            if self.given.peek().is_none_or(|given| matches!(given.name, "-o" | ")")) {
                return Ok(left);
            }
            let right = self.one()?;
            left = self.add(Test::And(left, right))?;
        }
    }

    fn one(&mut self) -> Result<usize, String> {
        let Some(given) = self.given.next() else { return Err("the expression ends too early".to_owned()) };
        if self.depth > 50 {
            return Err("the expression is too deep".to_owned());
        }
        match given.name {
            "!" => {
                self.depth += 1;
                let inner = self.one()?;
                self.depth -= 1;
                self.add(Test::Not(inner))
            }
            "(" => {
                let inner = self.any()?;
                match self.given.next() {
                    Some(closing) if closing.name == ")" => Ok(inner),
                    _ => Err("a parenthesis is not closed".to_owned()),
                }
            }
            name => {
                let value = given.value.as_deref().unwrap_or_default();
                let test = self.test(name, value).ok_or_else(|| format!("invalid argument to {name}"))?;
                self.acts |= matches!(test, Test::Print(_) | Test::Format(_) | Test::Ls | Test::Quit);
                self.add(test)
            }
        }
    }

    fn test(&mut self, name: &str, value: &str) -> Option<Test> {
        let named =
            |ignore_case, whole| Test::Name { pattern: value.as_bytes().to_vec(), ignore_case, whole };
        let age = |letter, unit| Compared::new(value).map(|count| Test::Age(letter, unit, count));
        Some(match name {
            "-maxdepth" | "-mindepth" | "-xdev" | "-mount" | "-true" => Test::True(true),
            "-false" => Test::True(false),
            "-name" => named(false, false),
            "-iname" => named(true, false),
            "-path" | "-wholename" => named(false, true),
            "-ipath" => named(true, true),
            "-type" => Test::Type(value.bytes().filter(|byte| *byte != b',').collect()),
            "-mtime" => age(b'm', 86400)?,
            "-mmin" => age(b'm', 60)?,
            "-atime" => age(b'a', 86400)?,
            "-amin" => age(b'a', 60)?,
            "-ctime" => age(b'c', 86400)?,
            "-cmin" => age(b'c', 60)?,
            "-newer" => {
                let stat = self.run.places.open(value.as_bytes(), Last::Itself).ok()?.stat;
                Test::Newer(stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec)
            }
            "-newermt" => Test::Newer(calendar::parse(value)?, 0),
            "-size" => {
                let units = [('b', 512), ('c', 1), ('w', 2), ('k', 1 << 10), ('M', 1 << 20), ('G', 1 << 30)];
                let unit = units.into_iter().find(|(letter, _)| value.ends_with(*letter));
                let count = unit.map_or(value, |(letter, _)| value.trim_end_matches(letter));
                Test::Size(unit.map_or(512, |(_, size)| size), Compared::new(count)?)
            }
            "-links" => Test::Links(Compared::new(value)?),
            "-user" => Test::User(Compared(Ordering::Equal, u64::from(self.names.user_id(value)?))),
            "-group" => Test::Group(Compared(Ordering::Equal, u64::from(self.names.group_id(value)?))),
            "-uid" => Test::User(Compared::new(value)?),
            "-gid" => Test::Group(Compared::new(value)?),
            "-nouser" => Test::NoUser,
            "-nogroup" => Test::NoGroup,
            "-perm" => {
                let (kind, octal) = match value.as_bytes() {
                    [kind @ (b'-' | b'/'), ..] => (*kind, value.get(1..)?),
                    _ => (b'=', value),
                };
                Test::Mode(kind, u32::from_str_radix(octal, 8).ok().filter(|mode| *mode <= 0o7777)?)
            }
            "-empty" => Test::Empty,
            "-print" => Test::Print(b'\n'),
            "-print0" => Test::Print(0),
            "-printf" => Test::Format(value.as_bytes().to_vec()),
            "-ls" => Test::Ls,
            "-prune" => Test::Prune,
            "-quit" => Test::Quit,
            _ => return None,
        })
    }
}

impl Test {
    /// Answers what can be answered from what is known already.
    pub(super) fn holds(&self, visit: &Visit<'_>, now: i64) -> bool {
        let stat = &visit.stat;
        match self {
            Self::True(value) => *value,
            Self::Name { pattern, ignore_case, whole } => {
                let text = if *whole { visit.path } else { visit.name() };
                glob::matches(pattern, text, *ignore_case)
            }
            Self::Type(letters) => letters.contains(&u8::try_from(letter(kind(stat), 'f')).unwrap_or(0)),
            Self::Age(which, unit, count) => {
                let time: &StatxTimestamp = match which {
                    b'a' => &stat.stx_atime,
                    b'c' => &stat.stx_ctime,
                    _ => &stat.stx_mtime,
                };
                // Whole days; minutes count as begun ones where they are to be equal or more.
                let age = now - time.tv_sec;
                let units = if *unit == 60 && count.0 != Ordering::Less {
                    age.div_euclid(*unit) + 1
                } else {
                    age.div_euclid(*unit)
                };
                if units < 0 { count.0 == Ordering::Less } else { count.holds(units.unsigned_abs()) }
            }
            Self::Newer(seconds, nanos) => {
                (stat.stx_mtime.tv_sec, stat.stx_mtime.tv_nsec) > (*seconds, *nanos)
            }
            Self::Size(unit, count) => count.holds(stat.stx_size.div_ceil(*unit)),
            Self::Links(count) => count.holds(u64::from(stat.stx_nlink)),
            Self::User(count) => count.holds(u64::from(stat.stx_uid)),
            Self::Group(count) => count.holds(u64::from(stat.stx_gid)),
            Self::Mode(how, mode) => {
                let own = u32::from(stat.stx_mode) & 0o7777;
                match how {
                    b'-' => own & mode == *mode,
                    b'/' => *mode == 0 || own & mode != 0,
                    _ => own == *mode,
                }
            }
            _ => true,
        }
    }
}
