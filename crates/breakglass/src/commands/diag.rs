//! `breakglass diag`: one look through the read-only doors of one host or many, without the server. The guard at each host
//! decides what may be asked; its answer and its exit code pass through.

use crate::colour::{Colour, harmless};
use crate::edge::{USAGE, coded};
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use breakglass_fleet::{Component, Fleet};
use breakglass_protocol::exit;
use breakglass_recovery::{Answer, Look, diagnose, diagnose_many, grouped};
use std::time::Duration;
use tokio::sync::mpsc;

/// Look at one host or at many through their read-only doors; nothing is changed there
///
/// `breakglass diag web-01 -- systemctl status nginx`; `breakglass diag --all -- uptime`. The words `|`, `2>&1` and
/// `2>/dev/null` mean what they mean to a shell, so quote them here: `-- journalctl -u nginx '|' grep -c error`. A request
/// that is one word is sent as it stands: `-- 'journalctl -u nginx | grep -c error'`.
#[derive(Debug, clap::Args)]
pub(crate) struct Diag {
    /// Which host
    #[arg(required_unless_present_any = ["all", "on"], conflicts_with_all = ["all", "on"])]
    host: Option<String>,
    /// Every host that has a diag door
    #[arg(long, conflicts_with = "on")]
    all: bool,
    /// Every host with a diag door that belongs to this group
    #[arg(long, value_name = "GROUP")]
    on: Option<String>,
    /// One JSON object for each answer, as they come
    #[arg(long)]
    json: bool,
    /// Give a host up after so many seconds instead of its door's deadline
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// The request, after `--`
    #[arg(last = true, required = true)]
    request: Vec<String>,
}

impl Diag {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        let hosts = self.hosts(&fleet)?;
        let look = Look {
            request: breakglass_protocol::words::render_arguments(&self.request),
            incident: None,
            deadline: self.deadline.map(Duration::from_secs),
        };
        here::block_on(async {
            let here = Here::set_up(fleet, &hosts).await?;
            let code = match hosts.as_slice() {
                [host] if self.host.is_some() && !self.json => one(&here, host, look).await?,
                hosts => self.many(&here, hosts, &look).await?,
            };
            here.end().await;
            Ok(code)
        })
    }

    /// The hosts that are meant, or an error that names those there are.
    fn hosts(&self, fleet: &Fleet) -> anyhow::Result<Vec<String>> {
        let meant = |component: &&Component| match (&self.host, &self.on) {
            (Some(host), _) => component.name == *host,
            (_, Some(group)) => component.groups.contains(group),
            _ => true,
        };
        let hosts: Vec<String> = fleet.hosts().filter(meant).map(|host| host.name.clone()).collect();
        if !hosts.is_empty() {
            return Ok(hosts);
        }
        let names: Vec<&str> = fleet.hosts().map(|host| host.name.as_str()).collect();
        let there = if names.is_empty() {
            "no host has one: put it there with `breakglass-guard install diag --key FILE` and declare a [[door]] of kind \
             \"diag\""
                .to_owned()
        } else {
            format!("these have one: {}", names.join(", "))
        };
        let what = match (&self.host, &self.on) {
            (Some(host), _) => format!("no diag door leads to `{}`", harmless(host)),
            (_, Some(group)) => format!("no host of the group `{}` has a diag door", harmless(group)),
            _ => "nothing to look at".to_owned(),
        };
        Err(coded(USAGE, format!("{what}; {there}. Nothing was sent")))
    }

    async fn many(&self, here: &Here, hosts: &[String], look: &Look) -> anyhow::Result<u8> {
        let (sender, mut comes) = mpsc::channel(64);
        let (desk, actor) = (here.desk.clone(), here::actor());
        let (asked, sent) = (hosts.to_vec(), look.clone());
        let looking = tokio::spawn(async move { diagnose_many(&desk, &actor, &asked, &sent, sender).await });
        let colour = Colour::of_stdout();
        let mut answers = Vec::with_capacity(hosts.len());
        while let Some(answer) = comes.recv().await {
            if self.json {
                println!("{}", json(&answer));
            } else {
                print(&answer, colour);
            }
            answers.push(answer);
        }
        looking.await?;
        if !self.json && answers.len() > 1 {
            summarise(&answers);
        }
        Ok(answers.iter().map(code).max().unwrap_or(exit::INTERNAL))
    }
}

/// One host: its answer passes through as it comes, with its exit code.
async fn one(here: &Here, host: &str, look: Look) -> anyhow::Result<u8> {
    let (sender, chunks) = mpsc::channel(16);
    let passed = tokio::task::spawn_blocking(move || super::run::pass_on(chunks));
    let ended = diagnose(&here.desk, here::actor(), host, look, Some(sender)).await;
    let ended = ended.map_err(|error| coded(USAGE, format!("{error}. Nothing was sent")))?;
    passed.await?;
    match ended.exit {
        Some(code) => Ok(u8::try_from(code).unwrap_or(exit::INTERNAL)),
        None => {
            eprintln!("breakglass: {}", ended.message);
            Ok(exit::BUSY_OR_TIMEOUT)
        }
    }
}

fn code(answer: &Answer) -> u8 {
    match &answer.ended {
        Ok(end) => {
            end.exit.map_or(exit::BUSY_OR_TIMEOUT, |code| u8::try_from(code).unwrap_or(exit::INTERNAL))
        }
        Err(_) => USAGE,
    }
}

/// How it ended, in a few words.
fn verdict(answer: &Answer) -> String {
    match &answer.ended {
        Ok(end) => match end.exit {
            Some(0) => "ok".to_owned(),
            Some(code) => format!("exit {code}"),
            None => harmless(&end.message),
        },
        Err(error) => error.to_string(),
    }
}

fn print(answer: &Answer, colour: Colour) {
    let health = match code(answer) {
        0 => breakglass_triage::Health::Good,
        exit::BUSY_OR_TIMEOUT => breakglass_triage::Health::Down,
        _ => breakglass_triage::Health::Degraded,
    };
    println!("{}", colour.health(health, &format!("── {} · {}", harmless(&answer.host), verdict(answer))));
    if let Ok(end) = &answer.ended {
        for line in end.output.lines() {
            println!("{}", harmless(line));
        }
        if let Some(rest) = &end.rest {
            println!(
                "… {} bytes in all; ask for less, or `breakglass diag HOST` passes everything through",
                rest.bytes
            );
        }
    }
}

/// Which hosts gave the same answer.
fn summarise(answers: &[Answer]) {
    let groups = grouped(answers);
    println!("══ {} hosts, {} different answers", answers.len(), groups.len());
    for (hosts, answer) in groups {
        let first = match &answer.ended {
            Ok(end) => end.output.lines().next().unwrap_or_default().to_owned(),
            Err(_) => String::new(),
        };
        println!("{:>4}  {} · {} {}", hosts.len(), hosts.join(" "), verdict(answer), harmless(&first));
    }
}

fn json(answer: &Answer) -> serde_json::Value {
    match &answer.ended {
        Ok(end) => serde_json::json!({ "host": answer.host, "exit": end.exit, "message": end.message,
            "millis": end.millis, "output": end.output, "rest": end.rest }),
        Err(error) => serde_json::json!({ "host": answer.host, "error": error.to_string() }),
    }
}
