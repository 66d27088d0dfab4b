//! What stands between a name and its value: `=`, `:`, `=>`, quotes around the name, their escaped and percent-encoded
//! forms, the bracket of a tag.

use crate::bytes::{at, before, begins, rest, run, skip_blanks};

/// How a value is joined to its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Joint {
    Equals,
    Colon,
    /// `"--password", "value"`, as a list of arguments has it.
    Comma,
    /// `<password>value</password>`
    Tag,
}

/// A separator that was found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Separator {
    pub(crate) joint: Joint,
    /// The first byte after it.
    pub(crate) value: usize,
    pub(crate) blank_before: bool,
    pub(crate) blank_after: bool,
    /// The name stands in quotes.
    pub(crate) quoted: bool,
    /// It is percent-encoded, and so is what follows.
    pub(crate) encoded: bool,
}

/// The separator after the name that lies at `start..end`.
pub(crate) fn find(line: &[u8], start: usize, end: usize) -> Option<Separator> {
    let mut here = end;
    let slashes = run(line, here, |byte| byte == b'\\').saturating_sub(here);
    let quoted = matches!(at(line, here.saturating_add(slashes)), b'"' | b'\'' | b'`');
    if quoted {
        here = here.saturating_add(slashes).saturating_add(1);
    } else if slashes > 0 {
        return None;
    } else if begins(rest(line, here), b"%22") {
        here = here.saturating_add(3);
    }
    if at(line, here) == b']' {
        here = here.saturating_add(1);
    }
    let sign = skip_blanks(line, here);
    let next = at(line, sign.saturating_add(1));
    let (joint, length, encoded) = match at(line, sign) {
        b'=' if matches!(next, b'>' | b'=') => (Joint::Equals, 2, false),
        b'=' => (Joint::Equals, 1, false),
        b'+' | b'?' if next == b'=' => (Joint::Equals, 2, false),
        b':' if next == b'=' => (Joint::Equals, 2, false),
        b':' if next == b':' && !quoted => return None,
        b':' if next == b'/' && at(line, sign.saturating_add(2)) == b'/' => return None,
        b':' => (Joint::Colon, 1, false),
        b',' if quoted => (Joint::Comma, 1, false),
        b'>' if sign == end && before(line, start) == b'<' => (Joint::Tag, 1, false),
        b'%' => {
            let tail = rest(line, sign);
            let (joint, length) = if begins(tail, b"%253d") {
                (Joint::Equals, 5)
            } else if begins(tail, b"%3d") {
                (Joint::Equals, 3)
            } else if begins(tail, b"%3a%22") {
                (Joint::Colon, 6)
            } else if begins(tail, b"%3a") {
                (Joint::Colon, 3)
            } else {
                return None;
            };
            (joint, length, true)
        }
        _ => return None,
    };
    let value = sign.saturating_add(length);
    Some(Separator {
        joint,
        value,
        blank_before: sign > here,
        blank_after: matches!(at(line, value), b' ' | b'\t'),
        quoted,
        encoded,
    })
}
