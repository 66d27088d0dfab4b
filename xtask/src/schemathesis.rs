//! Schemathesis, which makes requests up from the API's own document: one exact version with all that it needs, each by its hash
//! (`xtask/schemathesis.txt`), in an environment of its own. Where it cannot be had, the test that needs it says so and is left
//! out: a registry's bad day is no fault of ours.

use crate::run::{command, root, run};
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The variable by which the tests find it.
pub(crate) const VARIABLE: &str = "BREAKGLASS_SCHEMATHESIS";
/// What is installed, by version and hash.
const PINS: &str = "xtask/schemathesis.txt";

/// Where it is, after it was fetched if need be.
pub(crate) fn schemathesis() -> Option<PathBuf> {
    let place = root().join("target/schemathesis");
    let program = place.join("bin/schemathesis");
    match is_there(&place) {
        Ok(true) => return Some(program),
        Ok(false) => {}
        Err(error) => eprintln!("xtask: {error:#}"),
    }
    if let Err(error) = fetch(&place) {
        eprintln!("xtask: Schemathesis cannot be had, and the test that needs it is left out: {error:#}");
        return None;
    }
    program.exists().then_some(program)
}

/// Whether what lies there came of the pins as they are now.
fn is_there(place: &Path) -> Result<bool> {
    let wanted = std::fs::read(root().join(PINS)).with_context(|| format!("reading {PINS}"))?;
    Ok(std::fs::read(place.join("pins")).is_ok_and(|had| had == wanted))
}

fn fetch(place: &Path) -> Result<()> {
    let there = command("python3", &["-c", "import ensurepip, venv"]).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        crate::setup::install_one(
            "python3-venv",
            "holds Schemathesis, which tests the API by its own document",
        )?;
    }
    let text = place.to_string_lossy();
    run("an environment for Schemathesis", command("python3", &["-m", "venv", "--clear", &text]))?;
    let pip = place.join("bin/pip");
    let words = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--require-hashes",
        "--only-binary",
        ":all:",
        "-r",
        PINS,
    ];
    run("fetching Schemathesis", command(&pip.to_string_lossy(), &words))?;
    std::fs::copy(root().join(PINS), place.join("pins"))?;
    Ok(())
}
