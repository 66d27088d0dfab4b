//! Part `qmp`: what QEMU's monitor tells, over one connection that is closed before any stop.
//!
//! From the harmless to the dangerous: state, jobs, block counters twice, the screen; and last, only where the
//! process ends anyway or a person asked, `query-block`, which stats image files under QEMU's lock.

use super::{Order, PartEnd, Sheet, now};
use crate::capture::kernel_text::same_process;
use crate::tool::wire::Wire;
use breakglass_qmp::{Client, QmpError};
use rustix::fs::{Gid, Mode, OFlags, Uid};
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// Time kept back for writing the answer, so that being late is told by us and not by being killed.
const TELLING: Duration = Duration::from_millis(150);
/// The longest wait for one screen; a display that never answers must not cost `query-block`.
const SCREEN: Duration = Duration::from_secs(2);
/// Age at which a screen that nobody fetched is taken away.
const STALE_SCREEN: Duration = Duration::from_secs(600);

pub(super) fn run(order: &Order, sheet: &mut Sheet) -> PartEnd {
    let Some(socket) = &order.plan.qmp_socket else {
        sheet.line("no monitor socket is configured");
        return PartEnd::NotHere;
    };
    let deadline = Instant::now() + order.time.saturating_sub(TELLING);
    let mut told = Map::new();
    let end = ask(order, socket, deadline, &mut told);
    let outcome = match end {
        Ok(()) => PartEnd::Captured,
        Err(error) => {
            let late = error.is_timeout();
            told.insert("ended".to_owned(), json!(chain(&error)));
            if late || told.len() > 1 { PartEnd::TimedOut } else { PartEnd::Failed }
        }
    };
    sheet.line(Value::Object(told));
    outcome
}

fn ask(
    order: &Order,
    socket: &Path,
    deadline: Instant,
    told: &mut Map<String, Value>,
) -> Result<(), QmpError> {
    let began = Instant::now();
    let mut client = Wire::open(socket, order.plan.monitor_tool.as_deref(), deadline)?;
    let greeting = client.greeting();
    let version = format!("{}.{}.{}", greeting.major, greeting.minor, greeting.micro);
    told.insert("qemu".to_owned(), json!(version));
    let status: Value = client.execute("query-status")?;
    told.insert(
        "answered_in_millis".to_owned(),
        json!(u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)),
    );
    told.insert("query-status".to_owned(), status);
    keep(told, "query-jobs", client.execute("query-jobs"))?;
    counters(&mut client, told)?;
    std::thread::sleep(order.gap.min(deadline.saturating_duration_since(Instant::now())));
    counters(&mut client, told)?;
    client.stream_mut().set_deadline(deadline.min(Instant::now() + SCREEN));
    let screen = screendump(&mut client, order);
    client.stream_mut().set_deadline(deadline);
    keep(told, "screendump", screen.map(|()| json!("written")))?;
    if order.plan.ends_process {
        keep(told, "query-block", client.execute("query-block"))?;
    }
    let events: Vec<Value> = client
        .take_events()
        .into_iter()
        .map(|event| json!({"event": event.name, "data": event.data}))
        .collect();
    told.insert("events".to_owned(), json!(events));
    Ok(())
}

/// A command that QEMU refuses, or a late screen, is told and costs nothing else; any other failure ends it.
fn keep(told: &mut Map<String, Value>, name: &str, answer: Result<Value, QmpError>) -> Result<(), QmpError> {
    let value = match answer {
        Ok(value) => value,
        Err(error @ QmpError::Refused { .. }) => json!({ "refused": error.to_string() }),
        Err(error) if error.is_timeout() && name == "screendump" => json!({ "failed": error.to_string() }),
        Err(error) => return Err(error),
    };
    told.insert(name.to_owned(), value);
    Ok(())
}

fn counters(client: &mut Client<Wire>, told: &mut Map<String, Value>) -> Result<(), QmpError> {
    let disks: Value = client.execute("query-blockstats")?;
    let sample = json!({ "at": now(), "disks": disks });
    if let Value::Array(samples) = told.entry("query-blockstats").or_insert_with(|| json!([])) {
        samples.push(sample);
    }
    Ok(())
}

/// Has QEMU write its screen into a file that we made: in memory, so that no disk can hang QEMU over it, and given
/// to QEMU's user, who may not write to the directory.
fn screendump(client: &mut Client<Wire>, order: &Order) -> Result<(), QmpError> {
    let failed = |source: rustix::io::Errno| QmpError::Stream {
        during: "making the screen's file".to_owned(),
        source: source.into(),
    };
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    sweep(order);
    let file = rustix::fs::open(&order.screen_file, flags, Mode::from_raw_mode(0o600)).map_err(failed)?;
    if let Some((user, group)) = owner_of_qemu(order) {
        rustix::fs::fchown(&file, Some(user), Some(group)).map_err(failed)?;
    }
    client.screendump(&order.screen_file, "png")
}

/// Takes away screens of captures long gone: a QEMU that was slow writes its file after everybody left.
fn sweep(order: &Order) {
    let Some(entries) = order.screen_file.parent().and_then(|dir| std::fs::read_dir(dir).ok()) else {
        return;
    };
    for entry in entries.flatten() {
        let age = entry.metadata().and_then(|seen| seen.modified()).ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age > STALE_SCREEN) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn owner_of_qemu(order: &Order) -> Option<(Uid, Gid)> {
    let process = order.plan.process?;
    same_process(process)?;
    let seen = rustix::fs::stat(format!("/proc/{}", process.pid)).ok()?;
    Some((Uid::from_raw(seen.st_uid), Gid::from_raw(seen.st_gid)))
}

/// An error with what caused it.
fn chain(error: &QmpError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
