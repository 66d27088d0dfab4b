//! Keys and scalars of YAML: where they end, and what they say.

use crate::bytes::{at, part, rest, run};
use crate::json::{self, Wrong};

/// A scalar's place and content.
#[derive(Debug)]
pub(crate) struct Scalar {
    pub(crate) start: usize,
    /// The end of its last line, before the line feed.
    pub(crate) end: usize,
    /// `None`: there is none, and what follows is nested; or an empty collection.
    pub(crate) content: Option<Vec<u8>>,
}

/// The end of the line in which `here` lies, before its line feed.
pub(crate) fn line_end(source: &[u8], here: usize) -> usize {
    run(source, here, |byte| byte != b'\n')
}

/// The beginning of the line after the one that ends at `end`.
pub(crate) fn next_line(source: &[u8], end: usize) -> usize {
    end.saturating_add(1).min(source.len().max(end))
}

/// The key that begins at `here`, and where its value begins; `None` where the line has no key.
pub(crate) fn key(source: &[u8], here: usize, end: usize) -> Result<Option<(Vec<u8>, usize)>, Wrong> {
    let line = part(source, 0, end);
    let (name, after) = match at(line, here) {
        b'"' => match json::string(line, here) {
            Ok((name, after)) => (name, after),
            Err(_) => return Ok(None),
        },
        b'\'' => match single(line, here) {
            Some((name, after)) => (name, after),
            None => return Ok(None),
        },
        b'?' if at(line, here.saturating_add(1)) == b' ' => return Err("a key is complex"),
        _ => {
            let colon = (here..end).find(|place| {
                at(line, *place) == b':'
                    && (place.saturating_add(1) >= end || at(line, place.saturating_add(1)) == b' ')
            });
            match colon {
                Some(colon) if !part(line, here, colon).windows(2).any(|pair| pair == b" #") => {
                    (part(line, here, colon).to_vec(), colon)
                }
                _ => return Ok(None),
            }
        }
    };
    if matches!(at(line, here), b'&' | b'*' | b'!' | b'{' | b'[' | b'%' | b'@' | b'`' | b'|' | b'>') {
        return Err("a key has an anchor, an alias, a tag or a form of its own");
    }
    let quoted = matches!(at(line, here), b'"' | b'\'');
    if at(line, after) != b':' || !matches!(at(line, after.saturating_add(1)), b' ' | 0) {
        return if quoted { Ok(None) } else { Err("a key has no colon") };
    }
    Ok(Some((name, run(line, after.saturating_add(1), |byte| byte == b' '))))
}

/// The scalar that begins at `start` under a key or dash at column `above`.
pub(crate) fn read(source: &[u8], start: usize, above: usize) -> Result<Scalar, Wrong> {
    let end = line_end(source, start);
    let text = part(source, start, end);
    let bare: &[u8] = text.trim_ascii_end();
    match at(text, 0) {
        _ if bare.is_empty() || bare.starts_with(b"#") => Ok(Scalar { start, end, content: None }),
        b'{' | b'[' if matches!(bare, b"{}" | b"[]") => Ok(Scalar { start, end, content: None }),
        b'{' | b'[' => Err("a collection is not in block form"),
        b'&' | b'*' | b'!' | b'%' | b'@' | b'`' => {
            Err("a value has an anchor, an alias, a tag or a form of its own")
        }
        b'|' | b'>' => block(source, start, end, above),
        b'"' => double(source, start),
        b'\'' => {
            let (content, after) = single(source, start).ok_or("a quote does not end")?;
            ended(source, start, after, content)
        }
        _ => Ok(plain(source, start, end, above)),
    }
}

/// Nothing but blanks may follow a closing quote.
fn ended(source: &[u8], start: usize, after: usize, content: Vec<u8>) -> Result<Scalar, Wrong> {
    let end = line_end(source, after);
    let rest = part(source, after, end);
    if rest.iter().all(|byte| *byte == b' ') {
        Ok(Scalar { start, end, content: Some(content) })
    } else {
        Err("something follows a quoted value")
    }
}

/// The lines after `end` that are indented deeper than `above`, or blank before such a line; the end of the last of them.
fn deeper(source: &[u8], end: usize, above: usize) -> usize {
    let mut last = end;
    let mut here = next_line(source, end);
    while here < source.len() {
        let close = line_end(source, here);
        let column = run(source, here, |byte| byte == b' ');
        if column < close {
            if column.saturating_sub(here) <= above {
                break;
            }
            last = close;
        }
        here = close.saturating_add(1);
    }
    last
}

fn block(source: &[u8], start: usize, end: usize, above: usize) -> Result<Scalar, Wrong> {
    let header = part(source, start.saturating_add(1), end);
    if !header.iter().all(|byte| matches!(byte, b'-' | b'+' | b'0'..=b'9' | b' ')) {
        return Err("a block's header is none");
    }
    let last = deeper(source, end, above);
    let lines = part(source, next_line(source, end), last);
    let indent = run(lines, 0, |byte| byte == b' ');
    let mut content = Vec::with_capacity(lines.len());
    for line in lines.split(|byte| *byte == b'\n') {
        content.extend_from_slice(line.get(indent.min(line.len())..).unwrap_or_default());
        content.push(b'\n');
    }
    Ok(Scalar { start, end: last, content: Some(content) })
}

fn plain(source: &[u8], start: usize, end: usize, above: usize) -> Scalar {
    let last = deeper(source, end, above);
    let mut content = Vec::new();
    for line in part(source, start, last).split(|byte| *byte == b'\n') {
        if !content.is_empty() {
            content.push(b' ');
        }
        content.extend_from_slice(line.trim_ascii());
    }
    Scalar { start, end: last, content: Some(content) }
}

/// A single-quoted scalar's content and where it ends; two quotes are one.
fn single(source: &[u8], start: usize) -> Option<(Vec<u8>, usize)> {
    let mut content = Vec::new();
    let mut here = start.saturating_add(1);
    loop {
        let close = run(source, here, |byte| byte != b'\'');
        content.extend_from_slice(part(source, here, close));
        source.get(close)?;
        if at(source, close.saturating_add(1)) != b'\'' {
            return Some((folded(&content), close.saturating_add(1)));
        }
        content.push(b'\'');
        here = close.saturating_add(2);
    }
}

/// A double-quoted scalar: JSON's escapes and YAML's own, over lines perhaps.
fn double(source: &[u8], start: usize) -> Result<Scalar, Wrong> {
    let mut close = start.saturating_add(1);
    while close < source.len() && at(source, close) != b'"' {
        close = close.saturating_add(if at(source, close) == b'\\' { 2 } else { 1 });
    }
    if close >= source.len() {
        return Err("a quote does not end");
    }
    let inner = part(source, start.saturating_add(1), close);
    let mut content = Vec::with_capacity(inner.len());
    let mut here = 0;
    while here < inner.len() {
        let next = run(inner, here, |byte| !matches!(byte, b'\\' | b'\n'));
        content.extend_from_slice(part(inner, here, next));
        here = next;
        if at(inner, here) == b'\n' && here < inner.len() {
            here = run(inner, here, |byte| matches!(byte, b'\n' | b' '));
            content.push(b' ');
        } else if here < inner.len() {
            here = escape(inner, here, &mut content)?;
        }
    }
    ended(source, start, close.saturating_add(1), content)
}

/// Appends what the escape at `here` says; answers where it ends.
fn escape(inner: &[u8], here: usize, content: &mut Vec<u8>) -> Result<usize, Wrong> {
    let sign = at(inner, here.saturating_add(1));
    let digits = match sign {
        b'x' => 2,
        b'u' => 4,
        b'U' => 8,
        b'\n' => return Ok(run(inner, here.saturating_add(2), |byte| byte == b' ')),
        _ => {
            content.push(match sign {
                b'0' => 0,
                b'a' => 7,
                b'b' => 8,
                b't' | b'\t' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                b'e' => 0x1b,
                b' ' | b'"' | b'/' | b'\\' => sign,
                b'N' | b'_' | b'L' | b'P' => b' ',
                _ => return Err("an escape is none of YAML's"),
            });
            return Ok(here.saturating_add(2));
        }
    };
    let from = here.saturating_add(2);
    let text = part(inner, from, from.saturating_add(digits));
    let point = std::str::from_utf8(text)
        .ok()
        .filter(|text| text.len() == digits)
        .and_then(|text| u32::from_str_radix(text, 16).ok());
    let character = point
        .map(|point| char::from_u32(point).unwrap_or(char::REPLACEMENT_CHARACTER))
        .ok_or("an escape is none of YAML's")?;
    content.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(from.saturating_add(digits))
}

/// Lines of a quoted scalar are one, with a blank between.
fn folded(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    let mut here = 0;
    while here < content.len() {
        let next = run(content, here, |byte| byte != b'\n');
        out.extend_from_slice(part(content, here, next));
        here = run(content, next, |byte| matches!(byte, b'\n' | b' '));
        if !rest(content, next).is_empty() {
            out.push(b' ');
        }
    }
    out
}
