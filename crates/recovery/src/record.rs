//! What the use cases ask of the journal, each under a deadline: a journal that hangs never holds a rescue.

use crate::Desk;
use breakglass_incident::{Actor, Event, EventBody, IncidentId, Seq};
use breakglass_journal::{Kept, Wanted};
use std::time::Duration;

/// Reading back is a convenience during a rescue; beyond this the rescue goes on without.
const READ_DEADLINE: Duration = Duration::from_secs(2);
/// Events in one answer.
const BATCH: usize = 2_000;

/// Appends an event. It comes back even where it could not be kept; the journal shows that by itself.
pub(crate) async fn keep(desk: &Desk, incident: Option<IncidentId>, actor: Actor, body: EventBody) -> Event {
    match desk.journal.append(incident, actor, body).await {
        Kept::Durable(event) | Kept::NotKept { event, .. } => event,
    }
}

/// The events after `seen`, oldest first, at most `BATCH` of them; `None` where the journal did not answer in time.
pub(crate) async fn since(desk: &Desk, seen: Seq, incident: Option<IncidentId>) -> Option<Vec<Event>> {
    let wanted = Wanted { incident, after: seen, limit: BATCH };
    tokio::time::timeout(READ_DEADLINE, desk.journal.replay(wanted)).await.ok()
}

/// The component that an event is about, where it is about one.
pub(crate) fn about(body: &EventBody) -> Option<&str> {
    match body {
        EventBody::IncidentOpened { target, .. }
        | EventBody::IncidentClosed { target, .. }
        | EventBody::Observed { target, .. }
        | EventBody::Triaged { target, .. }
        | EventBody::VerbPressed { target, .. }
        | EventBody::VerbAccepted { target, .. }
        | EventBody::VerbProgress { target, .. }
        | EventBody::ForensicsCaptured { target, .. }
        | EventBody::VerbFinished { target, .. }
        | EventBody::LineLost { target, .. }
        | EventBody::Verified { target, .. }
        | EventBody::CommandStarted { target, .. }
        | EventBody::CommandFinished { target, .. } => Some(target),
        EventBody::HostKeyPinned { host, .. }
        | EventBody::HostKeyChanged { host, .. }
        | EventBody::HostKeyAccepted { host, .. } => Some(host),
        EventBody::ServerStarted { .. }
        | EventBody::ServerStopped {}
        | EventBody::LoggedIn { .. }
        | EventBody::LoginRefused { .. }
        | EventBody::SessionsEnded { .. }
        | EventBody::Note { .. }
        | EventBody::Gap { .. }
        | EventBody::SpoolSetAside { .. }
        | EventBody::Notified { .. }
        | EventBody::Erased { .. }
        | EventBody::Removed { .. }
        | EventBody::Turn(_) => None,
    }
}
