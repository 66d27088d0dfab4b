//! Part `cgroup`: what limits the control group of QEMU's process and what it waits for. Reads, decides nothing.

use super::kernel_text::{read, read_or_why, same_process};
use super::{Order, PartEnd, Sheet};
use std::path::{Path, PathBuf};

/// Files of a version 2 group.
const UNIFIED: [&str; 14] = [
    "cgroup.events",
    "cgroup.freeze",
    "cpu.max",
    "cpu.stat",
    "cpu.pressure",
    "memory.current",
    "memory.high",
    "memory.max",
    "memory.events",
    "memory.pressure",
    "io.max",
    "io.stat",
    "io.pressure",
    "pids.current",
];
/// Files of a version 1 group, whichever controller it is of.
const LEGACY: [&str; 8] = [
    "memory.usage_in_bytes",
    "memory.limit_in_bytes",
    "memory.failcnt",
    "memory.oom_control",
    "cpu.cfs_quota_us",
    "cpu.stat",
    "freezer.state",
    "blkio.throttle.write_bps_device",
];

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let Some(process) = order.plan.process.filter(|process| same_process(*process).is_some()) else {
        sheet.line("there is no QEMU process, or its identity is in doubt");
        return PartEnd::NotHere;
    };
    let membership = match read(format!("/proc/{}/cgroup", process.pid), 64 * 1024) {
        Ok(text) => text,
        Err(error) => {
            sheet.line(format_args!("the process's control group could not be read: {error}"));
            return PartEnd::Failed;
        }
    };
    sheet.section("membership", &membership);
    for line in membership.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let own = path.trim_start_matches('/');
        if own.split('/').any(|step| step == "..") {
            continue;
        }
        if controllers.is_empty() {
            let root = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"]
                .into_iter()
                .find(|root| Path::new(root).join("cgroup.controllers").exists())
                .map_or_else(|| PathBuf::from("/sys/fs/cgroup"), PathBuf::from);
            // A limit of any group above holds as well, so each is looked at, the root apart.
            for group in Path::new(own).ancestors().filter(|group| !group.as_os_str().is_empty()) {
                describe(&root.join(group), &UNIFIED, sheet);
            }
        } else {
            describe(&Path::new("/sys/fs/cgroup").join(controllers).join(own), &LEGACY, sheet);
        }
    }
    PartEnd::Captured
}

fn describe(group: &Path, files: &[&str], sheet: &mut Sheet) {
    for file in files {
        let path = group.join(file);
        if path.exists() {
            sheet.section(&path.to_string_lossy(), &read_or_why(&path));
        }
    }
}
