//! The binary: subcommands and nothing else. What each of them does is in its own file under `commands`.
#![forbid(unsafe_code)]

mod colour;
mod commands;
mod disk_probe;
mod edge;
mod engines;
mod fleet_file;
mod here;
mod server;
mod spooling;
mod story;

use clap::Parser as _;
use commands::{Arguments, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    // The child that holds the keys is started often, and before anything else has been touched.
    if let Some(code) = commands::keyholder::main_if_asked().or_else(engines::main_if_asked) {
        return code;
    }
    let arguments = Arguments::parse();
    let fleet = arguments.fleet;
    edge::finish(match arguments.command {
        Command::Serve(serve) => serve.run(&fleet),
        Command::Status(status) => status.run(&fleet),
        Command::Power(power) => power.run(&fleet),
        Command::Run(run) => run.run(&fleet),
        Command::Diag(diag) => diag.run(&fleet),
        Command::Triage(triage) => triage.run(&fleet),
        Command::Verify(verify) => verify.run(&fleet),
        Command::Incident(incident) => incident.run(&fleet),
        Command::Journal(journal) => journal.run(&fleet),
        Command::Mcp(mcp) => mcp.run(&fleet),
        Command::Notify(notify) => notify.run(&fleet),
        Command::Init(init) => init.run(),
        Command::Check(check) => check.run(&fleet),
        Command::AcceptHostKey(accept) => accept.run(&fleet),
        Command::Password(password) => password.run(),
        Command::Token(token) => token.run(),
        Command::Sessions(sessions) => sessions.run(&fleet),
        Command::Keyholder(keyholder) => keyholder.run(&fleet),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
        Command::Demo(demo) => demo.run(),
        Command::DiskProbe { dir } => return disk_probe::run(&dir),
        Command::SpoolWriter { dir } => return spooling::run(&dir),
    })
}
