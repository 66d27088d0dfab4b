//! Walking a chain from its first line to its last, in bounded memory, and saying which line is damaged and how.

use crate::line::Seal;
use crate::{Hash, Tip, digest};
use std::fmt;
use std::io::{BufRead, Read as _};

/// The longest line that is read, in bytes, unless said otherwise: far above any entry, far below any memory.
pub const LINE_LIMIT: usize = 1 << 20;

/// What a chain that holds looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// Lines that were read, gaps and torn ones included.
    pub lines: u64,
    /// Number of the newest line.
    pub seq: u64,
    /// Its hash.
    pub hash: Hash,
    /// Gap lines among them.
    pub gaps: u64,
    /// How many lines the gaps say were lost.
    pub missing: u64,
}

impl Head {
    /// What to export, so that a later cut of the tail is noticed.
    #[must_use]
    pub const fn tip(&self) -> Tip {
        Tip { seq: self.seq, hash: self.hash }
    }
}

/// How a chain is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Damage {
    /// The line's bytes are not those that were sealed.
    Edited,
    /// The line stands at another place than it was written to, or stands twice.
    Reordered,
    /// Lines that must stand before this one are gone.
    Missing,
    /// The chain ends before the line that an exported head names.
    Truncated,
    /// The last line has no line feed: a crash tore it, or it is being written right now.
    TornLastLine,
    /// The line is no sealed JSON object, or too long, or could not be read.
    Unreadable,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edited => "edited",
            Self::Reordered => "reordered",
            Self::Missing => "lines missing",
            Self::Truncated => "truncated",
            Self::TornLastLine => "torn last line",
            Self::Unreadable => "unreadable",
        })
    }
}

/// The first damage that was found. All lines before it hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}: {detail}; the {} before it hold", .sound.lines)]
pub struct Broken {
    /// Its line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub what: Damage,
    /// What was seen, in a sentence fragment.
    pub detail: String,
    /// The part before it, which holds.
    pub sound: Head,
}

/// What to check a chain against.
#[derive(Debug, Clone, Copy)]
pub struct Verify {
    /// Where the chain stood before its first line; [`Tip::EMPTY`] unless older lines were moved elsewhere.
    pub start: Tip,
    /// A head that was exported earlier. The chain must contain it.
    pub expected: Option<Tip>,
    /// The longest line that is read, in bytes.
    pub line_limit: usize,
}

impl Default for Verify {
    fn default() -> Self {
        Self { start: Tip::EMPTY, expected: None, line_limit: LINE_LIMIT }
    }
}

/// Verifies a whole chain from its beginning. What [`Verify`] adds: an expected head, a start that is not the beginning.
///
/// # Errors
/// The first damage.
pub fn verify_lines(reader: impl BufRead) -> Result<Head, Broken> {
    Verify::default().lines(reader)
}

impl Verify {
    /// Reads all lines and gives the head, or the first damage.
    ///
    /// # Errors
    /// The first damage.
    pub fn lines(&self, reader: impl BufRead) -> Result<Head, Broken> {
        let mut lines = Lines { reader, number: 0, limit: self.line_limit };
        let mut head = Head { lines: 0, seq: self.start.seq, hash: self.start.hash, gaps: 0, missing: 0 };
        self.check_expected(&head, 0)?;
        let mut torn: Option<(Vec<u8>, String)> = None;
        let mut newest_whole = 1;
        loop {
            let (line, ended) = match lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(detail) => return Err(head.broken(lines.number, Damage::Unreadable, detail)),
            };
            let seal: Seal = match serde_json::from_slice(&line) {
                Ok(seal) if ended => seal,
                Ok(_) => return Err(head.torn(lines.number)),
                Err(_) if !ended => return Err(head.torn(lines.number)),
                Err(error) => match torn {
                    Some((_, detail)) => {
                        return Err(head.broken(lines.number - 1, Damage::Unreadable, detail));
                    }
                    None => {
                        torn = Some((line, error.to_string()));
                        continue;
                    }
                },
            };
            if let Some((fragment, detail)) = torn.take() {
                if !(seal.is_gap() && seal.torn == Some(digest(&fragment))) {
                    return Err(head.broken(lines.number - 1, Damage::Unreadable, detail));
                }
                head.lines += 1;
            }
            if let Some((what, detail)) = head.damage(&seal, &mut lines) {
                let number = if what == Damage::Edited { newest_whole } else { head.lines + 1 };
                return Err(head.broken(number, what, detail));
            }
            head.extend(&line, &seal);
            newest_whole = lines.number;
            self.check_expected(&head, lines.number)?;
        }
        if let Some((_, detail)) = torn {
            return Err(head.broken(lines.number, Damage::Unreadable, detail));
        }
        match self.expected {
            Some(expected) if expected.seq > head.seq => {
                let detail =
                    format!("the chain ends with {}, the exported head is {}", head.seq, expected.seq);
                Err(head.broken(lines.number + 1, Damage::Truncated, detail))
            }
            _ => Ok(head),
        }
    }

    fn check_expected(&self, head: &Head, line: u64) -> Result<(), Broken> {
        match self.expected {
            Some(expected) if expected.seq == head.seq && expected.hash != head.hash => {
                let detail = format!("its hash is {}, the exported head says {}", head.hash, expected.hash);
                Err(head.broken(line, Damage::Edited, detail))
            }
            _ => Ok(()),
        }
    }
}

impl Head {
    fn broken(&self, line: u64, what: Damage, detail: String) -> Broken {
        Broken { line, what, detail, sound: *self }
    }

    fn torn(&self, line: u64) -> Broken {
        self.broken(line, Damage::TornLastLine, "it does not end with a line feed".to_owned())
    }

    /// What is wrong with the next line, if anything. Where lines seem to be missing the rest is searched for them, so that two that
    /// were swapped are called that.
    fn damage(&self, seal: &Seal, rest: &mut Lines<impl BufRead>) -> Option<(Damage, String)> {
        let due = self.seq.saturating_add(1);
        if seal.seq < due {
            return Some((Damage::Reordered, format!("its number is {}, {due} was due", seal.seq)));
        }
        if seal.seq > due {
            let detail = format!("its number is {}, {due} was due", seal.seq);
            return Some((if rest.contains(due) { Damage::Reordered } else { Damage::Missing }, detail));
        }
        if seal.prev != self.hash {
            return Some((
                Damage::Edited,
                format!("its hash is {}, the line after it says {}", self.hash, seal.prev),
            ));
        }
        None
    }

    fn extend(&mut self, line: &[u8], seal: &Seal) {
        self.lines += 1;
        self.seq = seal.seq;
        self.hash = digest(line);
        if seal.is_gap() {
            self.gaps += 1;
            self.missing += seal.missing.as_ref().and_then(serde_json::Value::as_u64).unwrap_or(0);
        }
    }
}

/// Lines of bounded length.
struct Lines<R> {
    reader: R,
    number: u64,
    limit: usize,
}

impl<R: BufRead> Lines<R> {
    /// The next line without its line feed, and whether it had one.
    fn next(&mut self) -> Result<Option<(Vec<u8>, bool)>, String> {
        let mut line = Vec::new();
        let most = u64::try_from(self.limit).unwrap_or(u64::MAX).saturating_add(1);
        let read = self.reader.by_ref().take(most).read_until(b'\n', &mut line);
        self.number += 1;
        match read {
            Err(error) => Err(format!("it could not be read: {error}")),
            Ok(0) => {
                self.number -= 1;
                Ok(None)
            }
            Ok(_) if line.last() == Some(&b'\n') => {
                line.pop();
                Ok(Some((line, true)))
            }
            Ok(_) if line.len() > self.limit => Err(format!("it is longer than {} bytes", self.limit)),
            Ok(_) => Ok(Some((line, false))),
        }
    }

    fn contains(&mut self, seq: u64) -> bool {
        while let Ok(Some((line, _))) = self.next() {
            if serde_json::from_slice::<Seal>(&line).is_ok_and(|seal| seal.seq == seq) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Gap;
    use serde_json::json;

    fn chain(length: u64) -> Vec<String> {
        let mut tip = Tip::EMPTY;
        (0..length)
            .map(|n| {
                let (line, next) = tip.seal(&json!({"request": format!("status {n}")})).unwrap();
                tip = next;
                line
            })
            .collect()
    }

    fn text(lines: &[String]) -> String {
        lines.iter().map(|line| format!("{line}\n")).collect()
    }

    fn damage(lines: &[String]) -> (u64, Damage) {
        let broken = verify_lines(text(lines).as_bytes()).unwrap_err();
        assert_eq!(
            broken.sound.seq.min(broken.line),
            broken.sound.seq,
            "what is called sound stands before the damage"
        );
        (broken.line, broken.what)
    }

    #[test]
    fn a_chain_that_was_left_alone_holds() {
        assert_eq!(verify_lines(&b""[..]).unwrap().tip(), Tip::EMPTY);
        let lines = chain(50);
        let head = verify_lines(text(&lines).as_bytes()).unwrap();
        assert_eq!((head.lines, head.seq, head.gaps), (50, 50, 0));
        assert_eq!(head.hash, digest(lines[49].as_bytes()));
        assert_eq!(Tip::of_line(lines[49].as_bytes()), Some(head.tip()));
    }

    #[test]
    fn every_single_edit_swap_and_loss_is_found_where_it_happened() {
        let lines = chain(12);
        for at in 0..11 {
            let number = at as u64 + 1;
            let mut edited = lines.clone();
            edited[at] = edited[at].replace("status", "resets");
            assert_eq!(damage(&edited), (number, Damage::Edited));
            let mut swapped = lines.clone();
            swapped.swap(at, at + 1);
            assert_eq!(damage(&swapped), (number, Damage::Reordered));
            let mut short = lines.clone();
            short.remove(at);
            assert_eq!(damage(&short), (number, Damage::Missing));
            let mut twice = lines.clone();
            twice.insert(at, lines[at].clone());
            assert_eq!(damage(&twice), (number + 1, Damage::Reordered));
            let mut unreadable = lines.clone();
            unreadable[at] = "{]".to_owned();
            assert_eq!(damage(&unreadable), (number, Damage::Unreadable));
        }
    }

    #[test]
    fn every_changed_byte_is_found() {
        let lines = chain(3);
        let head = verify_lines(text(&lines).as_bytes()).unwrap();
        let whole = text(&lines).into_bytes();
        for at in 0..whole.len() {
            for flip in [1, 0x20, 0x80] {
                let mut bytes = whole.clone();
                bytes[at] ^= flip;
                let verify = Verify { expected: Some(head.tip()), ..Verify::default() };
                assert!(
                    verify.lines(bytes.as_slice()).is_err(),
                    "byte {at} changed by {flip:#x} and nobody saw"
                );
            }
        }
    }

    #[test]
    fn a_lost_tail_and_an_edited_last_line_show_only_against_an_exported_head() {
        let lines = chain(5);
        let head = verify_lines(text(&lines).as_bytes()).unwrap().tip();
        let verify = Verify { expected: Some(head), ..Verify::default() };
        assert!(verify_lines(text(&lines[..3]).as_bytes()).is_ok());
        let broken = verify.lines(text(&lines[..3]).as_bytes()).unwrap_err();
        assert_eq!((broken.line, broken.what), (4, Damage::Truncated));
        let mut edited = lines.clone();
        edited[4] = edited[4].replace("status", "resets");
        assert!(verify_lines(text(&edited).as_bytes()).is_ok());
        let broken = verify.lines(text(&edited).as_bytes()).unwrap_err();
        assert_eq!((broken.line, broken.what), (5, Damage::Edited));
        let later =
            Verify { expected: Some(Tip::of_line(lines[2].as_bytes()).unwrap()), ..Verify::default() };
        assert!(later.lines(text(&lines).as_bytes()).is_ok(), "an older head is inside a longer chain");
    }

    #[test]
    fn a_rotated_chain_is_verified_from_where_it_was_cut() {
        let lines = chain(6);
        assert_eq!(damage(&lines[3..]), (1, Damage::Missing));
        let start = Tip::of_line(lines[2].as_bytes()).unwrap();
        let verify = Verify { start, ..Verify::default() };
        assert_eq!(verify.lines(text(&lines[3..]).as_bytes()).unwrap().seq, 6);
    }

    #[test]
    fn gaps_are_links_and_are_counted() {
        let mut lines = chain(2);
        let tip = Tip::of_line(lines[1].as_bytes()).unwrap();
        let gap = Gap::lost("2026-11-22T03:08:40.125Z".to_owned(), None, 7, "disk full".to_owned());
        lines.push(tip.seal(&gap).unwrap().0);
        let head = verify_lines(text(&lines).as_bytes()).unwrap();
        assert_eq!((head.lines, head.gaps, head.missing), (3, 1, 7));
    }

    #[test]
    fn a_torn_line_is_reported_and_heals_behind_a_gap_that_names_it() {
        let lines = chain(2);
        let mut file = text(&lines);
        let fragment = r#"{"request":"cy"#;
        file.push_str(fragment);
        let broken = verify_lines(file.as_bytes()).unwrap_err();
        assert_eq!((broken.line, broken.what, broken.sound.seq), (3, Damage::TornLastLine, 2));

        let tip = broken.sound.tip();
        let (gap, after) =
            tip.seal(&Gap::torn("2026-11-22T03:08:40.125Z".to_owned(), fragment.as_bytes())).unwrap();
        file.push_str(&format!("\n{gap}\n{}\n", after.seal(&json!({"request": "status"})).unwrap().0));
        let head = verify_lines(file.as_bytes()).unwrap();
        assert_eq!((head.lines, head.seq, head.gaps, head.missing), (5, 4, 1, 1));

        let forged = file.replace("\"cy\n", "\"no\n");
        assert_eq!(verify_lines(forged.as_bytes()).unwrap_err().what, Damage::Unreadable);
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let endless = std::io::BufReader::new(std::io::repeat(b'x'));
        let broken = verify_lines(endless).unwrap_err();
        assert_eq!((broken.line, broken.what), (1, Damage::Unreadable));
    }
}
