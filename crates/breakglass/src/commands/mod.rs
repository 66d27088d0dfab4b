//! The command line as it is typed. One file for each subcommand; this one only lists them.

pub(crate) mod accept_host_key;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod demo;
pub(crate) mod diag;
pub(crate) mod incident;
pub(crate) mod init;
pub(crate) mod journal;
pub(crate) mod keyholder;
pub(crate) mod man;
pub(crate) mod mcp;
pub(crate) mod notify;
pub(crate) mod password;
pub(crate) mod power;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod status;
pub(crate) mod token;
pub(crate) mod triage;
pub(crate) mod verify;

use crate::fleet_file::FleetFile;
use clap::{Parser, Subcommand};

/// The way back in: find out what is wrong with a wedged machine, and bring it back.
///
/// All but `serve` work without the server, over the same doors and guards.
#[derive(Debug, Parser)]
#[command(name = "breakglass", version, max_term_width = 100, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) fleet: FleetFile,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Serve),
    Status(status::Status),
    Power(power::Power),
    Run(run::Run),
    Diag(diag::Diag),
    Triage(triage::Triage),
    Verify(verify::Verify),
    Incident(incident::Incident),
    Journal(journal::Journal),
    Mcp(mcp::Mcp),
    Notify(notify::Notify),
    Init(init::Init),
    Check(check::Check),
    AcceptHostKey(accept_host_key::AcceptHostKey),
    Password(password::Password),
    Token(token::Token),
    Sessions(sessions::Sessions),
    Keyholder(keyholder::Keyholder),
    Completions(completions::Completions),
    Man(man::Man),
    Demo(demo::Demo),
    #[command(name = crate::disk_probe::WORD, hide = true)]
    DiskProbe {
        /// Which directory
        dir: std::path::PathBuf,
    },
    #[command(name = crate::spooling::WORD, hide = true)]
    SpoolWriter {
        /// The spool's directory
        dir: std::path::PathBuf,
    },
}
