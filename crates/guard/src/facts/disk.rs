//! The child for one file system: how full it is, and whether a small file becomes durable on it.
//!
//! A probe that is stuck stays stuck until the disk comes back, so a second one is never started beside it: the first
//! holds a lock on a marker in memory, which the kernel releases when the process is truly gone and not before.

use super::mounts::{Mount, Usage, usage};
use super::why_missing;
use crate::capture::children::{End, Ended};
use crate::capture::marker_dir;
use breakglass_protocol::{Filesystem, SyncProbe, exit};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What the child is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DiskOrder {
    pub(super) mount: Mount,
    /// Whether to ask how full it is.
    pub(super) usage: bool,
    /// Whether to write.
    pub(super) probe: bool,
    /// How long its parent waits.
    pub(super) time: Duration,
}

/// What the child answers, one line each, as soon as it is known.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Said {
    Usage(Usage),
    Probe(SyncProbe),
}

/// What a running probe leaves for others to read.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Marker {
    /// The probe's process.
    pid: u32,
    /// When it began, in milliseconds after boot.
    began: u64,
    /// Whether it got past asking how full the file system is.
    writes: bool,
}

/// Runs the child. Returns the exit code.
pub(super) fn run() -> u8 {
    let mut json = Vec::new();
    let read = io::stdin().lock().take(64 * 1024).read_to_end(&mut json);
    let (Ok(_), Ok(order)) = (read, serde_json::from_slice::<DiskOrder>(&json)) else {
        return exit::INTERNAL;
    };
    if !order.probe {
        say_usage(&order);
        return exit::DONE;
    }
    if !rustix::process::geteuid().is_root() {
        // An account that may make a marker of its own, in a directory that is open to all, still may not write here.
        say_usage(&order);
        say_unmarked(&order.mount, &io::ErrorKind::PermissionDenied.into());
        return exit::DONE;
    }
    match Turn::take(&order) {
        Ok(Turn::Ours(mut marker)) => {
            let begun = marker.write(false).and_then(|()| {
                say_usage(&order);
                marker.write(true)
            });
            match begun {
                Ok(()) => probe(&order.mount),
                Err(error) => say_unmarked(&order.mount, &error),
            }
        }
        Ok(Turn::Others(other)) => {
            if other.is_none_or(|marker| marker.writes) {
                say_usage(&order);
            }
            let stuck = other.map_or(0, |marker| after_boot().saturating_sub(marker.began));
            say(&Said::Probe(SyncProbe { stuck_millis: Some(stuck), ..nothing(&order.mount) }));
        }
        Err(error) => {
            say_usage(&order);
            say_unmarked(&order.mount, &error);
        }
    }
    exit::DONE
}

/// Whose turn it is to write.
enum Turn {
    Ours(OurMarker),
    /// An earlier probe is still at it.
    Others(Option<Marker>),
}

struct OurMarker(File);

impl Turn {
    fn take(order: &DiskOrder) -> io::Result<Self> {
        let mut file = open_marker(&marker_path(&order.mount))?;
        // One that is merely running beside us is through in a moment.
        let patient_until = Instant::now() + order.time * 7 / 10;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self::Ours(OurMarker(file))),
                Err(Errno::WOULDBLOCK) if Instant::now() < patient_until => {
                    std::thread::sleep(Duration::from_millis(10));
                }
                Err(Errno::WOULDBLOCK) => {
                    let mut text = String::new();
                    (&mut file).take(4096).read_to_string(&mut text)?;
                    return Ok(Self::Others(serde_json::from_str(&text).ok()));
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl OurMarker {
    fn write(&mut self, writes: bool) -> io::Result<()> {
        let text = serde_json::to_vec(&Marker { pid: std::process::id(), began: after_boot(), writes })?;
        self.0.rewind()?;
        self.0.write_all(&text)?;
        self.0.set_len(text.len() as u64)
    }
}

fn open_marker(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?))
}

fn marker_path(mount: &Mount) -> PathBuf {
    marker_dir().join(mount.device.replace(':', "-"))
}

/// Writes a small file, syncs it, takes it away and says how long it took to be durable. The name is the same each
/// time, so that one left by a crash goes with the next probe.
fn probe(mount: &Mount) {
    let path = Path::new(&mount.mount).join(format!(".breakglass-probe-{}", mount.device.replace(':', "-")));
    let _ = std::fs::remove_file(&path);
    let began = Instant::now();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let synced = rustix::fs::open(&path, flags, Mode::from_raw_mode(0o600))
        .map_err(io::Error::from)
        .and_then(|descriptor| {
            let mut file = File::from(descriptor);
            file.write_all(&[b'.'; 512])?;
            file.sync_all()
        })
        .map(|()| u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
    // Before the word is out: whoever reads it may end us, and a disk that hangs on this is stuck like any other.
    let _ = std::fs::remove_file(&path);
    match synced {
        Ok(millis) => say(&Said::Probe(SyncProbe { millis: Some(millis), ..nothing(mount) })),
        Err(error) => say_error(mount, &error),
    }
}

fn nothing(mount: &Mount) -> SyncProbe {
    SyncProbe { mount: mount.mount.clone(), millis: None, stuck_millis: None, error: None }
}

fn say_error(mount: &Mount, error: &io::Error) {
    let text = match error.kind() {
        io::ErrorKind::StorageFull => "no space left on the file system".to_owned(),
        _ => error.to_string(),
    };
    say(&Said::Probe(SyncProbe { error: Some(text), ..nothing(mount) }));
}

/// Nothing was written to the disk, since a second probe beside it could not have been kept away. Says nothing about
/// the disk, and must not read as if it did.
fn say_unmarked(mount: &Mount, error: &io::Error) {
    let root = if rustix::process::geteuid().is_root() { "" } else { "; a probe needs root" };
    let text = format!("not tried, the probe could not be marked as running: {error}{root}");
    say(&Said::Probe(SyncProbe { error: Some(text), ..nothing(mount) }));
}

fn say_usage(order: &DiskOrder) {
    if order.usage {
        // Where it can't be had, the sizes stay unknown; the probe tells why.
        if let Ok(used) = usage(&order.mount.mount) {
            say(&Said::Usage(used));
        }
    }
}

fn say(said: &Said) {
    let mut line = serde_json::to_vec(said).unwrap_or_default();
    line.push(b'\n');
    // A parent that has gone on is past caring.
    let _ = io::stdout().write_all(&line).and_then(|()| io::stdout().flush());
}

/// Milliseconds since boot, counted through sleep; a wall clock may be set meanwhile.
fn after_boot() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0))
}

/// The file system as the child saw it.
pub(super) fn read_filesystem(mount: &Mount, ended: &Ended) -> Filesystem {
    let used = lines(ended).find_map(|said| match said {
        Said::Usage(used) => Some(used),
        Said::Probe(_) => None,
    });
    Filesystem {
        mount: mount.mount.clone(),
        source: mount.source.clone(),
        kind: mount.kind.clone(),
        read_only: mount.read_only,
        size_kib: used.map(|used| used.size_kib),
        available_kib: used.map(|used| used.available_kib),
        inodes: used.map(|used| used.inodes),
        inodes_free: used.map(|used| used.inodes_free),
    }
}

/// The probe as the child saw it; one that is not through is stuck for as long as it has run.
pub(super) fn read_probe(ended: &Ended) -> SyncProbe {
    let said = lines(ended).find_map(|said| match said {
        Said::Probe(probe) => Some(probe),
        Said::Usage(_) => None,
    });
    said.unwrap_or_else(|| {
        let stuck = matches!(ended.end, End::Late(_));
        SyncProbe {
            mount: ended.name.clone(),
            millis: None,
            stuck_millis: stuck.then_some(ended.millis),
            error: (!stuck).then(|| why_missing(ended)),
        }
    })
}

fn lines(ended: &Ended) -> impl Iterator<Item = Said> {
    ended.output.split(|&b| b == b'\n').filter_map(|line| serde_json::from_slice(line).ok())
}
