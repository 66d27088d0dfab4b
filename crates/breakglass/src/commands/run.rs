//! `breakglass run`: one command through the repair door, without the server. Its output passes through, its exit code too.

use crate::edge::{USAGE, coded};
use crate::fleet_file::FleetFile;
use crate::here::{self, Here};
use breakglass_doors::Chunk;
use breakglass_protocol::exit;
use breakglass_recovery::{Run as Wanted, run_into};
use std::io::Write as _;
use std::time::Duration;
use tokio::sync::mpsc;

/// Run one command on a target through its repair door; its output and exit code pass through
#[derive(Debug, clap::Args)]
pub(crate) struct Run {
    /// On which target
    target: String,
    /// Give up after so many seconds instead of the door's deadline
    #[arg(long, value_name = "SECONDS")]
    deadline: Option<u64>,
    /// The command, after `--`
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Run {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let fleet = file.load()?;
        here::known_target(&fleet, &self.target)?;
        here::block_on(async {
            let here = Here::set_up(fleet, std::slice::from_ref(&self.target)).await?;
            let wanted = Wanted {
                target: self.target.clone(),
                // Like `ssh`: words are joined by spaces, and the account's shell reads the line.
                command: self.command.join(" "),
                incident: None,
                deadline: self.deadline.map(Duration::from_secs),
            };
            let (sender, chunks) = mpsc::channel(16);
            let passed = tokio::task::spawn_blocking(move || pass_on(chunks));
            let ended = run_into(&here.desk, here::actor(), wanted, sender).await;
            let ended = ended.map_err(|error| coded(USAGE, error.to_string()))?;
            passed.await?;
            here.end().await;
            match ended.exit {
                Some(code) => Ok(u8::try_from(code).unwrap_or(exit::INTERNAL)),
                None => {
                    eprintln!("breakglass: {}", ended.message);
                    Ok(exit::BUSY_OR_TIMEOUT)
                }
            }
        })
    }
}

/// Writes both outputs on as they come, until they end or nobody reads.
pub(super) fn pass_on(mut chunks: mpsc::Receiver<Chunk>) {
    while let Some(chunk) = chunks.blocking_recv() {
        let passed = match &chunk {
            Chunk::Stdout(bytes) => {
                std::io::stdout().write_all(bytes).and_then(|()| std::io::stdout().flush())
            }
            Chunk::Stderr(bytes) => std::io::stderr().write_all(bytes),
        };
        if passed.is_err() {
            return;
        }
    }
}
