//! The order of version numbers in names, as `sort -V` and `ls -v` have it.

use std::cmp::Ordering;

/// Compares two names: what is before their file endings first, then the whole.
pub(crate) fn compare(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |name: &[u8]| match name {
        b"" => 0,
        b"." => 1,
        b".." => 2,
        [b'.', ..] => 3,
        _ => 4,
    };
    let (a_rank, b_rank) = (rank(a), rank(b));
    if a_rank != b_rank || a_rank < 3 {
        return a_rank.cmp(&b_rank);
    }
    let (a_stem, b_stem) = (stem(a), stem(b));
    let stems = parts(a_stem, b_stem);
    if stems != Ordering::Equal || a_stem.len() == a.len() && b_stem.len() == b.len() {
        stems
    } else {
        parts(a, b)
    }
    .then_with(|| a.cmp(b))
}

/// A name without `(\.[A-Za-z~][A-Za-z0-9~]*)*` at its end.
fn stem(name: &[u8]) -> &[u8] {
    let mut kept = name.len();
    loop {
        let head = name.get(..kept).unwrap_or_default();
        let tail =
            head.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'~').count();
        let dot = kept.saturating_sub(tail + 1);
        let begins = name.get(dot + 1).is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'~');
        if tail == 0 || dot == 0 || name.get(dot) != Some(&b'.') || !begins {
            return head;
        }
        kept = dot;
    }
}

/// Text by letters before everything else, `~` before even the end; numbers by value.
fn parts(mut a: &[u8], mut b: &[u8]) -> Ordering {
    fn weight(byte: Option<&u8>) -> i32 {
        match byte {
            Some(b'~') => -1,
            None | Some(b'0'..=b'9') => 0,
            Some(byte) if byte.is_ascii_alphabetic() => i32::from(*byte),
            Some(byte) => i32::from(*byte) + 256,
        }
    }
    fn split(text: &[u8], part: fn(&u8) -> bool) -> (&[u8], &[u8]) {
        text.split_at(text.iter().take_while(|byte| part(byte)).count())
    }
    while !a.is_empty() || !b.is_empty() {
        let ((a_text, a_rest), (b_text, b_rest)) =
            (split(a, |b| !b.is_ascii_digit()), split(b, |b| !b.is_ascii_digit()));
        for at in 0..a_text.len().max(b_text.len()) {
            let order = weight(a_text.get(at)).cmp(&weight(b_text.get(at)));
            if order != Ordering::Equal {
                return order;
            }
        }
        let ((a_number, a_rest), (b_number, b_rest)) =
            (split(a_rest, u8::is_ascii_digit), split(b_rest, u8::is_ascii_digit));
        let value =
            |digits: &[u8]| digits.iter().position(|byte| *byte != b'0').map_or(digits.len(), |at| at);
        let (x, y) = (
            a_number.get(value(a_number)..).unwrap_or_default(),
            b_number.get(value(b_number)..).unwrap_or_default(),
        );
        let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_rest, b_rest);
    }
    Ordering::Equal
}
