//! Asking the guard behind a power door: one request, sent once, heard line by line.
//!
//! Nothing here decides and nothing here is sent twice. A look that got no answer may be asked again by its caller; a
//! mutating verb never is.

use crate::Desk;
use crate::guard_lines::GuardLines;
use breakglass_doors::{Ask, Chunk, End};
use breakglass_fleet::Door;
use breakglass_protocol::{Line, PowerRequest, Status, Verb, VmName};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// What one request may answer in all: forensics with a screendump are the largest.
const ANSWER_LIMIT: usize = 96 << 20;
/// Chunks that wait for their reader before the line is held back.
const CHUNKS: usize = 64;

/// What is heard, in order; after `End` there is nothing more.
pub(crate) enum Heard {
    /// A line of the guard.
    Line(Box<Line>),
    /// The end of the request, with an excerpt of what came that was no line.
    End(End, String),
}

/// A request that was sent and is being answered. Dropping it hangs up; an accepted operation goes on all the same.
pub(crate) struct Hearing {
    chunks: mpsc::Receiver<Chunk>,
    request: JoinHandle<End>,
    lines: GuardLines,
    ready: VecDeque<Line>,
}

impl Drop for Hearing {
    fn drop(&mut self) {
        self.request.abort();
    }
}

impl Hearing {
    /// The next thing.
    pub(crate) async fn next(&mut self) -> Heard {
        loop {
            if let Some(line) = self.ready.pop_front() {
                return Heard::Line(Box::new(line));
            }
            match self.chunks.recv().await {
                Some(Chunk::Stdout(bytes)) => self.ready.extend(self.lines.stdout(&bytes)),
                Some(Chunk::Stderr(bytes)) => self.lines.stderr(&bytes),
                None => break,
            }
        }
        let end = match (&mut self.request).await {
            Ok(end) => end,
            Err(error) => End::LineLost { reason: format!("the request's own task ended: {error}") },
        };
        Heard::End(end, self.lines.excerpt().to_owned())
    }
}

/// Sends one request.
pub(crate) fn ask(desk: &Desk, door: &Door, verb: Verb, deadline: Duration) -> Hearing {
    let (sender, chunks) = mpsc::channel(CHUNKS);
    let (doors, name, command) = (desk.doors.clone(), door.name.clone(), request_text(door, verb));
    let request = tokio::spawn(async move {
        doors.run(Ask { door: &name, command, deadline, stdout_limit: ANSWER_LIMIT }, sender).await
    });
    Hearing { chunks, request, lines: GuardLines::default(), ready: VecDeque::new() }
}

/// The request as the guard's grammar wants it: with the VM's name only where the door has several.
pub(crate) fn request_text(door: &Door, verb: Verb) -> String {
    match door.vm_name.as_deref().map(VmName::new) {
        Some(Ok(vm)) => PowerRequest { verb, vm, json: true }.render(true),
        Some(Err(_)) | None => format!("{}{verb}", breakglass_protocol::JSON_PREFIX),
    }
}

/// Why there is no status.
#[derive(Debug, Clone)]
pub(crate) enum NoStatus {
    /// The fleet declares no power door.
    NoDoor,
    /// It did not come before the deadline.
    TimedOut,
    /// The door itself did not open.
    Door(End),
    /// Something else came, or the guard said why not.
    Failed(String),
}

impl std::fmt::Display for NoStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoDoor => f.write_str("the fleet declares no power door"),
            Self::TimedOut => f.write_str("the power door did not answer in time"),
            Self::Door(end) => end.fmt(f),
            Self::Failed(why) => f.write_str(why),
        }
    }
}

/// Asks for the status of a target's VM; a look, which may be repeated.
pub(crate) async fn status(desk: &Desk, target: &str, deadline: Duration) -> Result<Box<Status>, NoStatus> {
    let door = desk.fleet.power_door(target).ok_or(NoStatus::NoDoor)?;
    let mut hearing = ask(desk, door, Verb::Status, deadline);
    let answer = async {
        loop {
            match hearing.next().await {
                Heard::Line(line) => {
                    if let Line::Finished { status, message, .. } = *line {
                        return status.ok_or(NoStatus::Failed(message));
                    }
                }
                Heard::End(end, excerpt) => return Err(no_answer(end, &excerpt)),
            }
        }
    };
    // The door has its own deadline; this one is for the case that the door itself is what hangs.
    let answer = tokio::time::timeout(deadline + Duration::from_millis(250), answer).await;
    answer.unwrap_or(Err(NoStatus::TimedOut))
}

fn no_answer(end: End, excerpt: &str) -> NoStatus {
    match end {
        End::TimedOut { .. } => NoStatus::TimedOut,
        End::Finished { .. } if !excerpt.is_empty() => {
            NoStatus::Failed(format!("no guard answered behind the door; what came instead: {excerpt}"))
        }
        End::Finished { .. } => NoStatus::Failed("the guard ended without an answer".to_owned()),
        end => NoStatus::Door(end),
    }
}
