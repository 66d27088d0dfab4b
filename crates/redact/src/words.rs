//! Names that only a blank parts from their secret: `bindpw x`, `requirepass x`, `IDENTIFIED BY 'x'`, `Bearer x`.

use crate::bytes::{at, is_blank, part, run, skip_blanks};
use crate::keys::{self, Weight};
use crate::looks;
use crate::marker::{self, AUTHORIZATION, KEY, PASSWORD, SECRET, TOKEN};
use crate::span::Span;
use crate::triples::{Triples, three};
use crate::values::{self, Around, Value};

/// What the next word must be like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Anything but a placeholder.
    Any,
    /// Something in quotes.
    Quoted,
    /// What may be a secret; in quotes, anything.
    Secretish,
    /// What may be a secret and is no word of several.
    Drawn,
    /// Base64 of `user:password`.
    Pair,
    /// A number in base sixteen.
    Hex,
}

/// A row: the word, whether its case counts, what follows it.
struct Word(&'static str, bool, Next, &'static str);

use Next::{Any, Drawn, Hex, Pair, Quoted, Secretish};

const WORDS: &[Word] = &[
    Word("bindpw", false, Any, PASSWORD),
    Word("rootpw", false, Any, PASSWORD),
    Word("requirepass", false, Any, PASSWORD),
    Word("masterauth", false, Any, PASSWORD),
    Word("auth_pass", false, Any, PASSWORD),
    Word("insecure-password", false, Any, PASSWORD),
    Word("tls-key-file-pass", false, Any, PASSWORD),
    Word("sentinel-pass", false, Any, PASSWORD),
    Word("by", false, Quoted, PASSWORD),
    Word("PASSWORD", true, Quoted, PASSWORD),
    Word("password", false, Secretish, PASSWORD),
    Word("passwd", false, Secretish, PASSWORD),
    Word("pass", false, Secretish, PASSWORD),
    Word("pwd", false, Secretish, PASSWORD),
    Word("passphrase", false, Secretish, PASSWORD),
    Word("PSK", true, Quoted, KEY),
    Word("XAUTH", true, Quoted, PASSWORD),
    Word("EAP", true, Quoted, PASSWORD),
    Word("NTLM", true, Quoted, PASSWORD),
    Word("psk", false, Secretish, KEY),
    Word("wifi-sec.psk", false, Any, KEY),
    Word("wep-key0", false, Any, KEY),
    Word("preshared-key", false, Drawn, KEY),
    Word("private-key", false, Drawn, KEY),
    Word("authkey", false, Secretish, KEY),
    Word("apikey", false, Secretish, KEY),
    Word("api_key", false, Secretish, KEY),
    Word("secret", false, Drawn, SECRET),
    Word("token", false, Drawn, TOKEN),
    Word("key", false, Hex, KEY),
    Word("rocommunity", false, Any, SECRET),
    Word("rwcommunity", false, Any, SECRET),
    Word("community", false, Drawn, SECRET),
    Word("AUTH", true, Secretish, PASSWORD),
    Word("PLAIN", true, Pair, AUTHORIZATION),
    Word("LOGIN", true, Pair, AUTHORIZATION),
    Word("bearer", false, Drawn, TOKEN),
    Word("basic", false, Pair, AUTHORIZATION),
    Word("credentials", false, Drawn, SECRET),
    Word("sso", false, Drawn, TOKEN),
    Word("cookie", false, Drawn, TOKEN),
];

/// How the rows begin.
static BEGINNINGS: Triples = {
    let mut beginnings = Triples::NONE;
    let mut row = 0;
    while row < WORDS.len() {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to step outside"
        )]
        {
            beginnings = beginnings.with_beginning(WORDS[row].0.as_bytes(), true);
        }
        row += 1;
    }
    beginnings
};

/// Whether what begins with these three bytes may have a row.
pub(crate) fn may_begin(three: u32) -> bool {
    BEGINNINGS.may_have_of_any_case(three)
}

/// The row of a word.
fn row(name: &[u8]) -> Option<&'static Word> {
    WORDS.iter().filter(|row| row.0.len() == name.len()).find(|row| {
        if row.1 { row.0.as_bytes() == name } else { row.0.as_bytes().eq_ignore_ascii_case(name) }
    })
}

/// Whether a word has a row.
pub(crate) fn has_row(name: &[u8]) -> bool {
    row(name).is_some()
}

/// The secret after the word at `start..end`, which a blank follows; `directive` where it is the first of its line.
pub(crate) fn after(line: &[u8], start: usize, end: usize, directive: bool) -> Option<Span> {
    let name = part(line, start, end);
    if let Some(span) = spoken(line, name, end) {
        return Some(span);
    }
    // Nothing shorter or longer stands in the table or is a directive's name.
    if !(2..=40).contains(&name.len()) || at(line, start) == b'-' {
        return None;
    }
    let row = if may_begin(three(line, start)) { row(name) } else { None };
    if row.is_none() && !directive {
        return None;
    }
    let quote = usize::from(matches!(at(line, end), b'"' | b'\''));
    let from = skip_blanks(line, end.saturating_add(quote));
    let value = values::value(line, from, Around::default());
    let secret = part(line, value.start, value.end);
    if secret.is_empty() {
        return None;
    }
    let fits = row.is_some_and(|row| fits(line, row.2, value, secret))
        || directive && is_directive(line, name, value, secret);
    let kind = row.map_or(PASSWORD, |row| row.3);
    (fits && !looks::is_placeholder(secret)).then_some(Span {
        start: value.start,
        end: value.end,
        kind,
        stop: value.stop,
    })
}

/// `the password is x`, `password was reset to x`: what may be a secret a few small words after its name.
fn spoken(line: &[u8], name: &[u8], end: usize) -> Option<Span> {
    if at(line, end) != b' ' {
        return None;
    }
    let mut here = end;
    for _ in 0..4 {
        here = skip_blanks(line, here);
        let word = run(line, here, |byte| byte.is_ascii_lowercase());
        let small = matches!(
            part(line, here, word),
            b"is" | b"was" | b"to" | b"now" | b"set" | b"reset" | b"changed" | b"updated" | b"the" | b"new"
        );
        let verb = matches!(part(line, here, word), b"is" | b"to");
        if !small || at(line, word) != b' ' {
            return None;
        }
        here = skip_blanks(line, word);
        if verb {
            let value = values::value(line, here, Around::default());
            let secret = part(line, value.start, value.end);
            let drawn = looks::is_secretish(secret)
                && secret.iter().any(u8::is_ascii_digit)
                && !looks::is_placeholder(secret);
            let key = keys::classify(name).filter(|key| drawn && key.weight == Weight::Strong)?;
            return Some(Span { start: value.start, end: value.end, kind: key.kind, stop: value.stop });
        }
    }
    None
}

fn fits(line: &[u8], next: Next, value: Value, secret: &[u8]) -> bool {
    match next {
        Any => !matches!(at(secret, 0), b'=' | b':' | b'{'),
        Quoted => value.quoted,
        Secretish => looks::is_secretish(secret) && !is_option(line, value),
        Drawn => {
            let digits = secret.iter().any(u8::is_ascii_digit);
            let drawn = digits && secret.iter().any(u8::is_ascii_alphabetic) && !looks::is_uuid(secret);
            drawn
                && secret.len() >= 16
                && !is_option(line, value)
                && (!looks::is_hex(secret) || secret.len() >= 40)
                && !dashed(secret)
        }
        Pair => looks::decode(secret).is_some_and(|text| {
            secret.len() >= 8
                && text.iter().any(|byte| matches!(byte, b':' | 0))
                && text.iter().all(|byte| *byte == 0 || (b' '..=b'~').contains(byte))
        }),
        Hex => secret.len() >= 18 && secret.starts_with(b"0x"),
    }
}

/// A name such as `web-7d9f8b6c5-x2x4z`.
fn dashed(secret: &[u8]) -> bool {
    secret.contains(&b'-') && !secret.iter().any(u8::is_ascii_uppercase)
}

/// `name=value` is judged by its own name.
fn is_option(line: &[u8], value: Value) -> bool {
    !value.quoted
        && part(line, value.start, value.end).contains(&b'=')
        && !part(line, value.start, value.end).ends_with(b"=")
}

/// `auth_password hunter2;`: a line of a configuration, which is a name and one value.
fn is_directive(line: &[u8], name: &[u8], value: Value, secret: &[u8]) -> bool {
    let end = run(line, value.next, |byte| is_blank(byte) || byte == b';');
    let strong = keys::classify(name).is_some_and(|key| key.weight == Weight::Strong);
    strong
        && end >= line.len()
        && (value.quoted
            || looks::is_secretish(secret)
            || name.contains(&b'_') && !looks::is_plain_word(secret)
            || name.contains(&b'_') && secret.len() >= 6)
        && marker::end(line, value.start).is_none()
}
