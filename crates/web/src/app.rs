//! What the handlers share.

use crate::identity::{Identity, Visitor};
use crate::metrics::{Disk, Tally};
use crate::pages::layout::{ExtraLink, Frame, Place};
use crate::problem::Problem;
use crate::tls::Certificate;
use crate::ways::Ways;
use breakglass_incident::{Event, IncidentId};
use breakglass_journal::Keeping;
use breakglass_protocol::Timestamp;
use breakglass_recovery::{Dependency, Desk, TargetView};
use breakglass_triage::Health;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The desk, who may come to it, and what belongs to this server alone. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(pub(crate) Arc<Shared>);

/// What is behind an [`App`].
pub(crate) struct Shared {
    pub(crate) desk: Desk,
    pub(crate) identity: Identity,
    pub(crate) ways: Ways,
    pub(crate) certificate: Option<Arc<Certificate>>,
    pub(crate) link: Option<ExtraLink>,
    pub(crate) version: String,
    pub(crate) body_timeout: Duration,
    /// When the server began to answer.
    pub(crate) started: Timestamp,
    /// What is counted for the metrics.
    pub(crate) tally: Arc<Tally>,
    /// How the disk with the state does, for the metrics.
    pub(crate) disk: Disk,
    /// Cancelled when the server goes down: open streams end then.
    pub(crate) stop: CancellationToken,
}

impl Deref for App {
    type Target = Shared;
    fn deref(&self) -> &Shared {
        &self.0
    }
}

/// What stands in the bar of every page.
pub(crate) struct Around {
    open: Vec<IncidentId>,
    not_keeping: Option<String>,
    changed_keys: usize,
}

impl Shared {
    /// Reads what the bar shows. Nothing is asked of anybody.
    pub(crate) fn around(&self) -> Around {
        let not_keeping = match self.desk.journal.keeping() {
            Keeping::Ok => None,
            Keeping::NotKeeping { since, why, missing } => {
                Some(format!("since {} UTC, {missing} events so far: {why}", since.time_of_day()))
            }
        };
        Around {
            open: self.desk.board.targets().iter().filter_map(|target| target.incident).collect(),
            not_keeping,
            changed_keys: breakglass_recovery::changed_host_keys(&self.desk).len(),
        }
    }

    /// What the page depends on: what the desk knows, and what belongs to this server alone.
    pub(crate) fn dependencies(&self) -> Vec<Dependency> {
        let mut all = breakglass_recovery::dependencies(&self.desk);
        all.extend(self.certificate.as_ref().map(|certificate| certificate.dependency(self.desk.now())));
        let fault = self.identity.session_fault();
        all.extend(fault.map(|sentence| Dependency {
            name: "sessions".to_owned(),
            health: Health::Degraded,
            sentence,
        }));
        all
    }

    /// The frame of a page.
    pub(crate) fn frame<'a>(&'a self, around: &'a Around, visitor: &'a Visitor, place: Place) -> Frame<'a> {
        Frame {
            visitor,
            place,
            open: &around.open,
            link: self.link.as_ref(),
            not_keeping: around.not_keeping.as_deref(),
            changed_keys: around.changed_keys,
            version: &self.version,
        }
    }

    /// A target of the fleet.
    pub(crate) fn target(&self, name: &str) -> Result<TargetView, Problem> {
        self.desk.board.target(name).ok_or_else(|| Problem::no_target(name))
    }

    /// A problem where there is no such incident.
    pub(crate) async fn known(&self, incident: IncidentId) -> Result<(), Problem> {
        if !breakglass_recovery::knows(&self.desk, incident).await {
            return Err(Problem::no_incident(incident));
        }
        Ok(())
    }

    /// All events of an incident; a problem where it has none.
    pub(crate) async fn events(&self, incident: IncidentId) -> Result<Vec<Event>, Problem> {
        let events = self.desk.journal.incident(incident).await;
        if events.is_empty() { Err(Problem::no_incident(incident)) } else { Ok(events) }
    }
}
