//! Disk requests that never complete, while everything that needs no disk goes on.
//!
//! Two samples of the counters cannot tell a stalled machine from an idle one. So writes at zero never count alone:
//! beside them stands a write of ours that hangs, tasks that wait for the disk, or the target's own normal.

use crate::case::{Case, Login};
use crate::charge::nothing_in_charge;
use crate::result::{Action, Health, Wedge};
use crate::text::{stretch, tame};
use crate::verdict::Verdict;
use breakglass_protocol::{BlockedTask, ConsoleSignKind, RunState, Verb};

/// A write that hangs for so long is stalled even where counters still move: another disk moves them.
const STUCK_MILLIS: u64 = 3_000;
/// A target that writes less than this when it is well is idle, and its quiet says nothing.
const BUSY_WRITES_PER_SECOND: f64 = 0.2;
/// How many times its longest quiet a target must be quiet, and at least how long.
const QUIET_FACTOR: u64 = 3;
const QUIET_FLOOR_MILLIS: u64 = 15_000;
/// The kernel repeats its complaint about hung tasks every two minutes.
const COMPLAINT_SECONDS: u64 = 300;
/// The floor where nothing else points to the disk.
const QUIET_ALONE_FLOOR_MILLIS: u64 = 60_000;

pub(super) fn seen_inside(case: &Case<'_>) -> Option<Verdict> {
    let flat = case.writes_are_flat();
    let blocked = waiting_for_disk(case);
    if let Some((probe, stuck)) = case.stuck_sync() {
        // Without counters, the write that hangs is all there is; with counters that move, it must hang for long.
        if flat == Some(false) && stuck < STUCK_MILLIS && blocked.is_empty() {
            return None;
        }
        let mount = tame(&probe.mount);
        let for_long = if stuck == 0 { String::new() } else { format!(" for {}", stretch(stuck)) };
        let verdict = Verdict::down(
            Wedge::BlockStall,
            format!(
                "Block-path stall: a write to {mount} has not become durable{for_long}, while SSH answers."
            ),
        )
        .seen("Write and sync", format!("{mount}: stuck{for_long}"));
        return Some(conclude(case, verdict, &blocked));
    }
    let no_probe = case.sync.is_empty();
    (flat == Some(true) && no_probe && !blocked.is_empty() && case.running()).then(|| {
        let summary = "Block-path stall: tasks wait for the disk, and not a single write completes.";
        conclude(case, Verdict::down(Wedge::BlockStall, summary), &blocked)
    })
}

pub(super) fn seen_outside(case: &Case<'_>) -> Option<Verdict> {
    against_its_normal(case).or_else(|| hung_tasks(case))
}

/// The kernel complains of tasks that hang, nothing is written, and no log-in comes through.
fn hung_tasks(case: &Case<'_>) -> Option<Verdict> {
    let sign = case.sign(ConsoleSignKind::HungTask)?;
    let fresh = sign.age_seconds.is_some_and(|age| age <= COMPLAINT_SECONDS);
    let flat = case.writes_are_flat() == Some(true);
    if !(fresh && flat && case.banner() && matches!(case.login, Login::TimedOut) && case.running()) {
        return None;
    }
    let summary = "Block-path stall: the kernel tells of tasks that hang, and not a single write completes.";
    Some(conclude(case, Verdict::down(Wedge::BlockStall, summary).seen("Console", tame(&sign.line)), &[]))
}

fn against_its_normal(case: &Case<'_>) -> Option<Verdict> {
    let (longest, quiet) = (case.normal.longest_quiet_millis?, case.normal.quiet_millis?);
    let busy = case.normal.writes_per_second.is_some_and(|rate| rate >= BUSY_WRITES_PER_SECOND);
    let hangs = matches!(case.login, Login::TimedOut);
    // Where the log-in was turned down, our own writes stopped with it: its quiet is no longer its own.
    let comparable = matches!(case.login, Login::TimedOut | Login::NoDoor);
    let floor = if hangs { QUIET_FLOOR_MILLIS } else { QUIET_ALONE_FLOOR_MILLIS };
    let too_quiet = quiet > floor && quiet > longest.saturating_mul(QUIET_FACTOR);
    let flat = case.writes_are_flat() == Some(true);
    if !(busy && comparable && too_quiet && flat && case.banner() && case.running()) || case.synced() {
        return None;
    }
    let summary =
        format!("Block-path stall: no write has completed for {}, and SSH answers.", stretch(quiet));
    let normal = format!("longest quiet while it was well: {}", stretch(longest));
    Some(conclude(case, Verdict::down(Wedge::BlockStall, summary).seen("Normal", normal), &[]))
}

fn conclude(case: &Case<'_>, mut verdict: Verdict, blocked: &[&BlockedTask]) -> Verdict {
    if let Some(flow) = case.flow() {
        let seen = format!("{} in two samples, {} apart", flow.writes, stretch(flow.millis));
        verdict = verdict.seen_as(
            "Guest writes",
            seen,
            if flow.writes == 0 { Health::Down } else { Health::Degraded },
        );
    }
    if let Some(first) = blocked.first() {
        let seen =
            format!("{}, such as {} in {}", blocked.len(), tame(&first.command), tame(&first.wait_channel));
        verdict = verdict.seen("Blocked tasks", seen);
    }
    let process = case.status().and_then(|status| status.process);
    let named = process
        .map_or_else(|| "the QEMU process".to_owned(), |process| format!("QEMU process {}", process.pid));
    if let Some(answered) =
        case.status().filter(|status| status.state == RunState::Running).and_then(|s| s.answered_in_millis)
    {
        verdict = verdict.seen_as("QEMU", format!("running, answers in {answered} ms"), Health::Good);
    }
    verdict
        .advise(
            Action::Press(Verb::Cycle),
            "A fresh QEMU process opens the disk anew; the guest's disk is kept.",
            format!(
                "a backup or migration of the VM still runs ({}), or the hypervisor's pool itself stands still: then \
                 its other VMs stall too",
                nothing_in_charge(case)
            ),
        )
        .remark(Verb::Reset, format!("keeps {named}, in which the stall lives: will not help"))
        .remark(Verb::Stop, "the guest cannot write what a shutdown writes: it is killed after the grace, and stays off")
}

/// Tasks in state D that wait for a disk, as far as the kernel's function tells; not those that wait for a network
/// file system.
fn waiting_for_disk<'a>(case: &Case<'a>) -> Vec<&'a BlockedTask> {
    const DISK: [&str; 14] = [
        "io_schedule",
        "wait_on_page",
        "folio_wait",
        "bit_wait_io",
        "wait_on_bit_io",
        "wait_on_buffer",
        "jbd2_",
        "blk_mq_",
        "rq_qos_wait",
        "submit_bio_wait",
        "blkdev_",
        "balance_dirty",
        "writeback",
        "wait_transaction",
    ];
    let tasks = case.facts().and_then(|facts| facts.blocked.value());
    let waits = |task: &&BlockedTask| DISK.iter().any(|word| task.wait_channel.contains(word));
    tasks.into_iter().flatten().filter(waits).collect()
}
