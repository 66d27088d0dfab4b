//! What the process costs, and its disk. `/proc` is memory and can be asked at any time; a disk can hang, so it is looked at
//! beside the scrapes, by one look at a time.

use super::family::Family;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often the disk is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A disk that takes longer hangs.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// The disk with the server's state, as it was last seen.
#[derive(Default)]
pub(crate) struct Disk(Mutex<Option<Seen>>);

#[derive(Clone, Copy)]
enum Seen {
    Answers { size: f64, available: f64 },
    Silent,
}

impl Disk {
    /// Looks until `stop`. A look that hangs is the last one until it comes back.
    pub(crate) async fn follow(&self, state_dir: PathBuf, stop: CancellationToken) {
        loop {
            let dir = state_dir.clone();
            let mut look = tokio::task::spawn_blocking(move || rustix::fs::statvfs(&dir));
            let seen = tokio::select! {
                () = stop.cancelled() => return,
                seen = tokio::time::timeout(LONGEST_LOOK, &mut look) => seen,
            };
            let hangs = seen.is_err();
            self.set(match seen {
                Ok(Ok(Ok(disk))) => {
                    let bytes = |blocks: u64| blocks as f64 * disk.f_frsize as f64;
                    Seen::Answers { size: bytes(disk.f_blocks), available: bytes(disk.f_bavail) }
                }
                _ => Seen::Silent,
            });
            if hangs {
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = look => {}
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(if hangs { Duration::ZERO } else { LOOK_EVERY }) => {}
            }
        }
    }

    fn set(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen);
    }

    pub(super) fn families(&self) -> Vec<Family> {
        let seen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = Family::gauge(
            "breakglass_state_disk_answers",
            "Whether the disk with the server's state answered within two seconds when it was last looked at",
        );
        let size =
            Family::gauge("breakglass_state_disk_size_bytes", "Size of the disk with the server's state");
        let available = Family::gauge(
            "breakglass_state_disk_available_bytes",
            "What is left on the disk with the server's state",
        );
        match seen {
            None => Vec::new(),
            Some(Seen::Silent) => vec![answers.is(0.0)],
            Some(Seen::Answers { size: all, available: left }) => {
                vec![answers.is(1.0), size.is(all), available.is(left)]
            }
        }
    }
}

/// The process, under the names that every exporter uses.
pub(super) fn process(started_seconds: f64) -> Vec<Family> {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).unwrap_or_default();
    let page = rustix::param::page_size() as f64;
    let memory = |text: &str, place: usize| text.split_whitespace().nth(place)?.parse::<f64>().ok();
    let statm = read("statm");
    let stat = read("stat");
    // The name of the program stands in brackets and may hold anything; what comes behind it is numbers.
    let numbers: Vec<f64> = stat.rsplit_once(") ").map_or_else(Vec::new, |(_, rest)| {
        rest.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect()
    });
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let busy = numbers.get(10).zip(numbers.get(11)).map(|(user, system)| (user + system) / ticks);
    let open = std::fs::read_dir("/proc/self/fd").map(|all| all.count() as f64).ok();
    vec![
        Family::gauge("process_start_time_seconds", "When the server started, in seconds since 1970")
            .is(started_seconds),
        Family::gauge("process_resident_memory_bytes", "Memory of the server that is resident")
            .may_be(memory(&statm, 1).map(|pages| pages * page)),
        Family::gauge("process_virtual_memory_bytes", "Address space of the server")
            .may_be(memory(&statm, 0).map(|pages| pages * page)),
        Family::counter("process_cpu_seconds", "Processor time of the server").may_be(busy),
        Family::gauge("process_threads", "Threads of the server").may_be(numbers.get(16).copied()),
        Family::gauge("process_open_fds", "Open files and sockets of the server").may_be(open),
    ]
}
