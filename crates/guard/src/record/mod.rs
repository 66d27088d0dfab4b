//! The record: one JSON line before the guard acts and one after, hash-chained, never in the way of a rescue.
//!
//! A disk that is full, read-only or hung loses no line in silence: the line goes to a bounded ring on the tmpfs of
//! `state_dir` and to syslog, the caller is told, and the chain marks the gap once the disk takes lines again.
//! The record is `guard.jsonl` for root and `guard-USER.jsonl` for any other account, since no account could write
//! into another's file and a chain has one writer.

mod append;
mod keeper;
mod ring;
mod syslog;
mod verify;

use breakglass_protocol::{OperationId, Outcome, Rule, Timestamp};
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use verify::{head, verify};

/// How long a line may take to reach the disk, its lock included.
const PATIENCE: Duration = Duration::from_millis(500);
/// Bytes of a request that are recorded; no allowed one has more than a hundred.
const REQUEST_CAP: usize = 400;

/// One line of the record, without its seal.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) time: Timestamp,
    pub(crate) user: String,
    /// The label of the door's key.
    pub(crate) key: String,
    /// The address that the request came from, as sshd told it.
    pub(crate) source: String,
    /// The request, escaped and capped.
    pub(crate) request: String,
    pub(crate) decision: Word,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<Rule>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<OperationId>,
    /// How it ended; absent in the line before the act.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    /// The exit code of a command that ended by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exit: Option<u8>,
}

/// The decision as a word.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Word {
    Allow,
    Deny,
}

/// Whether a line must be on the disk, or only on its way, before the guard goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durable {
    Yes,
    No,
}

/// What became of a line.
#[must_use]
#[derive(Debug)]
pub(crate) enum Kept {
    /// It stands in the record.
    Yes,
    /// It does not; why, and where it is instead.
    Elsewhere(String),
    /// It stands nowhere; why.
    Lost(String),
}

/// The record of one account on this host.
pub(crate) struct Record {
    place: Place,
    keeper: Option<keeper::Keeper>,
    /// After one line missed its deadline, the later ones of this process do not wait again.
    given_up: bool,
}

/// The paths that make up one record.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    /// The chained file.
    pub(crate) file: PathBuf,
    /// On the tmpfs: the ring, the remembered head and the marker of a writer that is stuck.
    pub(crate) state: PathBuf,
}

impl Record {
    /// The record of `user`; nothing is opened yet.
    pub(crate) fn new(record_dir: &Path, state_dir: &Path, user: &str) -> Self {
        let name = if user == "root" { "guard".to_owned() } else { format!("guard-{user}") };
        let place = Place {
            file: record_dir.join(format!("{name}.jsonl")),
            state: state_dir.join("record").join(name),
        };
        Self { place, keeper: None, given_up: false }
    }

    /// Adds a line. Returns within the deadline whatever the disk does.
    pub(crate) fn keep(&mut self, entry: &Entry, durable: Durable) -> Kept {
        let line = match serde_json::to_string(entry) {
            Ok(line) => line,
            Err(error) => return Kept::Lost(format!("it cannot be rendered: {error}")),
        };
        match self.write(&line, durable) {
            Ok(()) => Kept::Yes,
            Err(why) => self.elsewhere(&line, &why),
        }
    }

    fn write(&mut self, line: &str, durable: Durable) -> Result<(), String> {
        if self.given_up {
            return Err("the disk did not take the line before it".to_owned());
        }
        let answer = match &self.keeper {
            Some(keeper) => keeper.hand_over(line, durable).and_then(|()| keeper.answer(PATIENCE)),
            None => {
                if let Some(stuck) = keeper::stuck(&self.place) {
                    return Err(format!("an earlier write still hangs in process {stuck}"));
                }
                let keeper = keeper::Keeper::start(&self.place, line, durable)?;
                self.keeper.insert(keeper).answer(PATIENCE)
            }
        };
        answer.map_err(|failure| match failure {
            keeper::Failure::Refused(why) => why,
            keeper::Failure::Late => {
                self.given_up = true;
                if let Some(keeper) = self.keeper.take() {
                    keeper.abandon(&self.place);
                }
                format!("the disk did not take it within {} ms", PATIENCE.as_millis())
            }
        })
    }

    fn elsewhere(&self, line: &str, why: &str) -> Kept {
        let ring = ring::add(&self.place.state, line);
        let syslog = syslog::send(line);
        let file = self.place.file.display();
        Kept::Elsewhere(match (ring, syslog) {
            (Ok(()), true) => format!(
                "{why}; it is in the ring and in syslog, and goes into {file} when that can be written"
            ),
            (Ok(()), false) => {
                format!("{why}; it is in the ring, and goes into {file} when that can be written")
            }
            (Err(error), true) => format!("{why}; the ring failed too ({error}), it is in syslog only"),
            (Err(error), false) => {
                return Kept::Lost(format!(
                    "{why}; the ring failed too ({error}) and nothing listens for syslog: it is LOST"
                ));
            }
        })
    }
}

/// A request as it may stand in a record and in a sentence, without what is secret in it: whoever types a password into a request has it in no record.
pub(crate) fn redact_request(request: Option<&[u8]>) -> String {
    let bytes = request.unwrap_or_default();
    // Far more than is kept, so that a secret at the edge is whole when it is looked for.
    let head = bytes.get(..8 * REQUEST_CAP).unwrap_or(bytes);
    escape(&breakglass_redact::text(head), bytes.len())
}

/// Printable ASCII, capped, its true length named.
fn escape(bytes: &[u8], length: usize) -> String {
    let shown: String = bytes
        .iter()
        .take(REQUEST_CAP)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    let fits = shown.len() <= REQUEST_CAP && bytes.len() <= REQUEST_CAP && length <= 8 * REQUEST_CAP;
    if fits {
        shown
    } else {
        format!("{}[of {} bytes]", shown.get(..REQUEST_CAP - 24).unwrap_or_default(), length)
    }
}

/// Sends a line where no configuration can be believed, so that no record's place is known.
pub(crate) fn only_syslog(entry: &Entry) {
    if let Ok(line) = serde_json::to_string(entry) {
        syslog::send(&line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_escaped_and_capped() {
        assert_eq!(redact_request(Some(b"reset")), "reset");
        assert_eq!(escape(b"a\n\x1b[31m\xff\"", 8), "a\\n\\x1b[31m\\xff\\\"");
        for length in [400, 401, 131_000] {
            let shown = redact_request(Some(&vec![b'\n'; length]));
            assert!(shown.len() <= REQUEST_CAP && shown.is_ascii(), "{}", shown.len());
        }
        assert!(redact_request(Some(&[b'A'; 131_000])).ends_with("[of 131000 bytes]"));
    }
}
