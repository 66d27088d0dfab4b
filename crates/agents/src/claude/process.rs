//! The agent's process: started in a group of its own, shut in, and ended with everything that it started.

use crate::sandbox::{Enclosure, REPORT};
use rustix::process::{Pid, Signal, kill_process_group};
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

/// How long a process may take to end after it was asked to; then it is made to. Together below a second.
const ASKED: Duration = Duration::from_millis(250);
const MADE: Duration = Duration::from_millis(500);
/// Of what it complains about, the end is kept.
const COMPLAINTS: usize = 2048;

/// A process of a turn, and its group.
pub(super) struct AgentProcess {
    child: Child,
    group: Option<Pid>,
}

/// Its ends of the pipes.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

impl AgentProcess {
    /// Starts `exe` to shut itself in and become the agent, with this environment and nothing else.
    pub(super) fn start(
        exe: &Path,
        spec: &Enclosure,
        environment: &[(&str, String)],
    ) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(exe);
        command.args(spec.arguments()?).env_clear().current_dir("/").process_group(0).kill_on_drop(true);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let group = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(input), Some(output), Some(errors)) = (input, output, errors) else {
            return Err(io::ErrorKind::BrokenPipe.into());
        };
        Ok((Self { child, group }, Pipes { input, output, errors }))
    }

    pub(super) fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Ends the whole group: asks, then makes it. Says how the process itself ended.
    pub(super) async fn end(mut self) -> String {
        if let Ok(Some(status)) = self.child.try_wait() {
            self.signal(Signal::KILL);
            self.group = None;
            return status.to_string();
        }
        self.signal(Signal::TERM);
        let ended = timeout(ASKED, self.child.wait()).await;
        self.signal(Signal::KILL);
        self.group = None;
        let ended = match ended {
            Ok(ended) => Ok(ended),
            Err(_) => timeout(MADE, self.child.wait()).await,
        };
        match ended {
            Ok(Ok(status)) => status.to_string(),
            _ => "it did not end even when made to".to_owned(),
        }
    }

    /// To everything in the group. The group lives as long as anything in it, so its number is nobody else's.
    fn signal(&self, signal: Signal) {
        if let Some(group) = self.group {
            let _ = kill_process_group(group, signal);
        }
    }
}

impl Drop for AgentProcess {
    /// Where a turn is dropped instead of ended.
    fn drop(&mut self) {
        self.signal(Signal::KILL);
    }
}

/// Reads what it complains about until it ends, however much that is; keeps the end. Its first line is our own report of
/// how it was shut in.
pub(super) async fn complaints(errors: ChildStderr, report: mpsc::Sender<String>) -> String {
    let mut errors = BufReader::new(errors);
    let mut kept = Vec::new();
    let mut first = Vec::new();
    let _ = (&mut errors).take(4096).read_until(b'\n', &mut first).await;
    let line = String::from_utf8_lossy(&first).trim().to_owned();
    match line.strip_prefix(REPORT) {
        Some(line) => drop(report.send(line.to_owned()).await),
        None => kept.extend_from_slice(&first),
    }
    drop(report);
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = errors.read(&mut buffer).await {
        kept.extend_from_slice(buffer.get(..count).unwrap_or_default());
        let over = kept.len().saturating_sub(COMPLAINTS);
        kept.drain(..over);
    }
    let text = String::from_utf8_lossy(&kept);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}
