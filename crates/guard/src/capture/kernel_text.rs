//! Small files of the kernel (`/proc`, `/sys`), read bounded, and what `/proc/PID/stat` tells.
//!
//! Only files that the kernel answers from its own memory belong here: no command lines, no memory maps, which wait
//! for a lock of the process that they describe.

use crate::console::plain_line;
use breakglass_protocol::ProcessIdentity;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The first `limit` bytes of a file as text; what is not UTF-8 is replaced.
///
/// # Errors
/// What the operating system says.
pub(crate) fn read(path: impl AsRef<Path>, limit: u64) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Up to 64 KiB of a file as text, or why not, in brackets.
pub(crate) fn read_or_why(path: impl AsRef<Path>) -> String {
    read(path, 64 * 1024).unwrap_or_else(|error| format!("[not readable: {error}]"))
}

/// One line of `/proc/PID/stat` or `/proc/PID/task/TID/stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaskStat {
    /// Process or thread id.
    pub(crate) id: u32,
    /// Its name, harmless to print.
    pub(crate) command: String,
    /// Its state letter.
    pub(crate) state: char,
    /// Processor time in clock ticks, user and system.
    pub(crate) ticks: u64,
    /// Threads of its process.
    pub(crate) threads: u32,
    /// When it started, in clock ticks after boot.
    pub(crate) start_ticks: u64,
    /// Resident pages.
    pub(crate) resident_pages: u64,
}

impl TaskStat {
    /// Reads it from `directory`, such as `/proc/17`. `None` for a task that is gone.
    pub(crate) fn of(directory: impl AsRef<Path>) -> Option<Self> {
        Self::parse(&read(directory.as_ref().join("stat"), 4096).ok()?)
    }

    /// A name may hold anything, closing parentheses too, so the fields count from the last one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.split_once(" (")?;
        let (command, rest) = rest.rsplit_once(") ")?;
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // proc(5) counts from 1 and calls the state field 3.
        let field = |number: usize| fields.get(number - 3).copied();
        let number = |at: usize| field(at)?.parse::<u64>().ok();
        Some(Self {
            id: id.parse().ok()?,
            command: plain_line(command.as_bytes()),
            state: field(3)?.chars().next()?,
            ticks: number(14)?.saturating_add(number(15)?),
            threads: u32::try_from(number(20)?).ok()?,
            start_ticks: number(22)?,
            resident_pages: number(24)?,
        })
    }
}

/// The process's stat, where the process of that id is still the one that is meant.
pub(crate) fn same_process(identity: ProcessIdentity) -> Option<TaskStat> {
    TaskStat::of(format!("/proc/{}", identity.pid)).filter(|stat| stat.start_ticks == identity.start_ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_task_whatever_its_name() {
        for name in ["sh", "a b", ") R 1 (", "((", "x\u{1b}[2Jy"] {
            let line = format!("17 ({name}) D 1 17 17 0 -1 4194560 1 2 3 4 7 8 0 0 20 0 3 0 900 1000 55 0\n");
            let stat = TaskStat::parse(&line).unwrap();
            assert_eq!((stat.id, stat.state, stat.ticks, stat.threads), (17, 'D', 15, 3));
            assert_eq!((stat.start_ticks, stat.resident_pages), (900, 55));
            assert!(!stat.command.contains('\u{1b}'));
        }
    }

    #[test]
    fn half_a_line_is_no_task() {
        for line in ["", "17", "17 (sh", "17 (sh) ", "17 (sh) R 1 2", "x (sh) R"] {
            assert_eq!(TaskStat::parse(line), None, "{line}");
        }
    }

    #[test]
    fn knows_itself() {
        let own = TaskStat::of("/proc/self").unwrap();
        assert_eq!(own.id, std::process::id());
        let identity = ProcessIdentity { pid: own.id, start_ticks: own.start_ticks };
        assert!(same_process(identity).is_some());
        assert!(same_process(ProcessIdentity { start_ticks: own.start_ticks + 1, ..identity }).is_none());
    }
}
