//! Triage: the evidence gathered side by side, each part under its own deadline, then judged by pure rules.
//!
//! Nothing here waits for anything but its own clock: whatever hangs is cut off and is a finding.

use crate::power::{NoStatus, status};
use crate::prober::{banner, reach_of, says_not_found};
use crate::record::keep;
use crate::{Desk, normals};
use breakglass_doors::{Ask, End, refusing_port};
use breakglass_incident::{Actor, EventBody, IncidentId};
use breakglass_triage::{Action, Evidence, HypervisorView, Inside, ROOT_PREFIX, Reach, Triage, diagnose};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// For a banner. A healthy target shows one in milliseconds; a thrashing one may take seconds.
const BANNER: Duration = Duration::from_millis(2_500);
/// For a connection to the port where nothing listens.
const REFUSAL: Duration = Duration::from_millis(1_500);
/// For the facts from inside: the guard's own sampling takes about a second, a log-in on a busy machine the rest.
const INSIDE: Duration = Duration::from_millis(4_500);
/// For the hypervisor's view.
const HYPERVISOR: Duration = Duration::from_millis(4_500);
/// A door that is beyond its own deadline is not waited for.
const WHOLE: Duration = Duration::from_millis(5_000);
/// Facts are a few KiB; a thousand mounts are still less than this.
const FACTS_LIMIT: usize = 4 << 20;

/// Looks at a target from every side that answers and says what is wrong. Kept in the journal when `incident` (or an
/// open incident of the target) is there to hold it. Ends within six seconds, whatever hangs.
pub async fn triage(desk: &Desk, who: &Actor, target: &str, incident: Option<IncidentId>) -> Triage {
    let began = Instant::now();
    let evidence = gather(desk, target).await;
    let took = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let triage = as_this_door_does(desk, target, diagnose(&evidence, took));
    let shown = Arc::new(triage.clone());
    desk.board.update(target, |view| {
        view.triage = Some(shown);
        view.wedge = view.wedge.or(triage.wedge);
    });
    let incident = incident.or_else(|| desk.board.target(target)?.incident);
    if incident.is_some() {
        let body = EventBody::Triaged { target: target.to_owned(), triage: Box::new(triage.clone()) };
        keep(desk, incident, who.clone(), body).await;
    }
    triage
}

/// Triage recommends commands as for a door that becomes root by `sudo`; this door may have another way.
fn as_this_door_does(desk: &Desk, target: &str, mut triage: Triage) -> Triage {
    if let (Action::Run(command), Some(door)) = (&mut triage.action, desk.fleet.repair_door(target)) {
        *command = command.replace(ROOT_PREFIX, &door.become_root);
    }
    triage
}

async fn gather(desk: &Desk, target: &str) -> Evidence {
    let at = desk.now();
    let (reach, refusing_port, inside, hypervisor) = tokio::join!(
        reach(desk, target),
        refusal(desk, target),
        inside(desk, target),
        hypervisor(desk, target)
    );
    let normal = normals::normal(desk, target).await;
    Evidence { at, reach, refusing_port, inside, hypervisor, normal }
}

async fn reach(desk: &Desk, target: &str) -> Reach {
    let port = desk.fleet.repair_door(target).map_or(22, |door| door.port);
    banner(desk, target, port, BANNER).await
}

async fn refusal(desk: &Desk, target: &str) -> Option<Reach> {
    let address = desk.fleet.component(target)?.refusing_port.as_ref()?;
    Some(reach_of(refusing_port(address, REFUSAL).await))
}

async fn inside(desk: &Desk, target: &str) -> Inside {
    let Some(door) = desk.fleet.repair_door(target) else { return Inside::NoDoor };
    let command = format!("{}breakglass-guard facts", door.become_root);
    let ask = Ask { door: &door.name, command, deadline: INSIDE, stdout_limit: FACTS_LIMIT };
    let Ok((end, captured)) = tokio::time::timeout(WHOLE, desk.doors.capture(ask)).await else {
        return Inside::TimedOut;
    };
    match end {
        End::TimedOut { .. } => Inside::TimedOut,
        End::Finished { exit: Some(126 | 127), .. } => Inside::Failed("no guard on the target".to_owned()),
        End::Finished { exit: Some(1), .. } if says_not_found(&captured.stderr) => {
            Inside::Failed("no guard on the target".to_owned())
        }
        End::Finished { .. } => match serde_json::from_slice(&captured.stdout) {
            Ok(facts) => Inside::Facts(Box::new(facts)),
            Err(error) => Inside::Failed(format!("{end}, with an answer that can't be read: {error}")),
        },
        end => Inside::Failed(end.to_string()),
    }
}

async fn hypervisor(desk: &Desk, target: &str) -> HypervisorView {
    match tokio::time::timeout(WHOLE, status(desk, target, HYPERVISOR)).await {
        Ok(Ok(status)) => HypervisorView::Status(status),
        Ok(Err(NoStatus::NoDoor)) => HypervisorView::NoDoor,
        Ok(Err(NoStatus::TimedOut)) | Err(_) => HypervisorView::TimedOut,
        Ok(Err(why)) => HypervisorView::Failed(why.to_string()),
    }
}
