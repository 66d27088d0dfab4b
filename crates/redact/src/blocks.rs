//! What spans lines: private keys, block scalars under a name that promises a secret, `name:` above `value:`.

use crate::bytes::{at, content_start, find, is_base64, is_blank, is_ident, part, rest, run, skip_blanks};
use crate::keys::{self, Weight};
use crate::line;
use crate::marker;
use crate::scan::Setting;

/// Lines of others between those of a private key, as a busy log has them, before it is taken for cut off.
const STRAYS: u8 = 8;

/// A private key that is open: so many lines in a row were not its own, and so many words stood before its first line.
#[derive(Debug, Clone, Copy)]
struct Key {
    strays: u8,
    words: usize,
}

/// The lines below a name that promises a secret, deeper than it.
#[derive(Debug, Clone, Copy)]
struct Block {
    indent: usize,
    first: bool,
    scalar: bool,
}

/// Reads line after line. What it remembers of a line is what that looks like without its secrets, so that a second reader
/// remembers the same.
#[derive(Debug, Default)]
pub(crate) struct Blocks {
    key: Option<Key>,
    block: Option<Block>,
    public: bool,
    /// Lines for which `value:` is still the one of a `name:` above.
    named: u8,
}

impl Blocks {
    /// Takes a whole line and appends what may be shown of it, with its line feed if it has one.
    pub(crate) fn line(&mut self, text: &[u8], feed: bool, out: &mut Vec<u8>) {
        let Some(text) = self.key_line(text) else { return };
        if self.block_line(text, out) {
            return;
        }
        self.ordinary(text, out);
        if feed {
            out.push(b'\n');
        }
    }

    /// A line outside of everything, or of another program between those of a key.
    fn ordinary(&mut self, text: &[u8], out: &mut Vec<u8>) {
        let setting = Setting { arguments: false, public: self.public, named: self.named > 0 };
        let mark = out.len();
        let read = line::redact(text, setting, out);
        let shown = rest(out, mark);
        self.public = read.outlook.public || self.public && find(shown, 0, b"END ").is_none();
        self.named = match read.outlook.named {
            Some(true) => 3,
            Some(false) => 0,
            None => self.named.saturating_sub(1),
        };
        self.block = opening(shown);
        if read.open_key {
            let before = find(text, 0, b"----").unwrap_or(0);
            self.key = Some(Key { strays: 0, words: words(part(text, 0, before)) });
        }
    }

    /// A line while a private key may be open: `None` where it belongs to the key, else what may be shown of it.
    fn key_line<'a>(&mut self, text: &'a [u8]) -> Option<&'a [u8]> {
        let Some(Key { strays, words }) = self.key else { return Some(text) };
        if let Some(end) = find(text, 0, b"----END ").or_else(|| find(text, 0, b"---- END ")) {
            let close = find(text, end.saturating_add(6), b"----").unwrap_or(text.len());
            self.key = None;
            let tail = rest(text, run(text, close, |byte| byte == b'-'));
            return (!tail.iter().all(|byte| is_blank(*byte))).then_some(tail);
        }
        if find(text, 0, b"----BEGIN ").is_none() && is_key_material(text, words) {
            self.key = Some(Key { strays: 0, words });
            return None;
        }
        self.key = (strays < STRAYS).then_some(Key { strays: strays.saturating_add(1), words });
        Some(text)
    }

    /// A line that may stand below a name that promises a secret: whether it is the secret.
    fn block_line(&mut self, text: &[u8], out: &mut Vec<u8>) -> bool {
        let Some(Block { indent, first, scalar }) = self.block else { return false };
        let blank = text.iter().all(|byte| is_blank(*byte));
        let own = run(text, 0, is_blank);
        let item = at(text, own) == b'-' && at(text, own.saturating_add(1)) == b' ';
        let inside = blank || own > indent || item && own == indent && !scalar;
        if !inside || !scalar && !blank && !is_value(text, own, item) {
            self.block = None;
            return false;
        }
        if first && !blank {
            self.block = Some(Block { indent, first: false, scalar });
            out.extend_from_slice(part(text, 0, content_start(text)));
            marker::write(marker::SECRET, out);
            out.push(b'\n');
        }
        true
    }
}

/// Whether a line under a bare name is a value, not a mapping or a reference.
fn is_value(text: &[u8], own: usize, item: bool) -> bool {
    let start = if item { skip_blanks(text, own.saturating_add(1)) } else { own };
    let word = run(text, start, is_ident);
    let mapping = word > start
        && at(text, word) == b':'
        && (at(text, word.saturating_add(1)) == b' ' || word.saturating_add(1) >= text.len());
    !mapping
        && (item || run(text, start, |byte| !is_blank(byte)) >= text.len())
        && !matches!(at(text, start), b'{' | b'$' | b'*' | b'&' | b'<')
}

/// `password: |`, or `password:` with nothing after it.
fn opening(text: &[u8]) -> Option<Block> {
    let start = content_start(text);
    let quoted = usize::from(matches!(at(text, start), b'"' | b'\''));
    let name_start = start.saturating_add(quoted);
    let name_end = run(text, name_start, is_ident);
    let colon = name_end.saturating_add(quoted);
    if at(text, colon) != b':' || name_end == name_start {
        return None;
    }
    let value = skip_blanks(text, colon.saturating_add(1));
    let head = rest(text, value);
    let scalar = matches!(at(head, 0), b'|' | b'>')
        && head.iter().skip(1).all(|byte| matches!(byte, b'-' | b'+' | b'0'..=b'9' | b' '));
    let bare = head.is_empty() && colon.saturating_add(1) == text.len();
    let indent = run(text, 0, is_blank);
    let strong = || {
        let name = part(text, name_start, name_end);
        keys::classify(name).is_some_and(|key| key.weight == Weight::Strong)
            || scalar
                && (name.ends_with(b".key")
                    || name.ends_with(b"-key")
                    || name.ends_with(b"_key")
                    || name.ends_with(b".pem") && !name.ends_with(b"cert.pem"))
    };
    let indent = if scalar { indent } else { start };
    ((scalar || bare) && strong()).then_some(Block { indent, first: true, scalar })
}

/// Whether a line is one of a private key: base64 after at most as many words as stood before the key's first line.
fn is_key_material(text: &[u8], words_before: usize) -> bool {
    let end = text.len().saturating_sub(
        text.iter()
            .rev()
            .take_while(|byte| matches!(**byte, b' ' | b'\t' | b'"' | b'\'' | b',' | b'\\' | b'n'))
            .count(),
    );
    let body = part(text, 0, text.len().max(end));
    let trimmed: &[u8] = body.trim_ascii();
    let last = trimmed.rsplit(|byte| is_blank(*byte)).next().unwrap_or_default();
    let bare = last.strip_suffix(b",").unwrap_or(last);
    let bare = bare.strip_suffix(b"\"").unwrap_or(bare);
    let bare = bare.strip_suffix(b"\\n").unwrap_or(bare);
    let bare = bare.strip_prefix(b"\"").unwrap_or(bare);
    let base64 = !bare.is_empty() && bare.iter().all(|byte| is_base64(*byte));
    let count = words(trimmed);
    let headers = [
        &b"Proc-Type"[..],
        b"DEK-Info",
        b"Version:",
        b"Comment:",
        b"Private-Lines",
        b"Private-MAC",
        b"Encryption:",
    ];
    trimmed.is_empty()
        || base64 && (bare.len() >= 40 || count == words_before.saturating_add(1))
        || headers.iter().any(|header| find(trimmed, 0, header).is_some())
        || count == words_before && words_before > 0 && trimmed.ends_with(b":")
}

fn words(text: &[u8]) -> usize {
    text.split(|byte| is_blank(*byte)).filter(|word| !word.is_empty()).count()
}
