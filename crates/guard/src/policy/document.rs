//! Reads the text of `guard.toml` into a tree in which every value knows its line.
//!
//! A strict part of TOML 1.0: whatever is accepted here means the same to every other reader of TOML (a test compares).
//! Left out, and refused by name, is what no key of the file could hold: floats, dates, text over several lines.
//! Our own and not a library's: with its derived structures that was 140 kB, a fourteenth of the guard.

use std::fmt::Write as _;

/// Lists and tables inside one another at most; the file needs three.
const DEEPEST: u32 = 8;

/// What is wrong, and in which line.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) line: usize,
    pub(super) reason: String,
}

/// A value of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Switch(bool),
    /// The items have no key.
    List(Vec<Entry>),
    Table(Table),
    /// Made of `[[headers]]`.
    Tables(Vec<Table>),
}

/// A key and what stands there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Value,
}

/// A table, its entries in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) line: usize,
    pub(super) entries: Vec<Entry>,
    origin: Origin,
}

/// How a table came to be, which decides what may still be added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// `[a.b]` implies `a`, which may get its own header later.
    Implied,
    Header,
    /// `a.b = 1` made `a`.
    Dotted,
    /// `{ … }`, complete as it stands.
    Inline,
}

impl Table {
    fn new(line: usize, origin: Origin) -> Self {
        Self { line, entries: Vec::new(), origin }
    }

    /// What stands at a key.
    pub(super) fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    fn add(&mut self, key: String, line: usize, value: Value) -> Result<(), Fault> {
        if let Some(have) = self.entry(&key) {
            return Err(twice(&key, have.line, line));
        }
        self.entries.push(Entry { key, line, value });
        Ok(())
    }

    /// The table at `key`, made where there is none. A header may go on where a header or its implication stands, a
    /// dotted key only where a dotted key began.
    fn step(&mut self, key: &str, line: usize, made: Origin) -> Result<&mut Self, Fault> {
        if self.entry(key).is_none() {
            self.add(key.to_owned(), line, Value::Table(Self::new(line, made)))?;
        }
        match self.entries.iter_mut().find(|entry| entry.key == key) {
            Some(Entry { value: Value::Table(next), line: first, .. }) => {
                let open = if made == Origin::Dotted {
                    next.origin == Origin::Dotted
                } else {
                    next.origin != Origin::Inline
                };
                if open { Ok(next) } else { Err(twice(key, *first, line)) }
            }
            Some(Entry { value: Value::Tables(list), .. }) if made != Origin::Dotted => {
                list.last_mut().ok_or_else(|| fault(line, format!("`{key}` is empty")))
            }
            _ => Err(fault(line, format!("`{}` has a value already and is no table", key.escape_debug()))),
        }
    }
}

fn fault(line: usize, reason: impl Into<String>) -> Fault {
    Fault { line, reason: reason.into() }
}

fn twice(key: &str, first: usize, line: usize) -> Fault {
    fault(line, format!("`{}` stands twice, first in line {first}", key.escape_debug()))
}

/// Reads the whole text.
///
/// # Errors
/// The first thing that is no TOML, or none that this file may have.
pub(super) fn parse(text: &str) -> Result<Table, Fault> {
    let mut root = Table::new(1, Origin::Header);
    let mut reader = Reader { rest: text, line: 1 };
    // Where assignments go; looked up anew for each, so that no borrow of the tree is held between lines.
    let mut here: Vec<String> = Vec::new();
    loop {
        reader.blank_lines()?;
        let line = reader.line;
        if reader.rest.is_empty() {
            return Ok(root);
        } else if reader.take("[[") {
            here = reader.keys()?;
            reader.expect("]]")?;
            add_to_list(&mut root, &here, line)?;
        } else if reader.take("[") {
            here = reader.keys()?;
            reader.expect("]")?;
            open(&mut root, &here, line)?;
        } else {
            let mut table = &mut root;
            for key in &here {
                table = table.step(key, line, Origin::Implied)?;
            }
            reader.assignment(table, 0)?;
        }
        reader.end_of_line()?;
    }
}

/// `[a.b]`
fn open(root: &mut Table, path: &[String], line: usize) -> Result<(), Fault> {
    let mut table = root;
    let mut new = false;
    for key in path {
        new = table.entry(key).is_none();
        table = table.step(key, line, Origin::Implied)?;
    }
    if !new && table.origin != Origin::Implied {
        return Err(twice(&path.join("."), table.line, line));
    }
    table.origin = Origin::Header;
    table.line = line;
    Ok(())
}

/// `[[a.b]]`
fn add_to_list(root: &mut Table, path: &[String], line: usize) -> Result<(), Fault> {
    let mut table = root;
    let Some((last, way)) = path.split_last() else {
        return Err(fault(line, "a key is missing"));
    };
    for key in way {
        table = table.step(key, line, Origin::Implied)?;
    }
    let new = Table::new(line, Origin::Header);
    match table.entries.iter_mut().find(|entry| entry.key == *last) {
        None => table.add(last.clone(), line, Value::Tables(vec![new])),
        Some(Entry { value: Value::Tables(list), .. }) => {
            list.push(new);
            Ok(())
        }
        Some(have) => Err(twice(last, have.line, line)),
    }
}

/// The text that is not read yet.
struct Reader<'text> {
    rest: &'text str,
    line: usize,
}

impl<'text> Reader<'text> {
    fn fault(&self, reason: impl Into<String>) -> Fault {
        fault(self.line, reason)
    }

    fn take(&mut self, what: &str) -> bool {
        self.rest.strip_prefix(what).map(|rest| self.rest = rest).is_some()
    }

    fn take_while(&mut self, holds: impl Fn(char) -> bool) -> &'text str {
        let end = self.rest.find(|c| !holds(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        taken
    }

    fn spaces(&mut self) {
        self.take_while(|c| c == ' ' || c == '\t');
    }

    /// Spaces, then exactly this.
    fn expect(&mut self, what: &str) -> Result<(), Fault> {
        self.spaces();
        if self.take(what) {
            Ok(())
        } else {
            Err(self.fault(format!("`{what}` is missing{}", self.before())))
        }
    }

    /// Names what stands at the place of a mistake.
    fn before(&self) -> String {
        let mut named = String::new();
        match self.rest.chars().next() {
            None => named.push_str(" at the end of the file"),
            Some('\n' | '\r') => named.push_str(" at the end of the line"),
            Some(found) => {
                let _ = write!(named, " before `{}`", found.escape_debug());
            }
        }
        named
    }

    fn newline(&mut self) -> bool {
        let taken = self.take("\n") || self.take("\r\n");
        self.line += usize::from(taken);
        taken
    }

    fn comment(&mut self) -> Result<(), Fault> {
        self.spaces();
        if self.take("#") {
            self.take_while(|c| c == '\t' || !c.is_ascii_control());
            if !(self.rest.is_empty() || self.rest.starts_with('\n') || self.rest.starts_with("\r\n")) {
                return Err(self.fault("a comment has a control character"));
            }
        }
        Ok(())
    }

    fn blank_lines(&mut self) -> Result<(), Fault> {
        loop {
            self.comment()?;
            if !self.newline() {
                return Ok(());
            }
        }
    }

    fn end_of_line(&mut self) -> Result<(), Fault> {
        self.comment()?;
        if self.rest.is_empty() || self.newline() {
            return Ok(());
        }
        Err(self.fault(format!("the line should end{}", self.before())))
    }

    /// `a.b."c d"`
    fn keys(&mut self) -> Result<Vec<String>, Fault> {
        let mut keys = Vec::new();
        loop {
            self.spaces();
            let key = match self.quoted()? {
                Some(key) => key,
                None => self.take_while(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-').to_owned(),
            };
            if key.is_empty() {
                return Err(self.fault(format!("a key is missing{}", self.before())));
            }
            keys.push(key);
            self.spaces();
            if !self.take(".") {
                return Ok(keys);
            }
        }
    }

    /// `key = value`, put into the table.
    fn assignment(&mut self, table: &mut Table, depth: u32) -> Result<(), Fault> {
        let line = self.line;
        let mut keys = self.keys()?;
        self.expect("=")?;
        let value = self.value(depth)?;
        let last = keys.pop().unwrap_or_default();
        let mut table = table;
        for key in &keys {
            table = table.step(key, line, Origin::Dotted)?;
        }
        table.add(last, line, value)
    }

    fn value(&mut self, depth: u32) -> Result<Value, Fault> {
        if depth > DEEPEST {
            return Err(self.fault("lists and tables stand too deep inside one another"));
        }
        self.spaces();
        if let Some(text) = self.quoted()? {
            return Ok(Value::Text(text));
        }
        if self.take("[") {
            return self.list(depth);
        }
        if self.take("{") {
            return self.inline_table(depth);
        }
        let word = self.take_while(|c| c.is_ascii_alphanumeric() || "_+-.:".contains(c));
        match word {
            "" => Err(self.fault(format!("a value is missing{}", self.before()))),
            "true" => Ok(Value::Switch(true)),
            "false" => Ok(Value::Switch(false)),
            word => number(word).map(Value::Number).ok_or_else(|| {
                self.fault(format!("`{word}` is none of: text in quotes, a whole number, true, false"))
            }),
        }
    }

    fn list(&mut self, depth: u32) -> Result<Value, Fault> {
        let mut items = Vec::new();
        loop {
            self.blank_lines()?;
            if self.take("]") {
                return Ok(Value::List(items));
            }
            let line = self.line;
            items.push(Entry { key: String::new(), line, value: self.value(depth + 1)? });
            self.blank_lines()?;
            if !self.take(",") {
                self.expect("]")?;
                return Ok(Value::List(items));
            }
        }
    }

    fn inline_table(&mut self, depth: u32) -> Result<Value, Fault> {
        let mut table = Table::new(self.line, Origin::Inline);
        self.spaces();
        if self.take("}") {
            return Ok(Value::Table(table));
        }
        loop {
            self.assignment(&mut table, depth + 1)?;
            self.spaces();
            if !self.take(",") {
                self.expect("}")?;
                return Ok(Value::Table(table));
            }
        }
    }

    /// Text in quotes of either kind, where such a quote is next.
    fn quoted(&mut self) -> Result<Option<String>, Fault> {
        if self.rest.starts_with("\"\"\"") || self.rest.starts_with("'''") {
            return Err(self.fault("text over several lines has no place here: write it in one line"));
        }
        let quote = if self.take("\"") {
            '"'
        } else if self.take("'") {
            '\''
        } else {
            return Ok(None);
        };
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && (c != '\\' || quote == '\'') && !control(c)));
            let mut after = self.rest.chars();
            match after.next() {
                Some('\\') if quote == '"' => {
                    self.rest = after.as_str();
                    text.push(self.escaped()?);
                }
                Some(found) if found == quote => {
                    self.rest = after.as_str();
                    return Ok(Some(text));
                }
                _ => {
                    return Err(
                        self.fault("text in quotes does not end in its line, or has a control character")
                    );
                }
            }
        }
    }

    fn escaped(&mut self) -> Result<char, Fault> {
        for (letter, meant) in
            [("\\", '\\'), ("\"", '"'), ("n", '\n'), ("t", '\t'), ("r", '\r'), ("b", '\u{8}'), ("f", '\u{c}')]
        {
            if self.take(letter) {
                return Ok(meant);
            }
        }
        let digits = if self.take("u") {
            4
        } else if self.take("U") {
            8
        } else {
            return Err(
                self.fault("after a backslash stands one of \\ \" n t r b f u U; or use 'single quotes'")
            );
        };
        let code = self.rest.get(..digits).filter(|code| code.bytes().all(|b| b.is_ascii_hexdigit()));
        let meant = code.and_then(|code| u32::from_str_radix(code, 16).ok()).and_then(char::from_u32);
        let meant =
            meant.ok_or_else(|| self.fault(format!("\\u and \\U are followed by {digits} hex digits")))?;
        self.rest = self.rest.get(digits..).unwrap_or_default();
        Ok(meant)
    }
}

/// What may not stand in quotes; a tab may.
fn control(c: char) -> bool {
    c.is_ascii_control() && c != '\t'
}

/// A whole decimal number; underscores only between digits, no zero in front.
fn number(word: &str) -> Option<i64> {
    let digits = word.strip_prefix(['+', '-']).unwrap_or(word);
    let sound = digits.split('_').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    if !sound || (digits.len() > 1 && digits.starts_with('0')) {
        return None;
    }
    word.replace('_', "").parse().ok()
}

#[cfg(test)]
mod tests;
