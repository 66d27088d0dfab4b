//! Debian packages that the lab and the tests need, installed when they are missing. It says what and why, and what to
//! do where it may not install.

use crate::run::{command, run};
use anyhow::{Result, bail};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::{Command, Stdio};

/// For what packages are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The lab alone: the demo.
    Lab,
    /// The lab and all tests.
    Tests,
}

/// Package, what wants it first, and reason. What goes into the guest is fetched and unpacked, never installed.
const PACKAGES: &[(&str, Wanted, &str)] = &[
    ("qemu-system-x86", Wanted::Lab, "boots the lab's VM"),
    ("openssh-server", Wanted::Lab, "the doors' real sshd, on the hypervisor side and in the guest"),
    ("openssh-client", Wanted::Lab, "ssh-keygen, and stock ssh, which ours is held against"),
    ("e2fsprogs", Wanted::Lab, "makes the guest's disk"),
    ("mount", Wanted::Tests, "hung and full disks are loop mounts"),
    ("util-linux", Wanted::Tests, "fsfreeze, which hangs a disk for real"),
    ("procps", Wanted::Tests, "tests look at processes as a person would"),
    ("chromium", Wanted::Tests, "shows the pages to the browser tests"),
    ("chromium-driver", Wanted::Tests, "drives the browser"),
    ("fonts-noto-core", Wanted::Tests, "so that pictures of pages have letters"),
    ("w3m", Wanted::Tests, "reads the pages as text, in the order of a screen reader"),
    ("mandoc", Wanted::Tests, "reads the manual pages, and says what is wrong with them"),
    ("gdb", Wanted::Tests, "the backtrace part of forensics"),
    ("iproute2", Wanted::Tests, "ip, which brings up the loopback of a test's own network"),
    ("nix-bin", Wanted::Tests, "evaluates the NixOS module"),
    ("nftables", Wanted::Tests, "the firewall that the broker's tests list, in a network of their own"),
    (
        "python3",
        Wanted::Tests,
        "edits databases behind the journal's back and runs the stand-in for Proxmox's `qm`, in tests",
    ),
    (
        "libvirt-daemon",
        Wanted::Tests,
        "libvirtd and virtlogd, which the guard's backend `virsh` is tested with",
    ),
    ("libvirt-daemon-driver-qemu", Wanted::Tests, "libvirt's driver for QEMU"),
    ("libvirt-clients", Wanted::Tests, "virsh"),
];

/// Installs what is missing.
pub(crate) fn install(wanted: Wanted) -> Result<()> {
    let missing: Vec<_> = PACKAGES
        .iter()
        .copied()
        .filter(|&(package, by, _)| (by == Wanted::Lab || by == wanted) && !installed(package))
        .collect();
    if missing.is_empty() && lists_are_there() {
        eprintln!("xtask: all Debian packages are there");
        return Ok(());
    }
    for (package, _, why) in &missing {
        eprintln!("xtask: installing {package}: {why}");
    }
    let names: Vec<&str> = missing.iter().map(|(package, ..)| *package).collect();
    if !is_root() {
        bail!(
            "only root may install packages, and the lab needs root anyway. Become root and run it again; or run this \
             once:\n  apt-get update && apt-get install -y --no-install-recommends {}",
            names.join(" ")
        );
    }
    // Also where nothing is missing: the guest's kernel is fetched by these lists.
    run("apt-get update", quiet("apt-get", &["-qq", "update"]))?;
    if names.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["-qq", "-y", "-o", "Dpkg::Use-Pty=0", "install", "--no-install-recommends"];
    arguments.extend(&names);
    let _no_services = NoServices::begin()?;
    run("apt-get install", quiet("apt-get", &arguments))?;
    if names.contains(&"openssh-server") && Path::new("/run/systemd/system").is_dir() {
        eprintln!("xtask: leaving the machine's own sshd switched off: the lab only wants the program");
        run("systemctl disable ssh", quiet("systemctl", &["--quiet", "disable", "ssh.service"]))?;
    }
    Ok(())
}

/// Installs one package that only this machine needs, not the tests.
pub(crate) fn install_one(package: &str, why: &str) -> Result<()> {
    if installed(package) {
        return Ok(());
    }
    eprintln!("xtask: installing {package}: {why}");
    run("apt-get update", quiet("apt-get", &["-qq", "update"]))?;
    run("apt-get install", quiet("apt-get", &["-qq", "-y", "install", "--no-install-recommends", package]))
}

/// Keeps packages from starting their services while this lives: nobody asked for an sshd on port 22.
struct NoServices {
    ours: bool,
}

const POLICY: &str = "/usr/sbin/policy-rc.d";

impl NoServices {
    fn begin() -> Result<Self> {
        let ours = !Path::new(POLICY).exists();
        if ours {
            std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")?;
            std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            // Where this fails the next one who installs a service sees it, since it says 101.
            let _ = std::fs::remove_file(POLICY);
        }
    }
}

/// Whether apt has ever fetched its lists here.
fn lists_are_there() -> bool {
    let lists = std::fs::read_dir("/var/lib/apt/lists").into_iter().flatten().flatten();
    lists.into_iter().any(|entry| entry.file_name().to_string_lossy().contains("_Packages"))
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
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}
