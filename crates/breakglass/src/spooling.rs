//! Copying what happens at the command line into its spool, line by line, as it happens.
//!
//! Without a server there is no journal to write to; what the use cases tell goes through one in memory, and from there
//! into the spool, whose numbers are its own. A spool that cannot be written holds up nothing: it is said once.

use breakglass_incident::{Event, EventBody, IncidentId, PressId, Seq, TurnEvent};
use breakglass_journal::{Journal, Spool};
use std::collections::HashMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How long the last lines may take to be written at the end.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The copying.
pub(crate) struct Spooling {
    copier: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Spooling {
    /// Begins to copy. `spool` is absent where there is no place for one.
    pub(crate) fn begin(journal: &Journal, spool: Option<Spool>) -> Self {
        let mut tail = journal.subscribe();
        let (stop, mut stopped) = oneshot::channel();
        let copier = tokio::spawn(async move {
            let mut copy = Copy { spool, incidents: HashMap::new(), numbers: HashMap::new() };
            loop {
                let frame = tokio::select! {
                    frame = tail.next() => frame,
                    _ = &mut stopped => break,
                };
                let Some(frame) = frame else { return };
                if let Some(event) = frame.event() {
                    copy.append(&event);
                }
            }
            while let Some(frame) = tail.ready() {
                if let Some(event) = frame.event() {
                    copy.append(&event);
                }
            }
        });
        Self { copier, stop }
    }

    /// Copies what is left and ends.
    pub(crate) async fn end(self) {
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(LAST_LINES, self.copier).await;
    }
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
                eprintln!("breakglass: {error}");
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
