//! Looking at bytes without ever stepping outside them.

/// A byte, or NUL past the end.
pub(crate) fn at(bytes: &[u8], index: usize) -> u8 {
    bytes.get(index).copied().unwrap_or(0)
}

/// The byte before `index`, or a line feed at the very beginning.
pub(crate) fn before(bytes: &[u8], index: usize) -> u8 {
    index.checked_sub(1).map_or(b'\n', |index| at(bytes, index))
}

/// A part; empty where it would not be one.
pub(crate) fn part(bytes: &[u8], start: usize, end: usize) -> &[u8] {
    bytes.get(start..end.min(bytes.len())).unwrap_or_default()
}

/// What follows `start`.
pub(crate) fn rest(bytes: &[u8], start: usize) -> &[u8] {
    bytes.get(start..).unwrap_or_default()
}

/// Whether a key may consist of it: letters, digits, `_`, `-`, `.`.
pub(crate) fn is_ident(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

/// Blanks, the NUL between arguments and the line feed inside of one.
pub(crate) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0)
}

/// Whether a secret of a usual alphabet may contain it.
pub(crate) fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

/// The end of the run from `start` whose bytes all satisfy `wanted`.
pub(crate) fn run(bytes: &[u8], start: usize, wanted: fn(u8) -> bool) -> usize {
    let count = rest(bytes, start).iter().take_while(|byte| wanted(**byte)).count();
    start.saturating_add(count)
}

/// The position after blanks.
pub(crate) fn skip_blanks(bytes: &[u8], start: usize) -> usize {
    let mut end = start;
    while bytes.get(end).is_some_and(|byte| matches!(byte, b' ' | b'\t' | b'\n' | 0)) {
        end = end.saturating_add(1);
    }
    end
}

/// Where `wanted` stands at or after `start`.
pub(crate) fn find(bytes: &[u8], start: usize, wanted: &[u8]) -> Option<usize> {
    let first = *wanted.first()?;
    let mut from = start;
    loop {
        let offset = rest(bytes, from).iter().position(|byte| *byte == first)?;
        from = from.saturating_add(offset);
        if rest(bytes, from).starts_with(wanted) {
            return Some(from);
        }
        from = from.saturating_add(1);
    }
}

/// Whether `bytes` begin with `prefix` (given in lower case), whatever their case.
pub(crate) fn begins(bytes: &[u8], prefix: &[u8]) -> bool {
    bytes.get(..prefix.len()).is_some_and(|head| head.eq_ignore_ascii_case(prefix))
}

/// The first byte of the line's content, after its indentation and a list's dash.
pub(crate) fn content_start(bytes: &[u8]) -> usize {
    let mut start = run(bytes, 0, is_blank);
    while at(bytes, start) == b'-' && at(bytes, start.saturating_add(1)) == b' ' {
        start = run(bytes, start.saturating_add(1), is_blank);
    }
    start
}
