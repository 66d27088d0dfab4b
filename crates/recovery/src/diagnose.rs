//! A look through the read-only door of one host or many. The guard at the far end decides what may be asked; here it is
//! journaled, bounded and told as it comes.

use crate::Desk;
use crate::run::{self, CommandEnd, Run, RunError};
use breakglass_doors::Chunk;
use breakglass_incident::{Actor, CommandId, EventBody, IncidentId};
use breakglass_protocol::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};

/// Hosts that are asked at the same time. A log-in costs the asking side about ten milliseconds of a processor.
const AT_A_TIME: usize = 32;
/// How far back the looks at a host are searched, in events.
const RECENT: usize = 2_000;

/// One question to the guards of some hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The request, in the guard's own grammar, as `breakglass_protocol` renders it.
    pub request: String,
    /// The incident that it belongs to; `None`: the host's open one, if any.
    pub incident: Option<IncidentId>,
    /// After how long it is given up; `None`: the door's own deadline.
    pub deadline: Option<Duration>,
}

/// What one host answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The host.
    pub host: String,
    /// How its look ended, or why nothing was sent.
    pub ended: Result<CommandEnd, RunError>,
}

/// Looks at one host and waits for the end. Output is also sent on as it comes, where a sink is given.
///
/// # Errors
/// [`RunError`], when nothing was sent.
pub async fn diagnose(
    desk: &Desk,
    who: Actor,
    host: &str,
    look: Look,
    sink: Option<mpsc::Sender<Chunk>>,
) -> Result<CommandEnd, RunError> {
    let Some(door) = desk.fleet.diag_door(host).cloned() else {
        return Err(RunError::NoDiagDoor { host: host.to_owned() });
    };
    let Look { request, incident, deadline } = look;
    run::to_end(desk, who, Run { target: host.to_owned(), command: request, incident, deadline }, door, sink)
        .await
}

/// Looks at many hosts, some at a time, and sends each answer on as it comes. Ends when all have answered; goes on
/// although the reader goes away, since what was sent is journaled with its end.
pub async fn diagnose_many(
    desk: &Desk,
    who: &Actor,
    hosts: &[String],
    look: &Look,
    answers: mpsc::Sender<Answer>,
) {
    let places = Arc::new(Semaphore::new(AT_A_TIME));
    let mut asked = tokio::task::JoinSet::new();
    for host in hosts {
        let (desk, who, look) = (desk.clone(), who.clone(), look.clone());
        let (host, places, answers) = (host.clone(), Arc::clone(&places), answers.clone());
        asked.spawn(async move {
            // It is never closed, so there is always a place in the end.
            let _place = places.acquire().await;
            let ended = diagnose(&desk, who, &host, look, None).await;
            let _ = answers.send(Answer { host, ended }).await;
        });
    }
    while asked.join_next().await.is_some() {}
}

/// One look that was taken, as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// Who took it.
    pub by: Actor,
    /// When it was sent.
    pub at: Timestamp,
    /// What was asked.
    pub request: String,
    /// How it ended; `None`: it still runs, or this server did not see its end.
    pub ended: Option<CommandEnd>,
}

/// The newest looks at a host, newest first: at most so many, and none further back than the journal's last two thousand
/// events, so that a page costs the same on every day.
pub async fn looks_at(desk: &Desk, host: &str, most: usize) -> Vec<Taken> {
    let Some(door) = desk.fleet.diag_door(host).map(|door| door.name.clone()) else {
        return Vec::new();
    };
    let mut taken: Vec<(CommandId, Taken)> = Vec::new();
    for event in desk.journal.tail(RECENT).await {
        match event.body {
            EventBody::CommandStarted { target, door: through, command }
                if target == host && through == door =>
            {
                let look = Taken { by: event.actor, at: event.at, request: command, ended: None };
                taken.push((CommandId(event.seq.0), look));
            }
            EventBody::CommandFinished { command, exit, message, millis, output, rest, .. } => {
                if let Some((_, look)) = taken.iter_mut().find(|(id, _)| *id == command) {
                    look.ended = Some(CommandEnd { command, exit, message, millis, output, rest });
                }
            }
            _ => {}
        }
    }
    taken.into_iter().rev().take(most).map(|(_, look)| look).collect()
}

/// The hosts that gave the same answer, the answer that most gave first: on two hundred hosts it is the odd one out that
/// matters. Each group has its hosts in the order of their names, and one answer that stands for all.
#[must_use]
pub fn grouped(answers: &[Answer]) -> Vec<(Vec<&str>, &Answer)> {
    let mut groups: Vec<(Vec<&str>, &Answer)> = Vec::new();
    for answer in answers {
        match groups.iter_mut().find(|(_, first)| same(first, answer)) {
            Some((hosts, _)) => hosts.push(&answer.host),
            None => groups.push((vec![&answer.host], answer)),
        }
    }
    for (hosts, _) in &mut groups {
        hosts.sort_unstable();
    }
    groups.sort_by(|(one, _), (other, _)| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    groups
}

/// Whether a reader would call the two the same: the time that each took, and its number in the journal, do not count.
fn same(one: &Answer, other: &Answer) -> bool {
    match (&one.ended, &other.ended) {
        (Ok(one), Ok(other)) => {
            let rest = |end: &CommandEnd| end.rest.as_ref().map(|rest| rest.sha256.clone());
            // A message beside an exit code says how long it took.
            let ends_alike = one.exit == other.exit && (one.exit.is_some() || one.message == other.message);
            ends_alike && one.output == other.output && rest(one) == rest(other)
        }
        (Err(one), Err(other)) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(host: &str, exit: Option<u32>, output: &str) -> Answer {
        let end = CommandEnd {
            command: CommandId(host.len() as u64),
            exit,
            message: "finished after some time".to_owned(),
            millis: host.len() as u64,
            output: output.to_owned(),
            rest: None,
        };
        Answer { host: host.to_owned(), ended: Ok(end) }
    }

    #[test]
    fn equal_answers_stand_together_and_the_odd_ones_last() {
        let lost = Answer {
            host: "web-04".to_owned(),
            ended: Err(RunError::NoDiagDoor { host: "web-04".to_owned() }),
        };
        let answers = [
            answer("web-03", Some(0), "active"),
            answer("db", Some(3), "inactive"),
            answer("web-01", Some(0), "active"),
            answer("web-02", Some(3), "active"),
            lost,
        ];
        let groups = grouped(&answers);
        let hosts: Vec<_> = groups.iter().map(|(hosts, _)| hosts.join(",")).collect();
        assert_eq!(hosts, ["web-01,web-03", "db", "web-02", "web-04"]);
    }
}
