//! One command on one channel, sent once, followed until its end was seen, the line broke or time ran out.
//!
//! A reader that is slow slows the far end down and never the deadline. Nothing here tries again.

use crate::ask::Chunk;
use crate::connection::{Connection, Opened};
use crate::end::{End, Stage, Stopped};
use russh::{ChannelMsg, Sig};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Of the deadline, this much is kept for stopping a command and seeing it stop, but never more than a fifth.
const STOP_TIME: Duration = Duration::from_secs(1);
/// After a command's exit was seen: how many signs of life without output between them end the request.
const QUIET_SIGNS: u32 = 4;
/// The pause before each.
const QUIET_PAUSE: Duration = Duration::from_millis(150);
/// The stream that carries standard error.
const STDERR: u32 = 1;

/// The end of a command that was told to stop and did not say that it did.
const NOT_CONFIRMED: End = End::TimedOut { stage: Stage::Run, stopped: Stopped::NotConfirmed };

/// The times of one request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Times {
    pub(crate) began: Instant,
    pub(crate) deadline: Instant,
}

impl Times {
    /// Begins now.
    pub(crate) fn new(whole: Duration) -> Self {
        let began = Instant::now();
        Self { began, deadline: began + whole }
    }

    /// When a command that still runs is told to stop.
    fn stop_at(&self) -> Instant {
        self.deadline - STOP_TIME.min((self.deadline - self.began) / 5)
    }

    fn millis(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// How the command ended, as far as the far end said.
#[derive(Debug, Default)]
struct Fate {
    exit: Option<u32>,
    signal: Option<String>,
}

impl Fate {
    fn is_known(&self) -> bool {
        self.exit.is_some() || self.signal.is_some()
    }

    fn finished(self, times: &Times) -> End {
        End::Finished { exit: self.exit, signal: self.signal, millis: times.millis() }
    }
}

/// Sends the command and follows it. `Err` gives the command back: the connection broke before it was sent.
pub(crate) async fn run(
    mut opened: Opened,
    command: String,
    times: Times,
    output: mpsc::Sender<Chunk>,
) -> Result<End, String> {
    let Ok(sent) = tokio::time::timeout_at(times.deadline, opened.writer.exec(true, command.as_str())).await
    else {
        return Ok(End::TimedOut { stage: Stage::Open, stopped: Stopped::NotStarted });
    };
    if sent.is_err() {
        return Err(command);
    }
    drop(command);
    let end = follow(&mut opened, times, output).await;
    if !matches!(end, End::LineLost { .. }) {
        // The session may be stuck behind a line that takes nothing any more; closing must not hold up the answer.
        tokio::spawn(opened.close());
    }
    Ok(end)
}

async fn follow(opened: &mut Opened, times: Times, output: mpsc::Sender<Chunk>) -> End {
    let Opened { reader, writer, slot } = opened;
    let mut fate = Fate::default();
    let mut output = Some(output);
    let mut pending: Option<Chunk> = None;
    let mut told_to_stop = false;
    let mut quiet = None;
    let mut input_open = true;
    loop {
        let now = Instant::now();
        if now >= times.deadline {
            return if fate.is_known() { closed(fate, told_to_stop, &times) } else { NOT_CONFIRMED };
        }
        let stopping = !told_to_stop && !fate.is_known();
        if stopping && now >= times.stop_at() {
            told_to_stop = true;
            // From here on the end is worth more than the output.
            if let (Some(output), Some(chunk)) = (output.take(), pending.take()) {
                let _ = output.try_send(chunk);
            }
            let _ = tokio::time::timeout_at(times.deadline, writer.signal(Sig::KILL)).await;
            continue;
        }
        let timer = if stopping { times.stop_at() } else { times.deadline };
        let quiet_now = quiet.get_or_insert_with(|| Box::pin(nothing_more(slot.connection())));
        tokio::select! {
            // In this order: what came before a sign of life is looked at before the sign.
            biased;
            passed = pass(output.as_ref(), &mut pending), if pending.is_some() => if !passed {
                // Nobody reads any more; the command goes on and its end is still wanted.
                output = None;
                pending = None;
            },
            message = reader.wait(), if pending.is_none() => {
                quiet = None;
                match message {
                    Some(ChannelMsg::Data { data }) => pending = Some(Chunk::Stdout(data)),
                    Some(ChannelMsg::ExtendedData { data, ext: STDERR }) => pending = Some(Chunk::Stderr(data)),
                    Some(ChannelMsg::ExitStatus { exit_status }) => fate.exit = Some(exit_status),
                    Some(ChannelMsg::ExitSignal { signal_name, .. }) => fate.signal = Some(name_of(&signal_name)),
                    Some(ChannelMsg::Failure) => return End::Refused {
                        reason: "the SSH server would not start the command (its log knows why)".to_owned(),
                    },
                    Some(ChannelMsg::Close) => return closed(fate, told_to_stop, &times),
                    None if fate.is_known() => return closed(fate, told_to_stop, &times),
                    None => return End::LineLost { reason: slot.connection().broke() },
                    Some(_) => {}
                }
            }
            () = quiet_now, if fate.is_known() && pending.is_none() => {
                return closed(fate, told_to_stop, &times);
            }
            // Commands that read their input see its end at once. A line that is stuck must not stop us here.
            _ = writer.eof(), if input_open => input_open = false,
            () = tokio::time::sleep_until(timer) => {}
        }
    }
}

/// Ends when a command whose exit was seen has no more to say, though something that it left behind holds its output
/// open: the server gave several signs of life in a row and no output between them. (At each sign it has looked at the
/// command's pipes; a fixed time would lose output on a machine that is slow, which is when output matters.)
async fn nothing_more(connection: &Connection) {
    for _ in 0..QUIET_SIGNS {
        tokio::time::sleep(QUIET_PAUSE).await;
        connection.sign_of_life().await;
    }
}

/// Hands the pending chunk on once there is room; whether somebody took it.
async fn pass(output: Option<&mpsc::Sender<Chunk>>, pending: &mut Option<Chunk>) -> bool {
    let Some(output) = output else { return false };
    let Ok(room) = output.reserve().await else { return false };
    if let Some(chunk) = pending.take() {
        room.send(chunk);
    }
    true
}

/// The end of a channel that the far end closed.
fn closed(fate: Fate, told_to_stop: bool, times: &Times) -> End {
    if told_to_stop && fate.signal.is_some() {
        return End::TimedOut { stage: Stage::Run, stopped: Stopped::Confirmed };
    }
    fate.finished(times)
}

fn name_of(signal: &Sig) -> String {
    match signal {
        Sig::Custom(name) => name.chars().filter(char::is_ascii_alphanumeric).take(20).collect(),
        known => format!("{known:?}"),
    }
}
