//! One command through the repair door: streamed while it runs, kept when it ends, never claimed to have ended when
//! nobody saw it.

use crate::harness::{self, Said};
use crate::record::keep;
use crate::turn::Halt;
use crate::{Desk, host_key, words};
use breakglass_doors::{Ask, Chunk, End};
use breakglass_fleet::{Door, DoorKind};
use breakglass_incident::{Actor, ArtifactRef, CallId, CommandId, EventBody, IncidentId};
use bytes::Bytes;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Longer than any line that a person types, far below what a login shell refuses.
const LONGEST_COMMAND: usize = 32 << 10;
/// How much of the output stands in the event itself.
const HEAD: usize = 16 << 10;
/// How much is kept in all; the rest is counted and dropped.
const KEPT: usize = 16 << 20;
/// Output that comes in less than this is sent as one frame.
const COALESCE: Duration = Duration::from_millis(50);
/// Storing a long output may take this long; then the event goes without it.
const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// A command to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// On which target.
    pub target: String,
    /// The command line, as the account's login shell gets it.
    pub command: String,
    /// The incident that it belongs to; `None`: the target's open one, if any.
    pub incident: Option<IncidentId>,
    /// After how long it is given up; `None`: the door's own deadline.
    pub deadline: Option<Duration>,
}

/// Why nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The fleet has no such target, or no repair door to it.
    #[error(
        "no repair door leads to `{target}`: declare one in fleet.toml, or press a verb on its power door"
    )]
    NoDoor {
        /// The target.
        target: String,
    },
    /// The fleet has no such host, or no read-only door to it.
    #[error(
        "no diag door leads to `{host}`: run `breakglass-guard install diag` there and declare the door in fleet.toml"
    )]
    NoDiagDoor {
        /// The host.
        host: String,
    },
    /// It was to belong to an incident that there is not, and would have been written where nobody looks.
    #[error("there is no incident {incident}: nothing was sent")]
    NoIncident {
        /// The number that was given.
        incident: IncidentId,
    },
    /// There is nothing to run.
    #[error("the command is empty, longer than {limit} bytes, or has a NUL in it: nothing was sent")]
    Command {
        /// The limit in bytes.
        limit: usize,
    },
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandEnd {
    /// Which one.
    pub command: CommandId,
    /// Its exit code, where it ended by itself.
    pub exit: Option<u32>,
    /// How it ended, in a sentence.
    pub message: String,
    /// How long it took, in milliseconds.
    pub millis: u64,
    /// The head of what it wrote, at most 16 KiB.
    pub output: String,
    /// The whole of it, where it was longer.
    pub rest: Option<ArtifactRef>,
}

/// Starts a command and returns when its start is in the journal. Its output comes as live frames
/// `{"live":"output","command":ID,"text":TEXT}` and, when it has ended, as one event.
///
/// # Errors
/// [`RunError`], when nothing was sent.
pub async fn run(desk: &Desk, who: Actor, run: Run) -> Result<CommandId, RunError> {
    let door = repair_door(desk, &run)?;
    let running = start(desk, who, run, door).await?;
    let (desk, command) = (desk.clone(), running.command);
    tokio::spawn(async move { running.finish(&desk, None).await });
    Ok(command)
}

/// The same, for a caller that waits for the end. It goes on although the caller goes away.
///
/// # Errors
/// [`RunError`], when nothing was sent.
pub async fn run_to_end(desk: &Desk, who: Actor, run: Run) -> Result<CommandEnd, RunError> {
    awaited(desk, who, run, None).await
}

/// The same, with all output also sent on as it comes, as bytes and however much it is. A reader that is slow holds the
/// far end up; one that goes away does not.
///
/// # Errors
/// [`RunError`], when nothing was sent.
pub async fn run_into(
    desk: &Desk,
    who: Actor,
    run: Run,
    sink: mpsc::Sender<Chunk>,
) -> Result<CommandEnd, RunError> {
    awaited(desk, who, run, Some(sink)).await
}

/// The same for an agent's call, under whose number its live output is shown. Somebody who stops the turn stops the command.
pub(crate) async fn run_for_call(
    desk: &Desk,
    who: Actor,
    run: Run,
    door: Door,
    call: CallId,
    halt: Option<&Halt>,
) -> Result<CommandEnd, RunError> {
    let running = Running { shown_as: call.0, ..start(desk, who, run, door).await? };
    let (command, incident, door) = (running.command, running.incident, running.door.clone());
    let run = followed(desk, running, None);
    tokio::pin!(run);
    let Some(halt) = halt.filter(|_| door.kind == DoorKind::Repair) else { return Ok(run.await) };
    let by = tokio::select! {
        end = &mut run => return Ok(end),
        by = halt.said() => by,
    };
    tokio::select! {
        end = &mut run => Ok(end),
        () = harness::stop_with_turn(desk, by, incident, command, &door) => Ok((&mut run).await),
    }
}

async fn awaited(
    desk: &Desk,
    who: Actor,
    run: Run,
    sink: Option<mpsc::Sender<Chunk>>,
) -> Result<CommandEnd, RunError> {
    let door = repair_door(desk, &run)?;
    to_end(desk, who, run, door, sink).await
}

/// Runs a command through that door and waits for its end.
pub(crate) async fn to_end(
    desk: &Desk,
    who: Actor,
    run: Run,
    door: Door,
    sink: Option<mpsc::Sender<Chunk>>,
) -> Result<CommandEnd, RunError> {
    let running = start(desk, who, run, door).await?;
    Ok(followed(desk, running, sink).await)
}

async fn followed(desk: &Desk, running: Running, sink: Option<mpsc::Sender<Chunk>>) -> CommandEnd {
    let (desk, command) = (desk.clone(), running.command);
    let end = tokio::spawn(async move { running.finish(&desk, sink).await }).await;
    end.unwrap_or_else(|error| CommandEnd {
        command,
        exit: None,
        message: format!("the server failed while the command ran ({error}); it may still be running there"),
        millis: 0,
        output: String::new(),
        rest: None,
    })
}

/// A command whose start is told.
struct Running {
    command: CommandId,
    /// The number under which its live output is shown: its own, or an agent's call's.
    shown_as: u64,
    incident: Option<IncidentId>,
    by: Actor,
    target: String,
    door: Door,
    line: String,
    deadline: Duration,
}

fn repair_door(desk: &Desk, run: &Run) -> Result<Door, RunError> {
    let door = desk.fleet.repair_door(&run.target).cloned();
    door.ok_or_else(|| RunError::NoDoor { target: run.target.clone() })
}

async fn start(desk: &Desk, who: Actor, run: Run, door: Door) -> Result<Running, RunError> {
    if run.command.trim().is_empty() || run.command.len() > LONGEST_COMMAND || run.command.contains('\0') {
        return Err(RunError::Command { limit: LONGEST_COMMAND });
    }
    if let Some(incident) = run.incident
        && !words::knows(desk, incident).await
    {
        return Err(RunError::NoIncident { incident });
    }
    let incident = run.incident.or_else(|| desk.board.target(&run.target)?.incident);
    let body = EventBody::CommandStarted {
        target: run.target.clone(),
        door: door.name.clone(),
        command: run.command.clone(),
    };
    let event = keep(desk, incident, who.clone(), body).await;
    Ok(Running {
        command: CommandId(event.seq.0),
        shown_as: event.seq.0,
        incident,
        by: who,
        target: run.target,
        deadline: run.deadline.unwrap_or(door.deadline),
        door,
        line: run.command,
    })
}

impl Running {
    async fn finish(self, desk: &Desk, sink: Option<mpsc::Sender<Chunk>>) -> CommandEnd {
        let began = Instant::now();
        let (sender, chunks) = mpsc::channel(64);
        let (doors, name, deadline) = (desk.doors.clone(), self.door.name.clone(), self.deadline);
        let command = match self.door.harness {
            true => harness::request(&self.line, deadline),
            false => self.line.clone(),
        };
        // In machine output a byte may take six, and what goes beyond the limit is counted by the reader of the lines.
        let stdout_limit = if self.door.harness { KEPT * 7 } else { KEPT };
        let request = tokio::spawn(async move {
            doors.run(Ask { door: &name, command, deadline, stdout_limit }, sender).await
        });
        let (said, mut output) = self.followed(desk, chunks, sink).await;
        if self.door.kind == DoorKind::Diag {
            // The guard has done it already where it is ours; what a wrong door at the far end lets through is not kept.
            output.kept = breakglass_redact::text(&output.kept);
        }
        let end = request.await.unwrap_or_else(|error| End::LineLost { reason: error.to_string() });
        host_key::tell_if_changed(desk, &self.door.name, &end).await;
        let exit = match (&end, &said) {
            (_, Some(said)) => said.exit,
            // Whoever answered was not the harness that the fleet file promises; what it said stands in the output.
            (End::Finished { exit, .. }, None) => *exit,
            _ => None,
        };
        // The harness's word is the better one: it saw the command itself end.
        let mut message = said.map_or_else(|| end.to_string(), |said| said.message);
        if output.dropped > 0 {
            let _ = write!(
                message,
                "; {} bytes of output beyond {} MiB were dropped",
                output.dropped,
                KEPT >> 20
            );
        }
        let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let end = CommandEnd {
            command: self.command,
            exit,
            message,
            millis,
            output: head(&output.kept),
            rest: self.store(desk, output.kept).await,
        };
        let body = EventBody::CommandFinished {
            command: end.command,
            target: self.target,
            exit: end.exit,
            message: end.message.clone(),
            millis: end.millis,
            output: end.output.clone(),
            rest: end.rest.clone(),
        };
        keep(desk, self.incident, self.by, body).await;
        end
    }

    /// What came through the door, the harness's wrapping taken off where the door has one.
    async fn followed(
        &self,
        desk: &Desk,
        chunks: mpsc::Receiver<Chunk>,
        sink: Option<mpsc::Sender<Chunk>>,
    ) -> (Option<Said>, Output) {
        if !self.door.harness {
            return (None, self.stream(desk, chunks, sink).await);
        }
        let (sender, unwrapped) = mpsc::channel(64);
        let unwrap = harness::unwrap(desk, self.command, &self.door, chunks, sender);
        let ((said, strange), mut output) = tokio::join!(unwrap, self.stream(desk, unwrapped, sink));
        if said.is_none() && !strange.is_empty() {
            output.kept.extend_from_slice(strange.as_bytes());
        }
        (said, output)
    }

    /// Passes output on as it comes, a few frames a second at most, and keeps it.
    async fn stream(
        &self,
        desk: &Desk,
        mut chunks: mpsc::Receiver<Chunk>,
        sink: Option<mpsc::Sender<Chunk>>,
    ) -> Output {
        let mut output = Output { sink, ..Output::default() };
        let mut told = 0;
        let mut open = true;
        while open {
            let Some(chunk) = chunks.recv().await else { break };
            output.take(chunk).await;
            let window = tokio::time::sleep(COALESCE);
            tokio::pin!(window);
            loop {
                tokio::select! {
                    () = &mut window => break,
                    more = chunks.recv() => match more {
                        Some(chunk) => output.take(chunk).await,
                        None => {
                            open = false;
                            break;
                        }
                    },
                }
            }
            told = self.tell_live(desk, &output.kept, told, open);
        }
        output
    }

    /// Sends what is new; gives how far it came. A character that the network cut in two waits for its other half.
    fn tell_live(&self, desk: &Desk, kept: &[u8], told: usize, more_may_come: bool) -> usize {
        let new = kept.get(told..).unwrap_or_default();
        let whole = match std::str::from_utf8(new) {
            Err(error) if more_may_come && error.error_len().is_none() => error.valid_up_to(),
            _ => new.len(),
        };
        let new = new.get(..whole).unwrap_or_default();
        if !new.is_empty() {
            let text = String::from_utf8_lossy(new);
            let frame = serde_json::json!({ "live": "output", "command": self.shown_as, "text": text });
            desk.journal.live(self.incident, Bytes::from(frame.to_string()));
        }
        told + whole
    }

    async fn store(&self, desk: &Desk, kept: Vec<u8>) -> Option<ArtifactRef> {
        if kept.len() <= HEAD {
            return None;
        }
        let name = format!("command-{}.txt", self.command);
        let stored = desk.journal.put_artifact(&name, "text/plain", kept);
        tokio::time::timeout(STORE_DEADLINE, stored).await.ok()?.ok()
    }
}

/// Both outputs as they came.
#[derive(Default)]
struct Output {
    kept: Vec<u8>,
    dropped: usize,
    sink: Option<mpsc::Sender<Chunk>>,
}

impl Output {
    async fn take(&mut self, chunk: Chunk) {
        let (Chunk::Stdout(bytes) | Chunk::Stderr(bytes)) = &chunk;
        let room = KEPT.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.dropped += bytes.len() - room;
        if let Some(sink) = &self.sink
            && sink.send(chunk).await.is_err()
        {
            self.sink = None;
        }
    }
}

/// The head as text, cut at a character.
fn head(kept: &[u8]) -> String {
    let text = String::from_utf8_lossy(kept.get(..HEAD).unwrap_or(kept));
    text.trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
}
