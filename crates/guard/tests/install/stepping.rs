//! Kills a program at its n-th system call that changes something, by tracing it: a moment that can be named again.

use std::os::unix::process::CommandExt;
use std::process::Command;

/// How a traced run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Killed just before the call that was asked for.
    Killed,
    /// It came to its end before: its exit code, and how many such calls it made.
    Finished { code: i32, calls: usize },
}

/// Calls that change a file, or start or await one of the host's tools.
#[cfg(target_arch = "x86_64")]
const OLD: [i64; 8] = [
    libc::SYS_rename,
    libc::SYS_mkdir,
    libc::SYS_unlink,
    libc::SYS_rmdir,
    libc::SYS_chmod,
    libc::SYS_chown,
    libc::SYS_vfork,
    libc::SYS_fork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: [i64; 0] = [];
const CHANGING: [i64; 12] = [
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_fchownat,
    libc::SYS_fchown,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fsync,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_wait4,
];

/// Runs the command, which is killed before the call of this number, counted from 1.
pub(crate) fn run_until(mut command: Command, number: usize) -> Ended {
    // SAFETY: between fork and exec the child makes one call, which touches no memory.
    unsafe {
        command.pre_exec(|| {
            libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0);
            Ok(())
        });
    }
    #[expect(clippy::zombie_processes, reason = "waited for below, by the call that tells its stops too")]
    let child = command.spawn().unwrap();
    let pid = libc::pid_t::try_from(child.id()).unwrap();
    let mut calls = 0;
    let mut options_set = false;
    loop {
        let mut status = 0;
        // SAFETY: waits for the child that was just started, with a status of our own.
        let waited = unsafe { libc::waitpid(pid, &raw mut status, 0) };
        assert_eq!(waited, pid, "the traced program got lost");
        if libc::WIFEXITED(status) {
            return Ended::Finished { code: libc::WEXITSTATUS(status), calls };
        }
        if libc::WIFSIGNALED(status) {
            return Ended::Killed;
        }
        let signal = libc::WSTOPSIG(status);
        let mut passed_on = 0;
        if signal == libc::SIGTRAP | 0x80 {
            if entered(pid).is_some_and(|call| CHANGING.contains(&call) || OLD.contains(&call)) {
                calls += 1;
                if calls == number {
                    // SAFETY: the child is ours and stopped.
                    unsafe { libc::kill(pid, libc::SIGKILL) };
                    continue;
                }
            }
        } else if signal != libc::SIGTRAP {
            passed_on = signal;
        }
        // SAFETY: the child is stopped; options and continuing take integers alone.
        unsafe {
            if !options_set {
                libc::ptrace(
                    libc::PTRACE_SETOPTIONS,
                    pid,
                    0,
                    libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_EXITKILL,
                );
                options_set = true;
            }
            libc::ptrace(libc::PTRACE_SYSCALL, pid, 0, passed_on);
        }
    }
}

/// The number of the call that a stopped child is about to make; `None` where it comes out of one.
fn entered(pid: libc::pid_t) -> Option<i64> {
    // SAFETY: the struct is made of integers, and the kernel fills as much of it as it is told that there is.
    let info = unsafe {
        let mut info: libc::ptrace_syscall_info = std::mem::zeroed();
        let size = size_of::<libc::ptrace_syscall_info>();
        libc::ptrace(libc::PTRACE_GET_SYSCALL_INFO, pid, size, &raw mut info);
        info
    };
    if info.op != libc::PTRACE_SYSCALL_INFO_ENTRY {
        return None;
    }
    // SAFETY: `op` says that this is the part that was filled.
    i64::try_from(unsafe { info.u.entry.nr }).ok()
}
