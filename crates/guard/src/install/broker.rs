//! The units of the broker: a socket that is root's and that the door's group may reach, and the guard behind it as root.

use super::files;
use super::places::{BROKER_SOCKET, CONFIG, GUARD, RECORD, STATE};
use super::programs;
use super::steps::{Step, Steps};
use std::path::Path;

const SOCKET_UNIT: &str = "breakglass-broker.socket";

fn socket_unit(user: &str) -> String {
    format!(
        "[Unit]\nDescription=What the read-only door may ask of root\n\n[Socket]\nListenStream={BROKER_SOCKET}\n\
         SocketUser=root\nSocketGroup={user}\nSocketMode=0660\nDirectoryMode=0755\nAccept=yes\nMaxConnections=8\n\n\
         [Install]\nWantedBy=sockets.target\n"
    )
}

/// One process a request, so that nothing stays resident and nothing is shared between requests.
fn service_unit() -> String {
    format!(
        "[Unit]\nDescription=One request of the read-only door that needs privilege\nCollectMode=inactive-or-failed\n\n\
         [Service]\nExecStart={}\nStandardInput=socket\nStandardOutput=socket\nStandardError=journal\n\
         NoNewPrivileges=yes\nProtectSystem=strict\nReadWritePaths=-{RECORD} -{STATE}\nProtectHome=yes\nPrivateTmp=yes\nUMask=0077\n\
         RuntimeMaxSec=120\nTasksMax=32\nMemoryMax=768M\nOOMScoreAdjust=500\n",
        command()
    )
}

/// How the broker is run.
pub(super) fn command() -> String {
    format!("{GUARD} broker --config {CONFIG}")
}

/// Writes the units and switches the socket on, where systemd runs; says how to run it where not.
///
/// # Errors
/// A sentence: what the host's tool said.
pub(super) fn install(steps: &mut Steps, user: &str, image: bool) -> Result<Option<String>, String> {
    if !Path::new("/etc/systemd/system").is_dir() {
        return Ok(Some(format!(
            "this host has no systemd: let your own supervisor listen on {BROKER_SOCKET} (root:{user}, mode 0660) and run \
             `{}` for each connection, the connection being its standard input and output",
            command()
        )));
    }
    files::file(steps, &unit_path(SOCKET_UNIT), socket_unit(user).as_bytes(), 0o644)?;
    files::file(steps, &unit_path("breakglass-broker@.service"), service_unit().as_bytes(), 0o644)?;
    if image || !Path::new("/run/systemd/system").is_dir() {
        return Ok(Some(format!("when systemd runs: `systemctl enable --now {SOCKET_UNIT}`")));
    }
    steps.note(Step::Unit(SOCKET_UNIT.to_owned()))?;
    programs::run("systemctl", &["daemon-reload"])?;
    programs::run("systemctl", &["enable", "--now", SOCKET_UNIT])?;
    Ok(None)
}

fn unit_path(unit: &str) -> String {
    format!("/etc/systemd/system/{unit}")
}

/// Switches a unit off.
pub(super) fn switch_off(unit: &str) {
    let _ = programs::run("systemctl", &["disable", "--now", unit]);
}
