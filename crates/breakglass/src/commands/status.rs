//! `breakglass status`: one look at every target, or at one, without the server.

use crate::colour::{Colour, harmless, word};
use crate::edge::NOT_WELL;
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use breakglass_recovery::{TargetView, look_now};
use breakglass_triage::Health;
use tokio::task::JoinSet;

/// Look at every target once, or at one; ends with 1 where one is not well
#[derive(Debug, clap::Args)]
pub(crate) struct Status {
    /// Only this one
    target: Option<String>,
    /// One JSON object for each target
    #[arg(long)]
    json: bool,
}

impl Status {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        if let Some(target) = &self.target {
            here::known_target(&fleet, target)?;
        }
        let names: Vec<String> = match &self.target {
            Some(target) => vec![target.clone()],
            None => fleet.targets().map(|component| component.name.clone()).collect(),
        };
        let tls = fleet.web.tls.is_some();
        let page = match breakglass_web::fingerprint(&fleet) {
            Ok(fingerprint) => format!("page by TLS: certificate SHA-256 {fingerprint}"),
            Err(why) => format!("page by TLS: {why}"),
        };
        here::runtime()?.block_on(async {
            let here = Here::set_up(fleet, &names).await?;
            let mut looks = JoinSet::new();
            for (place, name) in names.into_iter().enumerate() {
                let desk = here.desk.clone();
                looks.spawn(async move { (place, look_now(&desk, &name).await) });
            }
            let mut seen: Vec<(usize, Option<TargetView>)> = looks.join_all().await;
            seen.sort_by_key(|(place, _)| *place);
            let colour = Colour::of_stdout();
            let mut worst = Health::Good;
            for view in seen.into_iter().filter_map(|(_, view)| view) {
                worst = worst.max(view.health);
                if self.json {
                    println!("{}", serde_json::to_string(&view)?);
                } else {
                    println!("{}", harmless_lines(&view, colour));
                }
            }
            if !self.json && self.target.is_none() && tls {
                println!("{page}");
            }
            here.end().await;
            Ok(if worst == Health::Good { 0 } else { NOT_WELL })
        })
    }
}

fn harmless_lines(view: &TargetView, colour: Colour) -> String {
    let head = format!("{:<16} {:<9}", view.name, word(view.health));
    let mut text = format!("{} {}", colour.health(view.health, &head), harmless(&view.sentence));
    if let Some(status) = &view.status {
        let state =
            serde_json::to_value(&status.state).ok().and_then(|word| word.as_str().map(str::to_owned));
        let mut facts = vec![format!("hypervisor: {}", state.as_deref().unwrap_or("in a state of its own"))];
        facts.extend(view.writes.back().map(|rate| format!("{:.1} writes/s", rate.per_second)));
        facts.extend(status.lock.as_ref().map(|lock| format!("locked: {}", lock.kind)));
        facts.extend(status.last_operation.as_ref().map(|last| match last.outcome {
            Some(_) => format!("last operation: {} at {}", last.verb, last.accepted),
            None => format!("running: {} since {}", last.verb, last.accepted),
        }));
        text.push_str(&format!("\n  {}", colour.faint(&harmless(&facts.join(", ")))));
    }
    for door in view.doors.iter().filter(|door| door.health != Health::Good) {
        text.push_str(&format!("\n  {} door {}: {}", door.kind, door.name, harmless(&door.sentence)));
    }
    text
}
