//! `breakglass password`: makes a line for the password file.

use super::token::is_name;
use crate::edge::{USAGE, coded};
use anyhow::Context as _;
use argon2::Argon2;
use argon2::password_hash::PasswordHasher as _;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::io::{BufRead as _, IsTerminal as _, Write as _};

/// Shorter than this is guessed.
const SHORTEST: usize = 10;

/// Make a line for the password file; the password is asked for, or read from standard input
#[derive(Debug, clap::Args)]
pub(crate) struct Password {
    /// The name that logs in with it: letters, digits and `._@-`
    name: String,
}

impl Password {
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        if !is_name(&self.name) {
            return Err(coded(USAGE, "a name has 1 to 64 letters, digits and `._@-`; nothing was made"));
        }
        let password = ask("Password: ")?;
        if std::io::stdin().is_terminal() && ask("The same again: ")? != password {
            return Err(coded(USAGE, "the two were not the same; nothing was made"));
        }
        if password.chars().count() < SHORTEST {
            return Err(coded(
                USAGE,
                format!("a password has at least {SHORTEST} characters; nothing was made"),
            ));
        }
        let hash = Argon2::default().hash_password(password.as_bytes()).map_err(|error| {
            anyhow::anyhow!("the password could not be hashed ({error}); nothing was made")
        })?;
        println!("{}:{hash}", self.name);
        eprintln!("The line above goes into the password file; the server reads it again by itself.");
        Ok(0)
    }
}

/// One line, not echoed where a person types it.
fn ask(prompt: &str) -> anyhow::Result<String> {
    let stdin = std::io::stdin();
    let terminal = stdin.is_terminal();
    let shown = if terminal {
        Some(tcgetattr(&stdin).context("the terminal does not say how it is set")?)
    } else {
        None
    };
    if let Some(shown) = &shown {
        eprint!("{prompt}");
        std::io::stderr().flush()?;
        let mut hidden = shown.clone();
        hidden.local_modes.remove(LocalModes::ECHO);
        tcsetattr(&stdin, OptionalActions::Flush, &hidden).context("the terminal does not stop echoing")?;
    }
    let mut line = String::new();
    let read = stdin.lock().read_line(&mut line);
    if let Some(shown) = &shown {
        tcsetattr(&stdin, OptionalActions::Flush, shown)
            .context("the terminal does not echo again: type `stty echo`")?;
        eprintln!();
    }
    read.context("no password could be read")?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}
