//! The lines of machine output: one JSON object each, told apart by `type`.

use crate::{OperationId, Refusal, Status, Timestamp, Verb, VmName};
use serde::{Deserialize, Serialize};

/// A named step of a mutating operation. A kill of any party at any of these must leave the VM as the verb promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The operation has its id and completes from here on, whoever goes away.
    Accepted,
    /// Forensics are being captured.
    ForensicsBegun,
    /// Forensics are kept, or their deadline passed.
    ForensicsDone,
    /// The guest was asked to power off.
    GuestAsked,
    /// The guest powered off within the grace.
    GuestStopped,
    /// The grace ended and the process still ran.
    GraceEnded,
    /// The process was sent the signal that it cannot ignore.
    ProcessKilled,
    /// The process was seen to have ended.
    ProcessGone,
    /// Locks were looked at: none, cleared, or one that forbids the start.
    LockChecked,
    /// A new QEMU process was started.
    ProcessStarted,
    /// The same QEMU process was reset.
    ResetSent,
    /// A paused VM was let go on.
    Resumed,
    /// The final state was observed.
    StateObserved,
    /// Another verb took over.
    Superseded,
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The verb's promise was observed to hold.
    Done,
    /// It was carried out and the promised state could not be observed.
    NotObserved,
    /// It failed; the message says at which step and what state the VM is in.
    Failed,
    /// It was refused and nothing was started.
    Refused,
    /// Another operation has the VM.
    Busy,
    /// Time ran out before the end was seen; an accepted operation goes on.
    TimedOut,
    /// A stronger verb took over.
    Superseded,
}

/// Whose exit code it is: the guard's own, or that of the command which it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// The guard decided the end.
    Guard,
    /// The command ended by itself.
    Command,
}

/// How one part of forensics went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PartOutcome {
    /// Captured whole.
    Captured,
    /// Captured up to the size limit.
    Cut,
    /// Its deadline passed.
    TimedOut,
    /// It failed; the text says why.
    Failed,
    /// What it needs is not on this host.
    NotHere,
}

/// One line of a guard's machine output.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Line {
    /// The request was accepted. For a mutating verb: the operation, whether it is somebody's already running one.
    Started {
        /// When.
        at: Timestamp,
        /// Which verb, through a power door.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        verb: Option<Verb>,
        /// Which VM, through a power door.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        vm: Option<VmName>,
        /// Which command, through a diag door: its name alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<String>,
        /// The id of a mutating operation.
        operation: Option<OperationId>,
        /// True when the same verb was running and this caller joined it.
        joined: bool,
    },
    /// Bytes that a command wrote, as text; what is not UTF-8 is replaced.
    Output {
        /// `stdout` or `stderr`.
        stream: String,
        /// The text.
        text: String,
    },
    /// A step was reached.
    Progress {
        /// Which operation.
        operation: OperationId,
        /// When.
        at: Timestamp,
        /// Which step.
        phase: Phase,
        /// What was observed, in a sentence for a person.
        note: String,
    },
    /// One part of forensics.
    Forensics {
        /// The operation it belongs to; absent for the verb `forensics`.
        operation: Option<OperationId>,
        /// The part's name, such as `qmp`, `threads`, `screen`.
        part: String,
        /// How it went.
        outcome: PartOutcome,
        /// How long it took, in milliseconds.
        millis: u64,
        /// Its media type: `application/json`, `text/plain` or `image/png`.
        media: String,
        /// The bytes in base64 (standard alphabet, padded). Hostile: the guest may have forged them.
        base64: String,
    },
    /// The end: exactly one, always last.
    Finished {
        /// When.
        at: Timestamp,
        /// Whose exit code it is.
        by: EndedBy,
        /// The exit code of the guard's process.
        exit: u8,
        /// How it ended.
        outcome: Outcome,
        /// What was observed, or why not, in a sentence that says what to do next.
        message: String,
        /// The refusal, where there was one.
        refusal: Option<Refusal>,
        /// The state of the VM as seen at the end.
        status: Option<Box<Status>>,
    },
}

/// One line without its line break. Serialising these types cannot fail; should it ever, the line says so and the
/// reader treats it as unreadable.
#[must_use]
pub fn render_line(line: &Line) -> String {
    serde_json::to_string(line)
        .unwrap_or_else(|error| format!("{{\"type\":\"unreadable\",\"error\":\"{error}\"}}"))
}

/// Reads one line.
///
/// # Errors
/// What `serde_json` says, for text that is no line of this protocol.
pub fn parse_line(text: &str) -> Result<Line, serde_json::Error> {
    serde_json::from_str(text)
}
