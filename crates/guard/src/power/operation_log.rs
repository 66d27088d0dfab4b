//! The log of one operation: who asked for what, every step as it was reached, the end. Written by the runner alone,
//! read by everyone who follows it, whenever they came.
//!
//! A header line, then the very lines that a caller gets ([`Line`]), but for the bytes of forensics: those stand in files beside
//! it, so that the log stays short for whoever only asks how far it is. An operation without a last line whose runner
//! is dead was killed half way, and says so by that.

use super::directory::Directory;
use super::{now, proc_file};
use crate::forensics::{self, Captured};
use crate::sorted::sort;
use breakglass_protocol::{
    LastOperation, Line, OperationId, Outcome, PartOutcome, Phase, ProcessIdentity, Refusal, Step, Timestamp,
    Verb, VmName, render_line,
};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Logs that are kept of one VM.
const KEPT: usize = 20;
/// Bytes of forensics that all kept logs of one VM may have together; those of the newest stay.
const KEPT_BYTES: u64 = 24 << 20;
/// Bytes of forensics in one log. The whole capture is kept by `forensics` on disk; this copy lives in memory.
const FORENSICS_BYTES: usize = 8 << 20;

/// The first line of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Header {
    pub(super) operation: OperationId,
    pub(super) verb: Verb,
    pub(super) vm: VmName,
    pub(super) key: String,
    pub(super) source: String,
    pub(super) accepted: Timestamp,
    /// The process that carries it out.
    pub(super) runner: ProcessIdentity,
}

/// The runner's end.
#[derive(Debug)]
pub(super) struct Writer {
    file: File,
    operation: OperationId,
    parts: PathBuf,
    forensics_left: usize,
}

impl Writer {
    /// Begins a log and says `accepted`.
    ///
    /// # Errors
    /// A sentence: it exists already, or cannot be written, so the operation must not begin.
    pub(super) fn begin(directory: &Directory, header: &Header) -> Result<Self, String> {
        let path = path(directory, &header.operation);
        let said = |error: std::io::Error| format!("{} cannot be written: {error}", path.display());
        let file = File::options().append(true).create_new(true).mode(0o600).open(&path).map_err(said)?;
        let parts = path.with_extension("parts");
        let operation = header.operation.clone();
        let mut writer = Self { file, operation, parts, forensics_left: FORENSICS_BYTES };
        let text = serde_json::to_string(header).map_err(|error| error.to_string())?;
        let note = format!("asked for by key {} from {}", header.key, header.source);
        let accepted = Line::Progress {
            operation: header.operation.clone(),
            at: header.accepted,
            phase: Phase::Accepted,
            note,
        };
        writer.file.write_all(format!("{text}\n{}\n", render_line(&accepted)).as_bytes()).map_err(said)?;
        Ok(writer)
    }

    /// A step was reached.
    pub(super) fn progress(&mut self, phase: Phase, note: &str) {
        let operation = self.operation.clone();
        self.line(&Line::Progress { operation, at: now(), phase, note: note.to_owned() });
    }

    /// One part of forensics; beyond the share that may lie in memory only its name and outcome.
    pub(super) fn forensics(&mut self, captured: Captured) {
        let Captured { part, outcome, millis, media, bytes } = captured;
        if let Some(left) = self.forensics_left.checked_sub(bytes.len()) {
            self.forensics_left = left;
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.parts);
            // Only this copy for callers is lost where that fails; the capture itself is kept by `forensics`.
            let _ = made.and_then(|()| fs::write(part_path(&self.parts, &part), bytes));
        }
        let operation = Some(self.operation.clone());
        self.line(&Line::Forensics { operation, part, outcome, millis, media, base64: String::new() });
    }

    /// Any line. A log that cannot be written stops no verb: the VM matters more than who watches.
    pub(super) fn line(&mut self, line: &Line) {
        let _ = self.file.write_all(format!("{}\n", render_line(line)).as_bytes());
    }
}

/// A log as it was read.
#[derive(Debug)]
pub(super) struct Operation {
    pub(super) header: Header,
    pub(super) steps: Vec<Step>,
    end: Option<(Outcome, String)>,
}

impl Operation {
    pub(super) const fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    /// Who asked for it, what and since when, in words.
    pub(super) fn sentence(&self) -> String {
        let Header { verb, key, source, accepted, .. } = &self.header;
        let step = self.steps.last().map_or("accepted", |step| crate::report::phase_word(step.phase));
        format!(
            "{verb}, asked for by key {key} from {source}, runs since {} UTC (at the step {step})",
            accepted.time_of_day()
        )
    }

    /// As it is told in a status.
    pub(super) fn told(self) -> LastOperation {
        let running = self.end.is_none() && proc_file::runs(self.header.runner);
        let killed =
            "its runner was killed before it ended; what the VM is now stands in this status".to_owned();
        let (outcome, message) = match self.end {
            Some((outcome, message)) => (Some(outcome), message),
            None if running => (None, self.steps.last().map(|step| step.note.clone()).unwrap_or_default()),
            None => (None, killed),
        };
        let Header { operation, verb, key, source, accepted, .. } = self.header;
        LastOperation {
            id: operation,
            verb,
            key,
            source,
            accepted,
            steps: self.steps,
            outcome,
            message,
            running,
        }
    }
}

/// A line of a log, as far as the guard itself reads it. A caller gets the line as it stands.
#[derive(Debug)]
pub(super) enum Logged {
    Progress { at: Timestamp, phase: Phase, note: String },
    Forensics(PartOf),
    Finished(EndOf),
}

#[derive(Debug, Deserialize)]
pub(super) struct PartOf {
    operation: OperationId,
    pub(super) part: String,
    pub(super) outcome: PartOutcome,
    pub(super) millis: u64,
    media: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct EndOf {
    pub(super) outcome: Outcome,
    pub(super) exit: u8,
    pub(super) message: String,
    pub(super) refusal: Option<Refusal>,
}

/// Reads a line by its type, which [`render_line`] puts first.
pub(super) fn glance(line: &str) -> Option<Logged> {
    if line.starts_with("{\"type\":\"progress\"") {
        let Step { at, phase, note } = serde_json::from_str(line).ok()?;
        Some(Logged::Progress { at, phase, note })
    } else if line.starts_with("{\"type\":\"forensics\"") {
        serde_json::from_str(line).ok().map(Logged::Forensics)
    } else if line.starts_with("{\"type\":\"finished\"") {
        serde_json::from_str(line).ok().map(Logged::Finished)
    } else {
        None
    }
}

impl PartOf {
    /// The whole line, with the bytes that lie beside the log.
    pub(super) fn with_bytes(self, log: &Path) -> Line {
        let bytes = fs::read(part_path(&log.with_extension("parts"), &self.part)).unwrap_or_default();
        let Self { operation, part, outcome, millis, media } = self;
        Line::Forensics {
            operation: Some(operation),
            part,
            outcome,
            millis,
            media,
            base64: forensics::base64(&bytes),
        }
    }
}

/// A part's name is ours, and still no path.
fn part_path(parts: &Path, part: &str) -> PathBuf {
    parts.join(part.replace(|c: char| !c.is_ascii_alphanumeric(), "-"))
}

/// Where an operation's log is.
pub(super) fn path(directory: &Directory, operation: &OperationId) -> PathBuf {
    directory.operations().join(format!("{operation}.jsonl"))
}

/// Reads a log; `None` where it is not there or its first line is not whole.
pub(super) fn read(path: &Path) -> Option<Operation> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let header = serde_json::from_str(lines.next()?).ok()?;
    let mut operation = Operation { header, steps: Vec::new(), end: None };
    for line in lines {
        match glance(line) {
            Some(Logged::Progress { at, phase, note }) => operation.steps.push(Step { at, phase, note }),
            Some(Logged::Finished(end)) => operation.end = Some((end.outcome, end.message)),
            Some(Logged::Forensics(_)) | None => {}
        }
    }
    Some(operation)
}

/// The newest operation of the VM.
pub(super) fn newest(directory: &Directory) -> Option<Operation> {
    all(directory).into_iter().rev().find_map(|path| read(&path))
}

/// The last line on behalf of a runner that was killed so that a stronger verb could take over.
pub(super) fn end_for_killed(directory: &Directory, operation: &OperationId, lines: &[Line]) {
    let Ok(mut file) = File::options().append(true).open(path(directory, operation)) else {
        return;
    };
    for line in lines {
        let _ = file.write_all(format!("{}\n", render_line(line)).as_bytes());
    }
}

/// A new id: the time, then the process that made it. Never older than the newest log, even where the clock was set back.
pub(super) fn new_id(directory: &Directory, at: Timestamp) -> OperationId {
    let newest = all(directory)
        .pop()
        .and_then(|path| path.file_stem()?.to_str()?.split('-').next()?.parse::<i64>().ok());
    let millis = newest.map_or(at.unix_millis(), |newest| at.unix_millis().max(newest.saturating_add(1)));
    OperationId(format!("{millis:015}-{:x}", std::process::id()))
}

/// Removes what is beyond the limits, oldest first.
pub(super) fn prune(directory: &Directory) {
    let mut bytes = 0;
    for (age, path) in all(directory).into_iter().rev().enumerate() {
        let parts = path.with_extension("parts");
        bytes += fs::read_dir(&parts)
            .into_iter()
            .flatten()
            .flatten()
            .map(|part| part.metadata().map_or(0, |it| it.len()))
            .sum::<u64>();
        if age > 0 && bytes > KEPT_BYTES {
            let _ = fs::remove_dir_all(&parts);
        }
        if age >= KEPT {
            let _ = fs::remove_dir_all(&parts);
            let _ = fs::remove_file(path);
        }
    }
}

/// All logs, oldest first.
fn all(directory: &Directory) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory.operations()).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|it| it == "jsonl"))
        .collect();
    sort(&mut paths);
    paths
}
