//! The pages without a fleet behind them, to look at: a block stall that was found, a cycle under way, a machine that
//! is back, a board. Nothing that is pressed reaches a machine. `cargo run -p breakglass-web --example preview`, then
//! log in as `mara` with `preview`, or as `vera`, who may only look.

mod turn;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use breakglass_doors::{Doors, HostKeys, Keyholder, Limits};
use breakglass_fleet::{Fleet, Role};
use breakglass_incident::{
    Actor, ArtifactRef, CommandId, EventBody, ForensicsPart, IncidentId, PressId, TargetState,
};
use breakglass_journal::Journal;
use breakglass_protocol::{
    BlockCounters, BlockSample, OperationId, PartOutcome, Phase, ProcessIdentity, RunState, StagedChange,
    Status, Timestamp, Verb, VmName,
};
use breakglass_recovery::turn::{Engines, Prompt};
use breakglass_recovery::{Desk, TargetView, WriteRate};
use breakglass_triage::{Action, Finding, Health, Triage, Wedge};
use breakglass_web::{Extra, Listening, WebConfig, serve_on};
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const FLEET: &str = r#"
[fleet]
name = "home"
[[component]]
name = "pve"
kind = "hypervisor"
addresses = ["192.0.2.10"]
[[component]]
name = "pve2"
kind = "hypervisor"
addresses = ["192.0.2.11"]
[[component]]
name = "devvm"
kind = "vm"
addresses = ["192.0.2.20"]
needs = ["pve"]
[[component]]
name = "gitvm"
kind = "vm"
addresses = ["192.0.2.21"]
needs = ["pve"]
[[component]]
name = "mailvm"
kind = "vm"
addresses = ["192.0.2.40"]
needs = ["pve2"]
[[component]]
name = "buildvm"
kind = "vm"
addresses = ["192.0.2.41"]
needs = ["pve2"]
[[secret]]
name = "power-key"
[[secret]]
name = "git-power-key"
[[secret]]
name = "mail-power-key"
[[secret]]
name = "build-power-key"
[[secret]]
name = "repair-key"
[[door]]
name = "devvm-power"
kind = "power"
to = "pve"
controls = "devvm"
backend = "qm"
vm = 102
user = "root"
key = "power-key"
[[door]]
name = "devvm-repair"
kind = "repair"
to = "devvm"
user = "breakglass"
key = "repair-key"
[[door]]
name = "gitvm-power"
kind = "power"
to = "pve"
controls = "gitvm"
backend = "qm"
vm = 103
user = "root"
key = "git-power-key"
[[door]]
name = "gitvm-repair"
kind = "repair"
to = "gitvm"
user = "breakglass"
key = "repair-key"
[[door]]
name = "mailvm-power"
kind = "power"
to = "pve2"
controls = "mailvm"
backend = "qm"
vm = 104
user = "root"
key = "mail-power-key"
[[door]]
name = "buildvm-power"
kind = "power"
to = "pve2"
controls = "buildvm"
backend = "qm"
vm = 105
user = "root"
key = "build-power-key"
"#;

fn now() -> Timestamp {
    let millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    Timestamp::from_unix_millis(i64::try_from(millis).unwrap_or(i64::MAX))
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_unix_millis(now().unix_millis() - seconds * 1000)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let dir = std::env::temp_dir().join(format!("breakglass-preview-{}", std::process::id()));
    std::fs::create_dir_all(&dir)?;
    let desk = desk(&dir)?;
    let hash = Argon2::default().hash_password(b"preview")?;
    std::fs::write(dir.join("passwords"), format!("mara:{hash}\nvera:{hash}\n"))?;
    let mut config = WebConfig::from_fleet(&desk.fleet);
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(8088);
    config.listen = vec![([127, 0, 0, 1], port).into()];
    config.password_file = Some(dir.join("passwords"));
    config.state_dir.clone_from(&dir);
    config.roles.people.push(("vera".to_owned(), Role::View));
    let listening = Listening::bind(&config.listen).await?;
    for address in &listening.addresses {
        println!("http://{address}/  mara / preview");
    }
    stalled(&desk).await?;
    working(&desk).await?;
    recovered(&desk).await?;
    quiet(&desk);
    let prompt = Prompt::default();
    desk.turns.set_engines(Engines { list: vec![Arc::new(turn::Talker)], prompt });
    turn::turn(&desk, "devvm").await;
    let stop = async {
        let _ = tokio::signal::ctrl_c().await;
    };
    serve_on(listening, desk, config, Extra::default(), stop).await;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}

fn desk(dir: &Path) -> Result<Desk, Box<dyn Error>> {
    let fleet =
        Arc::new(Fleet::parse(FLEET, Path::new("preview.toml")).map_err(|invalid| invalid.to_string())?);
    let keyholder = Keyholder::from_socket(&dir.join("no-agent"));
    let doors =
        Doors::new(Arc::clone(&fleet), keyholder, HostKeys::open(&dir.join("hosts"))?, Limits::default());
    let journal = Journal::open(&dir.join("journal"), now)?;
    Ok(Desk::new(fleet, doors, journal, now))
}

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
    let _ = desk.journal.append(Some(id), Actor::Watch, observed).await;
    let triaged = EventBody::Triaged { target: target.to_owned(), triage: Box::new(stall_triage()) };
    let _ = desk.journal.append(Some(id), Actor::Server, triaged).await;
    id
}

async fn part(desk: &Desk, name: &str, media: &str, bytes: &[u8]) -> Result<ArtifactRef, Box<dyn Error>> {
    Ok(desk.journal.put_artifact(name, media, bytes.to_vec()).await?)
}

async fn stalled(desk: &Desk) -> Result<(), Box<dyn Error>> {
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
    Ok(())
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

async fn working(desk: &Desk) -> Result<(), Box<dyn Error>> {
    let id = down(desk, "gitvm", Wedge::BlockStall).await;
    press(desk, id, "gitvm", &STEPS).await;
    if let Some(mut view) =
        view(desk, "gitvm", Health::Down, "no completed write for 15 s while QEMU answers")
    {
        view.wedge = Some(Wedge::BlockStall);
        view.incident = Some(id);
        desk.board.place(view);
    }
    Ok(())
}

async fn recovered(desk: &Desk) -> Result<(), Box<dyn Error>> {
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
    Ok(())
}

fn quiet(desk: &Desk) {
    if let Some(view) = view(desk, "buildvm", Health::Good, "answers") {
        desk.board.place(view);
    }
}
