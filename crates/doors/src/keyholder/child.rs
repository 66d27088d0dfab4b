//! The keyholder process: shut the doors and windows, load the keys, say what came of it, serve.
//!
//! `EXE keyholder --fd 0 --key NAME FILE …` is started by [`super::Keyholder::spawn`]: the listening socket is standard
//! input, and standard output carries one line and is then the lifeline. `EXE keyholder --socket PATH --key NAME FILE …`
//! serves any ssh client on a socket that it makes.

use super::load::Key;
use super::serve::serve;
use super::sys;
use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, Signal};
use std::ffi::OsString;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: keyholder (--fd 0 | --socket PATH) [--key NAME FILE]...";

#[derive(Debug, Default)]
struct Arguments {
    inherited: bool,
    socket: Option<PathBuf>,
    keys: Vec<(String, PathBuf)>,
}

/// The main function of the keyholder process, for the `keyholder` subcommand of the binary; `args` are those after the
/// subcommand. It must be called before any thread is started and any runtime is built.
#[must_use]
pub fn keyholder_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Some(arguments) = parse(args.into_iter()) else {
        complain(USAGE);
        return ExitCode::from(2);
    };
    match hold(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("keyholder: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn parse(mut args: impl Iterator<Item = OsString>) -> Option<Arguments> {
    let mut arguments = Arguments::default();
    while let Some(option) = args.next() {
        match option.to_str()? {
            "--fd" if args.next()?.to_str() == Some("0") => arguments.inherited = true,
            "--socket" => arguments.socket = Some(args.next()?.into()),
            "--key" => arguments.keys.push((args.next()?.into_string().ok()?, args.next()?.into())),
            _ => return None,
        }
    }
    (arguments.inherited != arguments.socket.is_some()).then_some(arguments)
}

fn hold(arguments: Arguments) -> io::Result<()> {
    let mut isolation = shut(arguments.inherited);
    let listener = match &arguments.socket {
        Some(path) => {
            let listener = UnixListener::bind(path)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
            listener
        }
        None => UnixListener::from(io::stdin().as_fd().try_clone_to_owned()?),
    };
    let mut keys = Vec::new();
    let mut problems = Vec::new();
    for (name, path) in &arguments.keys {
        match Key::read(name, path) {
            Ok(key) => keys.push(key),
            Err(reason) => problems.push(serde_json::json!({"key": name, "reason": reason})),
        }
    }
    isolation.extend(isolate());
    let ready = serde_json::json!({
        "ready": keys.iter().map(Key::name).collect::<Vec<_>>(),
        "problems": problems,
        "isolation": isolation,
    });
    let mut out = io::stdout();
    writeln!(out, "{ready}")?;
    out.flush()?;
    // A pipe whose reader is gone means that the parent is.
    let lifeline: Option<&dyn AsFd> = if arguments.inherited { Some(&out) } else { None };
    serve(&keys, &listener, lifeline)
}

/// What is done before any key is in memory; says what applied.
fn shut(has_parent: bool) -> Vec<&'static str> {
    let mut applied = Vec::new();
    if rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok() {
        applied.push("not dumpable");
    }
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if rustix::process::setrlimit(Resource::Core, none).is_ok() {
        applied.push("no core files");
    }
    let all = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if mlockall(all).is_ok() {
        applied.push("memory locked");
    }
    if has_parent && rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_ok() {
        applied.push("dies with its parent");
    }
    applied
}

/// What is given up once keys and socket are there; says what applied.
fn isolate() -> Vec<&'static str> {
    let mut applied = Vec::new();
    if sys::leave_network().is_ok() {
        applied.push("no network (a name space of its own)");
    }
    if sys::give_up_system_calls().is_ok() {
        applied.push("no sockets, files or processes (seccomp)");
    }
    applied
}

/// Tells whoever started us; there is no log here, and a closed standard error is no reason to die.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
