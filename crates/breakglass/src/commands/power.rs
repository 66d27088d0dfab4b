//! `breakglass power`: a verb through the power door, without the server; what happens is printed as it happens.

use crate::colour::{Colour, harmless};
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use crate::story;
use breakglass_incident::{Event, EventBody, PressId};
use breakglass_protocol::{OperationId, Outcome, Status, Verb, exit};
use breakglass_recovery::{Desk, Press, Pressed, press};
use std::time::Duration;

/// After a verb was carried out, for so long it is waited until the target is well, or said not to be.
const WELL_AGAIN: Duration = Duration::from_secs(200);

/// Press a verb on a target's power door and print what happens; ends with the guard's exit code
#[derive(Debug, clap::Args)]
pub(crate) struct Power {
    /// The target
    target: String,
    /// status and forensics look; reset, stop, start and cycle act
    #[arg(value_enum)]
    verb: Word,
    /// One JSON event a line
    #[arg(long)]
    json: bool,
    /// End when the guard says that the verb was carried out, and do not wait until the target answers
    #[arg(long)]
    no_wait: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Word {
    Status,
    Forensics,
    Reset,
    Stop,
    Start,
    Cycle,
}

impl Power {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        here::known_target(&fleet, &self.target)?;
        here::block_on(async {
            let here = Here::set_up(fleet, std::slice::from_ref(&self.target)).await?;
            let ended = self.press(&here.desk).await;
            here.end().await;
            ended
        })
    }

    /// Presses, prints what is told until there is nothing more to wait for, and gives the exit code.
    async fn press(&self, desk: &Desk) -> anyhow::Result<u8> {
        let mut tail = desk.journal.subscribe();
        let wanted = Press {
            target: self.target.clone(),
            verb: self.verb.verb(),
            seen: None,
            shown: "command line".to_owned(),
            incident: None,
        };
        let mut pressing = {
            let desk = desk.clone();
            tokio::spawn(async move { press(&desk, here::actor(), wanted).await })
        };
        let answers =
            desk.fleet.component(&self.target).is_some_and(|component| !component.addresses.is_empty());
        let mut story =
            Story { power: self, waits: answers && !self.no_wait, ours: None, ended: None, unheard: None };
        let mut answered = false;
        let mut patience = Box::pin(tokio::time::sleep(Duration::MAX / 4));
        loop {
            tokio::select! {
                biased;
                frame = tail.next() => {
                    let Some(frame) = frame else { return Ok(exit::INTERNAL) };
                    let Some(event) = frame.event() else { continue };
                    story.tell(&event)?;
                    if let Some(code) = story.is_over(&event) {
                        return Ok(code);
                    }
                    if story.ended.is_some() {
                        patience.as_mut().reset(tokio::time::Instant::now() + WELL_AGAIN);
                    }
                }
                pressed = &mut pressing, if !answered => {
                    answered = true;
                    if let Some(code) = story.answered(pressed?)? {
                        while let Some(event) = tail.ready().and_then(|frame| frame.event()) {
                            story.tell(&event)?;
                        }
                        return Ok(code);
                    }
                }
                () = &mut patience => {
                    eprintln!("breakglass: carried out, and whether the target is well was not seen; try `breakglass triage {}`", self.target);
                    return Ok(exit::BUSY_OR_TIMEOUT);
                }
                interrupted = tokio::signal::ctrl_c() => {
                    interrupted?;
                    eprintln!(
                        "breakglass: no longer listening; an accepted {} goes on at the hypervisor. \
                         `breakglass power {} status` tells how it stands",
                        self.verb.verb(),
                        self.target
                    );
                    return Ok(exit::BUSY_OR_TIMEOUT);
                }
            }
        }
    }
}

impl Word {
    const fn verb(self) -> Verb {
        match self {
            Self::Status => Verb::Status,
            Self::Forensics => Verb::Forensics,
            Self::Reset => Verb::Reset,
            Self::Stop => Verb::Stop,
            Self::Start => Verb::Start,
            Self::Cycle => Verb::Cycle,
        }
    }
}

/// What has been told so far of one press.
struct Story<'a> {
    power: &'a Power,
    /// Whether it is waited until the target answers.
    waits: bool,
    ours: Option<(PressId, Option<OperationId>)>,
    ended: Option<Outcome>,
    /// The end of a press that never became an operation. Its answer says it better, unless the answer was "unsure".
    unheard: Option<u8>,
}

impl Story<'_> {
    fn tell(&mut self, event: &Event) -> anyhow::Result<()> {
        if self.power.json {
            println!("{}", serde_json::to_string(event)?);
        } else if !matches!(event.body, EventBody::IncidentOpened { .. } | EventBody::IncidentClosed { .. }) {
            println!("{}", told(event));
        }
        match &event.body {
            EventBody::VerbPressed { .. } if self.ours.is_none() => {
                self.ours = Some((PressId(event.seq.0), None))
            }
            EventBody::VerbAccepted { press, operation, .. } => {
                if let Some(ours) = self.ours.as_mut().filter(|ours| ours.0 == *press) {
                    ours.1 = Some(operation.clone());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The exit code, once there is nothing more to wait for.
    fn is_over(&mut self, event: &Event) -> Option<u8> {
        match &event.body {
            EventBody::VerbFinished { press, operation, outcome, verb, .. } => {
                let (ours, named) = self.ours.as_ref()?;
                let is_ours = *press == Some(*ours) || (operation.is_some() && operation == named);
                if !is_ours {
                    return None;
                }
                if operation.is_none() {
                    let earlier = self.unheard.replace(code_of(*outcome, false));
                    return earlier.and(self.unheard);
                }
                if *outcome == Outcome::Done && *verb != Verb::Stop && self.waits {
                    self.ended = Some(*outcome);
                    return None;
                }
                Some(code_of(*outcome, true))
            }
            EventBody::Observed { target, .. } if *target == self.power.target => {
                self.ended.map(|outcome| code_of(outcome, true))
            }
            _ => None,
        }
    }

    /// The exit code, where the answer to the press is the end already.
    fn answered(&mut self, pressed: Pressed) -> anyhow::Result<Option<u8>> {
        match pressed {
            // How these end is told by events.
            Pressed::Accepted { .. } => Ok(None),
            Pressed::Unsure { .. } => {
                let told_already = self.unheard;
                self.unheard.get_or_insert(exit::BUSY_OR_TIMEOUT);
                Ok(told_already)
            }
            Pressed::Looked { status, message, .. } => {
                if let Some(status) = &status {
                    if self.power.json {
                        println!("{}", serde_json::to_string(status)?);
                    } else {
                        print!("{}", harmless(&seen(status)));
                    }
                }
                eprintln!("{}", harmless(&message));
                Ok(Some(exit::DONE))
            }
            Pressed::Refused { refusal, .. } => {
                eprintln!("{refusal}");
                Ok(Some(exit::REFUSED))
            }
            Pressed::Busy { message, .. } => {
                eprintln!("breakglass: busy: {}", harmless(&message));
                Ok(Some(exit::BUSY_OR_TIMEOUT))
            }
            Pressed::Stale { .. } => Ok(Some(exit::BUSY_OR_TIMEOUT)),
            Pressed::Failed { message, .. } => {
                eprintln!("breakglass: {}", harmless(&message));
                Ok(Some(exit::HYPERVISOR_UNAVAILABLE))
            }
        }
    }
}

/// The guard's code for an outcome; one that never became an operation failed at the door or the hypervisor.
const fn code_of(outcome: Outcome, accepted: bool) -> u8 {
    match outcome {
        Outcome::Done => exit::DONE,
        Outcome::Refused => exit::REFUSED,
        Outcome::Busy | Outcome::TimedOut | Outcome::NotObserved | Outcome::Superseded => {
            exit::BUSY_OR_TIMEOUT
        }
        Outcome::Failed if accepted => exit::INTERNAL,
        Outcome::Failed => exit::HYPERVISOR_UNAVAILABLE,
    }
}

fn told(event: &Event) -> String {
    let colour = Colour::of_stdout();
    let line = story::line(event, colour);
    // Our own colours stand in the line; the words in it are harmless already where they come from events.
    line.replace('\r', " ")
}

/// A status for a person.
fn seen(status: &Status) -> String {
    let word = |value: serde_json::Result<serde_json::Value>| match value {
        Ok(serde_json::Value::String(word)) => word,
        Ok(other) => other.to_string(),
        Err(_) => "unreadable".to_owned(),
    };
    let mut lines =
        vec![format!("{} ({}): {}", status.vm, status.vm_id, word(serde_json::to_value(&status.state)))];
    if let Some(process) = status.process {
        let age = status.process_age_seconds.unwrap_or_default();
        lines.push(format!("  process      {} for {age} s", process.pid));
    }
    if let Some(millis) = status.answered_in_millis {
        lines.push(format!("  monitor      answered in {millis} ms"));
    }
    if let [before, .., after] = status.samples.as_slice() {
        let writes = |sample: &breakglass_protocol::BlockSample| {
            sample.disks.iter().map(|disk| disk.writes).sum::<u64>()
        };
        let written = writes(after).saturating_sub(writes(before));
        lines.push(format!("  writes       {written} in {} ms", after.at.millis_since(before.at)));
    }
    lines.extend(status.lock.iter().map(|lock| format!("  lock         {}", lock.kind)));
    lines.extend(
        status.jobs.iter().map(|job| format!("  job          {} {} {}", job.kind, job.id, job.state)),
    );
    lines.extend(status.staged.iter().map(|change| {
        format!(
            "  staged       {} -> {}",
            change.running.as_deref().unwrap_or("(nothing)"),
            change.staged.as_deref().unwrap_or("(nothing)")
        )
    }));
    lines.extend(status.passthrough.iter().map(|device| format!("  passthrough  {device}")));
    lines.extend(status.console.iter().map(|sign| format!("  console      {}", sign.line)));
    if let Some(last) = &status.last_operation {
        let ended = last
            .outcome
            .map_or_else(|| "is running".to_owned(), |outcome| word(serde_json::to_value(outcome)));
        lines.push(format!(
            "  last         {} by {} at {}: {ended}. {}",
            last.verb, last.key, last.accepted, last.message
        ));
    }
    lines.extend(status.notes.iter().map(|note| format!("  note         {note}")));
    lines.iter().map(|line| format!("{line}\n")).collect()
}
