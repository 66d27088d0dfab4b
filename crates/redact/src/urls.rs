//! Secrets inside of addresses: the password before the `@`, and the paths that are passwords themselves.

use crate::bytes::{at, find, is_blank, part, rest, run};
use crate::looks;
use crate::marker::{PASSWORD, TOKEN, WEBHOOK};
use crate::span::Span;

/// What cannot be part of an address.
fn ends(byte: u8) -> bool {
    is_blank(byte) || matches!(byte, b'"' | b'\'' | b'`' | b'<' | b'>')
}

/// The secret before the `@` of an address whose authority begins at `start`.
pub(crate) fn user_info(line: &[u8], start: usize) -> Option<Span> {
    let whole = run(line, start, |byte| !ends(byte));
    let authority = run(line, start, |byte| !ends(byte) && !matches!(byte, b'/' | b'?' | b'#'));
    let text = part(line, start, authority);
    let sign = match text.iter().rposition(|byte| *byte == b'@') {
        Some(sign) => start.saturating_add(sign),
        None => {
            // A password with a slash in it: what follows the colon is no port, and an `@` comes later.
            let colon = text.iter().position(|byte| *byte == b':')?;
            let port = rest(text, colon.saturating_add(1));
            if port.iter().all(u8::is_ascii_digit) || at(text, 0) == b'[' {
                return None;
            }
            let later = part(line, authority, whole).iter().position(|byte| *byte == b'@')?;
            authority.saturating_add(later)
        }
    };
    let user = part(line, start, sign);
    let (from, kind) = match user.iter().position(|byte| *byte == b':') {
        Some(colon) => (start.saturating_add(colon).saturating_add(1), PASSWORD),
        None if user.len() >= 16 && looks::is_secretish(user) => (start, TOKEN),
        None => return None,
    };
    let secret = part(line, from, sign);
    (!secret.is_empty() && !looks::is_placeholder(secret)).then(|| Span::word(from, sign, kind))
}

/// `user:password@tcp(host)/base`: the form of Go's database drivers, from the colon on.
pub(crate) fn data_source(line: &[u8], colon: usize) -> Option<Span> {
    let from = colon.saturating_add(1);
    let whole = run(line, from, |byte| !ends(byte));
    let text = part(line, from, whole);
    let sign = [&b"@tcp("[..], b"@unix(", b"@tcp6("].iter().find_map(|sign| find(text, 0, sign))?;
    let secret = part(text, 0, sign);
    (!secret.is_empty() && !looks::is_placeholder(secret))
        .then(|| Span::word(from, from.saturating_add(sign), PASSWORD))
}

/// Path segments after which the rest of a path is a password.
const HOOKS: &[&[u8]] = &[b"webhooks", b"hooks", b"webhook", b"webhookb2", b"hook", b"services", b"incoming"];

/// The secret part of a webhook's path, of which one segment lies at `start..end`.
pub(crate) fn webhook(line: &[u8], start: usize, end: usize) -> Option<Span> {
    let segment = part(line, start, end);
    if at(line, end) != b'/' || !HOOKS.contains(&segment) {
        return None;
    }
    let from = end.saturating_add(1);
    let to = run(line, from, |byte| !ends(byte) && !matches!(byte, b'?' | b'#' | b'\\' | b',' | b')'));
    let mut secret = part(line, from, to).split(|byte| *byte == b'/');
    secret
        .any(|segment| {
            segment.len() >= 16
                && looks::is_secretish(segment)
                && (looks::is_random(segment, 16)
                    || segment.len() >= 24 && !segment.contains(&b'-') && !looks::is_hex(segment))
        })
        .then(|| Span::word(from, to, WEBHOOK))
}

/// A Telegram bot's token, `123456789:AA...`, whose digits end at `end`.
pub(crate) fn bot_token(line: &[u8], start: usize, end: usize) -> Option<Span> {
    let digits = part(line, start, end).iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let from = end.saturating_add(1);
    let to = run(line, from, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let tail = part(line, from, to);
    (at(line, end) == b':'
        && (8..=10).contains(&digits)
        && (34..=36).contains(&tail.len())
        && looks::is_secretish(tail)
        && !looks::is_hex(tail))
    .then(|| Span::word(end.saturating_sub(digits), to, TOKEN))
}
