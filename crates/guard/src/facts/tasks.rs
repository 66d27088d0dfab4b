//! Two looks at all tasks, a moment apart: who is busy, who is large, and who waits where no signal reaches.

use crate::capture::kernel_text::{TaskStat, read};
use crate::console::plain_line;
use crate::sorted::sort_by;
use breakglass_protocol::{BlockedTask, MemoryFacts, Part};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Entries of each list.
const LISTED: usize = 5;
/// Blocked tasks that are told; a stalled disk soon blocks hundreds, and the first tell it all.
const BLOCKED: usize = 20;
/// Threads whose state is looked at, so that a fork bomb costs no more than this.
const THREADS: usize = 20_000;
/// Time that the first look may take.
const PATIENCE: Duration = Duration::from_millis(400);

/// The first look.
pub(super) struct Sample {
    /// When it was complete.
    pub(super) taken: Instant,
    /// Processes by their id.
    processes: HashMap<u32, TaskStat>,
    /// Threads in state D: process, thread, how often it had been given the processor.
    waiting: Vec<(u32, u32, u64)>,
    /// Why there is nothing, where there is nothing.
    failed: Option<String>,
}

/// What both looks together tell.
pub(super) struct Watched {
    pub(super) busiest: Vec<(String, u32, f64)>,
    pub(super) largest: Vec<(String, u32, u64)>,
    pub(super) blocked: Part<Vec<BlockedTask>>,
}

impl Sample {
    pub(super) fn take() -> Self {
        let until = Instant::now() + PATIENCE;
        let mut sample =
            Self { taken: Instant::now(), processes: HashMap::new(), waiting: Vec::new(), failed: None };
        match ids("/proc") {
            Err(error) => sample.failed = Some(error.to_string()),
            Ok(processes) => {
                let mut threads_left = THREADS;
                for process in processes {
                    let Some(stat) = TaskStat::of(format!("/proc/{process}")) else { continue };
                    let several = stat.threads > 1 && Instant::now() < until;
                    let threads = if several {
                        ids(&task_directory(process)).unwrap_or_default()
                    } else {
                        vec![process]
                    };
                    for thread in threads.into_iter().take(threads_left) {
                        threads_left = threads_left.saturating_sub(1);
                        sample.look_at(process, thread, &stat);
                    }
                    sample.processes.insert(process, stat);
                }
            }
        }
        sample.taken = Instant::now();
        sample
    }

    fn look_at(&mut self, process: u32, thread: u32, of_process: &TaskStat) {
        let state = if thread == process {
            Some(of_process.state)
        } else {
            TaskStat::of(thread_directory(process, thread)).map(|stat| stat.state)
        };
        if state == Some('D') {
            self.waiting.extend(switches(process, thread).map(|switches| (process, thread, switches)));
        }
    }

    /// The second look.
    pub(super) fn watch(self) -> Watched {
        let elapsed = self.taken.elapsed().as_secs_f64().max(0.001);
        let per_second = crate::sys::clock_ticks_per_second() as f64;
        let mut busiest = Vec::new();
        let mut largest = Vec::new();
        for process in ids("/proc").unwrap_or_default() {
            let Some(stat) = TaskStat::of(format!("/proc/{process}")) else { continue };
            let before = self.processes.get(&process).filter(|before| before.start_ticks == stat.start_ticks);
            let ticks = stat.ticks.saturating_sub(before.map_or(0, |before| before.ticks));
            // A process younger than the interval counts from its start.
            let percent = ticks as f64 * 100.0 / per_second / elapsed;
            if ticks > 0 && process != std::process::id() {
                busiest.push((stat.command.clone(), process, (percent * 10.0).round() / 10.0));
            }
            if stat.resident_pages > 0 {
                largest.push((stat.command, process, stat.resident_pages));
            }
        }
        sort_by(&mut busiest, |a, b| b.2.total_cmp(&a.2));
        busiest.truncate(LISTED);
        sort_by(&mut largest, |a, b| b.2.cmp(&a.2));
        largest.truncate(LISTED);
        // The kernel counts in pages here, whose size differs from machine to machine; there it says KiB.
        for entry in &mut largest {
            entry.2 = resident_kib(entry.1).unwrap_or(0);
        }
        let blocked = match self.failed {
            Some(error) => Part::No(error),
            None => Part::Yes(self.waiting.into_iter().filter_map(still_waiting).take(BLOCKED).collect()),
        };
        Watched { busiest, largest, blocked }
    }
}

/// The same wait as before: still in state D, and not given the processor in between. A busy writer is in state D at
/// both looks too, but it moves.
fn still_waiting((process, thread, before): (u32, u32, u64)) -> Option<BlockedTask> {
    let stat = TaskStat::of(thread_directory(process, thread))?;
    if stat.state != 'D' || switches(process, thread)? != before {
        return None;
    }
    let wchan = read(format!("{}/wchan", thread_directory(process, thread)), 256).unwrap_or_default();
    let wait_channel = plain_line(wchan.as_bytes());
    let wait_channel = if wait_channel == "0" { String::new() } else { wait_channel };
    Some(BlockedTask { pid: process, command: stat.command, wait_channel })
}

/// Memory with its largest processes.
pub(super) fn with_largest(memory: Part<MemoryFacts>, largest: Vec<(String, u32, u64)>) -> Part<MemoryFacts> {
    match memory {
        Part::Yes(memory) => Part::Yes(MemoryFacts { largest, ..memory }),
        other => other,
    }
}

fn ids(directory: &str) -> std::io::Result<Vec<u32>> {
    let entries = std::fs::read_dir(directory)?;
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn task_directory(process: u32) -> String {
    format!("/proc/{process}/task")
}

fn thread_directory(process: u32, thread: u32) -> String {
    format!("/proc/{process}/task/{thread}")
}

/// How often a thread gave the processor away, of its own or not.
fn switches(process: u32, thread: u32) -> Option<u64> {
    let status = read(format!("{}/status", thread_directory(process, thread)), 16 * 1024).ok()?;
    let counts =
        status.lines().filter_map(|line| line.split_once("_ctxt_switches:")?.1.trim().parse::<u64>().ok());
    Some(counts.sum())
}

fn resident_kib(process: u32) -> Option<u64> {
    let status = read(format!("/proc/{process}/status"), 16 * 1024).ok()?;
    status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse().ok())
}
