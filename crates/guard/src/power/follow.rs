//! Follows an operation's log from its first line, as it grows, until its end or its runner's. Changes nothing, so
//! that whoever follows may vanish at any moment.

use super::identity::Process;
use super::operation_log::{self, EndOf, Logged, glance};
use super::watch::{Watch, wait};
use breakglass_protocol::ProcessIdentity;
use std::fs::File;
use std::io::Read;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

/// Why following ended.
#[derive(Debug)]
pub(super) enum Followed {
    /// The operation did: its last line, as it stands and as it was read.
    Ended(String, EndOf),
    /// Its runner died before that.
    RunnerDied,
    /// The caller's time is over, or nobody reads any more; the operation goes on.
    LeftRunning,
}

/// A runner that was killed so that another verb could take over gets its last line from whoever killed it, a moment later.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A line that is longer than this is not ours.
const LONGEST: usize = 64 << 20;

/// Hands every line to `emit`, the last one excepted. `emit` says whether somebody still listens.
pub(super) fn follow(
    log: &Path,
    runner: ProcessIdentity,
    deadline: Instant,
    emit: &mut dyn FnMut(&str, Logged) -> bool,
) -> Followed {
    let watch = Watch::on(log).ok();
    let held = Process::hold(runner);
    let Ok(mut file) = File::open(log) else {
        return Followed::RunnerDied;
    };
    let mut unread = Vec::new();
    let mut died = None;
    loop {
        // Whether it lives is asked before reading: what a runner wrote before it died is read after that.
        let alive = held.as_ref().is_some_and(|held| !held.gone_within(Duration::ZERO));
        if let Some(watch) = &watch {
            watch.drain();
        }
        if file.read_to_end(&mut unread).is_err() || unread.len() > LONGEST {
            return Followed::LeftRunning;
        }
        while let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let rest = unread.split_off(end + 1);
            let line = std::mem::replace(&mut unread, rest);
            let line = String::from_utf8_lossy(&line);
            // The header is no line of an answer.
            let Some(logged) = glance(&line) else { continue };
            if let Logged::Finished(end) = logged {
                return Followed::Ended(line.trim_end().to_owned(), end);
            }
            if !emit(line.trim_end(), logged) {
                return Followed::LeftRunning;
            }
        }
        if !alive {
            let last_word = *died.get_or_insert_with(|| Instant::now() + LAST_WORD);
            let left = last_word.saturating_duration_since(Instant::now());
            match &watch {
                _ if left.is_zero() => return Followed::RunnerDied,
                Some(watch) => {
                    wait([watch.descriptor()], left);
                }
                None => std::thread::sleep(left),
            }
            continue;
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Followed::LeftRunning;
        }
        match (&watch, &held) {
            (Some(watch), Some(held)) => {
                wait([watch.descriptor(), held.descriptor().as_fd()], left);
            }
            // A host without watches left: look again now and then rather than not at all.
            _ => std::thread::sleep(Duration::from_millis(50).min(left)),
        }
    }
}

/// Waits until the log of an operation holds its acceptance.
pub(super) fn accepted(
    log: &Path,
    watch: &Watch,
    runner: Option<&std::os::fd::OwnedFd>,
    patience: Duration,
) -> Option<operation_log::Operation> {
    let deadline = Instant::now() + patience;
    loop {
        let died = runner.is_some_and(|pidfd| {
            let [gone] = wait([pidfd.as_fd()], Duration::ZERO);
            gone
        });
        watch.drain();
        if let Some(operation) = operation_log::read(log).filter(|operation| !operation.steps.is_empty()) {
            return Some(operation);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if died || left.is_zero() {
            return None;
        }
        match runner {
            Some(pidfd) => {
                wait([watch.descriptor(), pidfd.as_fd()], left);
            }
            None => {
                wait([watch.descriptor()], left);
            }
        }
    }
}
