//! Copying what happens at the command line into its spool, line by line, as it happens.
//!
//! Without a server there is no journal to write to; what the use cases tell goes through one in memory, and from there
//! into the spool, whose numbers are its own. A child writes it: a thread that hangs with a disk would keep this process from
//! ending, and whoever waits for it (ADR-0019). A spool that cannot be written holds up nothing: it is said once.

use crate::disk_probe;
use crate::edge::now;
use breakglass_incident::{Event, EventBody, IncidentId, PressId, Seq, TurnEvent};
use breakglass_journal::{Journal, Spool};
use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, ChildStdout, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The hidden subcommand that the child runs.
pub(crate) const WORD: &str = "spool-writer";
/// How long the last lines may take to be written at the end.
const LAST_LINES: Duration = Duration::from_secs(2);
/// Events that wait for a slow disk; what is more is not kept, and that is said.
const ROOM: usize = 4096;

/// The copying.
pub(crate) struct Spooling {
    copier: JoinHandle<()>,
    stop: oneshot::Sender<()>,
    written: oneshot::Receiver<()>,
    dir: Option<PathBuf>,
}

impl Spooling {
    /// Begins to copy into the spool in that directory, where there is a place for one.
    pub(crate) fn begin(journal: &Journal, dir: Option<PathBuf>) -> Self {
        let mut tail = journal.subscribe();
        let (stop, mut stopped) = oneshot::channel();
        let (mut to, written) = writer(dir.as_deref());
        let copier = tokio::spawn(async move {
            loop {
                let frame = tokio::select! {
                    frame = tail.next() => frame,
                    _ = &mut stopped => break,
                };
                let Some(frame) = frame else { return };
                hand_over(&mut to, frame.event());
            }
            while let Some(frame) = tail.ready() {
                hand_over(&mut to, frame.event());
            }
        });
        Self { copier, stop, written, dir }
    }

    /// Copies what is left and ends.
    pub(crate) async fn end(self) {
        let _ = self.stop.send(());
        let all = async {
            let _ = self.copier.await;
            let _ = self.written.await;
        };
        if tokio::time::timeout(LAST_LINES, all).await.is_err()
            && let Some(dir) = self.dir
        {
            eprintln!(
                "breakglass: the disk of {} does not answer; what was done last is recorded by the guards, and here only if \
                 it answers again",
                dir.display()
            );
        }
    }
}

/// Starts the child and the threads that speak with it. The second half is ready when all is written.
fn writer(dir: Option<&Path>) -> (Option<SyncSender<Arc<Event>>>, oneshot::Receiver<()>) {
    let (tell, written) = oneshot::channel();
    let Some(dir) = dir else { return (None, written) };
    let started = disk_probe::child(WORD, dir).and_then(|mut command| {
        // In a group of its own, so that an interrupt at the keyboard does not end it.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().ok()?;
        Some((child.stdin.take()?, child.stdout.take()?))
    });
    let (Some((stdin, stdout)), (to, from)) = (started, sync_channel(ROOM)) else {
        eprintln!(
            "breakglass: what writes the spool cannot be started; what you do now is recorded only by the guards"
        );
        return (None, written);
    };
    std::thread::spawn(move || send(&from, stdin));
    std::thread::spawn(move || {
        say(stdout);
        let _ = tell.send(());
    });
    (Some(to), written)
}

/// Passes an event on to the child's thread; after the first that finds no room, none.
fn hand_over(to: &mut Option<SyncSender<Arc<Event>>>, event: Option<Arc<Event>>) {
    let (Some(channel), Some(event)) = (&to, event) else { return };
    if let Err(failure) = channel.try_send(event) {
        if matches!(failure, TrySendError::Full(_)) {
            eprintln!(
                "breakglass: the disk of the spool is too slow; what is done from here on is recorded only by the guards"
            );
        }
        *to = None;
    }
}

fn send(events: &Receiver<Arc<Event>>, mut to: ChildStdin) {
    for event in events {
        let Ok(mut line) = serde_json::to_vec(&*event) else { continue };
        line.push(b'\n');
        if to.write_all(&line).is_err() {
            return;
        }
    }
}

/// Repeats what the child has to say, until it has ended.
fn say(from: ChildStdout) {
    for line in BufReader::new(from).lines() {
        let Ok(line) = line else { return };
        eprintln!("breakglass: {line}");
    }
}

/// The child's work: events on its input, one a line, until that ends.
pub(crate) fn run(dir: &Path) -> ExitCode {
    let spool = match Spool::open(dir, now) {
        Ok(spool) => spool,
        Err(error) => {
            println!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut copy = Copy { spool: Some(spool), incidents: HashMap::new(), numbers: HashMap::new() };
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { break };
        if let Ok(event) = serde_json::from_str(&line) {
            copy.append(&event);
        }
    }
    ExitCode::SUCCESS
}

struct Copy {
    spool: Option<Spool>,
    incidents: HashMap<IncidentId, IncidentId>,
    numbers: HashMap<Seq, Seq>,
}

impl Copy {
    fn append(&mut self, event: &Event) {
        let Some(spool) = &self.spool else { return };
        let incident = event.incident.and_then(|incident| self.incidents.get(&incident).copied());
        let body = self.renumbered(event.body.clone());
        match spool.append(incident, event.actor.clone(), body) {
            Ok(kept) => {
                self.numbers.insert(event.seq, kept.seq);
                if let (Some(ours), Some(theirs)) = (event.incident, kept.incident) {
                    self.incidents.insert(ours, theirs);
                }
            }
            Err(error) => {
                println!("{error}");
                self.spool = None;
            }
        }
    }

    /// A press is named by the number of its event, which is another one in the spool.
    fn renumbered(&self, mut body: EventBody) -> EventBody {
        let renumber = |press: PressId| self.numbers.get(&Seq(press.0)).map_or(press, |seq| PressId(seq.0));
        match &mut body {
            EventBody::VerbAccepted { press, .. } => *press = renumber(*press),
            EventBody::VerbFinished { press: Some(press), .. } => *press = renumber(*press),
            EventBody::CommandFinished { command, .. } => {
                command.0 = self.numbers.get(&Seq(command.0)).map_or(command.0, |seq| seq.0);
            }
            EventBody::Turn(TurnEvent::ToolAnswered { call, .. }) => {
                call.0 = self.numbers.get(&Seq(call.0)).map_or(call.0, |seq| seq.0);
            }
            _ => {}
        }
        body
    }
}
