//! A verb over SSH: a fresh connection beside `ssh`, a held one beside a multiplexed `ssh`, on the same door.

use crate::measure::{Samples, in_turn};
use crate::table::Table;
use anyhow::{Result, ensure};
use breakglass_doors::{Ask, Doors, HostKeys, Keyholder, Limits};
use breakglass_e2e::night::{brisk, lab};
use breakglass_e2e::server;
use breakglass_fleet::Fleet;
use breakglass_lab::Lab;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

const DOOR: &str = "devvm-power";
/// Refused at once by the guard: what is measured is the way there and back.
const REQUEST: &str = "reboot";

/// All rows about SSH.
pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let lab = lab(&brisk())?;
    lab.vm()?.monitor(Duration::from_secs(2))?.stop()?;
    let fleet = Arc::new(Fleet::load(&lab.fleet_file())?);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let _inside = runtime.enter();
    let key = lab.power_key().to_path_buf();
    let keyholder = Keyholder::spawn(&server::binary()?, &[("power-key".to_owned(), key)])?;
    let doors = || -> Result<Doors> {
        let keys = HostKeys::open(&lab.directory().join("bench-host-keys"))?;
        Ok(Doors::new(Arc::clone(&fleet), keyholder.clone(), keys, Limits::default()))
    };
    let plain = ssh(&lab, &[]);
    let (ours, theirs) = in_turn(15, || ask(&runtime, &doors()?), || spawn(&plain))?;
    compare(table, "verb over a fresh connection", &ours, "ssh", &theirs, 0.45);

    let held = doors()?;
    let socket = lab.directory().join("control-master");
    let master = format!("ControlPath={}", socket.display());
    let multiplexed = ssh(&lab, &["-o", "ControlMaster=auto", "-o", "ControlPersist=60", "-o", &master]);
    let (ours, theirs) = in_turn(60, || ask(&runtime, &held), || spawn(&multiplexed))?;
    compare(table, "verb over a held connection", &ours, "multiplexed ssh", &theirs, 0.6);
    let mut exit = Command::new("ssh");
    let _ = exit.args(["-O", "exit", "-o", &master, "127.0.0.1"]).stderr(Stdio::null()).status();
    Ok(())
}

fn compare(table: &mut Table, work: &str, ours: &Samples, who: &str, theirs: &Samples, target: f64) {
    table.ratio(work, &ours.words(), &format!("{who}: {}", theirs.words()), ours.ratio(theirs), target);
}

fn ask(runtime: &Runtime, doors: &Doors) -> Result<()> {
    let ask = Ask {
        door: DOOR,
        command: REQUEST.to_owned(),
        deadline: Duration::from_secs(10),
        stdout_limit: 4096,
    };
    let (end, captured) = runtime.block_on(doors.capture(ask));
    ensure!(String::from_utf8_lossy(&captured.stderr).contains("refused"), "{end}");
    Ok(())
}

fn ssh(lab: &Lab, options: &[&str]) -> Vec<String> {
    let fixed = [
        "-F",
        "none",
        "-T",
        "-o",
        "StrictHostKeyChecking=no",
        "-o",
        "UserKnownHostsFile=/dev/null",
        "-o",
        "LogLevel=ERROR",
        "-o",
        "IdentitiesOnly=yes",
        "-o",
        "IdentityAgent=none",
    ];
    let mut words: Vec<String> = fixed.iter().chain(options).map(|word| (*word).to_owned()).collect();
    words.extend([
        "-i".to_owned(),
        lab.power_key().display().to_string(),
        "-p".to_owned(),
        lab.ssh_port().to_string(),
    ]);
    words.extend(["root@127.0.0.1".to_owned(), REQUEST.to_owned()]);
    words
}

fn spawn(words: &[String]) -> Result<()> {
    let status = Command::new("ssh")
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    ensure!(status.code() == Some(77), "ssh ended with {status}");
    Ok(())
}
