//! The other half of `breakglass-guard repair`: its machine output turned back into the bytes that the command wrote, and
//! the stop of a command that runs behind it.

use crate::guard_lines::GuardLines;
use crate::record::keep;
use crate::{Desk, words::WordsError};
use breakglass_doors::{Ask, Chunk, End};
use breakglass_fleet::Door;
use breakglass_incident::{Actor, CommandId, EventBody, IncidentId};
use breakglass_protocol::{EndedBy, Line, Outcome};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};

/// Of a command's time, this much is the guard's: to ask it to end, to kill it, and to see that.
const ENDING: Duration = Duration::from_secs(4);
/// How long the request that stops a command may take, on a connection that is mostly there already.
const STOPPING: Duration = Duration::from_secs(12);

/// The request that runs this line for at most that long, as the harness reads it.
pub(crate) fn request(line: &str, deadline: Duration) -> String {
    let own = deadline.saturating_sub(ENDING.min(deadline / 2));
    format!("--json --deadline {} {line}", own.as_secs().max(1))
}

/// The commands that run behind a harness now, and so can be stopped.
#[derive(Debug, Clone, Default)]
pub struct Stoppable(Arc<Begun>);

#[derive(Debug, Default)]
struct Begun {
    commands: Mutex<HashMap<CommandId, (Door, String)>>,
    more: Notify,
}

impl Stoppable {
    fn all(&self) -> std::sync::MutexGuard<'_, HashMap<CommandId, (Door, String)>> {
        self.0.commands.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begins(&self, command: CommandId, door: Door, operation: String) {
        self.all().insert(command, (door, operation));
        self.0.more.notify_waiters();
    }

    /// Whether the command runs and can be stopped.
    #[must_use]
    pub fn has(&self, command: CommandId) -> bool {
        self.all().contains_key(&command)
    }

    /// Waits until it can be; for ever, where it never can.
    async fn await_begun(&self, command: CommandId) {
        loop {
            let more = self.0.more.notified();
            if self.has(command) {
                return;
            }
            more.await;
        }
    }
}

/// How the harness said that it ended, where its last line came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    /// The command's own exit code; none where the guard ended it.
    pub(crate) exit: Option<u32>,
    pub(crate) message: String,
}

/// Passes on what the command wrote until the line is closed; gives the harness's last word, and what came that was none of its lines.
pub(crate) async fn unwrap(
    desk: &Desk,
    command: CommandId,
    door: &Door,
    mut from: mpsc::Receiver<Chunk>,
    to: mpsc::Sender<Chunk>,
) -> (Option<Said>, String) {
    let mut lines = GuardLines::default();
    let mut said = None;
    while let Some(chunk) = from.recv().await {
        let heard = match chunk {
            Chunk::Stdout(bytes) => lines.stdout(&bytes),
            // The guard's own sentences, which the last line has too; or a shell's, where there is no guard.
            Chunk::Stderr(bytes) => {
                lines.stderr(&bytes);
                Vec::new()
            }
        };
        for line in heard {
            match line {
                Line::Started { operation: Some(operation), .. } => {
                    desk.stoppable.begins(command, door.clone(), operation.0);
                }
                Line::Output { stream, text } => {
                    let bytes = Bytes::from(text);
                    let chunk = if stream == "stderr" { Chunk::Stderr(bytes) } else { Chunk::Stdout(bytes) };
                    let _ = to.send(chunk).await;
                }
                Line::Finished { by, exit, message, .. } => {
                    let exit = (by == EndedBy::Command).then_some(u32::from(exit));
                    said = Some(Said { exit, message });
                }
                _ => {}
            }
        }
    }
    desk.stoppable.all().remove(&command);
    (said, lines.excerpt().to_owned())
}

/// Stops a command that runs behind a harness; its own end comes the way that it would have come. Gives the sentence of
/// the host's guard.
///
/// # Errors
/// The command has ended, or its door has no harness.
pub async fn stop_command(
    desk: &Desk,
    who: Actor,
    incident: Option<IncidentId>,
    command: CommandId,
) -> Result<String, WordsError> {
    let found = desk.stoppable.all().get(&command).cloned();
    let Some((door, operation)) = found else { return Err(WordsError::NotRunning { command }) };
    let text = format!("Stops the command that began at event {command}.");
    keep(desk, incident, who, EventBody::Note { text }).await;
    Ok(ask_to_stop(desk, &door, &operation).await.1)
}

/// Somebody stops the turn that runs this command, and so the command. How it ended is told as its own end; what is told here
/// is that nobody could see to it.
pub(crate) async fn stop_with_turn(
    desk: &Desk,
    by: Actor,
    incident: Option<IncidentId>,
    command: CommandId,
    door: &Door,
) {
    let why = if door.harness {
        // The word may come before the host's guard has said what it is to be told.
        desk.stoppable.await_begun(command).await;
        let Some((door, operation)) = desk.stoppable.all().get(&command).cloned() else { return };
        let text = format!("Stops, with its turn, the command that began at event {command}.");
        keep(desk, incident, by, EventBody::Note { text }).await;
        match ask_to_stop(desk, &door, &operation).await {
            (true, _) => return,
            (false, why) => why,
        }
    } else {
        format!("nothing at {} can stop it, since its door has no harness (breakglass-guard repair)", door.to)
    };
    let text = format!(
        "The command that began at event {command} was NOT seen to stop with its turn: {why}. It may go on until it ends by \
         itself; look at {} before you repeat it.",
        door.to
    );
    keep(desk, incident, Actor::Server, EventBody::Note { text }).await;
}

/// Whether the host's guard says that it has ended, and the sentence.
async fn ask_to_stop(desk: &Desk, door: &Door, operation: &str) -> (bool, String) {
    let ask = Ask {
        door: &door.name,
        command: format!("--json --stop {operation}"),
        deadline: STOPPING,
        stdout_limit: 64 << 10,
    };
    let (end, captured) = desk.doors.capture(ask).await;
    let last = GuardLines::default().stdout(&captured.stdout).pop();
    match (last, end) {
        (Some(Line::Finished { message, outcome, .. }), _) => (outcome == Outcome::Done, message),
        (_, End::Finished { .. }) => {
            (false, "the host's guard did not say whether it stopped; look at the host".to_owned())
        }
        (_, end) => (false, end.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_gets_less_time_than_the_door_and_never_none() {
        for (door, guard) in [(60, 56), (10, 6), (8, 4), (4, 2), (1, 1)] {
            assert_eq!(request("x", Duration::from_secs(door)), format!("--json --deadline {guard} x"));
        }
    }
}
