//! The stages that the commands are made of.

use crate::run::{cargo, command, root, run};
use crate::setup::{self, Wanted};
use anyhow::{Result, ensure};
use breakglass_lab::{GUARD_VARIABLE, Image, LAB_DIR_VARIABLE};
use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

/// The target that the guard is built for. It has to be named: only then do the flags below leave build scripts and
/// procedural macros alone, which cannot be static.
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// The guard must start on a host whose libraries are broken, and is copied to hosts that have others. It is small: why
/// by these means is ADR-0014.
const STATIC: [&str; 9] = [
    "-Ctarget-feature=+crt-static",
    "-Cforce-unwind-tables=no",
    "-Clink-arg=-Wl,-z,pack-relative-relocs",
    "-Clink-arg=-Wl,--icf=all",
    "-Clink-arg=-Wl,--no-eh-frame-hdr",
    "-Cllvm-args=-enable-machine-outliner=always",
    "-Cllvm-args=-machine-outliner-reruns=5",
    "--cfg=sha2_backend=\"soft\"",
    "--cfg=sha2_backend_soft=\"compact\"",
];
/// The linker script that throws away tables which nothing reads.
const NO_UNWIND_TABLES: &str = "crates/guard/no-unwind-tables.ld";
/// A guard larger than this is no longer tiny; how it stays below is ADR-0014.
const GUARD_LIMIT: u64 = 2_000_000;

/// Builds the static guard in a target directory of its own, so that its flags and profile never disturb the other builds.
pub(crate) fn guard() -> Result<PathBuf> {
    let mut build = cargo(&[
        "build",
        "--quiet",
        "--profile",
        "guard",
        "--package",
        "breakglass-guard",
        "--target",
        TARGET,
    ]);
    let script = format!("-Clink-arg=-Wl,-T,{}", root().join(NO_UNWIND_TABLES).display());
    // Encoded, so that a blank in the path of the checkout separates nothing.
    let flags = STATIC.into_iter().chain([script.as_str()]).collect::<Vec<_>>().join("\u{1f}");
    build.args(["--target-dir", "target/guard"]).env("CARGO_ENCODED_RUSTFLAGS", flags);
    run("building the static guard", build)?;
    let path = root().join("target/guard").join(TARGET).join("guard/breakglass-guard");
    let size = std::fs::metadata(&path)?.len();
    ensure!(size <= GUARD_LIMIT, "the guard has {size} bytes, more than {GUARD_LIMIT}");
    eprintln!("xtask: the guard has {size} bytes");
    Ok(path)
}

fn lab_dir() -> PathBuf {
    root().join("target/lab")
}

/// Builds the guest image, from packages that are fetched once or, with `refresh`, again.
pub(crate) fn image(refresh: bool) -> Result<()> {
    let begun = Instant::now();
    Image::ensure(&lab_dir(), refresh)?;
    eprintln!("xtask: the lab's guest image: {:.1} s", begun.elapsed().as_secs_f64());
    Ok(())
}

/// Gives a command the variables by which tests and the demo find guard and image.
fn with_lab(mut command: Command, guard: &std::path::Path) -> Command {
    command.env(GUARD_VARIABLE, guard).env(LAB_DIR_VARIABLE, lab_dir());
    command
}

/// Prints those variables for a shell.
pub(crate) fn env() -> Result<()> {
    println!("export {GUARD_VARIABLE}={:?} {LAB_DIR_VARIABLE}={:?}", guard()?, lab_dir());
    Ok(())
}

/// Format and lints.
pub(crate) fn lint() -> Result<()> {
    run("cargo fmt --check", cargo(&["fmt", "--all", "--check"]))?;
    run("clippy", cargo(&["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

/// Everything that the tests need, then the tests.
pub(crate) fn test(full: bool) -> Result<()> {
    setup::install(Wanted::Tests)?;
    let guard = guard()?;
    image(false)?;
    // Not the examples, which clippy compiles, and no doc tests, of which there are none: both cost minutes.
    let kinds = ["--lib", "--bins", "--tests"];
    run("building", cargo(&[&["build", "--quiet", "--workspace"], kinds.as_slice()].concat()))?;
    let begun = Instant::now();
    let test = [&["test", "--quiet", "--workspace", "--no-fail-fast"], kinds.as_slice()].concat();
    let mut tests = with_lab(cargo(&test), &guard);
    if let Some(claude) = crate::claude::claude() {
        tests.env(crate::claude::VARIABLE, claude);
    }
    if let Some(axe) = crate::axe::axe() {
        tests.env(crate::axe::VARIABLE, axe);
    }
    if let Some(schemathesis) = crate::schemathesis::schemathesis() {
        tests.env(crate::schemathesis::VARIABLE, schemathesis);
    }
    if full {
        tests.env("BREAKGLASS_FULL", "1").args(["--", "--include-ignored"]);
    }
    let result = run("tests", tests);
    eprintln!("xtask: the tests took {:.0} s after compiling", begun.elapsed().as_secs_f64());
    result
}

/// Pictures of every page.
pub(crate) fn shots() -> Result<()> {
    setup::install(Wanted::Tests)?;
    // The whole workspace's features, so that nothing is built twice.
    run("building", cargo(&["build", "--quiet", "--workspace", "--example", "shots"]))?;
    let shots = root().join("target/debug/examples/shots");
    run("shots", command(&shots.to_string_lossy(), &["target/shots"]))
}

/// Every figure beside its comparison.
pub(crate) fn bench(rows: &[&str]) -> Result<()> {
    setup::install(Wanted::Tests)?;
    let guard = guard()?;
    image(false)?;
    run(
        "building",
        cargo(&["build", "--quiet", "--release", "--package", "breakglass", "--package", "breakglass-bench"]),
    )?;
    let bench = root().join("target/release/breakglass-bench");
    let mut bench = with_lab(command(&bench.to_string_lossy(), rows), &guard);
    if let Some(claude) = crate::claude::claude() {
        bench.env(crate::claude::VARIABLE, claude);
    }
    run("bench", bench)
}

/// The lab and the server, until Ctrl-C.
pub(crate) fn demo(rest: &[&str]) -> Result<()> {
    setup::install(Wanted::Lab)?;
    let guard = guard()?;
    image(false)?;
    run("building", cargo(&["build", "--quiet", "--release", "--package", "breakglass"]))?;
    let binary = root().join("target/release/breakglass");
    let mut demo = with_lab(command(&binary.to_string_lossy(), &["demo"]), &guard);
    demo.args(rest);
    run("demo", demo)
}
