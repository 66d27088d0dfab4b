//! `breakglass-guard facts` and `sync-probe`: what the inside of a target can tell about itself, in one exec.
//!
//! What the kernel answers from its own memory is read here; what may hang (asking a file system, writing to it, the
//! init system) is done by children under one deadline, so that a target whose disk hangs still answers. It names no
//! wedge: that is triage's, on the other side of the door.

mod changes;
mod disk;
mod gauges;
pub(crate) mod mounts;
mod tasks;
mod units;

use crate::capture::children::{Ended, Job, Late, Nursery};
use crate::sorted::sort_by;
use breakglass_protocol::{Facts, Filesystem, Part, SyncProbe, exit};
use disk::DiskOrder;
use mounts::Mount;
use std::ffi::OsString;
use std::io::Write;
use std::time::{Duration, Instant};

/// When a child is late. A healthy disk syncs a small file in milliseconds.
const PATIENCE: Duration = Duration::from_millis(1000);
/// Between the two looks at the tasks.
const SAMPLING: Duration = Duration::from_millis(200);
/// File systems that are looked at; a host with more has them from containers.
const MOUNTS: usize = 32;
/// The name of the child that asks the init system; no mount point is called so.
const UNITS: &str = "units";
/// And the one that looks what changed: it reads directories, which may hang with their disk.
const CHANGES: &str = "changes";

/// The subcommand `facts`; `arguments` is what follows it: nothing, `--json`, or the hidden `disk` and `units` and
/// `changes` of its own children. Returns the exit code.
pub(crate) fn run(arguments: &[OsString]) -> u8 {
    match arguments.first().and_then(|word| word.to_str()) {
        Some("disk") => return disk::run(),
        Some(UNITS) => return units::run(),
        Some(CHANGES) => return changes::run(),
        Some("--json") | None => {}
        Some(_) => return exit::REFUSED,
    }
    go_ahead_of_others();
    print(&gather())
}

/// The subcommand `sync-probe`: only the write-and-sync probes, as a JSON array. Returns the exit code.
pub(crate) fn run_sync_probe(_arguments: &[OsString]) -> u8 {
    go_ahead_of_others();
    let began = Instant::now();
    let mounts = looked_at();
    let mut nursery = Nursery::default();
    for mount in mounts.iter().filter(|mount| !mount.read_only) {
        nursery.start(disk_job(mount, false, began));
    }
    let mut probes = Vec::new();
    while let Some(ended) = nursery.next(began + PATIENCE * 2) {
        probes.push(disk::read_probe(&ended));
    }
    sort_by(&mut probes, |a: &SyncProbe, b| a.mount.cmp(&b.mount));
    print(&probes)
}

fn gather() -> Facts {
    let began = Instant::now();
    let mounts = looked_at();
    let mut nursery = Nursery::default();
    for mount in &mounts {
        nursery.start(disk_job(mount, true, began));
    }
    if units::is_there() {
        nursery.start(job(UNITS, Vec::new(), Late::Kill, began));
    }

    nursery.start(job(CHANGES, Vec::new(), Late::Kill, began));

    let first = tasks::Sample::take();
    let memory = gauges::memory();
    let pressure = gauges::pressure();
    let clock = gauges::clock();
    std::thread::sleep((first.taken + SAMPLING).saturating_duration_since(Instant::now()));
    let watched = first.watch();

    let mut filesystems: Vec<Filesystem> = Vec::new();
    let mut sync = Vec::new();
    let mut failed_units = Part::No("no init system that knows units runs here".to_owned());
    let mut changes = Part::TimedOut;
    while let Some(ended) = nursery.next(began + PATIENCE * 2) {
        if ended.name == UNITS {
            failed_units = units::read(&ended);
        } else if ended.name == CHANGES {
            changes = changes::read(&ended);
        } else if let Some(mount) = mounts.iter().find(|mount| mount.mount == ended.name) {
            filesystems.push(disk::read_filesystem(mount, &ended));
            if !mount.read_only {
                sync.push(disk::read_probe(&ended));
            }
        }
    }
    sort_by(&mut filesystems, |a, b| a.mount.cmp(&b.mount));
    sort_by(&mut sync, |a, b| a.mount.cmp(&b.mount));
    Facts {
        uptime_seconds: gauges::uptime_seconds(),
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        load: gauges::load(watched.busiest),
        memory: tasks::with_largest(memory, watched.largest),
        pressure,
        filesystems: Part::Yes(filesystems),
        blocked: watched.blocked,
        failed_units,
        changes,
        clock,
        sync,
        millis: u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX),
    }
}

fn looked_at() -> Vec<Mount> {
    let mut mounts = mounts::disk_mounts();
    mounts.truncate(MOUNTS);
    mounts
}

/// A child for one file system. It is left to itself when it is late: it takes its file away when it gets through,
/// and until then it is the reason why no second probe is started.
fn disk_job(mount: &Mount, usage: bool, began: Instant) -> Job {
    let order = DiskOrder { mount: mount.clone(), usage, probe: !mount.read_only, time: PATIENCE };
    let input = serde_json::to_vec(&order).unwrap_or_default();
    Job { arguments: vec!["facts".into(), "disk".into()], ..job(&mount.mount, input, Late::Leave, began) }
}

fn job(name: &str, input: Vec<u8>, late: Late, began: Instant) -> Job {
    Job {
        name: name.to_owned(),
        arguments: vec!["facts".into(), name.into()],
        input,
        fed_later: false,
        deadline: began + PATIENCE,
        late,
        output_limit: 256 * 1024,
    }
}

/// Asks for a place in front of whatever thrashes this machine. Without root it stays where it is.
fn go_ahead_of_others() {
    let _ = std::fs::write("/proc/self/oom_score_adj", "-500");
    let _ = rustix::process::setpriority_process(None, -10);
}

fn print(value: &impl serde::Serialize) -> u8 {
    let Ok(mut line) = serde_json::to_vec(value) else { return exit::INTERNAL };
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    match out.write_all(&line).and_then(|()| out.flush()) {
        Ok(()) => exit::DONE,
        Err(_) => exit::INTERNAL,
    }
}

/// Why a child's answer is missing.
fn why_missing(ended: &Ended) -> String {
    use crate::capture::children::End;
    match &ended.end {
        End::NotStarted(error) => format!("the look could not be started: {error}"),
        End::Exited(Some(code)) => format!("the look ended with code {code} and no answer"),
        End::Exited(None) => "the look was ended by a signal".to_owned(),
        End::Late(_) => "the look did not end in time".to_owned(),
        End::TooMuch => "the look wrote more than is taken".to_owned(),
    }
}
