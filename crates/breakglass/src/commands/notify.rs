//! `breakglass notify`: sends everybody whom the fleet file names a notice that tells nothing, to see it arrive before it matters.

use crate::edge::{NOT_WELL, USAGE, coded, now};
use crate::fleet_file::FleetFile;
use crate::here::block_on;
use breakglass_notify::trial;

/// Send a trial notice to every receiver of the fleet file, or to those that are named
#[derive(Debug, clap::Args)]
pub(crate) struct Notify {
    /// Only these receivers
    #[arg(value_name = "RECEIVER")]
    receivers: Vec<String>,
}

impl Notify {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        let all = &fleet.notify.receivers;
        if all.is_empty() {
            let message = "[notify] names no receiver, so nobody is told of anything; `breakglass init -` shows how one is written";
            return Err(coded(USAGE, message));
        }
        if let Some(unknown) = self.receivers.iter().find(|name| !all.iter().any(|one| one.name == **name)) {
            let names: Vec<&str> = all.iter().map(|receiver| receiver.name.as_str()).collect();
            let message = format!(
                "no receiver is called `{unknown}`; there are: {}. Nothing was sent",
                names.join(", ")
            );
            return Err(coded(USAGE, message));
        }
        block_on(async {
            let mut failed = false;
            for receiver in all {
                if !self.receivers.is_empty() && !self.receivers.contains(&receiver.name) {
                    continue;
                }
                let what = format!("{} ({})", receiver.name, receiver.way.as_str());
                match trial(&fleet, receiver, now).await {
                    Ok(()) => println!("{what}: took it. Look whether it arrived where people read it."),
                    Err(why) => {
                        failed = true;
                        println!("{what}: was not told: {why}.");
                    }
                }
            }
            Ok(if failed { NOT_WELL } else { 0 })
        })
    }
}
