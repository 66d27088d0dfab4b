//! What broker and door say to each other over their socket: frames of a kind, a length and bytes; the last one says how
//! it ended.

use crate::diag::run::{End, Gone, Why};

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::diag) enum Kind {
    Answer = 1,
    Errors = 2,
    End = 3,
}

/// Bytes before those of a frame.
pub(super) const HEADER: usize = 5;
/// No frame is longer.
pub(super) const LONGEST: usize = 1 << 20;

pub(in crate::diag) fn header(kind: Kind, length: usize) -> [u8; HEADER] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Kind and length.
pub(super) fn read_header(bytes: [u8; HEADER]) -> Option<(Kind, usize)> {
    let [kind, a, b, c, d] = bytes;
    let kind = match kind {
        1 => Kind::Answer,
        2 => Kind::Errors,
        3 => Kind::End,
        _ => return None,
    };
    let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
    (length <= LONGEST).then_some((kind, length))
}

/// An end as a word and what belongs to it.
pub(super) fn render(end: &End) -> String {
    let gone = |gone: &Gone| match gone {
        Gone::Seen => String::new(),
        Gone::NotSeen(what) => what.clone(),
    };
    match end {
        End::Exited(code) => format!("exited {code}"),
        End::Refused(refusal) => format!("refused {}", serde_json::to_string(refusal).unwrap_or_default()),
        End::NotHere => "not-here ".to_owned(),
        End::NotStarted(why) => format!("not-started {why}"),
        End::Enough => "exited 0".to_owned(),
        End::Ended(Why::Deadline, it) => format!("deadline {}", gone(it)),
        End::Ended(Why::TooMuch, it) => format!("too-much {}", gone(it)),
        End::Ended(Why::NobodyReads, it) => format!("nobody-reads {}", gone(it)),
    }
}

/// The same read back.
pub(super) fn read(text: &str) -> Option<End> {
    let (word, rest) = text.split_once(' ')?;
    let gone = || if rest.is_empty() { Gone::Seen } else { Gone::NotSeen(rest.to_owned()) };
    Some(match word {
        "exited" => End::Exited(rest.parse().ok()?),
        "refused" => End::Refused(serde_json::from_str(rest).ok()?),
        "not-here" => End::NotHere,
        "not-started" => End::NotStarted(rest.to_owned()),
        "deadline" => End::Ended(Why::Deadline, gone()),
        "too-much" => End::Ended(Why::TooMuch, gone()),
        "nobody-reads" => End::Ended(Why::NobodyReads, gone()),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_protocol::{Refusal, Rule};

    #[test]
    fn every_end_arrives_as_it_was() {
        let refusal = Refusal { rule: Rule::Option, reason: "a \"b\"".into(), hint: "c d".into() };
        for end in [
            End::Exited(3),
            End::Refused(refusal),
            End::NotHere,
            End::NotStarted("x y".into()),
            End::Ended(Why::Deadline, Gone::Seen),
            End::Ended(Why::TooMuch, Gone::NotSeen("process 7 in state D".into())),
            End::Ended(Why::NobodyReads, Gone::Seen),
        ] {
            assert_eq!(read(&render(&end)), Some(end));
        }
        assert_eq!(read("exited 300"), None);
        assert_eq!(read("nonsense "), None);
    }

    #[test]
    fn a_header_of_another_kind_or_too_long_is_none() {
        assert_eq!(read_header(header(Kind::Errors, 77)), Some((Kind::Errors, 77)));
        assert_eq!(read_header([9, 0, 0, 0, 0]), None);
        assert_eq!(read_header(header(Kind::Answer, LONGEST + 1)), None);
    }
}
