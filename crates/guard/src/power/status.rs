//! What the hypervisor's side shows of a VM, without asking the guest and within a bounded time.
//!
//! The monitor is asked twice, shortly, and is free in between: others wait for it too. What cannot be seen is said
//! in a note, never guessed.

use super::directory::Directory;
use super::identity::{self, Found, Process};
use super::{backend, monitor, now, operation_log, proc_file};
use crate::console;
use crate::policy::Machine;
use crate::tool::wire::Wire;
use breakglass_protocol::{BlockCounters, BlockSample, RunState, RunningJob, Status};
use breakglass_qmp::{BlockStats, Client, Job, QmpError};
use std::time::Instant;

/// How many samples of the block counters are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Samples {
    /// One: a person reads it, or a verb has just ended.
    One,
    /// Two, `sample_millis` apart: a program compares them.
    Two,
}

/// What one short conversation with the monitor gave.
struct Answer {
    state: RunState,
    millis: u64,
    disks: Vec<BlockStats>,
    jobs: Vec<Job>,
    notes: Vec<String>,
}

/// Looks. `directory` may be missing, with the reason, where the host's `/run` is broken: everything else still answers.
pub(super) fn observe(machine: &Machine, directory: Result<&Directory, &str>, samples: Samples) -> Status {
    look(machine, directory, samples).0
}

/// As [`observe`]; and why the hypervisor could not be asked, where the state could not be seen without it.
pub(super) fn look(
    machine: &Machine,
    directory: Result<&Directory, &str>,
    samples: Samples,
) -> (Status, Option<String>) {
    let mut notes = Vec::new();
    if let Err(why) = directory {
        notes.push(format!("operations cannot be told: {why}"));
    }
    let found = identity::find(machine, directory.ok());
    let view = backend::of(machine).view(machine, directory.ok(), &found);
    notes.extend(view.notes);
    let blind = view.unknown.or(view.dead);
    notes.extend(blind.clone());
    let (process, doubt) = match found {
        Found::One(process) => (Some(process), None),
        Found::Nothing => (None, None),
        Found::Doubt(why) => (None, Some(why)),
    };
    let off = process.is_none() && doubt.is_none();
    // Where a daemon that is dead has the monitor, asking once more would only cost time.
    let deaf = blind.is_some() && backend::of(machine).monitor().is_some();
    let first = if off || deaf { None } else { Some(converse(machine)) };
    let mut status = Status {
        vm: machine.vm.clone(),
        vm_id: machine.vm_id,
        at: now(),
        state: RunState::Stopped,
        process: process.as_ref().map(|process| process.identity),
        process_age_seconds: process
            .as_ref()
            .and_then(|process| proc_file::age_seconds(process.identity.start_ticks)),
        answered_in_millis: None,
        samples: Vec::new(),
        lock: view.lock,
        jobs: view.jobs,
        staged: view.staged,
        passthrough: view.passthrough,
        console: Vec::new(),
        console_bytes: None,
        last_operation: None,
        notes,
    };
    if let Some(why) = &doubt {
        status.notes.push(format!("the VM's process cannot be told: {why}"));
    }
    match first {
        None if off && blind.is_none() => {}
        None => status.state = if off { RunState::Unknown } else { RunState::Unresponsive },
        Some(Ok(answer)) => {
            status.state = answer.state;
            status.answered_in_millis = Some(answer.millis);
            status.notes.extend(answer.notes);
            status.jobs.extend(answer.jobs.into_iter().map(job));
            status.samples.push(sample(answer.disks, process.as_ref()));
            if samples == Samples::Two {
                second_sample(machine, process.as_ref(), &mut status);
            }
        }
        Some(Err(error)) => {
            status.state = if process.is_some() { RunState::Unresponsive } else { RunState::Unknown };
            status.notes.push(monitor::sentence(&error));
        }
    }
    if let Ok(directory) = directory {
        status.last_operation = operation_log::newest(directory).map(operation_log::Operation::told);
    }
    read_console(machine, &mut status);
    let blind = blind.filter(|_| status.answered_in_millis.is_none());
    (status, blind)
}

/// The state in a sentence.
pub(super) fn summary(status: &Status) -> String {
    let process = status.process.map(|process| format!(" as process {}", process.pid)).unwrap_or_default();
    format!("{} is {}{process}", status.vm, crate::report::state_word(&status.state))
}

fn converse(machine: &Machine) -> Result<Answer, QmpError> {
    let begun = Instant::now();
    monitor::ask(machine, |client| {
        // A hypervisor's tool is started for each command anyway, and one that hangs must not take the answers before it along.
        if backend::of(machine).monitor().is_none() {
            client.send_ahead(&["query-status", "query-blockstats", "query-jobs"])?;
        }
        let status = client.query_status()?;
        let millis = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut notes = Vec::new();
        let disks = or_note(client.query_blockstats(), &mut notes);
        let jobs = or_note(client.query_jobs(), &mut notes);
        Ok(Answer { state: monitor::state(&status.status), millis, disks, jobs, notes })
    })
}

fn or_note<T>(answer: Result<Vec<T>, QmpError>, notes: &mut Vec<String>) -> Vec<T> {
    answer.unwrap_or_else(|error| {
        notes.push(monitor::sentence(&error));
        Vec::new()
    })
}

fn second_sample(machine: &Machine, process: Option<&Process>, status: &mut Status) {
    let ended = process.is_some_and(|process| process.gone_within(machine.patience.sample_gap));
    if process.is_none() {
        std::thread::sleep(machine.patience.sample_gap);
    }
    if ended {
        status.notes.push("the process ended between the two samples".to_owned());
        return;
    }
    match monitor::ask(machine, Client::<Wire>::query_blockstats) {
        Ok(disks) => status.samples.push(sample(disks, process)),
        Err(error) => status.notes.push(format!("no second sample: {}", monitor::sentence(&error))),
    }
}

fn sample(disks: Vec<BlockStats>, process: Option<&Process>) -> BlockSample {
    let ticks =
        process.and_then(|process| proc_file::stat(process.identity.pid)).map_or(0, |stat| stat.cpu_ticks);
    let cpu_millis = ticks.saturating_mul(1000) / crate::sys::clock_ticks_per_second();
    let wait_millis = process.map_or(0, |process| proc_file::busiest_waited_millis(process.identity.pid));
    BlockSample { at: now(), disks: disks.into_iter().map(counters).collect(), cpu_millis, wait_millis }
}

fn counters(disk: BlockStats) -> BlockCounters {
    BlockCounters {
        device: disk.name().to_owned(),
        reads: disk.stats.rd_operations,
        writes: disk.stats.wr_operations,
        flushes: disk.stats.flush_operations,
        read_bytes: disk.stats.rd_bytes,
        written_bytes: disk.stats.wr_bytes,
        failed: disk.stats.failed(),
    }
}

fn job(job: Job) -> RunningJob {
    RunningJob { id: job.id, kind: job.kind, state: job.status }
}

fn read_console(machine: &Machine, status: &mut Status) {
    let Some(path) = &machine.qmp.console else {
        return;
    };
    match console::read_signs(path, status.at) {
        Ok((signs, bytes)) => {
            status.console = signs;
            status.console_bytes = Some(bytes);
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            status.notes.push(format!("the console log {} cannot be read: {error}", path.display()))
        }
    }
}
