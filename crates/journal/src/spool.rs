//! The command line's own record for when no server runs: a file of chained lines, each an event.
//!
//! A line is the event's JSON with `prev` behind it (see `breakglass-chain`), so it reads like any event. Numbers count within
//! the spool. Several commands at once share it: each append takes the file's lock for as long as one write takes. The file only
//! ever grows; a line that a crash tore stays and is named by a gap.

pub(crate) mod lines;

use crate::SharedDir;
use breakglass_chain::{Head as ChainHead, LINE_LIMIT, Resume, Tip, Verify};
use breakglass_incident::{Actor, Event, EventBody, IncidentId, Seq};
use breakglass_protocol::Timestamp;
use serde::Serialize;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const FILE: &str = "spool.jsonl";
/// How often and how long the lock of another command is waited for.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why something was not spooled. What was being done goes on; say that it was not recorded.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The file cannot be used.
    #[error("the spool {path} cannot be written; what you do now is recorded only by the guards", path = .path.display())]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Another command holds its lock for too long.
    #[error("another breakglass command holds the spool {path}; what you do now is recorded only by the guards", path = .path.display())]
    Busy {
        /// Which file.
        path: PathBuf,
    },
    /// The file does not end with a line of a chain.
    #[error("the spool {path} is damaged at its end; move it aside; `breakglass journal verify` says more", path = .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
    },
}

/// The spool of one account on one machine.
#[derive(Debug, Clone)]
pub struct Spool {
    path: PathBuf,
    clock: fn() -> Timestamp,
}

#[derive(Serialize)]
struct Line<'a> {
    incident: Option<IncidentId>,
    at: Timestamp,
    actor: &'a Actor,
    body: &'a EventBody,
}

impl Spool {
    /// The spool in a directory, which is made if need be.
    ///
    /// # Errors
    /// Where the directory cannot be made.
    pub fn open(dir: &Path, clock: fn() -> Timestamp) -> Result<Self, SpoolError> {
        let spool = Self { path: dir.join(FILE), clock };
        let state = dir.parent().unwrap_or(dir);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(state);
        made.and_then(|()| spool.file()).map_err(|source| spool.failed(source))?;
        Ok(spool)
    }

    fn failed(&self, source: std::io::Error) -> SpoolError {
        SpoolError::File { path: self.path.clone(), source }
    }

    /// The directory that it lies in, and its state directory's owner as the owner of both.
    fn directory(&self) -> std::io::Result<SharedDir> {
        let dir = self.path.parent().unwrap_or(Path::new("."));
        let (state, name) = (dir.parent().unwrap_or(dir), dir.file_name().unwrap_or_default());
        SharedDir::state(state)?.within(Path::new(name))
    }

    fn file(&self) -> std::io::Result<File> {
        self.directory()?.append(FILE, 0o600)
    }

    /// Its file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends an event and syncs it. An incident that begins here has the number of its first event.
    ///
    /// # Errors
    /// Where the disk does not take it or another command holds the file for half a second.
    pub fn append(
        &self,
        incident: Option<IncidentId>,
        actor: Actor,
        body: EventBody,
    ) -> Result<Event, SpoolError> {
        let failed = |source| self.failed(source);
        let mut file = self.locked()?;
        let resume = resume(&mut file).map_err(failed)?.ok_or_else(|| self.damaged())?;
        let at = (self.clock)();
        let (mut text, tip) = resume.lead(&at.to_string()).map_err(|_shape| self.damaged())?;
        let seq = Seq(tip.seq + 1);
        let opens = matches!(body, EventBody::IncidentOpened { .. }) && incident.is_none();
        let incident = if opens { Some(IncidentId(seq.0)) } else { incident };
        let line = Line { incident, at, actor: &actor, body: &body };
        let (line, _) = tip.seal(&line).map_err(|_shape| self.damaged())?;
        text.push_str(&line);
        text.push('\n');
        file.write_all(text.as_bytes()).and_then(|()| file.sync_data()).map_err(failed)?;
        Ok(Event { seq, incident, at, actor, body })
    }

    /// All events in it, oldest first; gaps and torn lines are left out. Empty where there is no spool.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn events(&self) -> Result<Vec<Event>, SpoolError> {
        let failed = |source| self.failed(source);
        let Some(file) = self.existing()? else { return Ok(Vec::new()) };
        let mut events = Vec::new();
        for line in BufReader::new(file).split(b'\n') {
            events.extend(serde_json::from_slice::<Event>(&line.map_err(failed)?).ok());
        }
        Ok(events)
    }

    /// Verifies its chain.
    ///
    /// # Errors
    /// Where it cannot be read. The answer itself is the inner result.
    pub fn verify(
        &self,
        expected: Option<Tip>,
    ) -> Result<Result<ChainHead, breakglass_chain::Broken>, SpoolError> {
        let verify = Verify { expected, ..Verify::default() };
        Ok(match self.existing()? {
            Some(file) => verify.lines(BufReader::new(file)),
            None => verify.lines(std::io::empty()),
        })
    }

    fn existing(&self) -> Result<Option<File>, SpoolError> {
        // Reading makes no directory.
        if let Err(error) = std::fs::symlink_metadata(&self.path)
            && error.kind() == std::io::ErrorKind::NotFound
        {
            return Ok(None);
        }
        let file = self.directory().and_then(|directory| directory.read(FILE));
        file.map(Some).map_err(|source| self.failed(source))
    }

    fn damaged(&self) -> SpoolError {
        SpoolError::Damaged { path: self.path.clone() }
    }

    fn is_still(&self, file: &File) -> bool {
        let ours = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let (held, named) = (file.metadata().map(ours), std::fs::metadata(&self.path).map(ours));
        matches!((held, named), (Ok(held), Ok(named)) if held == named)
    }

    fn locked(&self) -> Result<File, SpoolError> {
        let failed = |source| self.failed(source);
        let mut file = self.file().map_err(failed)?;
        for _ in 0..LOCK_TRIES {
            match file.try_lock() {
                Ok(()) if self.is_still(&file) => return Ok(file),
                // The server has set it aside meanwhile: what would be written there, nobody takes in.
                Ok(()) => file = self.file().map_err(failed)?,
                Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
        Err(SpoolError::Busy { path: self.path.clone() })
    }
}

fn resume(file: &mut File) -> std::io::Result<Option<Resume>> {
    let length = file.metadata()?.len();
    // Room for the last whole line and a torn one behind it.
    let window = length.min(2 * LINE_LIMIT as u64 + 2);
    file.seek(SeekFrom::Start(length - window))?;
    let mut end = Vec::new();
    file.take(window).read_to_end(&mut end)?;
    Ok(Resume::at_end(&end, window == length))
}
