//! One accepted operation of a guard, told to the journal and the board: its steps once each, its forensics, its end.
//!
//! Whoever hears of it (the line it was pressed over, or the polling after that line was lost) tells it through here.

use crate::record::keep;
use crate::{Desk, RunningView};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use breakglass_incident::{Actor, EventBody, ForensicsPart, IncidentId, PressId};
use breakglass_protocol::{Line, OperationId, Outcome, Phase, Refusal, Status, Step, Timestamp, Verb};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

/// How long the parts of one capture may take to be stored before the story goes on without the rest of them.
const STORE_DEADLINE: Duration = Duration::from_secs(5);

/// An operation that is being told.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) incident: IncidentId,
    /// Absent where no press of ours started it.
    pub(crate) press: Option<PressId>,
    pub(crate) target: String,
    pub(crate) door: String,
    pub(crate) verb: Verb,
    pub(crate) id: OperationId,
    /// When it was pressed, by this machine's clock.
    pub(crate) pressed: Timestamp,
    /// The steps that the journal has already, by what and when the guard saw them.
    pub(crate) told: HashSet<(Phase, Timestamp)>,
}

/// How an operation, or a request that never became one, ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) outcome: Outcome,
    pub(crate) message: String,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) status: Option<Box<Status>>,
}

impl Ended {
    /// An end that nobody reported: only words.
    pub(crate) const fn said(outcome: Outcome, message: String) -> Self {
        Self { outcome, message, refusal: None, status: None }
    }
}

impl Operation {
    /// Shows it as running on its target.
    pub(crate) fn show(&self, desk: &Desk, by: &Actor) {
        let running = RunningView {
            verb: self.verb,
            operation: Some(self.id.clone()),
            by: by.to_string(),
            since: self.pressed,
            phase: None,
            note: "accepted by the guard".to_owned(),
        };
        desk.board.update(&self.target, |view| match &view.running {
            Some(shown) if shown.operation.as_ref() == Some(&self.id) => {}
            _ => view.running = Some(running),
        });
    }

    /// Tells a step, unless it has been told. Says whether it did.
    pub(crate) async fn tell_step(&mut self, desk: &Desk, step: Step) -> bool {
        if !self.told.insert((step.phase, step.at)) {
            return false;
        }
        desk.board.update(&self.target, |view| {
            if let Some(running) =
                view.running.as_mut().filter(|running| running.operation.as_ref() == Some(&self.id))
            {
                running.phase = Some(step.phase);
                running.note.clone_from(&step.note);
            }
        });
        let body = EventBody::VerbProgress {
            target: self.target.clone(),
            operation: self.id.clone(),
            seen_at: step.at,
            phase: step.phase,
            note: step.note,
        };
        keep(desk, Some(self.incident), self.guard(), body).await;
        true
    }

    /// Tells the end.
    pub(crate) async fn tell_end(&self, desk: &Desk, ended: Ended) {
        show_end(desk, &self.target, Some(&self.id), ended.status.as_deref());
        let body = EventBody::VerbFinished {
            press: self.press,
            target: self.target.clone(),
            verb: self.verb,
            operation: Some(self.id.clone()),
            outcome: ended.outcome,
            message: ended.message,
            refusal: ended.refusal,
            status: ended.status,
        };
        keep(desk, Some(self.incident), self.guard(), body).await;
    }

    pub(crate) fn guard(&self) -> Actor {
        Actor::Guard(self.door.clone())
    }
}

/// Takes a verb off the board (`operation` absent: one whose acceptance was never seen) and shows the newest status.
pub(crate) fn show_end(desk: &Desk, target: &str, operation: Option<&OperationId>, status: Option<&Status>) {
    let status = status.map(|status| Arc::new(status.clone()));
    desk.board.update(target, |view| {
        if view.running.as_ref().is_some_and(|running| running.operation.as_ref() == operation) {
            view.running = None;
        }
        view.status = status.or(view.status.take());
    });
}

/// Forensics as they come in: stored side by side, told as one event.
#[derive(Debug, Default)]
pub(crate) struct Capture {
    stored: JoinSet<ForensicsPart>,
    announced: Vec<ForensicsPart>,
}

impl Capture {
    /// Takes one part; lines of other kinds are ignored.
    pub(crate) fn take(&mut self, desk: &Desk, line: &Line) {
        let Line::Forensics { part, outcome, millis, media, base64, .. } = line else { return };
        let bare = ForensicsPart { part: part.clone(), outcome: *outcome, millis: *millis, artifact: None };
        self.announced.push(bare.clone());
        let bytes = STANDARD.decode(base64).unwrap_or_default();
        let (journal, media) = (desk.journal.clone(), media.clone());
        self.stored.spawn(async move {
            let mut part = bare;
            if !bytes.is_empty() {
                let name = format!("{}.{}", safe_name(&part.part), extension(&media));
                part.artifact = journal.put_artifact(&name, &media, bytes).await.ok();
            }
            part
        });
    }

    /// Tells what came in since the last time, if anything did.
    pub(crate) async fn tell(
        &mut self,
        desk: &Desk,
        incident: Option<IncidentId>,
        by: Actor,
        target: &str,
        operation: Option<&OperationId>,
    ) {
        let mut parts = std::mem::take(&mut self.announced);
        if parts.is_empty() {
            return;
        }
        let deadline = tokio::time::Instant::now() + STORE_DEADLINE;
        while let Ok(Some(stored)) = tokio::time::timeout_at(deadline, self.stored.join_next()).await {
            let Ok(stored) = stored else { continue };
            if let Some(part) =
                parts.iter_mut().find(|part| part.part == stored.part && part.artifact.is_none())
            {
                *part = stored;
            }
        }
        self.stored.abort_all();
        let body =
            EventBody::ForensicsCaptured { target: target.to_owned(), operation: operation.cloned(), parts };
        keep(desk, incident, by, body).await;
    }
}

/// The name of a part comes from the guard; only plain characters of it go into a file's name.
fn safe_name(part: &str) -> String {
    part.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-' || *c == '_').take(40).collect()
}

fn extension(media: &str) -> &'static str {
    match media {
        "application/json" => "json",
        "image/png" => "png",
        _ => "txt",
    }
}
