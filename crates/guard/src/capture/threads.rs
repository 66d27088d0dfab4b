//! Part `threads`: where each thread of QEMU's process is, as the kernel knows it.
//!
//! A block-path stall shows here: worker threads in state D, in a function of the file system or the network store.

use super::kernel_text::{TaskStat, read, read_or_why, same_process};
use super::{Order, PartEnd, Sheet};
use crate::sorted::sort;
use std::fmt::Write;
use std::path::Path;

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let Some(process) = order.plan.process else {
        sheet.line("there is no QEMU process, or its identity is in doubt");
        return PartEnd::NotHere;
    };
    let Some(stat) = same_process(process) else {
        sheet.line(format_args!("process {} has ended", process.pid));
        return PartEnd::NotHere;
    };
    sheet.line(format_args!("process {} ({}), {} threads", process.pid, stat.command, stat.threads));
    let directory = format!("/proc/{}/task", process.pid);
    let mut threads: Vec<u32> = match std::fs::read_dir(&directory) {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
        }
        Err(error) => {
            sheet.line(format_args!("the threads could not be listed: {error}"));
            return PartEnd::Failed;
        }
    };
    sort(&mut threads);
    for thread in threads {
        sheet.bytes(describe(&Path::new(&directory).join(thread.to_string())).as_bytes());
    }
    if same_process(process).is_none() {
        sheet.line("[the process ended meanwhile: what stands above is not certain to be of it]");
    }
    PartEnd::Captured
}

fn describe(directory: &Path) -> String {
    let Some(stat) = TaskStat::of(directory) else { return String::new() };
    let short = |file: &str| {
        read(directory.join(file), 4096).map_or_else(|e| format!("[{e}]"), |t| t.trim().to_owned())
    };
    let mut text = format!(
        "\nthread {} ({}) state {} ticks {}\n  waits in {}\n  system call {}\n",
        stat.id,
        stat.command,
        stat.state,
        stat.ticks,
        short("wchan"),
        short("syscall"),
    );
    for line in read_or_why(directory.join("stack")).lines() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "    {line}");
    }
    text
}
