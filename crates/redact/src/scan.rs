//! One way through a line: every word is looked at once, by the cheapest question first, and what has to go is found.

use crate::bytes::{at, before, begins, content_start, find, is_ident, part, rest, run, skip_blanks};
use crate::judge::Pair;
use crate::keys::{self, Key, Weight};
use crate::options::Command;
use crate::quiet::Word;
use crate::separators::{self, Joint, Separator};
use crate::span::{Span, Stop};
use crate::values::{self, Around, Value};
use crate::{entropy, headers, looks, marker, shapes, urls, words};

/// What is known about a line before it is read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Setting {
    /// Arguments, each ended by NUL.
    pub(crate) arguments: bool,
    /// A certificate or another public thing in base64: nothing random in it is a secret.
    pub(crate) public: bool,
    /// A line above said `name: DB_PASSWORD`, and its `value:` may stand here.
    pub(crate) named: bool,
}

/// What a line says about the lines below it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Outlook {
    /// Its last word about `name:` promised a secret under `value:`; or there was none.
    pub(crate) named: Option<bool>,
    /// A certificate begins and does not end in it.
    pub(crate) public: bool,
}

struct Scan<'a> {
    line: &'a [u8],
    setting: Setting,
    command: Command,
    outlook: Outlook,
    /// Where its content begins, after indentation and dashes.
    content: usize,
    /// How far the base64 goes that was looked at last.
    base64_end: usize,
    found: &'a mut Vec<Span>,
}

/// What a byte may begin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Nothing,
    Word,
    Shape,
    Marker,
}

const CLASSES: [Class; 256] = {
    let mut classes = [Class::Nothing; 256];
    let mut byte = 0usize;
    while byte < 256 {
        #[expect(
            clippy::indexing_slicing,
            clippy::cast_possible_truncation,
            reason = "evaluated by the compiler, below 256"
        )]
        {
            classes[byte] = match byte as u8 {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' | b'.' => Class::Word,
                b'$' | b'{' => Class::Shape,
                b'[' => Class::Marker,
                _ => Class::Nothing,
            };
        }
        byte += 1;
    }
    classes
};

/// Finds what has to go, in order and without overlaps.
pub(crate) fn scan(line: &[u8], setting: Setting, found: &mut Vec<Span>) -> Outlook {
    let mut scan = Scan {
        line,
        setting,
        command: Command::default(),
        outlook: Outlook::default(),
        content: content_start(line),
        base64_end: 0,
        found,
    };
    let mut here = 0;
    while let Some(byte) = line.get(here) {
        here = match CLASSES.get(usize::from(*byte)) {
            Some(Class::Word) => scan.word(here),
            Some(Class::Shape) => scan.shape(here),
            Some(Class::Marker) => marker::end(line, here).unwrap_or(here.saturating_add(1)),
            _ => here.saturating_add(1),
        };
    }
    scan.line_as_a_whole();
    scan.outlook
}

impl Scan<'_> {
    /// Keeps a span and says where to go on.
    fn hide(&mut self, span: Span) -> usize {
        self.found.push(span);
        span.end
    }

    fn shape(&mut self, start: usize) -> usize {
        match shapes::at_start(self.line, start) {
            Some((end, kind)) => self.hide(Span::word(start, end, kind)),
            None => start.saturating_add(1),
        }
    }

    /// The word that begins at `start`; answers where to go on.
    fn word(&mut self, start: usize) -> usize {
        let line = self.line;
        let word = Word::at(line, start);
        let end = word.end;
        if self.command.ignores(line, start) && word.is_quiet(line, self.content, &mut self.base64_end) {
            return end;
        }
        if at(line, start) == b'-' && part(line, start, end).starts_with(b"----") {
            return self.armour(start, end);
        }
        let next = at(line, end);
        let (start, encoded) = decoded_start(line, start, end);
        if next == b':' && rest(line, end).starts_with(b"://") {
            return match urls::user_info(line, end.saturating_add(3)) {
                Some(span) => self.hide(span),
                None => end.saturating_add(3),
            };
        }
        if !next.is_ascii_alphanumeric()
            && let Some(here) = self.named(start, end, encoded)
        {
            return here;
        }
        let around = Around { arguments: self.setting.arguments, ..Around::default() };
        if let Some(span) = self.command.secret(line, start, end, around) {
            return self.hide(span);
        }
        self.command.learn(line, start, end);
        let span = match next {
            b' ' | b'\t' | 0 => words::after(line, start, end, start == self.content),
            b'"' | b'\''
                if at(line, end.saturating_add(1)) == b' ' && at(line, end.saturating_add(2)) == next =>
            {
                words::after(line, start, end, start == self.content)
            }
            b'/' => urls::webhook(line, start, end),
            b':' => urls::bot_token(line, start, end).or_else(|| urls::data_source(line, end)),
            _ => None,
        };
        if let Some(span) = span {
            return self.hide(span);
        }
        self.unnamed(start, end)
    }

    /// A name with a value beside it. `None`: it is not one, or its value is to be read on its own.
    fn named(&mut self, start: usize, end: usize, encoded: bool) -> Option<usize> {
        let line = self.line;
        let separator = separators::find(line, start, end)?;
        let query = encoded
            || matches!(before(line, start), b'?' | b'&' | b'#')
            || begins(rest(line, start.saturating_sub(5)), b"&amp;");
        let name = part(line, start, end);
        let around = Around { query, encoded: separator.encoded, arguments: self.setting.arguments };
        let beside = self.by_name_and_value(name, separator, around);
        let key = keys::classify(name).or(beside)?;
        let value = self.value(separator, around);
        let span = match key.weight {
            Weight::Authorization => headers::authorization(line, value),
            Weight::Cookie => headers::cookie(line, value),
            _ => Pair {
                line,
                name: (start, end),
                key,
                separator,
                value,
                query,
                arguments: self.setting.arguments,
            }
            .judge(),
        };
        let span = span?;
        Some(self.hide(span).max(if span.end == value.end { value.end } else { span.end }))
    }

    /// The value after a separator, whatever its form.
    fn value(&self, separator: Separator, around: Around) -> Value {
        let line = self.line;
        let mut from = skip_blanks(line, separator.value);
        if around.arguments && at(line, separator.value) == 0 {
            from = separator.value;
        }
        if separator.joint == Joint::Tag {
            let end = find(line, from, b"<").unwrap_or(line.len());
            return Value { start: from, end, quoted: true, stop: Stop::Line, next: end };
        }
        if separator.encoded && begins(rest(line, from), b"%22") {
            from = from.saturating_add(3);
        }
        // A header's list of values, a binary of Erlang.
        if at(line, from) == b'['
            && separator.joint == Joint::Colon
            && matches!(at(line, from.saturating_add(1)), b'"')
            && find(part(line, 0, from.saturating_add(200)), from, b",").is_none()
        {
            from = from.saturating_add(1);
        }
        if rest(line, from).starts_with(b"<<\"") {
            from = from.saturating_add(2);
        }
        values::value(line, from, around)
    }

    /// `name: DB_PASSWORD` and `value: x` beside or below it.
    fn by_name_and_value(&mut self, name: &[u8], separator: Separator, around: Around) -> Option<Key> {
        let speaks = speaks(name)?;
        if speaks == Speaks::Name {
            let value = self.value(separator, around);
            let named = part(self.line, value.start, value.end);
            let secret = keys::classify(named).is_some_and(|key| key.weight == Weight::Strong)
                && named.iter().all(|byte| is_ident(*byte));
            self.outlook.named = Some(secret);
            return None;
        }
        let promised = self.outlook.named.unwrap_or(self.setting.named);
        promised.then_some(Key { weight: Weight::Strong, kind: marker::SECRET })
    }

    /// A word that no name explains.
    fn unnamed(&mut self, start: usize, end: usize) -> usize {
        let line = self.line;
        let long = end.saturating_sub(start) >= 12;
        let mut anchor = start;
        while anchor < end {
            if (anchor == start || !before(line, anchor).is_ascii_alphanumeric())
                && let Some((to, kind)) = shapes::at_start(line, anchor)
            {
                return self.hide(Span::word(anchor, to, kind));
            }
            if !long {
                break;
            }
            anchor = anchor.saturating_add(1);
        }
        if let Some(span) = tilde(line, start, end) {
            return self.hide(span);
        }
        let maybe = long || matches!(at(line, end), b'+' | b'/');
        if maybe
            && !self.setting.public
            && !self.outlook.public
            && let Some(span) = entropy::word(line, start)
        {
            return self.hide(span);
        }
        end
    }

    /// `-----BEGIN ...-----`: a private key goes whole, anything else is public.
    fn armour(&mut self, start: usize, end: usize) -> usize {
        let line = self.line;
        let dashes = run(line, start, |byte| byte == b'-');
        let label = skip_blanks(line, dashes);
        if !rest(line, label).starts_with(b"BEGIN ") {
            if rest(line, label).starts_with(b"END ") {
                self.outlook.public = false;
            }
            return end;
        }
        let close = find(line, label, b"----").unwrap_or(line.len());
        let private = find(part(line, 0, close), label, b"PRIVATE").is_some();
        let tail = find(line, close, b"END ")
            .filter(|here| before(line, *here) == b'-' || before(line, here.saturating_sub(1)) == b'-');
        let last = tail.map(|tail| {
            let dashes = find(line, tail, b"----").unwrap_or(line.len());
            run(line, dashes, |byte| byte == b'-')
        });
        if !private {
            self.outlook.public = last.is_none();
            return last.unwrap_or(run(line, close, |byte| byte == b'-'));
        }
        let stop = if last.is_some() { Stop::Word } else { Stop::Pem };
        self.hide(Span { start, end: last.unwrap_or(line.len()), kind: marker::PRIVATE_KEY, stop })
    }

    /// What only the whole line shows.
    fn line_as_a_whole(&mut self) {
        let line = self.line;
        if line.len() > 4096 || self.found.last().is_some_and(|span| span.end == line.len()) {
            return;
        }
        if let Some(span) = password_file(line).or_else(|| self.announced()) {
            let free = self.found.iter().all(|other| other.end <= span.start || other.start >= span.end);
            if free {
                self.found.push(span);
            }
        }
    }

    /// `A temporary password is generated for root@localhost: x`: a random last word after a colon.
    fn announced(&self) -> Option<Span> {
        let line = self.line;
        let start = line.iter().rposition(|byte| *byte == b' ')?.saturating_add(1);
        let colon = start.saturating_sub(2);
        if !matches!(at(line, colon), b':' | b'=') {
            return None;
        }
        let word = rest(line, start);
        let has = |wanted: fn(&u8) -> bool| word.iter().any(wanted);
        let drawn = (8..=80).contains(&word.len())
            && word.iter().all(|byte| {
                byte.is_ascii_graphic() && !matches!(byte, b'/' | b':' | b'"' | b'(' | b'[' | b'\'')
            })
            && has(u8::is_ascii_digit)
            && has(u8::is_ascii_lowercase)
            && has(u8::is_ascii_uppercase)
            && !word.starts_with(b"SHA");
        let head = part(line, 0, colon).to_ascii_lowercase();
        let says = [&b"password"[..], b"passphrase", b"secret", b"credential"]
            .iter()
            .any(|wanted| find(&head, 0, wanted).is_some());
        (drawn && says && looks::is_secretish(word)).then(|| Span::word(start, line.len(), marker::PASSWORD))
    }
}

/// What a name can say about another name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// It stands beside a name: `name: DB_PASSWORD`.
    Name,
    /// It stands beside the value of that name.
    Value,
}

/// Whether a name speaks of another.
pub(crate) fn speaks(name: &[u8]) -> Option<Speaks> {
    let (wanted, speaks): (&[u8], Speaks) = match (name.len(), name.first()? | 0x20) {
        (3, b'k') => (b"key", Speaks::Name),
        (4, b'n') => (b"name", Speaks::Name),
        (5, b'-') => (b"-name", Speaks::Name),
        (8, b'v') => (b"variable", Speaks::Name),
        (3, b'v') => (b"val", Speaks::Value),
        (5, b'v') => (b"value", Speaks::Value),
        (7, b'd') => (b"default", Speaks::Value),
        _ => return None,
    };
    name.eq_ignore_ascii_case(wanted).then_some(speaks)
}

/// A percent-encoded sign before a name is not part of it.
fn decoded_start(line: &[u8], start: usize, end: usize) -> (usize, bool) {
    let digits = part(line, start, start.saturating_add(2));
    if before(line, start) != b'%'
        || end.saturating_sub(start) < 3
        || digits.len() < 2
        || !looks::is_hex(digits)
    {
        return (start, false);
    }
    if digits == b"25" && looks::is_hex(part(line, start.saturating_add(2), start.saturating_add(4))) {
        return (start.saturating_add(4).min(end), true);
    }
    (start.saturating_add(2), matches!(digits, b"3F" | b"3f" | b"26" | b"23"))
}

/// `abc8Q~...` of Azure, `sha256~...` of OpenShift.
fn tilde(line: &[u8], start: usize, end: usize) -> Option<Span> {
    if at(line, end) != b'~' {
        return None;
    }
    let to = run(line, end, |byte| is_ident(byte) || byte == b'~');
    let tail = to.saturating_sub(end);
    let word = part(line, start, end);
    let azure = word.ends_with(b"Q") && word.len() == 5 && tail > 30;
    (azure || word == b"sha256" && tail > 40).then(|| Span::word(start, to, marker::TOKEN))
}

/// `host:5432:base:user:password` of a `.pgpass`.
fn password_file(line: &[u8]) -> Option<Span> {
    if line.len() > 400 || line.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'/')) {
        return None;
    }
    let mut fields = line.split(|byte| *byte == b':');
    let (host, port, _, _) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let secret = fields.next()?;
    let ports = port == b"*" || (4..=5).contains(&port.len()) && port.iter().all(u8::is_ascii_digit);
    let fits = fields.next().is_none()
        && ports
        && !host.is_empty()
        && !line.iter().any(|byte| matches!(byte, b' ' | b'\t' | b'"' | b'/'));
    (fits && !looks::is_placeholder(secret))
        .then(|| Span::word(line.len().saturating_sub(secret.len()), line.len(), marker::PASSWORD))
}
