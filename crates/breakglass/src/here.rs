//! A desk without a server: the keys in a keyholder of our own, the doors straight, what happens into a spool.

use crate::disk_probe;
use crate::edge::now;
use crate::spooling::Spooling;
use anyhow::Context as _;
use breakglass_doors::{Doors, HostKeys, Keyholder, Limits};
use breakglass_fleet::{Door, Fleet};
use breakglass_incident::Actor;
use breakglass_journal::{Journal, OpenError};
use breakglass_recovery::Desk;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The file of trusted host keys, in the state directory.
pub(crate) const HOST_KEYS: &str = "host-keys";
/// An ssh-agent that holds the keys instead of one of ours, such as a hardware token's.
const AGENT: &str = "BREAKGLASS_AGENT";

/// How long the disk of the state directory may take to answer before a command goes on without it.
pub(crate) const DISK: Duration = Duration::from_secs(2);

/// A desk, and the copying of what happens on it.
pub(crate) struct Here {
    pub(crate) desk: Desk,
    spooling: Spooling,
}

impl Here {
    /// Sets one up for these targets; all of them where none is named. Call it inside a runtime.
    pub(crate) async fn set_up(fleet: Fleet, targets: &[String]) -> anyhow::Result<Self> {
        let wanted = |door: &Door| {
            let of = door.controls.as_deref().unwrap_or(&door.to);
            targets.is_empty() || targets.iter().any(|target| target == of)
        };
        Self::set_up_for(fleet, wanted).await
    }

    /// The same, with the keys of these doors and no others.
    pub(crate) async fn set_up_for(fleet: Fleet, wanted: impl Fn(&Door) -> bool) -> anyhow::Result<Self> {
        let fleet = Arc::new(fleet);
        let keys = keys(&fleet, wanted);
        let keyholder = tokio::task::spawn_blocking(move || keyholder(&keys)).await??;
        for problem in keyholder.problems() {
            eprintln!("breakglass: key {}: {}", problem.key, problem.reason);
        }
        let own = own_state();
        let state = match disk_probe::takes_writes(&fleet.state, DISK) {
            Some(true) => Some(fleet.state.clone()),
            answer => {
                let own = own.filter(|own| disk_probe::takes_writes(own, DISK) == Some(true));
                if answer.is_none() {
                    let place = own.as_ref().map_or_else(
                        || "nothing but the guards records what you do now".to_owned(),
                        |own| {
                            format!(
                                "what you do now is recorded in {}; copy it there for the server later",
                                own.join("spool").display()
                            )
                        },
                    );
                    eprintln!("breakglass: the disk of {} does not answer; {place}", fleet.state.display());
                }
                own
            }
        };
        let writable = state.as_ref() == Some(&fleet.state);
        let known = fleet.state.join(HOST_KEYS);
        let host_keys = match &state {
            // What the server has pinned is known here too; a first key that only we saw goes to our own file.
            Some(state) if writable || !is_readable(&known) => state.join(HOST_KEYS),
            _ => known,
        };
        let host_keys = HostKeys::open_within(&host_keys, DISK)?;
        let doors = Doors::new(Arc::clone(&fleet), keyholder, host_keys, Limits::default());
        let dir = state.clone().unwrap_or_else(std::env::temp_dir).join("spool");
        let journal = in_memory(&dir);
        let spooling = Spooling::begin(&journal, state.is_some().then_some(dir));
        let desk = Desk::new(fleet, doors, journal, now);
        breakglass_recovery::recall_normals(&desk).await;
        Ok(Self { desk, spooling })
    }

    /// Writes what is left to be written.
    pub(crate) async fn end(self) {
        self.spooling.end().await;
    }
}

/// The journal of a command is in memory: the spool is what is kept of it.
fn in_memory(dir: &Path) -> Journal {
    let why = OpenError::Directory {
        path: dir.to_owned(),
        source: std::io::Error::other("no server runs here; the command line keeps a spool"),
    };
    Journal::open_degraded(dir, now, &why)
}

/// The files of the keys that open these doors.
pub(crate) fn keys(fleet: &Fleet, wanted: impl Fn(&Door) -> bool) -> Vec<(String, PathBuf)> {
    let names: BTreeSet<&str> =
        fleet.doors.iter().filter(|door| wanted(door)).map(|door| door.key.as_str()).collect();
    let files =
        names.into_iter().filter_map(|name| Some((name.to_owned(), fleet.secret(name)?.file.clone()?)));
    files.collect()
}

/// The keyholder: the agent that the environment names, else a child of our own. Blocks until it is ready.
pub(crate) fn keyholder(keys: &[(String, PathBuf)]) -> anyhow::Result<Keyholder> {
    if let Some(socket) = std::env::var_os(AGENT) {
        return Ok(Keyholder::from_socket(Path::new(&socket)));
    }
    let own = std::env::current_exe()
        .context("this program does not find itself, so it cannot start its keyholder")?;
    Ok(Keyholder::spawn(&own, keys)?)
}

/// Where an account keeps state of its own.
fn own_state() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let xdg = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(absolute);
    let home =
        std::env::var_os("HOME").map(PathBuf::from).filter(absolute).map(|home| home.join(".local/state"));
    Some(xdg.or(home)?.join("breakglass"))
}

/// Does something that a hung disk may hold up, on a thread of its own; `None` where it takes too long. The thread is left behind.
pub(crate) fn in_time<T: Send + 'static>(
    deadline: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (tell, told) = std::sync::mpsc::sync_channel(1);
    let started = std::thread::Builder::new().name("disk".to_owned()).spawn(move || tell.send(work()));
    started.ok().and_then(|_thread| told.recv_timeout(deadline).ok())
}

fn is_readable(file: &Path) -> bool {
    let file = file.to_owned();
    in_time(DISK, move || std::fs::File::open(file).is_ok()) == Some(true)
}

/// Who sits here: the account and the machine.
pub(crate) fn actor() -> Actor {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let account = ["SUDO_USER", "USER", "LOGNAME"].into_iter().find_map(variable);
    let machine = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    Actor::Cli(format!("{}@{}", account.as_deref().unwrap_or("someone"), machine.trim()))
}

/// Runs one command, and does not wait for a thread of it that hangs with a disk.
pub(crate) fn block_on<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(8).build()?;
    let ended = runtime.block_on(work);
    runtime.shutdown_background();
    ended
}

/// The target, or an error that names those there are.
pub(crate) fn known_target(fleet: &Fleet, target: &str) -> anyhow::Result<()> {
    if fleet.targets().any(|component| component.name == target) {
        return Ok(());
    }
    let names: Vec<&str> = fleet.targets().map(|component| component.name.as_str()).collect();
    Err(crate::edge::coded(
        crate::edge::USAGE,
        format!("the fleet has no target `{target}`; it has: {}. Nothing was sent", names.join(", ")),
    ))
}
