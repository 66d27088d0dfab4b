//! axe-core for the tests of the pages: one exact version, fetched once and held against its checksum. Where it cannot be
//! had, the test that needs it says so and is left out: a registry's bad day is no fault of ours.

use crate::run::{command, root, run};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The variable by which the tests find it.
pub(crate) const VARIABLE: &str = "BREAKGLASS_AXE";
const VERSION: &str = "4.14.1";
/// Of the package as the registry sends it, by SHA-256.
const CHECKSUM: &str = "e6b0ce02b84d892e2e33e403485e7f3d6c29e2be6df65daf44d89ba564139745";

/// Where it is, after it was fetched if need be.
pub(crate) fn axe() -> Option<PathBuf> {
    let place = root().join("target/axe").join(VERSION);
    let script = place.join("package/axe.min.js");
    if script.exists() {
        return Some(script);
    }
    if let Err(error) = fetch(&place) {
        eprintln!("xtask: axe-core cannot be had, and the test that needs it is left out: {error:#}");
        return None;
    }
    script.exists().then_some(script)
}

fn fetch(place: &Path) -> Result<()> {
    let there = command("npm", &["--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        crate::setup::install_one(
            "npm",
            "fetches axe-core, which looks for what shuts people out of the pages",
        )?;
    }
    std::fs::create_dir_all(place)?;
    let mut pack = command("npm", &["pack", "--silent", &format!("axe-core@{VERSION}")]);
    pack.current_dir(place).stdout(Stdio::null());
    run("fetching axe-core", pack)?;
    let package = place.join(format!("axe-core-{VERSION}.tgz"));
    let sum = command("sha256sum", &[&package.to_string_lossy()]).output().context("sha256sum")?;
    let sum = String::from_utf8_lossy(&sum.stdout);
    ensure!(sum.starts_with(CHECKSUM), "it is another file than the one that was pinned: {sum}");
    let mut unpack = command("tar", &["xzf", &package.to_string_lossy(), "package/axe.min.js"]);
    unpack.current_dir(place);
    run("unpacking axe-core", unpack)
}
