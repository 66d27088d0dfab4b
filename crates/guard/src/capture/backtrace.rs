//! Part `backtrace`: the stacks of QEMU's threads as a debugger sees them, where one is installed.
//!
//! The debugger holds QEMU while it looks. It runs in place of this child, so that killing the child kills it and
//! the kernel lets QEMU go; [`let_go_on`] undoes the one case in which a killed debugger leaves its process held.

use super::kernel_text::same_process;
use super::{Order, PartEnd, Sheet};
use breakglass_protocol::ProcessIdentity;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Where a debugger may be: a fixed list, since a search path belongs to whoever set it.
const DEBUGGERS: [&str; 2] = ["/usr/bin/gdb", "/usr/local/bin/gdb"];

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
    let mut command = Command::new(debugger);
    command
        // No start-up files, nothing from the network, nothing that a binary brings along as a script.
        .args(["-nx", "-batch", "-iex", "set auto-load off", "-iex", "set debuginfod enabled off"])
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

/// Whether the process is held by a signal right now, and so was before any debugger came.
pub(crate) fn is_held(process: Option<ProcessIdentity>) -> bool {
    process.and_then(same_process).is_some_and(|stat| matches!(stat.state, 'T' | 't'))
}

/// Lets a process go on that the debugger left held: one killed between its attach and the stop that follows leaves
/// that stop pending. A process that was held before stays so.
pub(crate) fn let_go_on(process: Option<ProcessIdentity>, was_held: bool) {
    if was_held || !is_held(process) {
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
