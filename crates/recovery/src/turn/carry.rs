//! Carrying out what an agent asked for, once it was decided that it may be: each is one use case that people have too.

use super::answer::Came;
use super::request::Request;
use super::runbooks;
use super::standing::{Standing, doors_to};
use super::tools::Call;
use crate::record::since;
use crate::run::run_for_call;
use crate::{Desk, Press, Pressed, Run, RunError, press};
use breakglass_fleet::{Autonomy, Door, DoorKind};
use breakglass_incident::policy::Denial;
use breakglass_incident::{CallOutcome, EventBody, Seq};
use breakglass_protocol::{OperationId, Outcome, Status, Verb};
use breakglass_triage::{Action, Triage};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

/// A triage that is older says nothing about a verb.
const FRESH: u64 = 120_000;
/// The end of a verb is waited for no longer; it goes on without its asker.
const VERB_PATIENCE: Duration = Duration::from_secs(6 * 60);
/// The pause between two looks while an end is waited for.
const PAUSE: Duration = Duration::from_millis(150);

/// Carries it out.
pub(crate) async fn carry(desk: &Desk, call: &Call<'_>, request: &Request) -> Came {
    match request {
        Request::Hosts => {
            Came::done("The machines of this fleet:").written_by("this server", hosts(desk, call))
        }
        Request::Triage { .. } => triage(desk, call).await,
        Request::Diag { command, .. } => look(desk, call, command).await,
        Request::Repair { command, deadline, .. } => repair(desk, call, command, *deadline).await,
        Request::Power { verb, .. } => power(desk, call, *verb).await,
        Request::Runbook { name } => runbooks::read(desk, name.as_deref()).await,
    }
}

fn hosts(desk: &Desk, call: &Call<'_>) -> String {
    let mut list = String::new();
    let targets = desk.board.targets();
    for view in &targets {
        let here = if view.name == call.home { ", the target of this incident" } else { "" };
        let _ = writeln!(list, "{}{here}: {:?}, {}", view.name, view.health, view.sentence);
        doors(&mut list, desk, call, &view.name);
    }
    for host in desk.fleet.hosts().filter(|host| targets.iter().all(|view| view.name != host.name)) {
        let _ = writeln!(list, "{}: {}, not watched", host.name, host.kind);
        doors(&mut list, desk, call, &host.name);
    }
    list
}

fn doors(list: &mut String, desk: &Desk, call: &Call<'_>, name: &str) {
    for door in doors_to(&desk.fleet, name) {
        let may = match (door.kind, call.standing) {
            (DoorKind::Diag, _) => "look",
            (DoorKind::Cold, _) => continue,
            (_, Standing::Turn(turn)) if turn.home != name => "not from this incident",
            (_, standing) => standing.autonomy(&desk.fleet, door).map_or("not granted", Autonomy::as_str),
        };
        let _ = writeln!(list, "  {} door {}: {may}", door.kind, door.name);
    }
}

async fn triage(desk: &Desk, call: &Call<'_>) -> Came {
    let triage = crate::triage(desk, call.actor, call.about, call.incident).await;
    Came::done(format!("Triage of {}:", call.about)).written_by(call.about, told(&triage))
}

/// A triage as a model reads it.
pub(crate) fn told(triage: &Triage) -> String {
    let wedge = triage.wedge.map_or("none named", |wedge| wedge.title());
    let mut text = format!("at {}\nwedge: {wedge}\nsummary: {}\n", triage.at, triage.summary);
    let action = match &triage.action {
        Action::Press(verb) => format!("press {verb}"),
        Action::Run(command) => format!("run `{command}`"),
        Action::Wait => "wait".to_owned(),
        Action::Nothing => "nothing needs to be done".to_owned(),
        Action::Look => "the evidence does not say; look closer".to_owned(),
    };
    let _ = writeln!(text, "recommended: {action}\nbecause: {}", triage.because);
    if !triage.wrong_if.is_empty() {
        let _ = writeln!(text, "wrong if: {}", triage.wrong_if);
    }
    for (verb, remark) in &triage.remarks {
        let _ = writeln!(text, "on {verb}: {remark}");
    }
    for finding in &triage.findings {
        let _ = writeln!(text, "- {}: {} ({:?})", finding.label, finding.seen, finding.health);
    }
    for change in &triage.changed {
        let _ = writeln!(text, "- changed in the last two hours, {}: {}", change.label, change.seen);
    }
    text
}

/// A look through the diag door of whatever host the fleet has one for: it changes nothing there, so it needs no budget.
async fn look(desk: &Desk, call: &Call<'_>, request: &str) -> Came {
    let Some(door) = desk.fleet.diag_door(call.about).cloned() else {
        let instead = match call.standing {
            Standing::Turn(turn) => format!(
                "Use triage, or repair with a command that only reads; repair reaches {} alone and counts against the budget.",
                turn.home
            ),
            Standing::Outside { .. } => {
                "Call hosts to see which have one; say what a person should look at.".to_owned()
            }
        };
        let reason = format!("no diag door leads to {}", call.about);
        return Came::refused(&Denial::new("no-diag-door", reason, instead));
    };
    let deadline = door.deadline;
    command(desk, call, door, request, deadline).await
}

async fn repair(desk: &Desk, call: &Call<'_>, line: &str, deadline: Duration) -> Came {
    match desk.fleet.repair_door(call.about).cloned() {
        Some(door) => command(desk, call, door, line, deadline).await,
        None => {
            let error = RunError::NoDoor { target: call.about.to_owned() };
            Came::refused(&Denial::new("not-sent", error.to_string(), "Say what a person should do."))
        }
    }
}

/// One command line through one door, shown as this call's.
async fn command(desk: &Desk, call: &Call<'_>, door: Door, line: &str, deadline: Duration) -> Came {
    let run = Run {
        target: call.about.to_owned(),
        command: line.to_owned(),
        incident: call.incident,
        deadline: Some(deadline),
    };
    let halt = match call.standing {
        Standing::Turn(turn) => Some(&turn.halt),
        Standing::Outside { .. } => None,
    };
    match run_for_call(desk, call.actor.clone(), run, door, call.id, halt).await {
        Err(error) => {
            let instead = "Give one command line of at most 32 KiB, or say what a person should do.";
            Came::refused(&Denial::new("not-sent", error.to_string(), instead))
        }
        Ok(end) => {
            let Some(code) = end.exit else {
                // How it ended may be the far end's own word, and so is nothing that we would say.
                let ended = format!("It did not end by itself (after {} ms). What came of it:", end.millis);
                let text = format!("{}\n{}", end.message, end.output);
                let by = format!("the door to {}", call.about);
                return Came { rest: end.rest, ..Came::failed(ended) }.written_by(&by, text);
            };
            let ended = format!("Exit code {code} after {} ms.", end.millis);
            Came { exit: end.exit, rest: end.rest, ..Came::done(ended) }.written_by(call.about, end.output)
        }
    }
}

async fn power(desk: &Desk, call: &Call<'_>, verb: Verb) -> Came {
    let mut shown = String::new();
    let mut seen = None;
    if verb.is_mutating() {
        let triage = fresh_triage(desk, call).await;
        shown =
            format!("triage at {}: {}", triage.at.time_of_day(), triage.summary).chars().take(300).collect();
        seen = Some(desk.journal.newest());
    }
    let wanted = Press { target: call.about.to_owned(), verb, seen, shown, incident: call.incident };
    match press(desk, call.actor.clone(), wanted).await {
        Pressed::Looked { status, message, .. } => {
            let text = status.as_deref().map(state).unwrap_or_default();
            Came::done(format!("{verb}: looked, and changed nothing."))
                .written_by("the hypervisor", format!("{message}\n{text}"))
        }
        Pressed::Accepted { operation, .. } => followed(desk, call, verb, Some(&operation)).await,
        Pressed::Unsure { message, .. } => {
            let came = followed(desk, call, verb, None).await;
            let theirs = came.theirs.map_or_else(String::new, |(_, text)| text);
            let ours = format!("The line was lost before the answer. {}", came.ours);
            Came { ours, theirs: None, ..came }.written_by("the power door", format!("{message}\n{theirs}"))
        }
        Pressed::Stale { since } => {
            let news: Vec<String> = since
                .iter()
                .filter_map(breakglass_incident::row)
                .map(|row| format!("{}: {}", row.actor, row.sentences.join(" ")))
                .collect();
            Came::refused(&Denial::new(
                "stale",
                "something has happened since the triage",
                "Read it, and decide anew.",
            ))
            .written_by("this incident", news.join("\n"))
        }
        // A guard's words are those of whoever has its host.
        Pressed::Refused { refusal, .. } => {
            Came::refused(&Denial::new("guard", "the guard refused", "Its hint names what it would allow."))
                .written_by("the guard", format!("({}): {}; {}", refusal.rule, refusal.reason, refusal.hint))
        }
        Pressed::Busy { message, .. } => Came::refused(&Denial::new(
            "busy",
            "another operation has the VM",
            "Wait for its end with triage; do not press again meanwhile.",
        ))
        .written_by("the guard", message),
        Pressed::Failed { message, .. } => {
            Came::failed(format!("{verb}: nothing was started.")).written_by("the power door", message)
        }
    }
}

/// The triage that a verb follows: a young one, or one that is made now.
async fn fresh_triage(desk: &Desk, call: &Call<'_>) -> Arc<Triage> {
    let held = desk.board.target(call.about).and_then(|view| view.triage);
    match held.filter(|triage| desk.now().millis_since(triage.at) < FRESH) {
        Some(triage) => triage,
        None => {
            let by = breakglass_incident::Actor::Server;
            Arc::new(crate::triage(desk, &by, call.about, call.incident).await)
        }
    }
}

/// Waits for the end of an accepted verb, as the journal tells it, and for the target to settle.
async fn followed(desk: &Desk, call: &Call<'_>, verb: Verb, operation: Option<&OperationId>) -> Came {
    let deadline = tokio::time::Instant::now() + VERB_PATIENCE;
    let end = loop {
        if let Some(end) = end_of(desk, call, verb, operation).await {
            break end;
        }
        if tokio::time::Instant::now() >= deadline {
            return Came::failed(format!(
                "The {verb} was accepted and its end was not seen in {} s. It goes on at the hypervisor; follow it with \
                 power status, and never press it again before that.",
                VERB_PATIENCE.as_secs()
            ));
        }
        tokio::time::sleep(PAUSE).await;
    };
    let (outcome, message) = end;
    // Whoever follows the verb looks until the target is well or time is over.
    let settled = tokio::time::Instant::now() + desk.times.well_again + Duration::from_secs(5);
    tokio::time::sleep(PAUSE * 2).await;
    while desk.board.target(call.about).is_some_and(|view| view.settling)
        && tokio::time::Instant::now() < settled
    {
        tokio::time::sleep(PAUSE).await;
    }
    let done = matches!(outcome, Outcome::Done | Outcome::NotObserved);
    let came = if done { Came::done("") } else { Came::failed("") };
    let view = desk.board.target(call.about);
    let after =
        view.map_or_else(String::new, |view| format!("{}: {:?}, {}", view.name, view.health, view.sentence));
    Came {
        outcome: if done { CallOutcome::Done } else { CallOutcome::Failed },
        ours: format!("{verb}: {outcome:?}. What the guard and the watch saw:"),
        ..came
    }
    .written_by("the hypervisor", format!("{message}\nafterwards {after}"))
}

async fn end_of(
    desk: &Desk,
    call: &Call<'_>,
    wanted: Verb,
    operation: Option<&OperationId>,
) -> Option<(Outcome, String)> {
    let events = since(desk, Seq(call.id.0), call.incident).await?;
    events.into_iter().find_map(|event| match event.body {
        EventBody::VerbFinished { verb, operation: ended, outcome, message, .. }
            if verb == wanted && (operation.is_none() || ended.as_ref() == operation) =>
        {
            Some((outcome, message))
        }
        _ => None,
    })
}

fn state(status: &Status) -> String {
    let mut text = format!("state: {:?}\n", status.state);
    if let Some(age) = status.process_age_seconds {
        let _ = writeln!(text, "process age: {age} s");
    }
    if let Some(lock) = &status.lock {
        let _ = writeln!(text, "lock: {}", lock.kind);
    }
    for job in &status.jobs {
        let _ = writeln!(text, "job: {} {}", job.kind, job.state);
    }
    for (at, sample) in status.samples.iter().enumerate() {
        let writes: u64 = sample.disks.iter().map(|disk| disk.writes).sum();
        let _ = writeln!(text, "sample {at} at {}: {writes} writes so far", sample.at);
    }
    if let Some(last) = &status.last_operation {
        let _ = writeln!(text, "last operation: {} {} {:?}", last.id, last.verb, last.outcome);
    }
    for note in &status.notes {
        let _ = writeln!(text, "note: {note}");
    }
    text
}
