//! The typed markers that stand where secrets stood.

use crate::bytes::rest;

pub(crate) const PASSWORD: &str = "password";
pub(crate) const SECRET: &str = "secret";
pub(crate) const TOKEN: &str = "token";
pub(crate) const KEY: &str = "key";
pub(crate) const PRIVATE_KEY: &str = "private-key";
pub(crate) const COOKIE: &str = "cookie";
pub(crate) const AUTHORIZATION: &str = "authorization";
pub(crate) const HASH: &str = "password-hash";
pub(crate) const WEBHOOK: &str = "webhook";
pub(crate) const ENVIRONMENT: &str = "environment";
pub(crate) const CREDENTIAL: &str = "credential";
pub(crate) const DATA: &str = "data";
pub(crate) const ENTROPY: &str = "high-entropy";
pub(crate) const LINE: &str = "line";

const KINDS: &[&str] = &[
    PASSWORD,
    SECRET,
    TOKEN,
    KEY,
    PRIVATE_KEY,
    COOKIE,
    AUTHORIZATION,
    HASH,
    WEBHOOK,
    ENVIRONMENT,
    CREDENTIAL,
    DATA,
    ENTROPY,
    LINE,
];

const HEAD: &[u8] = b"[removed by guard: ";

/// Appends the marker of a kind.
pub(crate) fn write(kind: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(HEAD);
    out.extend_from_slice(kind.as_bytes());
    out.push(b']');
}

/// The end of the marker that begins at `start`, if one of ours does; an invented kind is content like any other.
pub(crate) fn end(bytes: &[u8], start: usize) -> Option<usize> {
    let tail = rest(bytes, start).strip_prefix(HEAD)?;
    KINDS.iter().find_map(|kind| {
        tail.strip_prefix(kind.as_bytes())?.first().filter(|byte| **byte == b']')?;
        Some(start.saturating_add(HEAD.len()).saturating_add(kind.len()).saturating_add(1))
    })
}
