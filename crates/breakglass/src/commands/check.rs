//! `breakglass check`: whether the fleet file can be used, what is unwise in it, and what nothing acts on yet.

use crate::fleet_file::FleetFile;

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
