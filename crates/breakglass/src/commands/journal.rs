//! `breakglass journal`: verify the chain, show its end, name its head. Reads beside a running server or without one.

use crate::colour::{Colour, harmless};
use crate::edge::{NOT_WELL, USAGE, coded};
use crate::fleet_file::FleetFile;
use crate::story;
use anyhow::Context as _;
use breakglass_journal::{Archive, Head, set_aside_before, verify};
use std::io::Write as _;
use std::path::PathBuf;

/// Verify the journal's chain, show its newest events, or name its head
#[derive(Debug, clap::Args)]
pub(crate) struct Journal {
    /// The state directory; without it the one that the fleet file names
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check every link of the chain; ends with 1 where something was edited, taken out, put in another order or cut off
    Verify {
        /// A head that was noted earlier (`breakglass journal head`): only against it a cut tail is noticed
        #[arg(long, value_name = "SEQ:HASH")]
        head: Option<String>,
    },
    /// Show the newest events
    Tail {
        /// How many
        #[arg(short = 'n', long, default_value_t = 20)]
        count: usize,
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Print where the chain stands, to be kept elsewhere
    Head,
}

impl Journal {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let state = match self.state {
            Some(state) => state,
            None => file.load()?.state,
        };
        let mut out = std::io::stdout().lock();
        match self.action {
            Action::Verify { head } => {
                let expected = head.map(|text| parse_head(&text)).transpose()?;
                for damaged in set_aside_before(&state).unwrap_or_default() {
                    let damaged = harmless(&damaged.display().to_string());
                    writeln!(out, "A damaged journal was set aside, nothing of it was deleted: {damaged}")?;
                }
                match verify(&state, expected) {
                    Ok(verified) => {
                        writeln!(
                            out,
                            "The chain holds: {} events, head {}. Gaps: {} ({} events missing). Erased: {}.",
                            verified.events, verified.head, verified.gaps, verified.missing, verified.erased
                        )?;
                        Ok(0)
                    }
                    Err(broken) => Err(coded(NOT_WELL, format!("the chain does not hold: {broken}"))),
                }
            }
            Action::Tail { count, json } => {
                let events = Archive::open(&state)?.tail(count)?;
                let colour = Colour::of_stdout();
                for event in &events {
                    let line = if json {
                        serde_json::to_string(event)?
                    } else {
                        harmless(&story::line(event, colour))
                    };
                    writeln!(out, "{line}")?;
                }
                Ok(0)
            }
            Action::Head => {
                let verified = verify(&state, None)
                    .context("the chain does not hold; run `breakglass journal verify`")?;
                writeln!(out, "{}", verified.head)?;
                Ok(0)
            }
        }
    }
}

fn parse_head(text: &str) -> anyhow::Result<Head> {
    text.parse().map_err(|_| {
        coded(USAGE, format!("`{text}` is no head; it looks like `42:9f86d0…`, 64 digits after the colon"))
    })
}
