//! File name patterns: `*`, `?`, `[…]` and backslash, as fnmatch(3) has them, in bounded time.

/// Whether a name matches. `*` matches slashes too, and a leading dot; who wants it otherwise asks before.
pub(crate) fn matches(pattern: &[u8], name: &[u8], ignore_case: bool) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let rest = pattern.get(p..).unwrap_or_default();
        if let Some(b'*') = rest.first() {
            p += 1;
            back = Some((p, n));
            continue;
        }
        match (name.get(n), one(rest, name.get(n).copied(), ignore_case)) {
            (None, _) if rest.is_empty() => return true,
            (Some(_), Some(length)) => (p, n) = (p + length, n + 1),
            _ => {
                // The last star takes one byte more; those before it need not be tried again.
                let Some((star, taken)) = back else { return false };
                if taken >= name.len() {
                    return false;
                }
                back = Some((star, taken + 1));
                (p, n) = (star, taken + 1);
            }
        }
    }
}

/// Whether a component has something to match.
pub(crate) fn is_pattern(text: &[u8]) -> bool {
    text.iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// The length of the first element of a pattern if it takes this byte.
fn one(pattern: &[u8], byte: Option<u8>, ignore_case: bool) -> Option<usize> {
    let byte = byte?;
    let same = |a: u8| a == byte || (ignore_case && a.eq_ignore_ascii_case(&byte));
    match pattern {
        [] => None,
        [b'?', ..] => Some(1),
        [b'\\', next, ..] => same(*next).then_some(2),
        [b'[', ..] => match bracket(pattern, byte, ignore_case) {
            Some((true, length)) => Some(length),
            Some((false, _)) => None,
            None => same(b'[').then_some(1),
        },
        [plain, ..] => same(*plain).then_some(1),
    }
}

/// Whether a bracket takes the byte, and its length; nothing where it is not closed.
fn bracket(pattern: &[u8], byte: u8, ignore_case: bool) -> Option<(bool, usize)> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let begin = 1 + usize::from(negated);
    let mut at = begin;
    let mut found = false;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > begin {
            return Some((found != negated, at + 1));
        }
        if low == b'[' && pattern.get(at + 1) == Some(&b':') {
            let inner = pattern.get(at + 2..)?;
            let end = inner.windows(2).position(|pair| pair == b":]")?;
            found |= super::sets::class(inner.get(..end)?, byte)?;
            at += end + 4;
            continue;
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        let mut high = low;
        if let (Some(b'-'), Some(end)) = (pattern.get(at + 1), pattern.get(at + 2))
            && *end != b']'
        {
            high = *end;
            at += 2;
        }
        let within = |byte: u8| (low..=high).contains(&byte);
        found |= within(byte)
            || (ignore_case && (within(byte.to_ascii_lowercase()) || within(byte.to_ascii_uppercase())));
        at += 1;
    }
}
