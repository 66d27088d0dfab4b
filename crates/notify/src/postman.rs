//! Carries letters out, on a thread with a runtime of its own: what hangs in here (a name that is looked up, a disk with a secret on it, an
//! endpoint that says nothing) holds up no door, no button and no write of the journal.

use crate::notice::{Letter, Member};
use crate::outbox::{Job, Outbox};
use crate::pace::Pace;
use crate::trouble::Trouble;
use crate::{mail, ntfy, webhook};
use breakglass_fleet::{Receiver, Way};
use breakglass_incident::Delivery;
use breakglass_recovery::Clock;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::timeout;

/// Blocking work of all receivers together: lookups of names and reading of secrets.
const BLOCKING: usize = 4;
/// So many failed tries make a notice late enough to say so in the journal.
const LATE: u32 = 3;

/// What became of a letter so far.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) receiver: String,
    pub(crate) key: String,
    pub(crate) members: Vec<Member>,
    pub(crate) tries: u32,
    /// What is worth a line in the journal.
    pub(crate) how: Option<Delivery>,
    /// What it says, or what went wrong.
    pub(crate) sentence: String,
    /// How many wait for the same receiver.
    pub(crate) waiting: usize,
}

/// What all postmen know.
#[derive(Debug, Clone)]
pub(crate) struct Round {
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) pace: Pace,
    pub(crate) clock: Clock,
}

/// A line to each receiver, in the order of the fleet file.
pub(crate) type Lines = Vec<mpsc::Sender<Job>>;

/// Starts the thread. It ends when the lines are dropped, whatever it is doing.
///
/// # Errors
/// Where the system gives no thread.
pub(crate) fn start(
    receivers: Vec<Receiver>,
    round: Round,
    outcomes: mpsc::Sender<Outcome>,
) -> std::io::Result<Lines> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(BLOCKING).build()?;
    let mut lines = Lines::new();
    let mut postmen = tokio::task::JoinSet::new();
    for receiver in receivers {
        let (line, jobs) = mpsc::channel(64);
        lines.push(line);
        let walk = walk(receiver, round.clone(), jobs, outcomes.clone());
        postmen.spawn_on(walk, runtime.handle());
    }
    std::thread::Builder::new().name("notify".to_owned()).spawn(move || {
        runtime.block_on(async { while postmen.join_next().await.is_some() {} });
        runtime.shutdown_background();
    })?;
    Ok(lines)
}

/// One receiver's letters, one after the other.
async fn walk(
    receiver: Receiver,
    round: Round,
    mut jobs: mpsc::Receiver<Job>,
    outcomes: mpsc::Sender<Outcome>,
) {
    let mut outbox = Outbox::default();
    let tell = |job: &Job, how, sentence: String, waiting| {
        let outcome = Outcome {
            receiver: receiver.name.clone(),
            key: job.letter.id.clone(),
            members: job.members.clone(),
            tries: job.tries,
            how,
            sentence,
            waiting,
        };
        let outcomes = outcomes.clone();
        async move {
            let _ = outcomes.send(outcome).await;
        }
    };
    loop {
        if outbox.len() == 0 {
            let Some(job) = jobs.recv().await else { return };
            let _ = outbox.push(job);
        }
        loop {
            match jobs.try_recv() {
                Ok(job) => {
                    if let Some(job) = outbox.push(job) {
                        let why = "too many notices wait for it".to_owned();
                        tell(&job, Some(Delivery::GivenUp), why, outbox.len()).await;
                    }
                }
                Err(mpsc::error::TryRecvError::Empty) => break,
                Err(mpsc::error::TryRecvError::Disconnected) => return,
            }
        }
        for job in outbox.expired((round.clock)()) {
            let why = format!("“{}” is too old to be tried any longer", job.letter.title);
            tell(&job, Some(Delivery::GivenUp), why, outbox.len()).await;
        }
        let Some(job) = outbox.first() else { continue };
        job.tries += 1;
        let letter = job.letter.clone();
        let tried = tokio::select! {
            tried = attempt(&receiver, &letter, &round) => tried,
            () = closed(&mut jobs, &mut outbox) => return,
        };
        match tried {
            Ok(()) => {
                if let Some(job) = outbox.done(true) {
                    tell(&job, Some(Delivery::Sent), job.letter.title.clone(), outbox.len()).await;
                }
            }
            Err(trouble) if !trouble.again => {
                if let Some(job) = outbox.done(false) {
                    let why = format!("“{}”: {}", job.letter.title, trouble.sentence);
                    tell(&job, Some(Delivery::GivenUp), why, outbox.len()).await;
                }
            }
            Err(trouble) => {
                let waiting = outbox.len();
                if let Some(job) = outbox.first() {
                    let how = (job.tries == LATE).then_some(Delivery::Waiting);
                    let why = format!("“{}”: {}", job.letter.title, trouble.sentence);
                    tell(job, how, why, waiting).await;
                }
                let pause = outbox.again(trouble.answered, trouble.after, &round.pace);
                if !rest(pause, trouble.after.is_some(), &mut jobs, &mut outbox).await {
                    return;
                }
            }
        }
    }
}

/// One try, under its deadline.
pub(crate) async fn attempt(receiver: &Receiver, letter: &Letter, round: &Round) -> Result<(), Trouble> {
    let patience = round.pace.attempt;
    let ca_file = round.ca_file.as_deref();
    let tried = timeout(patience, async {
        match &receiver.way {
            Way::Webhook(hook) => webhook::send(hook, letter, (round.clock)(), ca_file).await,
            Way::Ntfy(topic) => ntfy::send(topic, letter, ca_file).await,
            Way::Mail(relay) => mail::send(relay, letter, ca_file, patience).await,
        }
    });
    tried.await.unwrap_or_else(|_late| {
        Err(Trouble::passing(format!("no answer came within {} s", patience.as_secs_f32())))
    })
}

/// Takes letters in while one is being tried; comes back only when there will be no more of them.
async fn closed(jobs: &mut mpsc::Receiver<Job>, outbox: &mut Outbox) {
    loop {
        if outbox.is_full() {
            // The next letters wait in the line itself; whoever fills that is told that it is full.
            std::future::pending::<()>().await;
        }
        let Some(job) = jobs.recv().await else { return };
        let _ = outbox.push(job);
    }
}

/// The pause between two tries; `false` where there will be no more letters. A new letter makes it shorter, for it is a reason to
/// look whether the receiver is back, unless the receiver `asked` to be left alone.
async fn rest(pause: Duration, asked: bool, jobs: &mut mpsc::Receiver<Job>, outbox: &mut Outbox) -> bool {
    let over = tokio::time::Instant::now() + pause;
    loop {
        if outbox.is_full() {
            tokio::time::sleep_until(over).await;
            return true;
        }
        tokio::select! {
            () = tokio::time::sleep_until(over) => return true,
            job = jobs.recv() => {
                let Some(job) = job else { return false };
                let _ = outbox.push(job);
                if !asked {
                    return true;
                }
            }
        }
    }
}
