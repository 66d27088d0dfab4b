//! Part `backtrace`: the stacks of QEMU's threads as a debugger sees them, where one is installed.
//!
//! The debugger holds QEMU while it looks. It runs in place of this child, so that killing the child kills it and
//! the kernel lets QEMU go; [`let_go_on`] undoes the one case in which a killed debugger leaves its process held.

use super::kernel_text::{TaskStat, same_process};
use super::{Order, PartEnd, Sheet};
use breakglass_protocol::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Where a debugger may be: a fixed list, since a search path belongs to whoever set it.
const DEBUGGERS: [&str; 2] = ["/usr/bin/gdb", "/usr/local/bin/gdb"];

/// The libraries whose symbols are read: C, the main loop, and what disks and network stores are reached by.
const LIBRARIES: &str =
    r"sharedlibrary /lib\(c\|glib-2\|aio\|uring\|rados\|rbd\|iscsi\|nfs\|gfapi\|ssh\)[.0-9-]";

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let Some(process) = order.plan.process else {
        sheet.line("there is no QEMU process, or its identity is in doubt");
        return PartEnd::NotHere;
    };
    let Some(debugger) = DEBUGGERS.into_iter().find(|path| std::path::Path::new(path).is_file()) else {
        sheet.line("no debugger is installed on this host (gdb)");
        return PartEnd::NotHere;
    };
    std::thread::sleep(order.settle);
    if same_process(process).is_none() {
        sheet.line(format_args!("process {} has ended", process.pid));
        return PartEnd::NotHere;
    }
    if let Some(thread) = held_by_the_kernel(process.pid) {
        sheet.line(format_args!(
            "not tried: thread {thread} waits in the kernel, a debugger would wait with it; see the part threads"
        ));
        return PartEnd::Failed;
    }
    let mut command = Command::new(debugger);
    command
        // No start-up files, nothing from the network, nothing that a binary brings along as a script.
        .args(["-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"])
        // QEMU is held while symbols are read, and it loads some 150 libraries: only those that a stall passes through.
        .args(["-iex", "set auto-solib-add off", "-ex", LIBRARIES])
        // Arguments of functions may be secrets.
        .args(["-ex", "set print frame-arguments none", "-ex", "thread apply all backtrace 40"])
        .arg("-p")
        .arg(process.pid.to_string())
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C")
        .stdin(Stdio::null());
    if let Ok(output) = std::io::stdout().as_fd().try_clone_to_owned() {
        command.stderr(output);
    }
    let error = command.exec();
    sheet.line(format_args!("the debugger could not be started: {error}"));
    PartEnd::Failed
}

/// A thread that is in state D whenever one looks: not one that merely reads from a disk.
fn held_by_the_kernel(pid: u32) -> Option<u32> {
    let mut held: Vec<u32> = std::fs::read_dir(format!("/proc/{pid}/task"))
        .ok()?
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    for look in 0..4 {
        if look > 0 {
            std::thread::sleep(Duration::from_millis(15));
        }
        held.retain(|thread| {
            TaskStat::of(format!("/proc/{pid}/task/{thread}")).is_some_and(|stat| stat.state == 'D')
        });
        if held.is_empty() {
            return None;
        }
    }
    held.first().copied()
}

/// Whether the process is held by a signal right now, and so was before any debugger came.
pub(crate) fn is_held(process: Option<ProcessIdentity>) -> bool {
    process.and_then(same_process).is_some_and(|stat| matches!(stat.state, 'T' | 't'))
}

/// Lets a process go on that the debugger left held: one killed between its attach and the stop that follows leaves
/// that stop pending, to strike later where the process waits in the kernel. A process that was held before stays so.
pub(crate) fn let_go_on(process: Option<ProcessIdentity>, was_held: bool, cut_short: bool) {
    if was_held || !(cut_short || is_held(process)) {
        return;
    }
    let Some(process) = process else { return };
    let pid = i32::try_from(process.pid).ok().and_then(Pid::from_raw);
    let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else { return };
    // Looked at again through the handle's process: the number could have changed hands in between.
    if same_process(process).is_some() {
        let _ = pidfd_send_signal(&handle, Signal::CONT);
    }
}
