//! The Claude CLI for the tests: one exact version, fetched once. Where it cannot be had, the tests that need it say so and are
//! left out: a registry's bad day is no fault of ours.

use crate::run::{command, root, run};
use std::path::PathBuf;
use std::process::Stdio;

/// The variable by which the tests find it.
pub(crate) const VARIABLE: &str = "BREAKGLASS_CLAUDE";
const PACKAGE: &str = "@anthropic-ai/claude-code";
const VERSION: &str = "2.1.332";

/// Where it is, after it was fetched if need be.
pub(crate) fn claude() -> Option<PathBuf> {
    let place = root().join("target/claude");
    // The package has the program of each machine in a package of its own.
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "x64" };
    let program = place.join(format!("node_modules/{PACKAGE}-linux-{machine}/claude"));
    let marker = place.join(VERSION);
    if program.exists() && marker.exists() {
        return Some(program);
    }
    if let Err(error) = fetch(&place) {
        eprintln!("xtask: the Claude CLI cannot be had, and the tests that need it are left out: {error:#}");
        return None;
    }
    let _ = std::fs::write(&marker, "");
    program.exists().then_some(program)
}

fn fetch(place: &std::path::Path) -> anyhow::Result<()> {
    let there = command("npm", &["--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        crate::setup::install_one("npm", "fetches the Claude CLI that the tests of agents run")?;
    }
    std::fs::create_dir_all(place)?;
    let (place, package) = (place.to_string_lossy(), format!("{PACKAGE}@{VERSION}"));
    let words = ["install", "--silent", "--no-fund", "--no-audit", "--no-save", "--prefix", &place, &package];
    run("fetching the Claude CLI", command("npm", &words))
}
