//! Shutting an agent's process in: a user of its own where there is one to be had, Landlock and seccomp always.
//!
//! It is done by a small process of ours that shuts *itself* in and then becomes the agent's program
//! (`breakglass agent-enclosure`), so that nothing runs between a fork and an exec in the server, whose threads hold locks.

mod calls;
mod files;
mod user;

pub use user::{AgentUser, UserError};

use rustix::process::{Resource, Rlimit, Signal};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

pub(crate) use files::{covers, walls};

/// What the line of the report begins with, on standard error.
pub(crate) const REPORT: &str = "breakglass-enclosure: ";
/// The largest file that an agent may write in its own home.
const FILE_LIMIT: u64 = 256 * 1024 * 1024;

/// How a process is shut in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enclosure {
    /// The user and group that it becomes. `None`: it stays who the server is.
    pub user: Option<(u32, u32)>,
    /// What it may read and run beyond the system's own programs and libraries.
    pub read: Vec<PathBuf>,
    /// The directory that is its own.
    pub home: PathBuf,
    /// The one TCP port that it may connect to.
    pub port: u16,
    /// The process that it must not outlive.
    pub parent: u32,
    /// What it becomes.
    pub program: PathBuf,
    /// With which arguments.
    pub arguments: Vec<String>,
}

impl Enclosure {
    /// The arguments with which our binary is started to do this: the subcommand and itself.
    pub(crate) fn arguments(&self) -> Result<[String; 2], serde_json::Error> {
        Ok(["agent-enclosure".to_owned(), serde_json::to_string(self)?])
    }
}

/// The main function of the process that shuts itself in; `args` are those after the subcommand. It has to be called
/// before any thread is started, for a user is changed thread by thread.
#[must_use]
pub fn enclosure_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let spec = args.into_iter().next().and_then(|spec| spec.into_string().ok());
    let Some(spec) = spec.and_then(|spec| serde_json::from_str::<Enclosure>(&spec).ok()) else {
        complain("usage: agent-enclosure JSON; started by the server alone");
        return ExitCode::from(2);
    };
    match shut_in(&spec) {
        Ok(never) => match never {},
        Err(error) => {
            complain(&format!("{REPORT}{error}"));
            ExitCode::from(71)
        }
    }
}

/// Shuts this process in and becomes the program. Every step has to succeed, or nothing is started.
fn shut_in(spec: &Enclosure) -> Result<std::convert::Infallible, String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| format!("{what}: {error}");
    if let Some((uid, gid)) = spec.user {
        user::become_user(uid, gid).map_err(|error| failed("the agent's user cannot be taken on", &error))?;
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .map_err(|error| failed("it cannot be tied to the server's life", &error))?;
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
    if parent.and_then(|pid| u32::try_from(pid).ok()) != Some(spec.parent) {
        return Err("the server is gone".to_owned());
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    rustix::process::setrlimit(Resource::Core, none).map_err(|error| failed("core files", &error))?;
    let largest = Rlimit { current: Some(FILE_LIMIT), maximum: Some(FILE_LIMIT) };
    rustix::process::setrlimit(Resource::Fsize, largest).map_err(|error| failed("file sizes", &error))?;
    let applied = files::shut(spec)?;
    calls::give_up().map_err(|error| failed("system calls cannot be given up (seccomp)", &error))?;
    complain(&format!("{REPORT}{applied}"));
    let error = Command::new(&spec.program).args(&spec.arguments).exec();
    Err(format!("{} does not start: {error}", spec.program.display()))
}

fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
