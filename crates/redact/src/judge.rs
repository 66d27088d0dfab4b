//! Whether what stands beside a name is its secret.

use crate::bytes::{at, content_start, is_blank, part, rest, skip_blanks};
use crate::keys::{Key, Weight};
use crate::looks;
use crate::marker;
use crate::separators::{Joint, Separator};
use crate::span::{Span, Stop};
use crate::values::Value;

/// A name with its separator and value.
pub(crate) struct Pair<'a> {
    pub(crate) line: &'a [u8],
    pub(crate) name: (usize, usize),
    pub(crate) key: Key,
    pub(crate) separator: Separator,
    pub(crate) value: Value,
    pub(crate) query: bool,
    pub(crate) arguments: bool,
}

impl Pair<'_> {
    /// The part that has to go, if any.
    pub(crate) fn judge(&self) -> Option<Span> {
        let value = part(self.line, self.value.start, self.value.end);
        if self.value.end <= self.value.start || self.is_empty_value() || looks::is_placeholder(value) {
            return None;
        }
        let bare = !self.value.quoted && !self.separator.quoted && self.separator.joint == Joint::Colon;
        match self.key.weight {
            Weight::Strong if self.separator.joint == Joint::Comma && at(self.line, self.name.0) != b'-' => {
                (self.value.quoted && looks::is_secretish(value)).then(|| self.span())
            }
            Weight::Strong if matches!(at(value, 0), b'{' | b'[') && !self.value.quoted => self.list(value),
            Weight::Strong
                if value.iter().all(u8::is_ascii_digit) && value.len() < 4 && !self.value.quoted =>
            {
                None
            }
            Weight::Strong if bare && self.is_directive() => self.whole_line(),
            Weight::Strong if bare && self.is_prose(value) => None,
            Weight::Strong if bare && value == b"latest" => None,
            Weight::Strong => Some(self.span()),
            Weight::Medium => self.looks_secret(value).then(|| self.span()),
            Weight::Query => (self.query && value.len() >= 6 && is_drawn(value)).then(|| self.span()),
            Weight::Authorization | Weight::Cookie => None,
        }
    }

    fn span(&self) -> Span {
        Span { start: self.value.start, end: self.value.end, kind: self.key.kind, stop: self.value.stop }
    }

    /// `password= user=a`: a blank right after `=` begins the next word, unless one stands before it, too.
    fn is_empty_value(&self) -> bool {
        self.separator.joint == Joint::Equals
            && self.separator.blank_after
            && !self.separator.blank_before
            && !self.separator.quoted
            && (self.name.0 != content_start(self.line)
                || part(self.line, self.value.start, self.value.end).contains(&b'='))
    }

    /// `key: value` as the whole of its line, as YAML and headers have it.
    fn is_directive(&self) -> bool {
        self.separator.blank_after && !self.arguments && content_start(self.line) == self.name.0
    }

    /// A sentence after a colon: a plain word, and more words after it.
    fn is_prose(&self, value: &[u8]) -> bool {
        let next = skip_blanks(self.line, self.value.end);
        self.separator.blank_after
            && looks::is_plain_word(value)
            && next < self.line.len()
            && next > self.value.end
    }

    /// A value without quotes goes up to the end of its line, blanks and all, unless it is a sentence.
    fn whole_line(&self) -> Option<Span> {
        let line = self.line;
        let mut end = line.len();
        while end > self.value.end && is_blank(at(line, end.saturating_sub(1))) {
            end = end.saturating_sub(1);
        }
        let whole = part(line, self.value.start, end);
        let words = || whole.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty());
        let sentence = words().count() > 1
            && words().all(|word| looks::is_plain_word(word) || word.iter().all(u8::is_ascii_digit));
        // A program's name before its message looks just like this.
        let name = part(line, self.name.0, self.name.1);
        if sentence
            && self.name.0 == 0
            && !name.contains(&b'_')
            && self.key.kind != marker::KEY
            && !name.ends_with(b"phrase")
        {
            return None;
        }
        if marker::end(line, self.value.start).is_some() || whole.starts_with(b"&") || whole.starts_with(b"*")
        {
            return None;
        }
        // What another pair or quote follows is a line of several, not one of YAML.
        if self.value.quoted
            || whole.windows(2).any(|pair| pair == b": ")
            || whole.contains(&b'=') && self.value.end < end
        {
            return Some(self.span());
        }
        Some(Span { start: self.value.start, end, kind: self.key.kind, stop: Stop::Line })
    }

    /// `["a", "b"]` under a name that promises secrets.
    fn list(&self, value: &[u8]) -> Option<Span> {
        let start = skip_blanks(self.line, self.value.start.saturating_add(1));
        let inner = rest(self.line, start);
        let opens = matches!(at(inner, 0), b'"' | b'\'') || at(inner, 0) == b'\\' && at(inner, 1) == b'"';
        if at(value, 0) == b'{' {
            // The scheme of a hash, not an object: `{SSHA}...`.
            let closed =
                value.iter().position(|byte| *byte == b'}').is_some_and(|close| close > 2 && close < 16);
            return (closed && at(value, 1).is_ascii_uppercase()).then(|| self.span());
        }
        let length = inner.iter().position(|byte| *byte == b']')?;
        let content = part(inner, 0, length);
        if !opens || content.windows(7).any(|window| window == b"removed") {
            return None;
        }
        Some(Span::word(start, start.saturating_add(length), self.key.kind))
    }

    /// Whether a value beside a name that often has harmless ones is a secret.
    fn looks_secret(&self, value: &[u8]) -> bool {
        let name = part(self.line, self.name.0, self.name.1);
        let environment = name.len() > 3
            && !name.iter().any(u8::is_ascii_lowercase)
            && self.separator.joint == Joint::Equals;
        if self.key.kind == marker::PASSWORD {
            return (4..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit)
                || looks::is_secretish(value) && !looks::is_uuid(value);
        }
        let earlier = part(self.line, self.name.0.saturating_sub(7), self.name.0);
        if !looks::is_secretish(value) || earlier.eq_ignore_ascii_case(b"public ") {
            return false;
        }
        if self.query || environment {
            return true;
        }
        match self.key.kind {
            marker::KEY => {
                value.len() >= 16
                    && !looks::is_hex(value)
                    && !looks::is_uuid(value)
                    && (looks::is_random(value, 16) || self.value.quoted && looks::is_random(value, 12))
            }
            marker::COOKIE => value.len() >= 12 && !looks::is_uuid(value),
            _ => !looks::is_uuid(value),
        }
    }
}

/// Not a number and not a word.
fn is_drawn(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    digits < value.len()
        && (digits > 0
            || value.iter().any(u8::is_ascii_uppercase) && value.iter().any(u8::is_ascii_lowercase))
}
