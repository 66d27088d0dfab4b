//! `breakglass sessions`: who is logged in to the page, and ending that, with or without a running server.

use crate::colour::harmless;
use crate::edge::{USAGE, coded, now};
use crate::fleet_file::FleetFile;
use breakglass_web::{SessionEntry, end_session, end_sessions_of, kept_sessions};

/// List the page's sessions, or end one or all of a person's; a running server hears of it within a second
#[derive(Debug, clap::Args)]
pub(crate) struct Sessions {
    /// End this one, by the id of the list or its beginning
    #[arg(long, value_name = "ID", conflicts_with = "end_all_of", allow_hyphen_values = true)]
    end: Option<String>,
    /// End all of this person's, and forget the browsers that are known for them
    #[arg(long, value_name = "NAME")]
    end_all_of: Option<String>,
    /// One JSON object for each session
    #[arg(long)]
    json: bool,
}

impl Sessions {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let state = file.load()?.state;
        if let Some(name) = &self.end_all_of {
            if !super::token::is_name(name) {
                return Err(coded(USAGE, "a name has 1 to 64 letters, digits and `._@-`; nothing was ended"));
            }
            end_sessions_of(&state, name, now())?;
            println!(
                "Ended all sessions of {name} that began before now. If a password is known to others, change its line."
            );
            return Ok(0);
        }
        let all = kept_sessions(&state, now())?;
        if let Some(id) = &self.end {
            let session = the_one(&all, id)?;
            end_session(&state, session)?;
            println!("Ended the session of {} from {}.", session.name, harmless(&session.from));
            return Ok(0);
        }
        for session in &all {
            if self.json {
                println!("{}", serde_json::to_string(session)?);
            } else {
                println!(
                    "{:.8}  {:<16} {:<15} seen {}  until {}  {}",
                    session.id,
                    session.name,
                    harmless(&session.from),
                    session.seen,
                    session.expires,
                    harmless(&session.browser)
                );
            }
        }
        if all.is_empty() && !self.json {
            println!("Nobody is logged in by password, as far as the server kept it in the last seconds.");
        }
        Ok(0)
    }
}

/// The session that the beginning of its id means; an ending that hits the wrong one would be worse than none.
fn the_one<'a>(all: &'a [SessionEntry], id: &str) -> anyhow::Result<&'a SessionEntry> {
    let fitting: Vec<&SessionEntry> = all.iter().filter(|session| session.id.starts_with(id)).collect();
    match fitting.as_slice() {
        [one] if !id.is_empty() => Ok(one),
        [] => Err(coded(
            USAGE,
            format!("no session begins with `{id}`; `breakglass sessions` lists them. Nothing was ended"),
        )),
        _ => Err(coded(USAGE, format!("`{id}` begins several sessions; give more of it. Nothing was ended"))),
    }
}
