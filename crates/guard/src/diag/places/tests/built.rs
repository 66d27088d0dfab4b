//! Fixtures that need mounts: in a mount namespace of the test's own.

use std::process::Command;

/// Stands in every secret, so that one search over the output is the judge.
pub(super) const MARKER: &str = "BGCANARY";

pub(super) fn sh(script: &str) {
    let status = Command::new("/bin/sh").args(["-ec", script]).status().unwrap();
    assert!(status.success(), "{script}");
}

/// True inside a process of its own whose mounts nobody else sees; outside of it, runs the test of this name in such a
/// process, and is false. Without root it says that it skips.
pub(super) fn in_own_mounts(test: &str, ignored: bool) -> bool {
    const INSIDE: &str = "BREAKGLASS_OWN_MOUNTS";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED {test}: needs root for a mount namespace");
        return false;
    }
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]).env(INSIDE, "1");
    if ignored {
        command.arg("--ignored");
    }
    let output = command.output().unwrap();
    let told =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("1 passed"), "{told}");
    eprintln!("{told}");
    false
}
