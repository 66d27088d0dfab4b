//! `breakglass incident`: list, show and export, read beside a running server or without one.

use crate::colour::{Colour, harmless};
use crate::edge::{USAGE, coded};
use crate::fleet_file::FleetFile;
use crate::story;
use breakglass_incident::{Event, IncidentId, duration, markdown};
use breakglass_journal::Archive;
use std::io::Write as _;
use std::path::PathBuf;

/// List incidents, show one, or export its timeline
#[derive(Debug, clap::Args)]
pub(crate) struct Incident {
    /// The state directory; without it the one that the fleet file names
    #[arg(long, global = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// All incidents, newest first
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// The timeline of one
    Show {
        /// Its number
        id: u64,
    },
    /// The timeline of one, to keep: a draft of the post-mortem, or all events
    Export {
        /// Its number
        id: u64,
        /// In which form
        #[arg(long, value_enum, default_value_t = Format::Markdown)]
        format: Format,
    },
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Format {
    Markdown,
    Json,
}

impl Incident {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let state = match self.state {
            Some(state) => state,
            None => file.load()?.state,
        };
        let archive = Archive::open(&state)?;
        let mut out = std::io::stdout().lock();
        match self.action {
            Action::List { json } => list(&archive, json, &mut out)?,
            Action::Show { id } => {
                let colour = Colour::of_stdout();
                for event in events(&archive, id)? {
                    writeln!(out, "{}", harmless(&story::line(&event, colour)))?;
                }
            }
            Action::Export { id, format: Format::Markdown } => {
                out.write_all(markdown(&events(&archive, id)?).as_bytes())?
            }
            Action::Export { id, format: Format::Json } => {
                serde_json::to_writer_pretty(&mut out, &events(&archive, id)?)?;
                writeln!(out)?;
            }
        }
        Ok(0)
    }
}

fn list(archive: &Archive, json: bool, out: &mut impl std::io::Write) -> anyhow::Result<()> {
    for incident in archive.incidents()? {
        if json {
            let closed = incident.closed.as_ref();
            let line = serde_json::json!({
                "id": incident.id,
                "target": incident.target,
                "reason": incident.reason,
                "opened": incident.opened,
                "closed": closed.map(|(at, _)| at),
                "close_reason": closed.map(|(_, reason)| reason),
                "events": incident.events,
            });
            writeln!(out, "{line}")?;
            continue;
        }
        let lasted = match &incident.closed {
            Some((at, _)) => format!("closed after {}", duration(at.millis_since(incident.opened))),
            None => "open".to_owned(),
        };
        let line = format!(
            "{:>4}  {}  {:<12} {lasted}: {}",
            incident.id, incident.opened, incident.target, incident.reason
        );
        writeln!(out, "{}", harmless(&line))?;
    }
    Ok(())
}

fn events(archive: &Archive, id: u64) -> anyhow::Result<Vec<Event>> {
    let events = archive.incident(IncidentId(id))?;
    if events.is_empty() {
        return Err(coded(
            USAGE,
            format!("there is no incident {id}; `breakglass incident list` shows which there are"),
        ));
    }
    Ok(events)
}
