//! Forensics: what explains a wedge, captured before the process that knows it is gone.
//!
//! This file is the story: start every part as a child of its own, side by side, take what comes until the
//! deadline, kill what is late, leave behind what cannot be killed, and have it kept. It reads nothing itself:
//! whatever may hang is done by a child (`crate::capture`), so a disk or a QEMU that hangs costs time up to the
//! deadline and nothing more.

mod base64;
mod plan;
mod verdict;

pub(crate) use base64::base64;
pub(crate) use plan::{Limits, Plan};
pub(crate) use verdict::{Captured, PartEnd, Summary};

use crate::capture::children::{End, Job, Late, Nursery};
use crate::capture::{Order, Part, backtrace, keep};
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// Parts that share nothing and start at once. The others follow one that they must not disturb.
const FIRST: [Part; 7] =
    [Part::Qmp, Part::Threads, Part::GuestAgent, Part::Cgroup, Part::Host, Part::Console, Part::Config];

/// What starts when a part has ended: the debugger holds QEMU, so it must not hold it while its threads are looked
/// at; the screen is a file that QEMU wrote when the monitor was asked.
const fn follower(part: Part) -> Option<Part> {
    match part {
        Part::Threads => Some(Part::Backtrace),
        Part::Qmp => Some(Part::Screen),
        _ => None,
    }
}

/// Time kept back from the parts, so that what they found reaches the disk inside the deadline.
const KEEPING: Duration = Duration::from_millis(300);
/// Time after which a killed child counts as left behind; see [`crate::capture::children`].
const DYING: Duration = Duration::from_millis(80);
/// How long after the beginning the debugger may hold QEMU: the monitor has its first answers by then and waits.
const DEBUGGER_AFTER: Duration = Duration::from_millis(250);

/// Captures everything that `plan` names, hands each part to `emit` as it ends, and keeps all on this host.
/// Returns by the plan's deadline (plus scheduling), whatever hangs; `emit` must not block for long.
pub(crate) fn capture(plan: &Plan, emit: &mut dyn FnMut(Captured)) -> Summary {
    let began = Instant::now();
    let whole = began + plan.deadline;
    let parts_end = whole.checked_sub(KEEPING.min(plan.deadline / 4) + DYING).unwrap_or(began);
    let order = Order::new(plan, parts_end.saturating_duration_since(began));
    let was_held = backtrace::is_held(plan.process);

    let mut nursery = Nursery::default();
    let mut notes = Vec::new();
    nursery.start(keeper(plan, whole.checked_sub(DYING).unwrap_or(began)));
    let mut open = 0;
    for part in FIRST.into_iter().chain((!plan.asks.is_empty()).then_some(Part::Hypervisor)) {
        nursery.start(job(part, &order, parts_end));
        open += 1;
    }
    let mut kept = None;
    while let Some(ended) = nursery.next(whole) {
        let Some(part) = Part::from_name(&ended.name) else {
            kept = verdict::kept(ended, &mut notes);
            continue;
        };
        open -= 1;
        if let Some(next) = follower(part) {
            let settle = DEBUGGER_AFTER.saturating_sub(began.elapsed());
            nursery.start(job(next, &order.settling(settle), parts_end));
            open += 1;
        }
        if part == Part::Backtrace {
            backtrace::let_go_on(plan.process, was_held, !matches!(ended.end, End::Exited(Some(_))));
        }
        let captured = verdict::of_part(part, ended, &mut notes);
        nursery.feed(keep::NAME, &keep::frame(&captured));
        emit(captured);
        if open == 0 {
            nursery.finish(keep::NAME);
        }
    }
    if nursery.has(keep::NAME) {
        notes.push("nothing is known to be kept on this host: keeping did not end in time".to_owned());
    }
    let millis = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    Summary { kept, millis, notes }
}

fn job(part: Part, order: &Order, deadline: Instant) -> Job {
    Job {
        name: part.name().to_owned(),
        arguments: vec![OsString::from("capture"), OsString::from(part.name())],
        input: order.to_json(),
        fed_later: false,
        deadline,
        late: Late::Kill,
        output_limit: part.output_limit(),
    }
}

fn keeper(plan: &Plan, deadline: Instant) -> Job {
    Job {
        name: keep::NAME.to_owned(),
        arguments: vec![OsString::from("capture"), OsString::from(keep::NAME)],
        input: keep::opening(plan),
        fed_later: true,
        deadline,
        late: Late::Kill,
        output_limit: 64 * 1024,
    }
}
