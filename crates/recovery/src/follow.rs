//! Following an accepted operation over the line that it was pressed on, to its observed end or the line's.

use crate::operation::{Capture, Ended, Operation};
use crate::power::{Heard, Hearing};
use crate::record::keep;
use crate::{Desk, observe, rejoin};
use breakglass_incident::EventBody;
use breakglass_protocol::{Line, Step};

/// Tells everything that comes over the line. When the line is lost first, goes on by asking for the status.
pub(crate) async fn follow(desk: &Desk, mut hearing: Hearing, mut operation: Operation) {
    let mut capture = Capture::default();
    loop {
        match hearing.next().await {
            Heard::Line(line) => {
                capture.take(desk, &line);
                if matches!(*line, Line::Progress { .. } | Line::Finished { .. }) {
                    let by = operation.guard();
                    capture
                        .tell(desk, Some(operation.incident), by, &operation.target, Some(&operation.id))
                        .await;
                }
                match *line {
                    Line::Progress { at, phase, note, .. } => {
                        operation.tell_step(desk, Step { at, phase, note }).await;
                    }
                    Line::Finished { outcome, message, refusal, status, .. } => {
                        operation.tell_end(desk, Ended { outcome, message, refusal, status }).await;
                        observe::after_verb(desk, &operation, outcome).await;
                        return;
                    }
                    Line::Started { .. } | Line::Output { .. } | Line::Forensics { .. } => {}
                }
            }
            Heard::End(end, excerpt) => {
                let reason = if excerpt.is_empty() { end.to_string() } else { format!("{end} ({excerpt})") };
                let by = operation.guard();
                capture
                    .tell(desk, Some(operation.incident), by, &operation.target, Some(&operation.id))
                    .await;
                tell_lost(desk, &operation, reason).await;
                rejoin::to_the_end(desk, operation).await;
                return;
            }
        }
    }
}

async fn tell_lost(desk: &Desk, operation: &Operation, reason: String) {
    let body = EventBody::LineLost {
        target: operation.target.clone(),
        operation: Some(operation.id.clone()),
        reason,
    };
    keep(desk, Some(operation.incident), breakglass_incident::Actor::Server, body).await;
}
