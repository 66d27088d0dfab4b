//! What `/proc` tells of one process. Only files that never wait for the process itself are read: `stat`, `exe`,
//! `wchan`. Not `cmdline` and `environ`, which block while the process holds its memory map's lock.

use breakglass_protocol::ProcessIdentity;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The fields of `/proc/PID/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// One letter: `R`, `S`, `D`, `T`, `Z`, …
    pub(crate) state: char,
    /// Processor time so far, user and system, in clock ticks.
    pub(crate) cpu_ticks: u64,
    /// Threads, the leader included.
    pub(crate) threads: u64,
    /// When it started, in clock ticks after boot.
    pub(crate) start_ticks: u64,
}

impl Stat {
    /// Whether nothing of the process runs any more. A leader that ended while another of its threads cannot is not
    /// gone: that thread may still write to the disk image.
    pub(crate) const fn is_gone(&self) -> bool {
        matches!(self.state, 'Z' | 'X') && self.threads <= 1
    }
}

/// Reads `/proc/PID/stat`; `None` where there is no such process.
pub(crate) fn stat(pid: u32) -> Option<Stat> {
    // One line of about 300 bytes: read in one piece instead of in the growing ones of a file of unknown length.
    let mut line = [0; 1024];
    let length = fs::File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut line).ok()?;
    parse(&String::from_utf8_lossy(line.get(..length)?))
}

/// How long the thread that has run most, a guest's processor as a rule, could have run and waited for a processor of the
/// host, in milliseconds. Linux counts it in `schedstat` (Documentation/scheduler/sched-stats.rst): nanoseconds of running,
/// of waiting, and slices. 0 where it does not.
pub(crate) fn busiest_waited_millis(pid: u32) -> u64 {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().take(512);
    let counted = tasks.filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        let mut fields = text.split_ascii_whitespace().map(str::parse::<u64>);
        Some((fields.next()?.ok()?, fields.next()?.ok()?))
    });
    counted.max().map_or(0, |(_ran, waited)| waited / 1_000_000)
}

/// The command's name stands in parentheses and may hold any byte, so everything is counted from the last one.
fn parse(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) numbers the fields from 1; the first one here is the third.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        cpu_ticks: number(14)?.saturating_add(number(15)?),
        threads: number(20)?,
        start_ticks: number(22)?,
    })
}

/// Whether this very process still runs.
pub(crate) fn runs(identity: ProcessIdentity) -> bool {
    stat(identity.pid).is_some_and(|stat| stat.start_ticks == identity.start_ticks && !stat.is_gone())
}

/// The identity of this process itself.
pub(crate) fn own() -> Option<ProcessIdentity> {
    let pid = std::process::id();
    Some(ProcessIdentity { pid, start_ticks: stat(pid)?.start_ticks })
}

/// The program that the process runs, as the kernel names it; ` (deleted)` stands behind one that was replaced.
pub(crate) fn program(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Whether the process has a socket open that is bound to `path`. Looks at descriptors, so it works on a process that
/// answers nobody and on a socket whose file was removed.
pub(crate) fn holds_socket(pid: u32, path: &Path) -> bool {
    let sockets = fs::read(format!("/proc/{pid}/net/unix")).unwrap_or_default();
    let bound: Vec<String> = String::from_utf8_lossy(&sockets)
        .lines()
        .filter_map(|line| {
            // Num RefCount Protocol Flags Type St Inode Path
            let mut fields = line.split_ascii_whitespace();
            let inode = fields.nth(6)?;
            (same_file_name(Path::new(fields.next()?), path)).then(|| format!("socket:[{inode}]"))
        })
        .collect();
    !bound.is_empty()
        && has_open(pid, &|target| bound.iter().any(|socket| target.as_os_str() == socket.as_str()))
}

/// Whether the process has this file open.
pub(crate) fn holds_file(pid: u32, path: &Path) -> bool {
    has_open(pid, &|target| same_file_name(target, path))
}

fn has_open(pid: u32, is_it: &dyn Fn(&Path) -> bool) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok()).any(|target| is_it(&target))
}

/// The control groups of a process, one a line.
pub(crate) fn cgroups(pid: u32) -> String {
    fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default()
}

/// Whether two paths name the same entry of the same directory; the entry itself may be gone.
fn same_file_name(one: &Path, other: &Path) -> bool {
    let directory = |path: &Path| path.parent().and_then(|parent| fs::canonicalize(parent).ok());
    one == other
        || (one.is_absolute()
            && one.file_name() == other.file_name()
            && directory(one).is_some_and(|it| Some(it) == directory(other)))
}

/// How the process waits, in words: of its first thread in state D, or else of its leader.
pub(crate) fn waits(pid: u32) -> String {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten().take(512);
    let of = |directory: &str| {
        let state = parse(&fs::read_to_string(format!("{directory}/stat")).ok()?)?.state;
        let channel = fs::read_to_string(format!("{directory}/wchan")).unwrap_or_default();
        let channel = if matches!(channel.trim(), "" | "0") {
            "an unnamed place".to_owned()
        } else {
            channel.trim().to_owned()
        };
        Some((state, format!("state {state}, waits in {channel}")))
    };
    let stuck = tasks.filter_map(|task| of(&task.path().to_string_lossy())).find(|(state, _)| *state == 'D');
    stuck
        .or_else(|| of(&format!("/proc/{pid}")))
        .map_or_else(|| "its state cannot be read".to_owned(), |(_, text)| text)
}

/// The id of the running kernel's boot: start times of processes count from it.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Seconds since the process started.
pub(crate) fn age_seconds(start_ticks: u64) -> Option<u64> {
    let text = fs::read_to_string("/proc/uptime").ok()?;
    let uptime = crate::decimal::scaled(text.split(' ').next()?, 0)?;
    let started = start_ticks / crate::sys::clock_ticks_per_second();
    Some(uptime.saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_who_share_a_processor_wait_for_each_other() {
        struct Busy(std::process::Child);
        impl Drop for Busy {
            fn drop(&mut self) {
                let _ = self.0.kill();
                let _ = self.0.wait();
            }
        }
        let busy = || {
            let mut command = std::process::Command::new("/usr/bin/taskset");
            Busy(command.args(["-c", "0", "/bin/sh", "-c", "while :; do :; done"]).spawn().unwrap())
        };
        let (one, _other) = (busy(), busy());
        let began = std::time::Instant::now();
        while busiest_waited_millis(one.0.id()) < 100 {
            assert!(began.elapsed().as_secs() < 30, "it is told to have waited for nothing");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        assert_eq!(busiest_waited_millis(u32::MAX), 0);
    }

    #[test]
    fn a_name_cannot_shift_the_fields() {
        let tail = "S 1 2 2 0 -1 4194304 1 2 3 4 50 7 1 2 20 0 6 0 4242 1 2";
        let stat = parse(&format!("7 (a) R 1 (b)) {tail}")).unwrap();
        assert_eq!(stat, Stat { state: 'S', cpu_ticks: 57, threads: 6, start_ticks: 4242 });
        assert!(parse("7 (x").is_none() && parse("").is_none() && parse("7 (x) S 1").is_none());
    }

    #[test]
    fn a_dead_leader_with_living_threads_is_not_gone() {
        let mut stat = Stat { state: 'Z', cpu_ticks: 0, threads: 2, start_ticks: 1 };
        assert!(!stat.is_gone());
        stat.threads = 1;
        assert!(stat.is_gone());
    }

    #[test]
    fn sees_who_holds_a_socket_even_after_its_file_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let own = std::process::id();
        assert!(
            holds_socket(own, &path)
                && !holds_socket(own, &scratch.path().join("t"))
                && !holds_socket(1, &path)
        );
        fs::remove_file(&path).unwrap();
        assert!(holds_socket(own, &path));
        drop(listener);
        assert!(!holds_socket(own, &path));
    }

    #[test]
    fn knows_itself() {
        let own = own().unwrap();
        assert!(runs(own));
        assert!(!runs(ProcessIdentity { start_ticks: own.start_ticks + 1, ..own }));
        assert_eq!(program(own.pid), std::env::current_exe().ok());
        assert!(waits(own.pid).starts_with("state "));
    }
}
