//! How a child's end reads as a part's outcome. Decides nothing about the children.

use crate::capture::Part;
use crate::capture::children::{End, Ended};
use crate::console::plain_line;
use breakglass_protocol::PartOutcome;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// One part, as it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Captured {
    /// Its name: `qmp`, `screen`, `guest-agent`, `threads`, `backtrace`, `cgroup`, `host`, `console`, `config`.
    pub(crate) part: String,
    /// How it went.
    pub(crate) outcome: PartOutcome,
    /// How long it took, in milliseconds.
    pub(crate) millis: u64,
    /// Its media type.
    pub(crate) media: String,
    /// What was captured; for a part that failed, the reason as text. Hostile: the guest may have forged it.
    pub(crate) bytes: Vec<u8>,
}

/// How the whole went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Where it is kept on this host, where it is.
    pub(crate) kept: Option<PathBuf>,
    /// How long the whole took, in milliseconds.
    pub(crate) millis: u64,
    /// What went wrong, one sentence each: parts left behind, why nothing was kept.
    pub(crate) notes: Vec<String>,
}

/// How a part went, and a note where a person at the host should know of it.
pub(crate) fn of_part(part: Part, ended: Ended, notes: &mut Vec<String>) -> Captured {
    let Ended { end, millis, output, .. } = ended;
    let (outcome, reason) = match end {
        End::Exited(Some(0)) => (PartOutcome::Captured, None),
        End::Exited(Some(code)) => match PartEnd::from_code(code) {
            Some(end) => (end.outcome(), None),
            None => (PartOutcome::Failed, Some(format!("the capture ended with code {code}"))),
        },
        End::Exited(None) => (PartOutcome::Failed, Some("the capture was ended by a signal".to_owned())),
        End::TooMuch if part == Part::Screen => {
            (PartOutcome::Failed, Some("the image is larger than any screen".to_owned()))
        }
        End::TooMuch => (PartOutcome::Cut, None),
        End::Late(None) => {
            (PartOutcome::TimedOut, Some("did not end within its deadline and was stopped".to_owned()))
        }
        End::Late(Some(pid)) => {
            let note = format!("the capture of {} could not be stopped: {}", part.name(), whereabouts(pid));
            notes.push(note.clone());
            (PartOutcome::TimedOut, Some(note))
        }
        End::NotStarted(error) => {
            (PartOutcome::Failed, Some(format!("the capture could not be started: {error}")))
        }
    };
    // Half a JSON text or half an image is neither.
    let whole = matches!(outcome, PartOutcome::Captured) || (reason.is_none() && is_answer(outcome));
    let media = if whole { part.media() } else { "text/plain" };
    let bytes = match reason {
        Some(reason) if part.media() == "text/plain" && !output.is_empty() => {
            [output, format!("\n[{reason}]\n").into_bytes()].concat()
        }
        Some(reason) => reason.into_bytes(),
        None => output,
    };
    Captured { part: part.name().to_owned(), outcome, millis, media: media.to_owned(), bytes }
}

/// Outcomes in which the part itself wrote a complete answer in its own media type.
const fn is_answer(outcome: PartOutcome) -> bool {
    matches!(outcome, PartOutcome::TimedOut | PartOutcome::Cut)
}

/// Where the capture is kept, or a note why it is not.
pub(crate) fn kept(ended: Ended, notes: &mut Vec<String>) -> Option<PathBuf> {
    let said = plain_line(&ended.output);
    let why = match ended.end {
        End::Exited(Some(0)) => return Some(PathBuf::from(said)),
        End::Exited(_) | End::TooMuch => said,
        End::Late(None) => "the disk did not take it in time".to_owned(),
        End::Late(Some(pid)) => format!("the disk hangs: {}", whereabouts(pid)),
        End::NotStarted(error) => error,
    };
    notes.push(format!("the capture is not kept on this host: {why}"));
    None
}

/// Names a process that is left behind, so that a person can find it.
fn whereabouts(pid: u32) -> String {
    let waits = std::fs::read(format!("/proc/{pid}/wchan")).map(|text| plain_line(&text)).unwrap_or_default();
    let at = if waits.is_empty() || waits == "0" { String::new() } else { format!(" in {waits}") };
    format!(
        "process {pid} waits in the kernel{at} and is left behind; it holds no lock and no line of the guard"
    )
}

/// How a part says that it ended, as its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PartEnd {
    /// Captured whole.
    Captured = 0,
    /// What it needs is not on this host; its output says what.
    NotHere = 3,
    /// It failed; its output says why.
    Failed = 4,
    /// What it asked did not answer in time; its output is what is known nevertheless.
    TimedOut = 5,
    /// Captured up to the size limit.
    Cut = 6,
}

impl PartEnd {
    const fn from_code(code: i32) -> Option<Self> {
        match code {
            0 => Some(Self::Captured),
            3 => Some(Self::NotHere),
            4 => Some(Self::Failed),
            5 => Some(Self::TimedOut),
            6 => Some(Self::Cut),
            _ => None,
        }
    }

    const fn outcome(self) -> PartOutcome {
        match self {
            Self::Captured => PartOutcome::Captured,
            Self::NotHere => PartOutcome::NotHere,
            Self::Failed => PartOutcome::Failed,
            Self::TimedOut => PartOutcome::TimedOut,
            Self::Cut => PartOutcome::Cut,
        }
    }
}
