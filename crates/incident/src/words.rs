//! The timeline in words: one wording for the page, the export and the command line.
//!
//! Everything here is plain text. It may hold what a guest or a stranger wrote, so whoever renders it escapes it.

use crate::{Actor, ArtifactRef, Delivery, Event, EventBody, ForensicsPart, Seq, TargetState};
use crate::{proof, turn_words};
use breakglass_protocol::{Outcome, PartOutcome, Phase, Timestamp, Verb};
use breakglass_triage::{Action, Health, Triage};

/// What sort of row it is. What was measured never looks like what somebody claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RowKind {
    /// Somebody's words.
    Said,
    /// Something that was seen to be so.
    Observed,
    /// Something that somebody did or asked for.
    Did,
    /// A remark of the system on itself.
    Note,
}

/// One row of the timeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The event that it tells.
    pub seq: Seq,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What stands small beside the actor, such as `power`; empty for none.
    pub label: String,
    /// What sort of row it is.
    pub kind: RowKind,
    /// What happened, in whole sentences.
    pub sentences: Vec<String>,
    /// What a machine printed, or a list that belongs to it: shown as it is, one line each.
    pub detail: Vec<String>,
    /// What may be opened.
    pub artifacts: Vec<ArtifactRef>,
    /// How good or bad the news is, where that is clear.
    pub health: Option<Health>,
}

/// The row of one event; `None` for those that a timeline does not show.
#[must_use]
pub fn row(event: &Event) -> Option<Row> {
    let told = tell(&event.body)?;
    Some(Row {
        seq: event.seq,
        at: event.at,
        actor: event.actor.clone(),
        label: told.label,
        kind: told.kind,
        sentences: told.sentences,
        detail: told.detail,
        artifacts: told.artifacts,
        health: told.health,
    })
}

/// A duration as people say it: `0.4 s`, `21 s`, `4 min 57 s`, `2 h 05 min`.
#[must_use]
pub fn duration(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0..=9 => format!("{seconds}.{} s", millis % 1000 / 100),
        10..=59 => format!("{seconds} s"),
        60..=3599 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

pub(crate) struct Told {
    label: String,
    kind: RowKind,
    sentences: Vec<String>,
    pub(crate) detail: Vec<String>,
    pub(crate) artifacts: Vec<ArtifactRef>,
    health: Option<Health>,
}

impl Told {
    pub(crate) fn new(kind: RowKind, label: &str, sentence: impl Into<String>) -> Self {
        Self {
            label: label.to_owned(),
            kind,
            sentences: vec![sentence.into()],
            detail: Vec::new(),
            artifacts: Vec::new(),
            health: None,
        }
    }

    pub(crate) fn and(mut self, sentence: impl Into<String>) -> Self {
        let sentence = sentence.into();
        if !sentence.is_empty() {
            self.sentences.push(sentence);
        }
        self
    }

    pub(crate) fn when(self, holds: bool, sentence: impl FnOnce() -> String) -> Self {
        if holds { self.and(sentence()) } else { self }
    }

    pub(crate) fn health(mut self, health: Health) -> Self {
        self.health = Some(health);
        self
    }
}

fn tell(body: &EventBody) -> Option<Told> {
    use RowKind::{Did, Note, Observed, Said};
    Some(match body {
        EventBody::LoggedIn { .. } | EventBody::LoginRefused { .. } | EventBody::SessionsEnded { .. } => {
            return None;
        }
        EventBody::ServerStarted { version, unclean } => {
            Told::new(Note, "server", format!("breakglass {version} started.")).when(*unclean, || {
                "The run before it ended without a word; what was running is being asked for.".to_owned()
            })
        }
        EventBody::ServerStopped {} => Told::new(Note, "server", "breakglass stopped in order."),
        EventBody::IncidentOpened { target, reason } => {
            Told::new(Did, "incident", format!("Opened an incident for {target}.")).and(sentence(reason))
        }
        EventBody::IncidentClosed { reason, away_millis, .. } => {
            let told = Told::new(Did, "incident", "Closed the incident.").and(sentence(reason));
            match away_millis {
                Some(millis) => told.and(format!("It was away for {}.", duration(*millis))),
                None => told,
            }
        }
        EventBody::Observed { target, state, before } => observed(target, state, *before),
        EventBody::Triaged { target, triage } => triaged(target, triage),
        EventBody::VerbPressed { target, verb, shown, .. } => {
            Told::new(Did, "power", format!("{} {target}.", capitalised(verb.as_str())))
                .when(!shown.is_empty(), || format!("Seen before: {}.", shown.trim_end_matches('.')))
        }
        EventBody::VerbAccepted { verb, operation, joined, .. } => {
            let how = if *joined { "joined the one that runs already" } else { "accepted" };
            Told::new(Observed, "power", format!("{} {how}.", capitalised(verb.as_str())))
                .and(format!("Operation {operation}: it completes whoever goes away."))
        }
        EventBody::VerbProgress { phase, note, .. } => {
            let note = if note.is_empty() { phase_words(*phase).to_owned() } else { sentence(note) };
            Told::new(Observed, "power", note)
        }
        EventBody::ForensicsCaptured { parts, .. } => forensics(parts),
        EventBody::VerbFinished { target, verb, outcome, message, refusal, .. } => {
            let told = Told::new(Observed, "power", outcome_words(*verb, target, *outcome))
                .and(sentence(message))
                .health(outcome_health(*outcome));
            match refusal {
                Some(refusal) => {
                    told.and(format!("Refused ({}): {}. {}.", refusal.rule, refusal.reason, refusal.hint))
                }
                None => told,
            }
        }
        EventBody::LineLost { operation, reason, .. } => {
            let told = Told::new(Note, "line lost", format!("The line to the guard was lost: {reason}."));
            match operation {
                Some(operation) => told
                    .and(format!("Operation {operation} goes on; the guard is asked again until it tells.")),
                None => told.and(
                    "Whether the guard accepted is not known yet; it is asked, and nothing is sent twice.",
                ),
            }
            .health(Health::Unknown)
        }
        EventBody::CommandStarted { door, command, .. } => {
            let mut told = Told::new(Did, "command", format!("Ran a command through {door}."));
            told.detail.push(command.clone());
            told
        }
        EventBody::CommandFinished { command, message, millis, output, rest, .. } => {
            let mut told = Told::new(Observed, "command", sentence(message))
                .and(format!("Command {command} took {}.", duration(*millis)));
            told.detail.extend(output.lines().map(str::to_owned));
            told.artifacts.extend(rest.clone());
            told
        }
        EventBody::Note { text } => Told::new(Said, "note", text.clone()),
        EventBody::HostKeyPinned { host, fingerprint } => Told::new(
            Note,
            "host key",
            format!("First contact with {host}: its key {fingerprint} is pinned."),
        ),
        EventBody::HostKeyChanged { host, pinned, shown } => {
            Told::new(Observed, "host key", format!("{host} showed the key {shown}; pinned is {pinned}."))
                .and("Its doors are closed until a person accepts the new key.")
                .health(Health::Down)
        }
        EventBody::HostKeyAccepted { host, fingerprint } => {
            Told::new(Did, "host key", format!("Accepted the new key of {host}, {fingerprint}."))
        }
        EventBody::Gap { missing, skipped, from, until, reason } => {
            let kept = match missing {
                0 if *skipped > 0 => {
                    format!(
                        "{skipped} numbers before this one belong to no event of this chain; none is lost of what came since"
                    )
                }
                0 => "what happened meanwhile was held in memory and written late".to_owned(),
                1 => "1 event is missing here".to_owned(),
                n => format!("{n} events are missing here"),
            };
            let span = format!(
                "The journal could not be written from {} to {}: {reason}.",
                from.time_of_day(),
                until.time_of_day()
            );
            Told::new(Note, "journal", span).and(sentence(&kept)).health(if *missing == 0 {
                Health::Degraded
            } else {
                Health::Down
            })
        }
        EventBody::SpoolSetAside { path, why } => {
            Told::new(Note, "spool", format!("A spool of the command line was not taken in: {why}."))
                .and(format!(
                    "It lies in {path}; nothing of it was deleted. Look at it before you believe it."
                ))
                .health(Health::Degraded)
        }
        EventBody::Notified { receiver, how, tries, sentence, .. } => {
            notified(receiver, *how, *tries, sentence)
        }
        EventBody::Verified { target, doors, millis } => proof::tell(target, doors, *millis),
        EventBody::Erased { which, was, why } => Told::new(
            Did,
            "journal",
            format!("Took the content of event {which} ({was}) out of the journal."),
        )
        .and(sentence(why)),
        EventBody::Turn(event) => return turn_words::tell(event),
        EventBody::Removed { was, why } => Told::new(
            Note,
            "journal",
            format!("An event of the kind {was} stands here and cannot be shown: {why}."),
        ),
    })
}

fn notified(receiver: &str, how: Delivery, tries: u32, what: &str) -> Told {
    let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
    match how {
        Delivery::Sent => Told::new(RowKind::Note, "notice", format!("Told {receiver}: {}", sentence(what))),
        Delivery::Waiting => {
            Told::new(RowKind::Note, "notice", format!("{receiver} could not be told yet, after {times}."))
                .and(sentence(what))
                .health(Health::Degraded)
        }
        Delivery::GivenUp => {
            Told::new(RowKind::Note, "notice", format!("{receiver} was not told, after {times}."))
                .and(sentence(what))
                .health(Health::Degraded)
        }
    }
}

fn observed(target: &str, state: &TargetState, before: Option<Health>) -> Told {
    let turn = match (before, state.health) {
        (Some(before), now) if before == now => None,
        (_, Health::Good) => Some(format!("{target} is well.")),
        (_, Health::Degraded) => Some(format!("{target} is degraded.")),
        (_, Health::Down) => Some(format!("{target} is down.")),
        (_, Health::Unknown) => Some(format!("{target} cannot be seen.")),
    };
    let told = match turn {
        Some(turn) => Told::new(RowKind::Observed, "", turn).and(sentence(&state.sentence)),
        None => Told::new(RowKind::Observed, "", sentence(&state.sentence)),
    };
    match state.wedge.filter(|wedge| !state.sentence.contains(wedge.title())) {
        Some(wedge) => told.and(format!("It looks like this: {}.", wedge.title())),
        None => told,
    }
    .health(state.health)
}

fn triaged(target: &str, triage: &Triage) -> Told {
    let named =
        triage.wedge.map_or_else(|| "No wedge named.".to_owned(), |wedge| format!("{}.", wedge.title()));
    let advice = match &triage.action {
        Action::Press(verb) => format!("Recommended: {verb} {target}."),
        Action::Run(command) => format!("Recommended: run `{command}`."),
        Action::Wait => "Recommended: wait.".to_owned(),
        Action::Nothing => "Nothing needs to be done.".to_owned(),
        Action::Look => "A person has to look: the evidence does not say.".to_owned(),
    };
    let label = format!("triage, by rules alone, {}", duration(triage.millis));
    // Most summaries begin with the wedge's name; it is not said twice.
    let told = match triage.wedge {
        Some(wedge) if triage.summary.starts_with(wedge.title()) => {
            Told::new(RowKind::Observed, &label, sentence(&triage.summary))
        }
        _ => Told::new(RowKind::Observed, &label, named).and(sentence(&triage.summary)),
    };
    let mut told = told
        .and(advice)
        .and(sentence(&triage.because))
        .when(!triage.wrong_if.is_empty(), || format!("This is wrong if {}", sentence_tail(&triage.wrong_if)))
        .health(triage.health);
    told.detail.extend(triage.findings.iter().map(|finding| format!("{}: {}", finding.label, finding.seen)));
    told
}

fn forensics(parts: &[ForensicsPart]) -> Told {
    let count = |outcome| parts.iter().filter(|part| part.outcome == outcome).count();
    let whole = count(PartOutcome::Captured) + count(PartOutcome::Cut);
    let bytes: u64 =
        parts.iter().filter_map(|part| part.artifact.as_ref()).map(|artifact| artifact.bytes).sum();
    let late = count(PartOutcome::TimedOut);
    let mut told = Told::new(
        RowKind::Observed,
        "forensics",
        format!("Captured {whole} of {} parts, {}.", parts.len(), size(bytes)),
    )
    .when(late > 0, || format!("{late} did not answer in time."))
    .when(count(PartOutcome::Failed) > 0, || format!("{} failed.", count(PartOutcome::Failed)));
    told.detail.extend(
        parts
            .iter()
            .map(|part| format!("{}: {}, {}", part.part, part_words(part.outcome), duration(part.millis))),
    );
    told.artifacts.extend(parts.iter().filter_map(|part| part.artifact.clone()));
    told
}

/// A number of bytes as people say it.
pub(crate) fn size(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{} KiB", bytes / 1024),
        _ => format!("{}.{} MiB", bytes >> 20, ((bytes & 0xF_FFFF) * 10) >> 20),
    }
}

/// How a part of forensics went, as a reader is told.
pub(crate) const fn part_words(outcome: PartOutcome) -> &'static str {
    match outcome {
        PartOutcome::Captured => "captured",
        PartOutcome::Cut => "captured up to the size limit",
        PartOutcome::TimedOut => "did not answer in time",
        PartOutcome::Failed => "failed",
        PartOutcome::NotHere => "not available on this host",
    }
}

/// What a step means, for a guard that sent no words of its own.
const fn phase_words(phase: Phase) -> &'static str {
    match phase {
        Phase::Accepted => "Accepted.",
        Phase::ForensicsBegun => "Capturing forensics.",
        Phase::ForensicsDone => "Forensics are kept.",
        Phase::GuestAsked => "The guest was asked to power off.",
        Phase::GuestStopped => "The guest powered off by itself.",
        Phase::GraceEnded => "The grace ended and the process still ran.",
        Phase::ProcessKilled => "The process was killed.",
        Phase::ProcessGone => "The process is gone.",
        Phase::LockChecked => "Locks were looked at.",
        Phase::ProcessStarted => "A new process was started.",
        Phase::ResetSent => "The reset was sent.",
        Phase::Resumed => "The VM was let go on.",
        Phase::StateObserved => "The final state was observed.",
        Phase::Superseded => "Another verb took over.",
    }
}

fn outcome_words(verb: Verb, target: &str, outcome: Outcome) -> String {
    let name = capitalised(verb.as_str());
    match outcome {
        Outcome::Done => format!("{name} of {target} done."),
        Outcome::NotObserved => {
            format!("{name} of {target} was carried out, and its result could not be observed.")
        }
        Outcome::Failed => format!("{name} of {target} failed."),
        Outcome::Refused => format!("{name} of {target} was refused; nothing was started."),
        Outcome::Busy => format!("{name} of {target} was not started: another operation has the VM."),
        Outcome::TimedOut => format!("{name} of {target}: time ran out before the end was seen."),
        Outcome::Superseded => format!("{name} of {target} gave way to a stronger verb."),
    }
}

const fn outcome_health(outcome: Outcome) -> Health {
    match outcome {
        Outcome::Done => Health::Good,
        Outcome::NotObserved | Outcome::TimedOut => Health::Unknown,
        Outcome::Refused | Outcome::Busy | Outcome::Superseded => Health::Degraded,
        Outcome::Failed => Health::Down,
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// With a full stop at its end, unless it has some other end or is empty.
pub(crate) fn sentence(text: &str) -> String {
    let text = text.trim();
    let whole = text.is_empty() || text.ends_with(['.', '!', '?', ':', '…']);
    format!("{text}{}", if whole { "" } else { "." })
}

fn sentence_tail(text: &str) -> String {
    sentence(text.trim().strip_prefix("This is wrong if ").unwrap_or(text))
}
