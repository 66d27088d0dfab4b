//! Where a value begins and ends: in quotes of any depth of escaping, or as a word that knows the brackets and separators
//! of the text around it.

use crate::bytes::{at, begins, find, is_blank, is_ident, part, rest, run};
use crate::marker;
use crate::span::Stop;

/// Where a value lies, without its quotes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Value {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) quoted: bool,
    pub(crate) stop: Stop,
    /// Where the scan goes on.
    pub(crate) next: usize,
}

/// What surrounds the value.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Around {
    /// It is a parameter of a URL.
    pub(crate) query: bool,
    /// It is percent-encoded.
    pub(crate) encoded: bool,
    /// Arguments are ended by NUL, so a blank ends nothing.
    pub(crate) arguments: bool,
}

/// The value that begins at `start`, blanks already skipped.
pub(crate) fn value(line: &[u8], start: usize, around: Around) -> Value {
    let start = match at(line, start) {
        b'b' | b'u' | b'r' | b'f' | b's' if matches!(at(line, start.saturating_add(1)), b'"' | b'\'') => {
            start.saturating_add(1)
        }
        _ => start,
    };
    let depth = run(line, start, |byte| byte == b'\\').saturating_sub(start);
    let opening = start.saturating_add(depth);
    let quote = at(line, opening);
    if matches!(quote, b'"' | b'\'' | b'`') {
        quoted(line, opening, quote, depth)
    } else {
        word(line, start, around)
    }
}

/// A quoted value: `depth` backslashes stand before its quotes.
fn quoted(line: &[u8], opening: usize, quote: u8, depth: usize) -> Value {
    let start = opening.saturating_add(1);
    let mut slashes = 0usize;
    for (offset, byte) in rest(line, start).iter().enumerate() {
        let here = start.saturating_add(offset);
        if *byte == quote && if depth == 0 { slashes.is_multiple_of(2) } else { slashes <= depth } {
            let end = if depth == 0 { here } else { here.saturating_sub(slashes) };
            return Value {
                start,
                end,
                quoted: true,
                stop: Stop::Quote(quote),
                next: here.saturating_add(1),
            };
        }
        if *byte == 0 {
            return Value { start, end: here, quoted: true, stop: Stop::Word, next: here };
        }
        slashes = if *byte == b'\\' { slashes.saturating_add(1) } else { 0 };
    }
    // A marker is whole although its quote has gone with what was after it.
    let end = marker::end(line, start).unwrap_or(line.len());
    Value { start, end, quoted: true, stop: Stop::Quote(quote), next: end }
}

/// A value without quotes.
fn word(line: &[u8], start: usize, around: Around) -> Value {
    let mut end = bracketed(line, start);
    if marker::end(line, start) == Some(end) && is_blank(at(line, end)) {
        return Value { start, end, quoted: false, stop: Stop::Word, next: end };
    }
    while end < line.len() && !ends_word(line, start, end, around) {
        // A marker in the middle is one sign, blanks and all.
        let marked = if at(line, end) == b'[' { marker::end(line, end) } else { None };
        end = marked.unwrap_or(end.saturating_add(1));
    }
    Value { start, end, quoted: false, stop: Stop::Word, next: end }
}

/// The end of a placeholder that may hold blanks: a marker, `{{ name }}`, `<not set>`.
fn bracketed(line: &[u8], start: usize) -> usize {
    if let Some(end) = marker::end(line, start) {
        return end;
    }
    let tail = rest(line, start);
    let close: &[u8] = if tail.starts_with(b"{{")
        || tail.starts_with(b"${{")
        || tail.starts_with(b"${") && tail.get(2) != Some(&b'}')
    {
        if tail.starts_with(b"${{") || tail.starts_with(b"{{") { b"}}" } else { b"}" }
    } else {
        match tail.first() {
            Some(b'<') => b">",
            Some(b'(') => b")",
            Some(b'[') => b"]",
            _ => return start,
        }
    };
    let limit = start.saturating_add(64);
    match find(part(line, 0, limit), start, close) {
        Some(end) if !part(line, start, end).contains(&b'"') => end.saturating_add(close.len()),
        _ => start,
    }
}

/// Whether the byte at `here` ends the word that begins at `start`.
fn ends_word(line: &[u8], start: usize, here: usize, around: Around) -> bool {
    let next = here.saturating_add(1);
    let byte = at(line, here);
    match byte {
        0 => true,
        _ if around.arguments => false,
        b' ' | b'\t' => true,
        b'"' | b'\'' | b'`' => !at(line, next).is_ascii_alphanumeric(),
        b'\\' => match at(line, next) {
            b'"' | b'\'' | b'\\' => {
                let slashes = run(line, here, |byte| byte == b'\\');
                matches!(at(line, slashes), b'"' | b'\'')
                    || matches!(at(line, slashes), b'n' | b'r' | b't')
                        && opens(line, slashes.saturating_add(1))
            }
            b'n' | b'r' | b't' => opens(line, here.saturating_add(2)),
            b'u' => begins(rest(line, here), b"\\u0026"),
            _ => false,
        },
        b'&' => around.query || begins(rest(line, here), b"&amp;") || named(line, next),
        b'#' => around.query,
        b'%' => {
            around.encoded
                && (begins(rest(line, here), b"%26")
                    || begins(rest(line, here), b"%22")
                    || begins(rest(line, here), b"%2526"))
        }
        b',' | b';' => closes(line, next) || named(line, next),
        b')' | b']' | b'}' => closes(line, next) && !part(line, start, here).contains(&opener(byte)),
        b'<' => at(line, next) == b'/' || at(line, next) == b'b' && at(line, here.saturating_add(2)) == b'r',
        b'>' => closes(line, next) && !part(line, start, here).contains(&b'<'),
        b'|' => false,
        _ => false,
    }
}

fn opener(close: u8) -> u8 {
    match close {
        b')' => b'(',
        b']' => b'[',
        _ => b'{',
    }
}

/// Whether a mark at the end of a word is punctuation, by what follows it.
fn closes(line: &[u8], next: usize) -> bool {
    next >= line.len()
        || is_blank(at(line, next))
        || matches!(
            at(line, next),
            b'"' | b'\'' | b'`' | b',' | b';' | b')' | b']' | b'}' | b'\\' | b'.' | b':' | b'<'
        )
}

/// Whether another `name=` or `name:` begins here.
fn named(line: &[u8], from: usize) -> bool {
    let end = run(line, from, is_ident);
    end > from && matches!(at(line, end), b'=' | b':')
}

/// Whether what follows an escaped line feed shows that it was one.
fn opens(line: &[u8], from: usize) -> bool {
    from >= line.len()
        || matches!(at(line, from), b'"' | b'\'' | b'\\' | b'-' | b'[' | b'{' | b' ')
        || named(line, from)
}
