//! What the kernel counts for the whole machine: load, memory, pressure, uptime, clock. None of these can hang.

use crate::capture::kernel_text::read;
use crate::capture::{kernel_log, now};
use crate::decimal::two_places;
use crate::zone::local_time;
use breakglass_protocol::{ClockFacts, LoadFacts, MemoryFacts, Part, PressureFacts, PressureLine};
use std::io;

/// Lines about kills for lack of memory.
const KILL_LINES: usize = 5;
/// Characters of each.
const LINE_LIMIT: usize = 200;

/// Load, with the processes that were seen to be busiest.
pub(super) fn load(busiest: Vec<(String, u32, f64)>) -> Part<LoadFacts> {
    part(
        read("/proc/loadavg", 4096)
            .and_then(|text| parse_load(&text).ok_or_else(|| odd("/proc/loadavg")))
            .map(|load| LoadFacts { processors: processors(), busiest, ..load }),
    )
}

/// `0.12 0.34 0.56 2/180 4242`.
fn parse_load(text: &str) -> Option<LoadFacts> {
    let mut words = text.split_ascii_whitespace();
    let mut average = || two_places(words.next()?);
    let (one, five, fifteen) = (average()?, average()?, average()?);
    let (runnable, tasks) = words.next()?.split_once('/')?;
    let (runnable, tasks) = (runnable.parse().ok()?, tasks.parse().ok()?);
    Some(LoadFacts { one, five, fifteen, runnable, tasks, processors: 0, busiest: Vec::new() })
}

fn processors() -> u32 {
    let text = read("/proc/stat", 1 << 20).unwrap_or_default();
    let lines = text.lines().filter(|line| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    });
    u32::try_from(lines.count()).unwrap_or(u32::MAX).max(1)
}

/// Memory; the largest processes are filled in from a sample of the tasks.
pub(super) fn memory() -> Part<MemoryFacts> {
    part(read("/proc/meminfo", 64 * 1024).and_then(|text| {
        let kib = |name: &str| number_after(&text, name);
        let total_kib = kib("MemTotal:").ok_or_else(|| odd("/proc/meminfo"))?;
        let oom_kills = number_after(&read("/proc/vmstat", 64 * 1024)?, "oom_kill").unwrap_or(0);
        Ok(MemoryFacts {
            total_kib,
            available_kib: kib("MemAvailable:").or_else(|| kib("MemFree:")).unwrap_or(0),
            swap_total_kib: kib("SwapTotal:").unwrap_or(0),
            swap_free_kib: kib("SwapFree:").unwrap_or(0),
            oom_kills,
            oom_lines: if oom_kills == 0 { Vec::new() } else { kill_lines() },
            largest: Vec::new(),
        })
    }))
}

/// The number that follows `name` on its line.
fn number_after(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next()? == name).then(|| words.next()?.parse().ok()).flatten()
    })
}

/// The log's newest lines about kills. Without root the counter stands alone.
fn kill_lines() -> Vec<String> {
    let tells = |line: &str| {
        line.contains("Out of memory:")
            || line.contains("oom-kill:")
            || line.contains("Memory cgroup out of memory")
    };
    let cut = |line: String| line.chars().take(LINE_LIMIT).collect();
    kernel_log(KILL_LINES, tells).unwrap_or_default().into_iter().map(cut).collect()
}

/// Pressure, where the kernel measures it.
pub(super) fn pressure() -> Part<PressureFacts> {
    let files = ["cpu", "memory", "io"].map(|name| read(format!("/proc/pressure/{name}"), 4096));
    if let [Err(error), Err(_), Err(_)] = &files {
        return Part::No(format!("this kernel tells no pressure: {error}"));
    }
    let [cpu, memory, io] = files.map(Result::unwrap_or_default);
    Part::Yes(PressureFacts {
        cpu_some: parse_pressure(&cpu, "some"),
        memory_some: parse_pressure(&memory, "some"),
        memory_full: parse_pressure(&memory, "full"),
        io_some: parse_pressure(&io, "some"),
        io_full: parse_pressure(&io, "full"),
    })
}

/// `some avg10=0.00 avg60=0.12 avg300=0.34 total=5678`.
fn parse_pressure(text: &str, kind: &str) -> Option<PressureLine> {
    let line = text.lines().find(|line| line.split_ascii_whitespace().next() == Some(kind))?;
    let value = |name: &str| {
        line.split_ascii_whitespace()
            .find_map(|word| word.strip_prefix(name)?.strip_prefix('=').and_then(two_places))
    };
    Some(PressureLine { avg10: value("avg10")?, avg60: value("avg60")? })
}

/// The clock and whether the kernel calls it synchronised.
pub(super) fn clock() -> Part<ClockFacts> {
    part(crate::sys::clock_synchronised().map(|synchronised| {
        let at = now();
        let offset = local_time(at.unix_millis().div_euclid(1000)).offset;
        ClockFacts { at, synchronised, offset_minutes: i32::try_from(offset.div_euclid(60)).ok() }
    }))
}

/// Seconds since boot; zero where even that cannot be read.
pub(super) fn uptime_seconds() -> u64 {
    let text = read("/proc/uptime", 4096).unwrap_or_default();
    text.split('.').next().and_then(|seconds| seconds.parse().ok()).unwrap_or(0)
}

fn part<T>(result: io::Result<T>) -> Part<T> {
    match result {
        Ok(value) => Part::Yes(value),
        Err(error) => Part::No(error.to_string()),
    }
}

fn odd(file: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{file} reads unlike it should"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_load() {
        let load = parse_load("0.50 1.25 2.00 3/180 4242\n").unwrap();
        assert_eq!((load.one, load.five, load.fifteen, load.runnable, load.tasks), (0.5, 1.25, 2.0, 3, 180));
        assert!(parse_load("0.50 1.25").is_none());
        assert!(processors() >= 1);
    }

    #[test]
    fn reads_pressure_of_either_kind() {
        let text = "some avg10=1.50 avg60=0.25 avg300=0.00 total=10\nfull avg10=0.75 avg60=0.00 avg300=0.00 total=1\n";
        assert_eq!(parse_pressure(text, "some"), Some(PressureLine { avg10: 1.5, avg60: 0.25 }));
        assert_eq!(parse_pressure(text, "full"), Some(PressureLine { avg10: 0.75, avg60: 0.0 }));
        assert_eq!(parse_pressure("some avg10=x", "some"), None);
        assert_eq!(parse_pressure("", "full"), None);
    }

    #[test]
    fn finds_a_counter_by_its_whole_name() {
        let text = "oom_kill_x 9\noom_kill 3\n";
        assert_eq!(number_after(text, "oom_kill"), Some(3));
        assert_eq!(number_after(text, "oom"), None);
    }

    #[test]
    fn this_machine_has_memory() {
        let memory = memory();
        assert!(memory.value().is_some_and(|memory| memory.total_kib > memory.available_kib), "{memory:?}");
    }
}
