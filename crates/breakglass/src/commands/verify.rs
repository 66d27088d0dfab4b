//! `breakglass verify`: every door of every target tried over a connection of its own, without the server: what must work, and what
//! must be refused. The server does the same on a schedule, as the canary.

use crate::colour::{Colour, harmless};
use crate::edge::{NOT_WELL, USAGE, coded};
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use breakglass_fleet::{DoorKind, Fleet};
use breakglass_incident::Proof;
use breakglass_recovery::{Verified, verifiable, verify_many};
use breakglass_triage::Health;
use std::time::Duration;
use tokio::sync::mpsc;

/// Prove every door of every target, or of some: what must work and what must be refused; ends with 1 where one was not proven
///
/// Each door is tried over a new connection. Nothing that is sent changes a host, also where a guard fails to refuse it.
#[derive(Debug, clap::Args)]
pub(crate) struct Verify {
    /// Only these
    #[arg(value_name = "TARGET")]
    targets: Vec<String>,
    /// One JSON object for each target, as they come
    #[arg(long)]
    json: bool,
    /// Give the doors of a target up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    deadline: Option<u64>,
}

impl Verify {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        let all = verifiable(&fleet);
        known(&fleet, &all, &self.targets)?;
        let meant = if self.targets.is_empty() { all } else { self.targets.clone() };
        for door in fleet.doors.iter().filter(|door| door.kind == DoorKind::Cold) {
            eprintln!("breakglass: {} is not tried: nothing here uses a cold door yet", harmless(&door.name));
        }
        here::block_on(async {
            let mut here = Here::set_up(fleet, &meant).await?;
            here.desk.times.verify = self.deadline.map_or(here.desk.times.verify, Duration::from_secs);
            let (sender, mut comes) = mpsc::channel(16);
            let (desk, actor) = (here.desk.clone(), here::actor());
            let trying = tokio::spawn(async move { verify_many(&desk, &actor, &meant, sender).await });
            let colour = Colour::of_stdout();
            let (mut doors, mut failed) = (0_usize, 0_usize);
            while let Some(found) = comes.recv().await {
                doors += found.doors.len();
                failed += found.doors.iter().filter(|proof| !proof.proven).count();
                if self.json {
                    println!("{}", json(&found));
                } else {
                    found.doors.iter().for_each(|proof| println!("{}", line(&found.target, proof, colour)));
                }
            }
            trying.await?;
            if !self.json && doors > 1 {
                println!("{} of {doors} doors proven", doors - failed);
            }
            here.end().await;
            Ok(if failed == 0 { 0 } else { NOT_WELL })
        })
    }
}

fn known(fleet: &Fleet, all: &[String], meant: &[String]) -> anyhow::Result<()> {
    if all.is_empty() {
        return Err(coded(USAGE, format!("{} declares no door that could be proven", harmless(&fleet.name))));
    }
    match meant.iter().find(|name| !all.contains(name)) {
        None => Ok(()),
        Some(name) => Err(coded(
            USAGE,
            format!(
                "no door leads to `{}`; these have one: {}. Nothing was sent",
                harmless(name),
                all.join(", ")
            ),
        )),
    }
}

fn line(target: &str, proof: &Proof, colour: Colour) -> String {
    let head = format!("{target:<16} {:<7} {:<20}", proof.kind, proof.door);
    let held: Vec<&str> =
        proof.trials.iter().filter(|trial| trial.held).map(|trial| trial.what.as_str()).collect();
    if proof.proven {
        let notes: String = proof
            .trials
            .iter()
            .filter(|trial| trial.seen.starts_with("first contact"))
            .map(|trial| format!("\n    note: {}", trial.seen))
            .collect();
        return format!(
            "{} {}{}",
            colour.health(Health::Good, &format!("{head} proven    ")),
            colour.faint(&held.join("; ")),
            harmless(&notes)
        );
    }
    let mut text = colour.health(Health::Down, &format!("{head} NOT PROVEN"));
    for trial in proof.trials.iter().filter(|trial| !trial.held) {
        text.push_str(&format!("\n    not so: {}: {}", trial.what, harmless(&trial.seen)));
    }
    if !held.is_empty() {
        text.push_str(&format!("\n    {}", colour.faint(&format!("held: {}", held.join("; ")))));
    }
    text.push_str(&format!("\n    next: {}", harmless(&proof.next)));
    text
}

fn json(found: &Verified) -> serde_json::Value {
    serde_json::json!({ "target": found.target, "at": found.at, "proven": found.is_proven(), "millis": found.millis,
        "doors": found.doors })
}
