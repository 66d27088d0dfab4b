//! Part `host`: how the hypervisor itself does. What can hang (asking each file system how full it is) comes last.

use super::kernel_text::{read, read_or_why};
use super::{PartEnd, Sheet, kernel_log, now};
use crate::facts::mounts::{disk_mounts, usage};

/// Lines of the kernel's log.
const LOG_LINES: usize = 200;

pub(super) fn run(sheet: &mut Sheet) -> PartEnd {
    let synchronised = match crate::sys::clock_synchronised() {
        Ok(true) => "synchronised".to_owned(),
        Ok(false) => "not synchronised".to_owned(),
        Err(error) => error.to_string(),
    };
    sheet.section("clock", &format!("{} ({synchronised})", now()));
    for file in
        ["uptime", "loadavg", "meminfo", "pressure/cpu", "pressure/memory", "pressure/io", "diskstats"]
    {
        sheet.section(file, &read_or_why(format!("/proc/{file}")));
    }
    let counters = read("/proc/vmstat", 64 * 1024).unwrap_or_default();
    let telling = ["oom_kill", "pswp", "nr_dirty", "nr_writeback", "allocstall", "pgmajfault"];
    let lines: Vec<&str> =
        counters.lines().filter(|line| telling.iter().any(|name| line.starts_with(name))).collect();
    sheet.section("vmstat", &lines.join("\n"));
    match kernel_log(LOG_LINES, |_| true) {
        Ok(lines) => sheet.section("kernel log", &lines.join("\n")),
        Err(error) => sheet.section("kernel log", &format!("[not readable: {error}]")),
    }
    let mounts = disk_mounts();
    let listed: Vec<String> = mounts
        .iter()
        .map(|m| {
            format!(
                "{} on {} ({}{})",
                m.source,
                m.mount,
                m.kind,
                if m.read_only { ", read-only" } else { "" }
            )
        })
        .collect();
    sheet.section("file systems", &listed.join("\n"));
    for mount in &mounts {
        let full = match usage(&mount.mount) {
            Ok(used) => format!(
                "{} KiB of {} KiB available, {} of {} inodes free",
                used.available_kib, used.size_kib, used.inodes_free, used.inodes
            ),
            Err(error) => error.to_string(),
        };
        sheet.section(&format!("usage of {}", mount.mount), &full);
    }
    PartEnd::Captured
}
