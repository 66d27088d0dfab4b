//! Telling lines of a guest's serial console, as the hypervisor keeps it.
//!
//! The guest writes it, so every byte is hostile: the file is read bounded, stripped of what a terminal would obey,
//! and taken as a hint only. It concludes nothing; that is triage's.

use crate::sorted::sort_by;
use breakglass_protocol::{ConsoleSign, ConsoleSignKind, Timestamp};
use rustix::fs::{FileType, Mode, OFlags};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// How much of the log's end is read.
const WINDOW: u64 = 256 * 1024;
/// Characters of a line that are kept.
const LINE_LIMIT: usize = 200;

/// Words by which the kernel says it, each with what they tell. The first that a line holds decides.
const TELLING: [(&str, ConsoleSignKind); 17] = [
    ("Kernel panic - not syncing", ConsoleSignKind::Panic),
    ("Out of memory:", ConsoleSignKind::OutOfMemory),
    ("oom-kill", ConsoleSignKind::OutOfMemory),
    ("Memory cgroup out of memory", ConsoleSignKind::OutOfMemory),
    ("soft lockup", ConsoleSignKind::Lockup),
    ("hard LOCKUP", ConsoleSignKind::Lockup),
    ("self-detected stall", ConsoleSignKind::Lockup),
    ("detected stalls", ConsoleSignKind::Lockup),
    ("detected expedited stalls", ConsoleSignKind::Lockup),
    ("rcu: INFO:", ConsoleSignKind::Lockup),
    ("kthread starved for", ConsoleSignKind::Lockup),
    ("I/O error", ConsoleSignKind::DiskError),
    ("Remounting filesystem read-only", ConsoleSignKind::DiskError),
    ("remounted read-only", ConsoleSignKind::DiskError),
    ("EXT4-fs error", ConsoleSignKind::DiskError),
    ("forced readonly", ConsoleSignKind::DiskError),
    ("blocked for more than", ConsoleSignKind::HungTask),
];

/// Reads the end of the serial log at `path`: one entry for each kind of telling line after the last boot line,
/// the one whose newest line is newest last, and the log's size in bytes.
///
/// # Errors
/// What the operating system says, for a file that cannot be read or is no regular file.
pub(crate) fn read_signs(path: &Path, now: Timestamp) -> io::Result<(Vec<ConsoleSign>, u64)> {
    let (end, size, written) = read_end(path, WINDOW)?;
    Ok((signs(&end, now.millis_since(written) / 1000), size))
}

/// The last `window` bytes of a regular file, its size, and when it was last written. A cut first line is left out.
pub(crate) fn read_end(path: &Path, window: u64) -> io::Result<(Vec<u8>, u64, Timestamp)> {
    // Without O_NONBLOCK the open of a FIFO in its place would wait for ever.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::empty())?;
    let seen = rustix::fs::fstat(&file)?;
    if FileType::from_raw_mode(seen.st_mode) != FileType::RegularFile {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "is not a regular file"));
    }
    let size = u64::try_from(seen.st_size).unwrap_or(0);
    let from = size.saturating_sub(window);
    let mut end = vec![0_u8; usize::try_from(size - from).unwrap_or(0)];
    let length = read_at_most(&File::from(file), &mut end, from)?;
    end.truncate(length);
    if from > 0 {
        let cut = end.iter().position(|&b| b == b'\n').map_or(0, |at| at + 1);
        end.drain(..cut);
    }
    let millis = i64::from(seen.st_mtime_nsec as u32) / 1_000_000;
    Ok((end, size, Timestamp::from_unix_millis(seen.st_mtime.saturating_mul(1000).saturating_add(millis))))
}

fn read_at_most(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut filled = 0;
    while let Some(rest @ [_, ..]) = buffer.get_mut(filled..) {
        match file.read_at(rest, from + filled as u64) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A kind that was seen: its newest line so far.
struct Seen {
    sign: ConsoleSign,
    /// Microseconds after boot.
    stamp: Option<u64>,
    at_line: usize,
}

fn signs(log: &[u8], idle_seconds: u64) -> Vec<ConsoleSign> {
    let mut found: Vec<Seen> = Vec::new();
    let mut newest_stamp = None;
    let mut last_line = 0;
    for (at_line, raw) in log.split(|&b| b == b'\n').enumerate() {
        let line = plain_line(raw);
        if line.trim().is_empty() {
            continue;
        }
        last_line = at_line;
        let stamp = kernel_stamp(&line);
        let Some(kind) = kind_of(&line) else {
            newest_stamp = stamp.or(newest_stamp);
            continue;
        };
        if kind == ConsoleSignKind::Boot {
            // The clock of the boot before means nothing any more.
            found.clear();
            newest_stamp = None;
        }
        newest_stamp = stamp.or(newest_stamp);
        let count = match found.iter().position(|seen| seen.sign.kind == kind) {
            Some(at) => found.swap_remove(at).sign.count.saturating_add(1),
            None => 1,
        };
        let line = line.chars().take(LINE_LIMIT).collect();
        found.push(Seen { sign: ConsoleSign { kind, line, age_seconds: None, count }, stamp, at_line });
    }
    sort_by(&mut found, |a, b| a.at_line.cmp(&b.at_line));
    found
        .into_iter()
        .map(|mut seen| {
            seen.sign.age_seconds = match (seen.stamp, newest_stamp) {
                // Rounded down, and never negative: a forged stamp gives a wrong age and nothing worse.
                (Some(stamp), Some(newest)) => {
                    Some(idle_seconds.saturating_add(newest.saturating_sub(stamp) / 1_000_000))
                }
                _ if seen.at_line == last_line => Some(idle_seconds),
                _ => None,
            };
            seen.sign
        })
        .collect()
}

fn kind_of(line: &str) -> Option<ConsoleSignKind> {
    if line.contains("Linux version ") && !line.contains("Command line:") {
        return Some(ConsoleSignKind::Boot);
    }
    // The panic's closing line repeats its words.
    if line.contains("end Kernel panic") {
        return None;
    }
    TELLING.iter().find(|(words, _)| line.contains(words)).map(|&(_, kind)| kind)
}

/// The microseconds after boot of `[   12.345678] …`, with or without the level `<4>` before it.
fn kernel_stamp(line: &str) -> Option<u64> {
    let rest = line.trim_start();
    let rest = match rest.strip_prefix('<') {
        Some(level) => level.split_once('>')?.1,
        None => rest,
    };
    let inside = rest.strip_prefix('[')?.split_once(']')?.0.trim();
    let (seconds, fraction) = inside.split_once('.')?;
    let digits = |text: &str| (1..=12).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    (digits(seconds) && digits(fraction)).then(|| crate::decimal::scaled(inside, 6)).flatten()
}

/// One line as harmless text: no terminal escapes, no control characters, no invalid UTF-8.
pub(crate) fn plain_line(raw: &[u8]) -> String {
    plain_text(raw).replace(['\n', '\t'], " ").trim_end().to_owned()
}

/// Text as harmless text: as [`plain_line`], with line breaks and tabs kept.
pub(crate) fn plain_text(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw);
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '\u{1b}' => skip_escape(&mut rest),
            // The eight-bit form of ESC [.
            '\u{9b}' => skip_until_final(&mut rest),
            '\n' | '\t' => plain.push(next),
            _ if is_unprintable(next) => {}
            _ => plain.push(next),
        }
    }
    plain
}

/// Control characters, and those that reorder or hide text around them.
fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn skip_escape(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    match rest.peek() {
        Some('[') => {
            rest.next();
            skip_until_final(rest);
        }
        // Strings for the terminal (titles, links, …) end with BEL or ESC \; one that never ends stops at the line.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            while let Some(&c) = rest.peek() {
                if c == '\n' {
                    return;
                }
                rest.next();
                if c == '\u{7}' {
                    return;
                }
                if c == '\u{1b}' {
                    if rest.peek() == Some(&'\\') {
                        rest.next();
                    }
                    return;
                }
            }
        }
        // ESC with intermediates, such as a choice of character set, then one final character.
        Some(' '..='~') => {
            while let Some(' '..='/') = rest.peek() {
                rest.next();
            }
            if let Some('0'..='~') = rest.peek() {
                rest.next();
            }
        }
        _ => {}
    }
}

/// Past the parameters of a control sequence and its final character.
fn skip_until_final(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    while let Some(' '..='?') = rest.peek() {
        rest.next();
    }
    if let Some('@'..='~') = rest.peek() {
        rest.next();
    }
}

#[cfg(test)]
mod tests;
