//! `breakglass triage`: what is wrong with a target and what to do, without the server.

use crate::colour::{Colour, harmless, word};
use crate::edge::NOT_WELL;
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use breakglass_triage::{Action, Health};

/// Find out what is wrong with a target and what to do; ends with 1 where it is not well
#[derive(Debug, clap::Args)]
pub(crate) struct Triage {
    /// Which target
    target: String,
    /// The result as JSON
    #[arg(long)]
    json: bool,
}

impl Triage {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        here::known_target(&fleet, &self.target)?;
        here::block_on(async {
            let here = Here::set_up(fleet, std::slice::from_ref(&self.target)).await?;
            let triage = breakglass_recovery::triage(&here.desk, &here::actor(), &self.target, None).await;
            if self.json {
                println!("{}", serde_json::to_string(&triage)?);
            } else {
                print!("{}", harmless(&told(&self.target, &triage)));
            }
            here.end().await;
            Ok(if triage.health == Health::Good { 0 } else { NOT_WELL })
        })
    }
}

fn told(target: &str, triage: &breakglass_triage::Triage) -> String {
    let colour = Colour::of_stdout();
    let mut text = format!("{target}: {}", colour.health(triage.health, word(triage.health)));
    if let Some(wedge) = triage.wedge {
        text.push_str(&format!(", {}", colour.bold(wedge.title())));
    }
    text.push_str(&format!("\n{}\n", triage.summary));
    for finding in &triage.findings {
        text.push_str(&format!("  {:<18} {}\n", finding.label, colour.health(finding.health, &finding.seen)));
    }
    if !triage.changed.is_empty() {
        text.push_str("Changed in the last two hours:\n");
    }
    for change in &triage.changed {
        text.push_str(&format!("  {:<18} {}\n", change.label, change.seen));
    }
    let action = match &triage.action {
        Action::Press(verb) => format!("press {verb}: breakglass power {target} {verb}"),
        Action::Run(command) => format!("run: breakglass run {target} -- {command}"),
        Action::Wait => "wait".to_owned(),
        Action::Nothing => "nothing".to_owned(),
        Action::Look => "a person has to look".to_owned(),
    };
    text.push_str(&format!("Do: {}\n  because {}\n", colour.bold(&action), triage.because));
    if !triage.wrong_if.is_empty() {
        text.push_str(&format!("  wrong if {}\n", triage.wrong_if));
    }
    for (verb, remark) in &triage.remarks {
        text.push_str(&format!("  {verb}: {remark}\n"));
    }
    text.push_str(&format!("{}\n", colour.faint(&format!("({} ms)", triage.millis))));
    text
}
