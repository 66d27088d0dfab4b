//! What a value looks like: a placeholder, a plain word, a path, or what a machine drew at random.

use crate::bytes::{at, begins, part, rest, run};
use crate::marker;

/// Words that stand where a secret would and are none.
const WORDS: &[&str] = &[
    "null",
    "nil",
    "none",
    "true",
    "false",
    "yes",
    "no",
    "on",
    "off",
    "undefined",
    "unset",
    "empty",
    "required",
    "optional",
    "redacted",
    "hidden",
    "masked",
    "filtered",
    "removed",
    "secret",
    "password",
    "passwd",
    "token",
    "expired",
    "invalid",
    "incorrect",
    "missing",
    "changed",
    "unchanged",
    "failed",
    "wrong",
    "mismatch",
    "ok",
    "valid",
    "success",
    "successful",
    "denied",
    "rejected",
    "unknown",
    "found",
    "received",
    "refreshed",
    "updated",
    "accepted",
    "locked",
    "enabled",
    "disabled",
    "set",
    "present",
    "absent",
    "revoked",
    "authentication",
    "prompt",
    "ask",
    "n/a",
    "not",
    "file",
    "env",
    "string",
    "protected",
    "encrypted",
    "read",
    "write",
    "opaque",
    "default",
    "auto",
    "bearer",
    "basic",
    "publickey",
    "keyboard-interactive",
];

/// What opens a reference to a secret that stands elsewhere, or its ciphertext.
const REFERENCES: &[&str] = &[
    "{{",
    "<%",
    "%(",
    "%{",
    "$(",
    "#{",
    "!vault",
    "!secret",
    "enc[",
    "enc(",
    "op://",
    "vault:",
    "env:",
    "file:",
    "arn:aws:secretsmanager",
    "arn:aws:ssm",
    "sops:",
    "ref+",
    "secretref:",
    "@microsoft.keyvault",
    "systemd-creds",
    "$__file{",
    "$__env{",
];

/// Whether a value stands in for a secret: masked, empty, a reference, a word.
pub(crate) fn is_placeholder(value: &[u8]) -> bool {
    let Some(first) = value.first() else { return true };
    let marked = marker::end(value, 0) == Some(value.len());
    let same = value.iter().all(|byte| byte == first) && (value.len() > 2 || !first.is_ascii_alphanumeric());
    marked
        || same
            && (matches!(first, b'*' | b'x' | b'X' | b'.' | b'-' | b'_' | b'#' | b'?' | b'=')
                || value.len() == 1)
        || stars(value)
        || WORDS.iter().any(|word| word.as_bytes().eq_ignore_ascii_case(value))
        || REFERENCES.iter().any(|reference| begins(value, reference.as_bytes()) && closes(value))
        || is_variable(value)
        || enclosed(value)
        || matches!(
            value,
            b"|" | b">" | b"|-" | b">-" | b"|+" | b">+" | b"%s" | b"%v" | b"%q" | b"%d" | b"[]" | b"{}"
        )
        || is_path(value)
}

/// Bullets as some programs print them.
fn stars(value: &[u8]) -> bool {
    value.chunks(3).all(|part| part == "\u{2022}".as_bytes() || part == "\u{25cf}".as_bytes())
}

/// A reference that opens a bracket must end with its bracket: what follows it would be a secret.
fn closes(value: &[u8]) -> bool {
    match value.first() {
        Some(b'{' | b'#') => value.ends_with(b"}"),
        Some(b'<') => value.ends_with(b">"),
        Some(b'$') => value.ends_with(b")") || value.ends_with(b"}"),
        _ => true,
    }
}

/// `$NAME`, `${NAME}`, `$name_of_password`, `%NAME%`, without a default that would be the secret itself.
fn is_variable(value: &[u8]) -> bool {
    let name = match (value.first(), value.last()) {
        (Some(b'$'), Some(b'}')) if at(value, 1) == b'{' => part(value, 2, value.len().saturating_sub(1)),
        (Some(b'%'), Some(b'%')) => part(value, 1, value.len().saturating_sub(1)),
        (Some(b'$'), _) => rest(value, 1),
        _ => return false,
    };
    let name = name.strip_suffix(b":?").or(name.strip_suffix(b":-")).unwrap_or(name);
    let braced = at(value, 1) == b'{';
    let Some(first) = name.first() else { return false };
    let idents = name.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
    let upper = name.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_');
    idents
        && !first.is_ascii_digit()
        && (braced
            || upper && name.len() > 1
            || name.contains(&b'_')
            || crate::keys::classify(name).is_some())
}

/// `<password>`, `[hidden]`, `(not set)`.
fn enclosed(value: &[u8]) -> bool {
    let close = match value.first() {
        Some(b'<') => b'>',
        Some(b'[') => b']',
        Some(b'(') => b')',
        Some(b'{') => b'}',
        _ => return false,
    };
    let inner = part(value, 1, value.len().saturating_sub(1));
    value.last() == Some(&close)
        && inner.len() < 32
        && inner
            .iter()
            .all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'-' | b' ' | b'*' | b'.'))
}

/// A path in words: no segment of it could be a secret of a base64 alphabet that happens to begin with a slash.
pub(crate) fn is_path(value: &[u8]) -> bool {
    let value =
        value.strip_prefix(b"~").or(value.strip_prefix(b"..")).or(value.strip_prefix(b".")).unwrap_or(value);
    value.first() == Some(&b'/')
        && value.len() > 1
        && !value.ends_with(b"=")
        && value.iter().all(|byte| is_path_byte(*byte))
        && value.split(|byte| *byte == b'/').all(|segment| !is_random(segment, 20))
        && (value.len() < 24
            || value.iter().filter(|byte| byte.is_ascii_lowercase()).count() > value.len() / 2)
}

fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'-' | b'_' | b'@' | b'%' | b':')
}

/// A word of a language: letters only, at most its first one a capital, with a sentence's mark after it.
pub(crate) fn is_plain_word(value: &[u8]) -> bool {
    let word =
        value.strip_suffix(b",").or(value.strip_suffix(b".")).or(value.strip_suffix(b":")).unwrap_or(value);
    let word = word.strip_suffix(b";").unwrap_or(word);
    let inner = word.iter().filter(|byte| !matches!(**byte, b'\'' | b'-')).skip(1);
    !word.is_empty()
        && at(word, 0).is_ascii_alphabetic()
        && (inner.clone().all(u8::is_ascii_lowercase)
            || word.len() < 6 && inner.clone().all(u8::is_ascii_uppercase))
}

/// Whether it may well be a secret: long enough, and mixed as words, numbers, dates and addresses are not.
pub(crate) fn is_secretish(value: &[u8]) -> bool {
    let digits = value.iter().filter(|byte| byte.is_ascii_digit()).count();
    let letters = value.iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let plain = value
        .iter()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b':' | b'-' | b'/' | b'T' | b'Z'));
    value.len() >= 8
        && !plain
        && letters > 0
        && (digits > 0 || mixed_case(value) || value.len() >= 24)
        && !begins(value, b"0x")
        && !begins(value, b"http")
        && !is_path(value)
        && !is_version(value)
}

/// `1:4.17.4-2`, `v2.3.1`.
fn is_version(value: &[u8]) -> bool {
    let value = value.strip_prefix(b"v").unwrap_or(value);
    let head = run(value, 0, |byte| byte.is_ascii_digit());
    head > 0 && matches!(at(value, head), b'.' | b':') && value.contains(&b'.') && value.len() < 32
}

/// Capitals after small letters, beyond a word's first.
fn mixed_case(value: &[u8]) -> bool {
    let humps = value
        .windows(2)
        .filter(|pair| at(pair, 0).is_ascii_lowercase() && at(pair, 1).is_ascii_uppercase())
        .count();
    humps > 1
}

/// Only digits of base sixteen.
pub(crate) fn is_hex(value: &[u8]) -> bool {
    value.iter().all(u8::is_ascii_hexdigit)
}

/// 8-4-4-4-12.
pub(crate) fn is_uuid(value: &[u8]) -> bool {
    value.len() == 36
        && value.iter().enumerate().all(|(index, byte)| match index {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Whether it looks drawn at random from a large alphabet: capitals, small letters and digits change places far more
/// often than in any name, and it is at least `least` long.
pub(crate) fn is_random(value: &[u8], least: usize) -> bool {
    if value.len() < least {
        return false;
    }
    let class = |byte: &u8| match byte {
        b'0'..=b'9' => 0,
        b'a'..=b'z' => 1,
        b'A'..=b'Z' => 2,
        _ => 3,
    };
    let mut counts = [0usize; 4];
    for byte in value {
        if let Some(count) = counts.get_mut(class(byte)) {
            *count = count.saturating_add(1);
        }
    }
    let [digits, lower, upper, other] = counts;
    let changes = value.windows(2).filter(|pair| class(&at(pair, 0)) != class(&at(pair, 1))).count();
    digits > 0
        && lower > 1
        && upper > 1
        && other * 6 <= value.len()
        && changes * 10 >= value.len() * 4
        && distinct(value) * 10 >= value.len().min(40) * 4
}

fn distinct(value: &[u8]) -> usize {
    let mut seen = 0u128;
    for byte in value {
        seen |= 1u128 << (byte & 127);
    }
    usize::try_from(seen.count_ones()).unwrap_or(0)
}

/// Whether it is base64 of text a person could read, and so shows what it is by itself.
pub(crate) fn is_readable_base64(value: &[u8]) -> bool {
    decode(value).is_some_and(|text| {
        let plain = text.iter().filter(|byte| matches!(**byte, b' '..=b'~' | b'\n' | b'\t')).count();
        !text.is_empty() && plain == text.len()
    })
}

/// Base64 of either alphabet, with or without its padding.
pub(crate) fn decode(value: &[u8]) -> Option<Vec<u8>> {
    let end = value.iter().rposition(|byte| *byte != b'=').map_or(0, |last| last.saturating_add(1));
    let mut out = Vec::with_capacity(value.len());
    let (mut bits, mut held) = (0u32, 0u32);
    for byte in part(value, 0, end) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = bits << 6 & 0xffff | u32::from(digit);
        held = held.saturating_add(6);
        if held >= 8 {
            held = held.saturating_sub(8);
            out.push(u8::try_from(bits >> held & 0xff).unwrap_or(0));
        }
    }
    Some(out)
}
