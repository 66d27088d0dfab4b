//! `breakglass accept-host-key`: a person says that a host's new key is the right one.

use crate::edge::{USAGE, coded};
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use breakglass_doors::{HostKeyState, Keeping};
use breakglass_protocol::exit;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::time::Duration;

/// How long the decision may take to reach the disk.
const SETTLE: Duration = Duration::from_secs(3);

/// Accept the new host key of a host that was rebuilt, after comparing it on the host's own console
#[derive(Debug, clap::Args)]
pub(crate) struct AcceptHostKey {
    /// The component
    host: String,
    /// The fingerprint that you read on its console; without it you are asked
    #[arg(long, value_name = "SHA256:…")]
    fingerprint: Option<String>,
}

impl AcceptHostKey {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        let Some(door) = fleet.doors.iter().find(|door| door.to == self.host).map(|door| door.name.clone())
        else {
            return Err(coded(USAGE, format!("no door leads to `{}`; nothing was accepted", self.host)));
        };
        here::block_on(async {
            let here = Here::set_up(fleet, &[]).await?;
            // The host has to show its key to this very process.
            let opened = here.desk.doors.try_warm(&door).await;
            let (pinned, shown) = match here.desk.doors.host_keys().state(&self.host) {
                HostKeyState::Changed { pinned, shown } => (pinned, shown),
                HostKeyState::Trusted { fingerprint } => {
                    println!(
                        "{} shows the key that is trusted: {fingerprint}. There is nothing to accept.",
                        self.host
                    );
                    return Ok(0);
                }
                HostKeyState::Unknown => {
                    let why = opened.err().map_or_else(|| "it showed none".to_owned(), |end| end.to_string());
                    let message = format!(
                        "the host key of {} could not be seen: {why}. Nothing was accepted",
                        self.host
                    );
                    return Err(coded(exit::HYPERVISOR_UNAVAILABLE, message));
                }
            };
            println!("trusted so far: {pinned}\nshown now:      {shown}");
            let fingerprint = match self.fingerprint {
                Some(fingerprint) => fingerprint,
                None => ask(&self.host)?,
            };
            let accepted = breakglass_recovery::accept_host_key(
                &here.desk,
                here::actor(),
                &self.host,
                Some(&fingerprint),
            )
            .await?;
            let kept = here.desk.doors.host_keys().settled(SETTLE).await;
            println!("Accepted for {}: {accepted}", self.host);
            here.end().await;
            match kept {
                Keeping::Kept => Ok(0),
                Keeping::MemoryOnly { why, .. } => Err(coded(
                    exit::INTERNAL,
                    format!(
                        "it could not be written down ({why}), so it ends with this command; mend that and accept it again"
                    ),
                )),
            }
        })
    }
}

/// The fingerprint as a person types it after looking at the host's console: pressing return is no comparison.
fn ask(host: &str) -> anyhow::Result<String> {
    if !std::io::stdin().is_terminal() {
        return Err(coded(
            USAGE,
            "nobody can be asked here; give --fingerprint as read on the host's console. Nothing was accepted",
        ));
    }
    eprintln!("On the console of {host}: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub");
    eprint!("Type the fingerprint that stands there (SHA256:…): ");
    std::io::stderr().flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
