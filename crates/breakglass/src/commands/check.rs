//! `breakglass check`: whether the fleet file can be used, what is unwise in it, and what nothing acts on yet.

use crate::fleet_file::FleetFile;
use breakglass_recovery::turn::outside_grants;

/// Check the fleet file: errors with their place, then advice, then what nothing uses yet
#[derive(Debug, clap::Args)]
pub(crate) struct Check {}

impl Check {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        let path = file.path();
        println!(
            "{}: fleet `{}`: {} components, {} doors, {} targets. It can be used.",
            path.display(),
            fleet.name,
            fleet.components.len(),
            fleet.doors.len(),
            fleet.targets().count()
        );
        for target in fleet.targets() {
            let granted = outside_grants(&fleet, &target.name);
            if !granted.is_empty() {
                let each: Vec<String> =
                    granted.iter().map(|(kind, autonomy)| format!("{kind} \"{autonomy}\"")).collect();
                println!("outside agents on {}: {}", target.name, each.join(", "));
            }
        }
        if !fleet.notify.receivers.is_empty() {
            let each: Vec<String> = fleet
                .notify
                .receivers
                .iter()
                .map(|receiver| format!("{} ({})", receiver.name, receiver.way.as_str()))
                .collect();
            println!("told elsewhere: {}; `breakglass notify` sends them a trial notice", each.join(", "));
        }
        if fleet.web.tls.is_some() {
            match breakglass_web::fingerprint(&fleet) {
                Ok(fingerprint) => println!("the page's certificate: SHA-256 {fingerprint}"),
                Err(why) => println!("the page's certificate: {why}"),
            }
        }
        for advice in breakglass_fleet::check(&fleet) {
            println!("advice: {advice}");
        }
        for section in &fleet.unused_sections {
            println!("not used yet: [{section}] was read, and nothing in this version acts on it");
        }
        Ok(0)
    }
}
