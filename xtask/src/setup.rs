//! Debian packages that the lab and the tests need, installed when they are missing. It says what and why, and what to
//! do where it may not install.

use crate::run::{command, run};
use anyhow::{Result, bail};
use std::process::{Command, Stdio};

/// Package and reason.
const PACKAGES: [(&str, &str); 13] = [
    ("qemu-system-x86", "boots the lab's VM"),
    ("openssh-server", "the doors' real sshd, on the hypervisor side and in the guest"),
    ("openssh-client", "stock ssh and ssh-keygen, which ours is held against"),
    ("sudo", "taken into the guest, where the recovery user may act as root"),
    ("e2fsprogs", "makes the guest's disk"),
    ("mount", "hung and full disks are loop mounts"),
    ("util-linux", "fsfreeze, which hangs a disk for real"),
    ("procps", "tests look at processes as a person would"),
    ("chromium", "shows the pages to the browser tests"),
    ("chromium-driver", "drives the browser"),
    ("fonts-noto-core", "so that pictures of pages have letters"),
    ("gdb", "the backtrace part of forensics"),
    ("python3", "edits databases behind the journal's back, in tests"),
];

/// Installs what is missing.
pub(crate) fn install() -> Result<()> {
    let missing: Vec<_> = PACKAGES.into_iter().filter(|(package, _)| !installed(package)).collect();
    if missing.is_empty() {
        eprintln!("xtask: all Debian packages are there");
        return Ok(());
    }
    for (package, why) in &missing {
        eprintln!("xtask: installing {package}: {why}");
    }
    let names: Vec<&str> = missing.iter().map(|(package, _)| *package).collect();
    if !is_root() {
        bail!("only root may install packages. Run this once, then again what you ran:\n  apt-get update && apt-get install -y --no-install-recommends {}", names.join(" "));
    }
    run("apt-get update", quiet("apt-get", &["-qq", "update"]))?;
    let mut arguments = vec!["-qq", "-y", "-o", "Dpkg::Use-Pty=0", "install", "--no-install-recommends"];
    arguments.extend(names);
    run("apt-get install", quiet("apt-get", &arguments))
}

fn installed(package: &str) -> bool {
    let query = ["-W", "-f", "${db:Status-Status}", package];
    let output = Command::new("dpkg-query").args(query).stderr(Stdio::null()).output();
    output.is_ok_and(|output| output.stdout == b"installed")
}

fn quiet(program: &str, arguments: &[&str]) -> Command {
    let mut command = command(program, arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::null());
    command
}

/// Whether this process is root's, by the kernel's word.
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
