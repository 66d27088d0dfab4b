//! What has happened on the stage: a block stall that was found, a cycle under way, a machine that is back, a quiet one, and
//! two that only tests call for: an incident whose output is hostile, and one with very many events.

use super::{ago, now};
use anyhow::Result;
use breakglass_incident::{
    Actor, ArtifactRef, CommandId, Delivery, EventBody, ForensicsPart, IncidentId, PressId, Proof,
    TargetState, Trial,
};
use breakglass_protocol::{
    BlockCounters, BlockSample, OperationId, PartOutcome, Phase, ProcessIdentity, RunState, StagedChange,
    Status, Timestamp, Verb, VmName,
};
use breakglass_recovery::{Desk, TargetView, WriteRate};
use breakglass_triage::{Action, Finding, Health, Triage, Wedge};
use std::sync::Arc;
use std::time::Duration;

fn view(desk: &Desk, name: &str, health: Health, sentence: &str) -> Option<TargetView> {
    let mut view = desk.board.target(name)?;
    view.health = health;
    view.sentence = sentence.to_owned();
    view.since = Some(ago(252));
    view.seen_at = Some(ago(3));
    for door in &mut view.doors {
        door.health =
            if door.kind == "repair" && health == Health::Down { Health::Down } else { Health::Good };
        door.sentence =
            if door.health == Health::Good { "opens" } else { "no log-in within 10 s" }.to_owned();
        door.round_trip_millis = (door.health == Health::Good).then_some(3);
    }
    view.status = Some(Arc::new(status(name)));
    let alive = if health == Health::Down { 70 } else { 120 };
    for n in 0..120_u32 {
        let per_second = if n < alive { f64::from(30 + (n * 37) % 23 + (n * 11) % 7) } else { 0.0 };
        view.writes.push_back(WriteRate { at: ago(i64::from(120 - n) * 5), per_second });
    }
    Some(view)
}

fn status(name: &str) -> Status {
    let sample = |at: Timestamp, cpu_millis| BlockSample {
        at,
        disks: vec![BlockCounters {
            device: "drive-scsi0".to_owned(),
            reads: 1000,
            writes: 5000,
            flushes: 30,
            read_bytes: 1 << 20,
            written_bytes: 1 << 22,
            failed: 0,
        }],
        cpu_millis,
        wait_millis: 0,
    };
    Status {
        vm: VmName::new(name).unwrap_or_else(|_| unreachable!("the names above are VM names")),
        vm_id: 102,
        at: ago(3),
        state: RunState::Running,
        process: Some(ProcessIdentity { pid: 41873, start_ticks: 99 }),
        process_age_seconds: Some(86_400 * 12),
        answered_in_millis: Some(4),
        samples: vec![sample(ago(4), 100), sample(ago(3), 900)],
        lock: None,
        jobs: Vec::new(),
        staged: vec![StagedChange {
            running: Some("memory: 8192".to_owned()),
            staged: Some("memory: 16384".to_owned()),
        }],
        passthrough: vec!["vfio-pci".to_owned()],
        console: Vec::new(),
        console_bytes: None,
        last_operation: None,
        notes: Vec::new(),
    }
}

fn stall_triage() -> Triage {
    let finding =
        |label: &str, seen: &str, health| Finding { label: label.to_owned(), seen: seen.to_owned(), health };
    Triage {
        at: ago(245),
        millis: 2140,
        health: Health::Down,
        wedge: Some(Wedge::BlockStall),
        summary: "Guest writes are flat at 0 while QEMU still answers.".to_owned(),
        findings: vec![
            finding("Guest writes", "0 in two samples, 1.0 s apart; usual are 41 a second", Health::Down),
            finding("QEMU", "running, answers in 4 ms", Health::Good),
            finding("SSH", "banner, no log-in in 10 s", Health::Degraded),
            finding("Lock", "none", Health::Good),
        ],
        changed: vec![
            finding("Packages", "upgraded qemu-guest-agent from 10.0.3 to 10.0.6 41 min ago", Health::Good),
            finding("Log-ins", "mara from 192.0.2.7 38 min ago", Health::Good),
        ],
        action: Action::Press(Verb::Cycle),
        because: "A fresh QEMU process opens the disk anew.".to_owned(),
        wrong_if: "a backup or migration of VM 102 still runs. None was seen: no lock, no job.".to_owned(),
        remarks: vec![(
            Verb::Reset,
            "Reset keeps the QEMU process, and the stall lives in that process: it will not help.".to_owned(),
        )],
    }
}

fn mara() -> Actor {
    Actor::Human("mara".to_owned())
}

async fn down(desk: &Desk, target: &str, wedge: Wedge) -> IncidentId {
    let (id, _) =
        desk.journal.open_incident(target, "devvm stopped serving: no write for 15 s", Actor::Watch).await;
    let state = TargetState {
        health: Health::Down,
        sentence: "no completed write for 15 s while QEMU answers; usual are 41 a second".to_owned(),
        wedge: Some(wedge),
    };
    let observed = EventBody::Observed { target: target.to_owned(), state, before: Some(Health::Good) };
    let observed = desk.journal.append(Some(id), Actor::Watch, observed).await;
    let triaged = EventBody::Triaged { target: target.to_owned(), triage: Box::new(stall_triage()) };
    let _ = desk.journal.append(Some(id), Actor::Server, triaged).await;
    for (receiver, how, tries, sentence) in [
        ("oncall", Delivery::Sent, 1, format!("{target} stopped answering")),
        (
            "mail",
            Delivery::Waiting,
            3,
            format!(
                "“{target} stopped answering”: mail.example.org cannot be spoken to: no answer came within 10 s"
            ),
        ),
    ] {
        let (of, key, receiver) = (observed.seq(), "bg-1".to_owned(), receiver.to_owned());
        let body = EventBody::Notified { of, key, receiver, how, tries, sentence };
        let _ = desk.journal.append(Some(id), Actor::Server, body).await;
    }
    id
}

async fn part(desk: &Desk, name: &str, media: &str, bytes: &[u8]) -> Result<ArtifactRef> {
    Ok(desk.journal.put_artifact(name, media, bytes.to_vec()).await?)
}

pub(super) async fn stalled(desk: &Desk) -> Result<IncidentId> {
    let id = down(desk, "devvm", Wedge::BlockStall).await;
    let part = ForensicsPart {
        part: "qmp".to_owned(),
        outcome: PartOutcome::Captured,
        millis: 12,
        artifact: Some(part(desk, "qmp.json", "application/json", br#"{"status":"running"}"#).await?),
    };
    let silent = ForensicsPart {
        part: "guest-agent".to_owned(),
        outcome: PartOutcome::TimedOut,
        millis: 5000,
        artifact: None,
    };
    let forensics = EventBody::ForensicsCaptured {
        target: "devvm".to_owned(),
        operation: None,
        parts: vec![part, silent],
    };
    let _ = desk.journal.append(Some(id), Actor::Guard("devvm-power".to_owned()), forensics).await;
    let text = "I was restoring a big backup onto the same pool. I think I stopped it. <b>not bold</b>";
    let _ = desk.journal.append(Some(id), mara(), EventBody::Note { text: text.to_owned() }).await;
    let command = "cat /proc/pressure/io".to_owned();
    let started =
        EventBody::CommandStarted { target: "devvm".to_owned(), door: "devvm-repair".to_owned(), command };
    let kept = desk.journal.append(Some(id), mara(), started).await;
    let finished = EventBody::CommandFinished {
        command: CommandId(kept.seq().0),
        target: "devvm".to_owned(),
        exit: Some(0),
        message: "exit 0".to_owned(),
        millis: 214,
        output: "some avg10=99.41 avg60=97.80 avg300=61.12 total=281840112\nfull avg10=99.38 avg60=97.66 avg300=60.95 total=280113870\n".to_owned(),
        rest: None,
    };
    let _ = desk.journal.append(Some(id), Actor::Server, finished).await;
    let command = "ls /var/lib/postgresql".to_owned();
    let started =
        EventBody::CommandStarted { target: "devvm".to_owned(), door: "devvm-repair".to_owned(), command };
    let _ = desk.journal.append(Some(id), mara(), started).await;
    if let Some(mut view) =
        view(desk, "devvm", Health::Down, "no completed write for 15 s while QEMU answers")
    {
        view.wedge = Some(Wedge::BlockStall);
        view.incident = Some(id);
        view.triage = Some(Arc::new(stall_triage()));
        desk.board.place(view);
    }
    Ok(id)
}

async fn press(desk: &Desk, id: IncidentId, target: &str, steps: &[(Phase, &str)]) -> (PressId, OperationId) {
    let pressed = EventBody::VerbPressed {
        target: target.to_owned(),
        verb: Verb::Cycle,
        seen: None,
        shown: "running writes=0 lock=none".to_owned(),
        door: format!("{target}-power"),
    };
    let press = PressId(desk.journal.append(Some(id), mara(), pressed).await.seq().0);
    let operation = OperationId("20261122T031304-cycle-7f3a".to_owned());
    let guard = Actor::Guard(format!("{target}-power"));
    let accepted = EventBody::VerbAccepted {
        press,
        target: target.to_owned(),
        verb: Verb::Cycle,
        operation: operation.clone(),
        joined: false,
    };
    let _ = desk.journal.append(Some(id), guard.clone(), accepted).await;
    for (phase, note) in steps {
        tokio::time::sleep(Duration::from_millis(120)).await;
        let progress = EventBody::VerbProgress {
            target: target.to_owned(),
            operation: operation.clone(),
            seen_at: now(),
            phase: *phase,
            note: (*note).to_owned(),
        };
        let _ = desk.journal.append(Some(id), guard.clone(), progress).await;
    }
    (press, operation)
}

const STEPS: [(Phase, &str); 7] = [
    (Phase::Accepted, "operation accepted"),
    (Phase::ForensicsDone, "14 parts kept, 1 late"),
    (Phase::GuestAsked, "ACPI power button pressed"),
    (Phase::GraceEnded, "10 s passed and process 41873 still runs"),
    (Phase::ProcessKilled, "pid file and start time both matched VM 102"),
    (Phase::ProcessGone, "process 41873 is gone"),
    (Phase::LockChecked, "there was none"),
];

pub(super) async fn working(desk: &Desk) -> Result<IncidentId> {
    let id = down(desk, "gitvm", Wedge::BlockStall).await;
    press(desk, id, "gitvm", &STEPS).await;
    if let Some(mut view) =
        view(desk, "gitvm", Health::Down, "no completed write for 15 s while QEMU answers")
    {
        view.wedge = Some(Wedge::BlockStall);
        view.incident = Some(id);
        desk.board.place(view);
    }
    Ok(id)
}

pub(super) async fn recovered(desk: &Desk) -> Result<IncidentId> {
    let id = down(desk, "mailvm", Wedge::BlockStall).await;
    let (press, operation) = press(desk, id, "mailvm", &STEPS).await;
    let finished = EventBody::VerbFinished {
        press: Some(press),
        target: "mailvm".to_owned(),
        verb: Verb::Cycle,
        operation: Some(operation),
        outcome: breakglass_protocol::Outcome::Done,
        message: "VM 104 runs as process 52207".to_owned(),
        refusal: None,
        status: Some(Box::new(status("mailvm"))),
    };
    let _ = desk.journal.append(Some(id), Actor::Guard("mailvm-power".to_owned()), finished).await;
    let state = TargetState {
        health: Health::Good,
        sentence: "SSH logs in, 38 writes a second".to_owned(),
        wedge: None,
    };
    let observed = EventBody::Observed { target: "mailvm".to_owned(), state, before: Some(Health::Down) };
    let _ = desk.journal.append(Some(id), Actor::Watch, observed).await;
    if let Some(mut view) = view(desk, "mailvm", Health::Good, "SSH logs in, 38 writes a second") {
        view.incident = Some(id);
        view.since = Some(ago(31));
        desk.board.place(view);
    }
    Ok(id)
}

/// What the canary found: most doors hold, one lost its forced command, one was never tried.
pub(super) fn proven(desk: &Desk) {
    let proof = |door: &str, kind: &str, trial: Trial, next: &str| Proof {
        door: door.to_owned(),
        kind: kind.to_owned(),
        proven: trial.held,
        trials: vec![trial],
        next: next.to_owned(),
    };
    let trial = |held, seen: &str| Trial {
        what: "a plain shell command is refused".to_owned(),
        held,
        seen: seen.to_owned(),
    };
    let held = [
        ("devvm-power", "power"),
        ("devvm-repair", "repair"),
        ("gitvm-power", "power"),
        ("mailvm-power", "power"),
    ]
    .map(|(door, kind)| proof(door, kind, trial(true, ""), ""));
    desk.board.show_proofs(ago(2 * 3600), &held);
    let next = "Look at the key's line in authorized_keys on the host: it may run anything now";
    let lost = trial(false, "it ran, and answered `breakglass-canary`");
    desk.board.show_proofs(ago(900), &[proof("gitvm-repair", "repair", lost, next)]);
}

pub(super) fn quiet(desk: &Desk) {
    if let Some(view) = view(desk, "buildvm", Health::Good, "answers") {
        desk.board.place(view);
    }
}

/// A target that has more to tell than this page's authors would like: each line of output attacks a reader in a way of its own.
pub(super) async fn hostile(desk: &Desk) -> Result<IncidentId> {
    let (id, _) = desk.journal.open_incident("buildvm", super::HOSTILE_REASON, Actor::Watch).await;
    attack(desk, id).await;
    Ok(id)
}

/// The same rows once more.
pub(super) async fn attack(desk: &Desk, id: IncidentId) {
    for text in super::hostile_texts() {
        let note = EventBody::Note { text: text.clone() };
        let _ = desk.journal.append(Some(id), mara(), note).await;
        let started = EventBody::CommandStarted {
            target: "buildvm".to_owned(),
            door: "buildvm-repair".to_owned(),
            command: text.chars().take(4000).collect(),
        };
        let kept = desk.journal.append(Some(id), mara(), started).await;
        let finished = EventBody::CommandFinished {
            command: CommandId(kept.seq().0),
            target: "buildvm".to_owned(),
            exit: Some(1),
            message: text.chars().take(500).collect(),
            millis: 3,
            output: text,
            rest: None,
        };
        let _ = desk.journal.append(Some(id), Actor::Server, finished).await;
    }
}

/// An incident with `count` rows: notes, and every tenth a command with some output.
pub(super) async fn long(desk: &Desk, count: usize) -> Result<IncidentId> {
    let (id, _) = desk.journal.open_incident("longvm", "a long night", Actor::Watch).await;
    Ok(grow(desk, id, count).await)
}

/// `count` more rows of such an incident.
pub(super) async fn grow(desk: &Desk, id: IncidentId, count: usize) -> IncidentId {
    let rows = (0..count).map(|n| async move {
        let text = match n % 3 {
            0 => format!("Note {n}."),
            1 => format!(
                "Note {n}: the log of the disk controller has a new line, and it says what it said before."
            ),
            _ => format!("Note {n}: {}", "a longer remark that takes several lines on a phone. ".repeat(5)),
        };
        let _ = desk.journal.append(Some(id), mara(), EventBody::Note { text }).await;
    });
    futures_util::future::join_all(rows).await;
    id
}
