//! `Authorization: Bearer ...`, `Cookie: a=b; c=d`: headers whose value has a form of its own.

use crate::bytes::{at, begins, is_blank, part, rest, run, skip_blanks};
use crate::looks;
use crate::marker::{self, AUTHORIZATION, COOKIE};
use crate::span::{Span, Stop};
use crate::values::Value;

/// Schemes whose credentials are several parameters, up to the end of the header.
const LONG: &[&[u8]] =
    &[b"digest", b"aws4-hmac-sha256", b"oauth", b"hawk", b"hoba", b"mutual", b"scram-sha-256", b"signature"];
/// Schemes whose credentials are one word.
const SHORT: &[&[u8]] = &[
    b"bearer",
    b"basic",
    b"negotiate",
    b"ntlm",
    b"token",
    b"apikey",
    b"api-key",
    b"splunk",
    b"genie",
    b"key",
    b"dpop",
    b"mediabrowser",
];

/// The credentials of an `Authorization` header.
pub(crate) fn authorization(line: &[u8], value: Value) -> Option<Span> {
    let end = header_end(line, value);
    let word = run(line, value.start, |byte| !is_blank(byte)).min(end);
    let scheme = part(line, value.start, word);
    let from = skip_blanks(line, word).min(end);
    let known = |schemes: &[&[u8]]| schemes.iter().any(|known| scheme.eq_ignore_ascii_case(known));
    let (start, to) = if known(LONG) {
        (from, end)
    } else if known(SHORT) {
        (from, run(line, from, |byte| !is_blank(byte)).min(end))
    } else if looks::is_secretish(scheme) || scheme.contains(&b'=') {
        (value.start, word)
    } else {
        return None;
    };
    let to = if value.quoted { to } else { trimmed(line, start, to) };
    let secret = part(line, start, to);
    if secret.is_empty() || looks::is_placeholder(secret) || marker::end(line, start).is_some() {
        return None;
    }
    let stop = if known(LONG) { Stop::Line } else { value.stop };
    (known(LONG) || secret.len() >= 6).then_some(Span { start, end: to, kind: AUTHORIZATION, stop })
}

/// All of a cookie header: which of its cookies is the session is its program's own knowledge.
pub(crate) fn cookie(line: &[u8], value: Value) -> Option<Span> {
    let end = header_end(line, value);
    let content = part(line, value.start, end);
    let first = content.split(|byte| is_blank(*byte)).next().unwrap_or_default();
    if marker::end(line, value.start).is_some() || looks::is_placeholder(first) {
        return None;
    }
    let cookies = first.contains(&b'=') && !first.ends_with(b"=") && first.len() > 3;
    (cookies || looks::is_secretish(first)).then_some(Span {
        start: value.start,
        end,
        kind: COOKIE,
        stop: if value.quoted { value.stop } else { Stop::Line },
    })
}

/// The end of a header's value: its quote, the quote around the whole header, or the line's end.
fn header_end(line: &[u8], value: Value) -> usize {
    if value.quoted {
        return value.end;
    }
    let mut here = value.start;
    while here < line.len() {
        let byte = at(line, here);
        let outer = matches!(byte, b'"' | b'\'' | b'`')
            && closes(at(line, here.saturating_add(1)))
            && !before_is_equals(line, here);
        let escaped = byte == b'\\'
            && (matches!(at(line, here.saturating_add(1)), b'"' | b'\'')
                && closes(at(line, here.saturating_add(2)))
                || begins(rest(line, here), b"\\r\\n")
                || begins(rest(line, here), b"\\n"));
        if byte == 0 || outer || escaped {
            break;
        }
        here = here.saturating_add(1);
    }
    here
}

/// A quote that opens a parameter's value (`username="a"`), not one that ends the header.
fn before_is_equals(line: &[u8], here: usize) -> bool {
    let quotes =
        part(line, 0, here).iter().rev().take_while(|byte| !is_blank(**byte)).any(|byte| *byte == b'=');
    quotes && at(line, here) == b'"' && matches!(at(line, here.saturating_add(1)), b',')
}

fn closes(next: u8) -> bool {
    matches!(next, 0 | b' ' | b'\t' | b',' | b'}' | b']' | b')' | b';' | b'"' | b'\'' | b'\\')
}

/// Without the punctuation of the text around it.
fn trimmed(line: &[u8], start: usize, end: usize) -> usize {
    let mut to = end;
    while to > start
        && matches!(at(line, to.saturating_sub(1)), b',' | b';' | b')' | b']' | b'}' | b'"' | b'\'' | b'\\')
    {
        to = to.saturating_sub(1);
    }
    to
}
