//! Running one command of a stage, and saying how long it took.

use anyhow::{Context as _, Result, ensure};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// A command that runs at the root.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Cargo, as this very one was called.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    command(&cargo, arguments)
}

/// Runs a command to its end; says on the error output what runs and how long it took.
pub(crate) fn run(what: &str, mut command: Command) -> Result<()> {
    eprintln!("xtask: {what}");
    let begun = Instant::now();
    let status =
        command.status().with_context(|| format!("{what}: cannot start {:?}", command.get_program()))?;
    ensure!(status.success(), "{what}: {status}");
    eprintln!("xtask: {what}: {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// The page at an address, headers and all.
pub(crate) fn page(address: &str) -> Result<String> {
    let mut stream =
        std::net::TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
    stream.set_read_timeout(Some(std::time::Duration::from_secs(20)))?;
    write!(stream, "GET /login HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut page = String::new();
    stream.read_to_string(&mut page).with_context(|| format!("reading the page of {address}"))?;
    Ok(page)
}
