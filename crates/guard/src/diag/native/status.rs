//! `stat`.

use super::calendar;
use super::facts::{device, kind_text, mode_text};
use super::files::{Run, harmless};
use super::sink::Sink;
use super::users::Names;
use crate::diag::places::{Last, Opened};
use rustix::fs::{FileType, StatxTimestamp};

const DEFAULT: &str = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %h\nAccess: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n";
const SPECIAL: &str = "  File: %N\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %-5h Device type: %Hr,%Lr\nAccess: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n";
const TERSE: &str = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o\n";

impl Run<'_> {
    pub(crate) fn stat(&mut self) {
        let parsed = self.parsed;
        let last = if parsed.has("--dereference") { Last::Followed } else { Last::Itself };
        let mut names = Names::default();
        for path in self.paths(&parsed.operands) {
            let opened = match self.places.open(&path, last) {
                Ok(opened) => opened,
                Err(trouble) => {
                    self.cannot(&path, trouble);
                    continue;
                }
            };
            let special = matches!(opened.kind(), FileType::CharacterDevice | FileType::BlockDevice);
            let (format, escapes) = match (parsed.value("--printf"), parsed.value("--format")) {
                (Some(format), _) => (format.to_owned(), true),
                (None, Some(format)) => (format!("{format}\n"), false),
                (None, None) if parsed.has("--terse") => (TERSE.to_owned(), false),
                (None, None) if special => (SPECIAL.to_owned(), false),
                (None, None) => (DEFAULT.to_owned(), false),
            };
            // Quoted where the line is for a program, bare where it is for a person.
            let bare = format.starts_with("  File");
            let text = filled(format.as_bytes(), escapes, &mut |letter, modifier| {
                value(letter, modifier, &path, &opened, bare, &mut names)
            });
            let _ = self.sink.push(&text);
            if self.sink.enough {
                return;
            }
        }
    }
}

/// Fills a format: `%`, flags, width, precision and a letter, which `value` knows, perhaps after `H` or `L`; escapes
/// where they are asked for.
pub(crate) fn filled(
    format: &[u8],
    escapes: bool,
    value: &mut dyn FnMut(u8, u8) -> Option<Vec<u8>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = format;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'\\' if escapes => rest = escape(after, &mut out),
            b'%' if after.first() == Some(&b'%') => {
                out.push(b'%');
                rest = after.get(1..).unwrap_or_default();
            }
            b'%' => {
                let flags = after.iter().take_while(|byte| b"-+ #0'".contains(byte)).count();
                let (flags, after) = after.split_at(flags);
                let (width, after) = digits(after);
                let (precision, after) = after.strip_prefix(b".").map_or((None, after), |after| {
                    let (precision, after) = digits(after);
                    (Some(precision), after)
                });
                let (modifier, letter, after) = match after {
                    [modifier @ (b'H' | b'L'), letter @ (b'd' | b'r'), after @ ..] => {
                        (*modifier, *letter, after)
                    }
                    [letter, after @ ..] => (0, *letter, after),
                    [] => (0, 0, after),
                };
                let mut taken = 0;
                let mut text = value(letter, modifier);
                // `find` has letters behind some of its letters.
                if text.is_none()
                    && let Some(second) = after.first()
                {
                    text = value(letter, *second);
                    taken = usize::from(text.is_some());
                }
                let mut text = text.unwrap_or_else(|| b"?".to_vec());
                if let Some(precision) = precision {
                    text.truncate(precision);
                }
                let padding = width.min(4096).saturating_sub(text.len());
                let zero = flags.contains(&b'0') && !flags.contains(&b'-');
                let left = flags.contains(&b'-');
                let fill = std::iter::repeat_n(if zero { b'0' } else { b' ' }, padding);
                if left {
                    out.extend_from_slice(&text);
                    out.extend(fill);
                } else {
                    out.extend(fill);
                    out.extend_from_slice(&text);
                }
                rest = after.get(taken..).unwrap_or_default();
            }
            byte => out.push(*byte),
        }
    }
    out
}

fn digits(text: &[u8]) -> (usize, &[u8]) {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(count);
    (std::str::from_utf8(digits).ok().and_then(|text| text.parse().ok()).unwrap_or(0), rest)
}

fn escape<'format>(text: &'format [u8], out: &mut Vec<u8>) -> &'format [u8] {
    let Some((byte, after)) = text.split_first() else {
        out.push(b'\\');
        return text;
    };
    let plain = match byte {
        b'n' => b'\n',
        b't' => b'\t',
        b'0'..=b'7' => {
            let count = text.iter().take(3).take_while(|byte| (b'0'..=b'7').contains(*byte)).count();
            let value = text.iter().take(count).fold(0u32, |sum, byte| sum * 8 + u32::from(byte - b'0'));
            // Only what prints, and NUL for `xargs -0`: a format must not write escapes to a terminal.
            let value = u8::try_from(value).unwrap_or(b'?');
            out.push(if value == 0 || value == b'\n' || !value.is_ascii_control() { value } else { b'?' });
            return text.get(count..).unwrap_or_default();
        }
        b'\\' => b'\\',
        b'"' => b'"',
        _ => b'?',
    };
    out.push(plain);
    after
}

fn seconds(time: &StatxTimestamp) -> String {
    time.tv_sec.to_string()
}

fn value(
    letter: u8,
    modifier: u8,
    path: &[u8],
    opened: &Opened,
    bare: bool,
    names: &mut Names,
) -> Option<Vec<u8>> {
    let stat = &opened.stat;
    let born = stat.stx_mask & rustix::fs::StatxFlags::BTIME.bits() != 0;
    let text = match (letter, modifier) {
        (b'n', 0) => return Some(harmless(path)),
        (b'N', 0) => return Some(quoted(path, opened, bare)),
        (b'a', 0) => format!("{:o}", stat.stx_mode & 0o7777),
        (b'A', 0) => mode_text(stat),
        (b'b', 0) => stat.stx_blocks.to_string(),
        (b'B', 0) => "512".to_owned(),
        (b'd', 0) => device(stat.stx_dev_major, stat.stx_dev_minor).to_string(),
        (b'D', 0) => format!("{:x}", device(stat.stx_dev_major, stat.stx_dev_minor)),
        (b'd', b'H') => stat.stx_dev_major.to_string(),
        (b'd', b'L') => stat.stx_dev_minor.to_string(),
        (b'r', b'H') => stat.stx_rdev_major.to_string(),
        (b'r', b'L') => stat.stx_rdev_minor.to_string(),
        (b'r', 0) => device(stat.stx_rdev_major, stat.stx_rdev_minor).to_string(),
        (b'f', 0) => format!("{:x}", stat.stx_mode),
        (b'F', 0) => kind_text(stat).to_owned(),
        (b'g', 0) => stat.stx_gid.to_string(),
        (b'G', 0) => names.group(stat.stx_gid).unwrap_or("UNKNOWN").to_owned(),
        (b'u', 0) => stat.stx_uid.to_string(),
        (b'U', 0) => names.user(stat.stx_uid).unwrap_or("UNKNOWN").to_owned(),
        (b'h', 0) => stat.stx_nlink.to_string(),
        (b'i', 0) => stat.stx_ino.to_string(),
        (b'o', 0) => stat.stx_blksize.to_string(),
        (b's', 0) => stat.stx_size.to_string(),
        (b't', 0) => format!("{:x}", stat.stx_rdev_major),
        (b'T', 0) => format!("{:x}", stat.stx_rdev_minor),
        (b'w', 0) if !born => "-".to_owned(),
        (b'W', 0) if !born => "0".to_owned(),
        (b'w', 0) => calendar::full(&stat.stx_btime),
        (b'W', 0) => seconds(&stat.stx_btime),
        (b'x', 0) => calendar::full(&stat.stx_atime),
        (b'X', 0) => seconds(&stat.stx_atime),
        (b'y', 0) => calendar::full(&stat.stx_mtime),
        (b'Y', 0) => seconds(&stat.stx_mtime),
        (b'z', 0) => calendar::full(&stat.stx_ctime),
        (b'Z', 0) => seconds(&stat.stx_ctime),
        _ => return None,
    };
    Some(text.into_bytes())
}

fn quoted(path: &[u8], opened: &Opened, bare: bool) -> Vec<u8> {
    let quote =
        |name: &[u8]| if bare { harmless(name) } else { [b"'", harmless(name).as_slice(), b"'"].concat() };
    let mut text = quote(path);
    if opened.kind() == FileType::Symlink
        && let Ok(target) = opened.target()
    {
        text.extend_from_slice(b" -> ");
        text.extend(quote(&target));
    }
    text
}
