//! The last resort: what has no name and no shape, but looks drawn at random from letters of both cases and digits. What a
//! reader needs for finding their way stays: hashes, fingerprints, ids, public keys, text in base64.

use crate::bytes::{at, before, is_base64, is_ident, part, rest, run};
use crate::looks;
use crate::marker::{ENTROPY, KEY};
use crate::span::Span;

/// Shorter ones are ids far more often than secrets.
const LEAST: usize = 32;

/// Ends of the names of what is random and public.
const PUBLIC: &[&[u8]] = &[
    b"id",
    b"hash",
    b"digest",
    b"sha1",
    b"sha256",
    b"sha384",
    b"sha512",
    b"md5",
    b"integrity",
    b"fingerprint",
    b"etag",
    b"cursor",
    b"public",
    b"pubkey",
    b"publickey",
    b"serial",
    b"checksum",
    b"commit",
    b"rev",
    b"nonce",
    b"peer",
    b"thumbprint",
    b"challenge",
    b"cid",
    b"event",
    b"spki",
    b"pin-sha256",
    b"dnskey",
    b"sshfp",
    b"tlsa",
    b"rrsig",
    b"p",
    b"b",
    b"bh",
    b"recipient",
    b"x5t",
    b"jti",
    b"kid",
    b"boundary",
    b"cas",
    b"blob",
    b"ref",
    b"accept",
    b"peer_id",
    b"crc",
    b"recipients",
    b"ds",
    b"verify",
];

/// The random word that begins at `start`.
pub(crate) fn word(line: &[u8], start: usize) -> Option<Span> {
    let end = run(line, start, |byte| is_base64(byte) && byte != b'=');
    let end = end.saturating_add(run(line, end, |byte| byte == b'=').saturating_sub(end).min(2));
    let word = part(line, start, end);
    if word.len() < LEAST || !begins_here(line, start) {
        return None;
    }
    if let Some(span) = transform_key(line, start, end) {
        return Some(span);
    }
    let least = if before(line, start) == b'/' { 40 } else { LEAST };
    let public = matches!(before(line, start), b'$' | b'!' | b'%' | b'@' | b'#')
        || at(line, end) == b'@'
        || [&b"AAAA"[..], b"sha256-", b"sha384-", b"sha512-", b"sha1-"]
            .iter()
            .any(|prefix| word.starts_with(prefix))
        || named_public(line, start);
    (!public && looks::is_random(word, least) && !wordy(word) && !looks::is_readable_base64(word))
        .then(|| Span::word(start, end, ENTROPY))
}

/// Whether a word of base64 begins here: not in the middle of one that was looked at before, but after the slash of a path.
fn begins_here(line: &[u8], start: usize) -> bool {
    match before(line, start) {
        b'/' => {
            let back = part(line, start.saturating_sub(400), start)
                .iter()
                .rev()
                .take_while(|byte| is_base64(**byte) && **byte != b'=')
                .count();
            at(line, start.saturating_sub(back)) == b'/'
        }
        b'=' => true,
        byte => !is_base64(byte),
    }
}

/// `enc cbc(aes) 0x...` of `ip xfrm state`.
fn transform_key(line: &[u8], start: usize, end: usize) -> Option<Span> {
    let word = part(line, start, end);
    let cipher = before(line, start) == b' ' && before(line, start.saturating_sub(1)) == b')';
    (cipher && word.starts_with(b"0x") && looks::is_hex(rest(word, 2)) && word.len() >= 34)
        .then(|| Span::word(start, end, KEY))
}

/// Names made of words joined by signs: every part of them is short or plain.
fn wordy(word: &[u8]) -> bool {
    word.split(|byte| matches!(byte, b'-' | b'_' | b'/' | b'+' | b'='))
        .all(|piece| piece.len() < 12 || !looks::is_random(piece, 12))
        && word.iter().filter(|byte| matches!(**byte, b'-' | b'_' | b'/')).count() * 8 > word.len()
}

/// Whether the name before it says that it is public.
fn named_public(line: &[u8], start: usize) -> bool {
    let mut end = start;
    while end > 0 && start.saturating_sub(end) < 6 && !is_ident(before(line, end)) {
        end = end.saturating_sub(1);
    }
    let mut from = end;
    while from > 0 && end.saturating_sub(from) < 40 && is_ident(before(line, from)) {
        from = from.saturating_sub(1);
    }
    let name = part(line, from, end).to_ascii_lowercase();
    let nearby = part(line, start.saturating_sub(24), start).to_ascii_lowercase();
    let says = |word: &[u8]| nearby.windows(word.len()).any(|window| window == word);
    PUBLIC
        .iter()
        .any(|public| if public.len() < 4 { ends_in_word(&name, public) } else { name.ends_with(public) })
        || says(b"public")
        || says(b"pubkey")
        || says(b"sha256:")
        || says(b"sha512:")
        || says(b"fingerprint")
        || says(b"ssh-")
}

/// Short names count only as words of their own.
fn ends_in_word(name: &[u8], word: &[u8]) -> bool {
    name.strip_suffix(word).is_some_and(|head| !head.last().is_some_and(u8::is_ascii_alphabetic))
}
