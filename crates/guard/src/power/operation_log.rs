//! The log of one operation: who asked for what, every step as it was reached, the end. Written by the runner alone,
//! read by everyone who follows it, whenever they came.
//!
//! A header line, then the very lines that a caller gets ([`Line`]). An operation without a last line whose runner is
//! dead was killed half way, and says so by that.

use super::directory::Directory;
use super::{now, proc_file};
use breakglass_protocol::{
    LastOperation, Line, OperationId, Outcome, Phase, ProcessIdentity, Step, Timestamp, Verb, VmName,
    parse_line, render_line,
};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Logs that are kept of one VM.
const KEPT: usize = 20;
/// Bytes that all kept logs of one VM may have together; the newest is kept whatever its size.
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
        let mut writer = Self { file, operation: header.operation.clone(), forensics_left: FORENSICS_BYTES };
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

    /// One part of forensics; beyond the log's share only its name and outcome.
    pub(super) fn forensics(&mut self, mut line: Line) {
        if let Line::Forensics { base64, .. } = &mut line {
            match self.forensics_left.checked_sub(base64.len()) {
                Some(left) => self.forensics_left = left,
                None => base64.clear(),
            }
        }
        self.line(&line);
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
        // Forensics are by far the longest lines and say nothing here.
        if line.starts_with("{\"type\":\"forensics\"") {
            continue;
        }
        match parse_line(line) {
            Ok(Line::Progress { at, phase, note, .. }) => operation.steps.push(Step { at, phase, note }),
            Ok(Line::Finished { outcome, message, .. }) => operation.end = Some((outcome, message)),
            _ => {}
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
        bytes += fs::metadata(&path).map_or(0, |metadata| metadata.len());
        if age >= KEPT || (age > 0 && bytes > KEPT_BYTES) {
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
    paths.sort();
    paths
}
