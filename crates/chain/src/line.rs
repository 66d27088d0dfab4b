//! Sealing one line, and reading back where a chain stands. Writing the line to a file is the caller's.

use crate::{GENESIS, Hash, digest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Where a chain stands: number and hash of its newest line. Shown and parsed as `42:9f86d0…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tip {
    /// Number of the newest line; 0 in an empty chain.
    pub seq: u64,
    /// Its hash; [`GENESIS`] in an empty chain.
    pub hash: Hash,
}

/// Why an entry could not be sealed. Both are mistakes of the caller's types, not of the disk.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The entry could not be rendered.
    #[error("the entry cannot be rendered as JSON")]
    Render {
        /// What the renderer said.
        #[source]
        source: serde_json::Error,
    },
    /// The entry is not an object, or has a field `seq` or `prev` itself.
    #[error("the entry is not a JSON object without fields named `seq` and `prev`: {text}")]
    Shape {
        /// Its beginning, escaped.
        text: String,
    },
}

/// The text is not of the form `SEQ:HASH`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not the head of a chain: a number, a colon and 64 hexadecimal digits, as in `42:9f86d0...`"
)]
pub struct ParseTipError {
    /// What was read instead, escaped and cut.
    pub text: String,
}

/// The entry that marks what a chain could not keep. Seal it like any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Always `gap`.
    #[serde(rename = "type")]
    kind: GapWord,
    /// When the chain could be written again, RFC 3339 in UTC.
    pub time: String,
    /// When the first line was lost, where known.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub since: Option<String>,
    /// How many lines were lost.
    pub missing: u64,
    /// Why, in a sentence fragment.
    pub reason: String,
    /// The hash of the torn line that stands before this one, where a crash left one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub torn: Option<Hash>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum GapWord {
    Gap,
}

impl Gap {
    /// Lines that were lost while the chain could not be written.
    #[must_use]
    pub fn lost(time: String, since: Option<String>, missing: u64, reason: String) -> Self {
        Self { kind: GapWord::Gap, time, since, missing, reason, torn: None }
    }

    /// A line that a crash tore: `fragment` is what the file ends with, without a line feed. The caller writes one line feed before
    /// this line.
    #[must_use]
    pub fn torn(time: String, fragment: &[u8]) -> Self {
        let reason = format!("{} bytes of a line were written and not the rest", fragment.len());
        Self { kind: GapWord::Gap, time, since: None, missing: 1, reason, torn: Some(digest(fragment)) }
    }
}

/// The fields of a line that the chain itself looks at. A field that stands twice makes the line unreadable.
#[derive(Deserialize)]
pub(crate) struct Seal {
    pub(crate) seq: u64,
    pub(crate) prev: Hash,
    #[serde(rename = "type", default)]
    pub(crate) kind: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) missing: Option<serde_json::Value>,
    #[serde(default)]
    pub(crate) torn: Option<Hash>,
}

impl Seal {
    pub(crate) fn is_gap(&self) -> bool {
        self.kind.as_ref().and_then(serde_json::Value::as_str) == Some("gap")
    }
}

impl Tip {
    /// An empty chain.
    pub const EMPTY: Self = Self { seq: 0, hash: GENESIS };

    /// Seals the next line: the entry's fields, then `seq` and `prev`. Gives the line without its line feed, and where the
    /// chain stands once that line is written.
    ///
    /// # Errors
    /// Where the entry is not a JSON object or names one of its own fields `seq` or `prev`.
    pub fn seal<T: Serialize + ?Sized>(&self, entry: &T) -> Result<(String, Self), SealError> {
        let rendered = serde_json::to_string(entry).map_err(|source| SealError::Render { source })?;
        self.seal_rendered(rendered)
    }

    /// As [`Self::seal`], where the entry is rendered already.
    ///
    /// # Errors
    /// As [`Self::seal`].
    pub fn seal_rendered(&self, mut line: String) -> Result<(String, Self), SealError> {
        let seq = self.seq.saturating_add(1);
        let wrong = |line: &str| SealError::Shape {
            text: line.chars().take(80).collect::<String>().escape_debug().to_string(),
        };
        if !line.starts_with('{') || line.pop() != Some('}') {
            return Err(wrong(&line));
        }
        let comma = if line == "{" { "" } else { "," };
        line.push_str(&format!("{comma}\"seq\":{seq},\"prev\":\"{}\"}}", self.hash));
        // Read back what was just written: a field that stands twice would make the line unreadable for ever.
        let tip = Self::of_line(line.as_bytes()).ok_or_else(|| wrong(&line))?;
        Ok((line, tip))
    }

    /// Where a chain stands whose newest line is this one (without its line feed); `None` where it is no sealed line.
    /// This is how a writer goes on after a restart: it reads the last line of its file, not the whole of it.
    #[must_use]
    pub fn of_line(line: &[u8]) -> Option<Self> {
        let seal: Seal = serde_json::from_slice(line).ok()?;
        Some(Self { seq: seal.seq, hash: digest(line) })
    }
}

/// Where a writer goes on in a file that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resume {
    tip: Tip,
    fragment: Vec<u8>,
}

impl Resume {
    /// Looks at how a file ends: `end` is its last bytes, `whole` says that they are all of it. Two times [`crate::LINE_LIMIT`] of them are
    /// always enough. `None` where they hold no whole line that is sealed, so that nobody can say where the chain stands.
    #[must_use]
    pub fn at_end(end: &[u8], whole: bool) -> Option<Self> {
        let mut lines = end.rsplit(|byte| *byte == b'\n');
        let fragment = lines.next().unwrap_or_default();
        // Only the line feed is missing: the line itself holds and is the newest.
        if let Some(tip) = Tip::of_line(fragment) {
            return Some(Self { tip, fragment: fragment.to_vec() });
        }
        let tip = match lines.next() {
            Some(line) => Tip::of_line(line)?,
            None if whole => Tip::EMPTY,
            None => return None,
        };
        Some(Self { tip, fragment: fragment.to_vec() })
    }

    /// What to write before the next line, in one piece with it, and where the chain stands then: nothing after a file that
    /// ends well, else what ends the torn line and accounts for it. `time` is now, RFC 3339 in UTC.
    ///
    /// # Errors
    /// As [`Tip::seal`].
    pub fn lead(&self, time: &str) -> Result<(String, Tip), SealError> {
        if self.fragment.is_empty() {
            return Ok((String::new(), self.tip));
        }
        if Tip::of_line(&self.fragment) == Some(self.tip) {
            return Ok(("\n".to_owned(), self.tip));
        }
        let (gap, tip) = self.tip.seal(&Gap::torn(time.to_owned(), &self.fragment))?;
        Ok((format!("\n{gap}\n"), tip))
    }
}

/// Seals a line after the one whose hash is `prev` for a caller that keeps the number itself.
/// [`Tip::seal`] is the same with less to hold.
///
/// # Errors
/// As [`Tip::seal`].
pub fn seal_line<T: Serialize + ?Sized>(
    prev: &Hash,
    seq: u64,
    entry: &T,
) -> Result<(String, Hash), SealError> {
    let before = Tip { seq: seq.saturating_sub(1), hash: *prev };
    before.seal(entry).map(|(line, tip)| (line, tip.hash))
}

impl fmt::Display for Tip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.hash)
    }
}

impl FromStr for Tip {
    type Err = ParseTipError;

    fn from_str(text: &str) -> Result<Self, ParseTipError> {
        let parts = text.trim().split_once(':');
        let tip =
            parts.and_then(|(seq, hash)| Some(Self { seq: seq.parse().ok()?, hash: hash.parse().ok()? }));
        tip.ok_or_else(|| ParseTipError {
            text: text.chars().take(80).collect::<String>().escape_debug().to_string(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Serialize)]
    struct Entry {
        zebra: u8,
        apple: &'static str,
    }

    #[test]
    fn keeps_the_order_of_the_type_and_puts_the_seal_last() {
        let (line, tip) = Tip::EMPTY.seal(&Entry { zebra: 1, apple: "}\n" }).unwrap();
        let zeros = "0".repeat(64);
        assert_eq!(line, format!(r#"{{"zebra":1,"apple":"}}\n","seq":1,"prev":"{zeros}"}}"#));
        assert_eq!(tip, Tip { seq: 1, hash: digest(line.as_bytes()) });
        let (next, _) = tip.seal(&json!({})).unwrap();
        assert_eq!(next, format!(r#"{{"seq":2,"prev":"{}"}}"#, tip.hash));
        assert_eq!(seal_line(&tip.hash, 2, &json!({})).unwrap().0, next);
    }

    #[test]
    fn refuses_an_entry_that_could_not_be_read_back() {
        for entry in [json!([1]), json!("x"), json!(null), json!({"seq": 1}), json!({"prev": "x"})] {
            assert!(matches!(Tip::EMPTY.seal(&entry), Err(SealError::Shape { .. })), "{entry}");
        }
    }

    #[test]
    fn a_writer_goes_on_wherever_a_crash_cut_the_last_line() {
        let (first, tip) = Tip::EMPTY.seal(&json!({"request": "status"})).unwrap();
        let (second, _) = tip.seal(&json!({"request": "cycle"})).unwrap();
        let file = format!("{first}\n{second}\n");
        for cut in 0..=file.len() {
            let resume = Resume::at_end(&file.as_bytes()[..cut], true).unwrap();
            let (lead, tip) = resume.lead("2026-11-22T03:08:40.125Z").unwrap();
            let (next, _) = tip.seal(&json!({"request": "stop"})).unwrap();
            let healed = format!("{}{lead}{next}\n", &file[..cut]);
            let head = crate::verify_lines(healed.as_bytes()).unwrap();
            assert_eq!(head.hash, digest(next.as_bytes()), "cut at {cut}");
        }
        assert_eq!(Resume::at_end(b"no chain\n", true), None);
        assert_eq!(Resume::at_end(b"the middle of a line", false), None);
    }

    #[test]
    fn a_tip_survives_paper() {
        let tip = Tip { seq: 42, hash: digest(b"x") };
        assert_eq!(format!("{tip}\n").parse::<Tip>(), Ok(tip));
        for text in ["", "42", "42:", ":00", "-1:00"] {
            assert!(text.parse::<Tip>().is_err(), "{text}");
        }
    }
}
