//! The lab as a whole: claimed, prepared, opened, and torn down whatever happens.

use crate::hypervisor::{Hypervisor, KEY_LABEL, Patience, fingerprint, stock_keys};
use crate::process::{self, Finished};
use crate::site::Site;
use crate::vm::stock_ssh;
use crate::{Image, Vm, fleet_file};
use anyhow::{Context as _, Result, bail};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Names the static guard; `cargo xtask` sets it.
pub const GUARD_VARIABLE: &str = "BREAKGLASS_GUARD";
/// Names the directory of packages and images; `cargo xtask` sets it.
pub const LAB_DIR_VARIABLE: &str = "BREAKGLASS_LAB_DIR";

/// All guests together may have so much memory, so that a lab fits beside a build and a browser.
const MEMORY_CEILING_MIB: u32 = 1024;

/// One VM as a test wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmOptions {
    /// Its number in the hypervisor.
    pub number: u32,
    /// Its name: letters, digits and `-`.
    pub name: String,
    /// The guest's memory in MiB.
    pub memory_mib: u32,
    /// Whether the guest goes without its workload, so that nothing writes.
    pub idle: bool,
}

impl Default for VmOptions {
    fn default() -> Self {
        Self { number: 102, name: "devvm".to_owned(), memory_mib: 256, idle: false }
    }
}

/// What a test wants of its lab.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The VMs; none of them runs at first.
    pub vms: Vec<VmOptions>,
    /// How long the guard waits for a guest to power off before a cycle kills it.
    pub grace: Duration,
    /// The same for `stop`.
    pub stop_grace: Duration,
    /// How long the guard waits for a killed process to end.
    pub kill_wait: Duration,
    /// The deadline of forensics as a whole.
    pub forensics: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            vms: vec![VmOptions::default()],
            grace: Duration::from_secs(10),
            stop_grace: Duration::from_mins(1),
            kill_wait: Duration::from_secs(10),
            forensics: Duration::from_secs(5),
        }
    }
}

/// A hypervisor with its VMs. Dropping it ends every process and removes every file of it.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: the door shuts before the site ends what came through it.
    hypervisor: Hypervisor,
    vms: Vec<Vm>,
    site: Site,
}

impl Lab {
    /// Raises a lab with what `cargo xtask` has prepared.
    ///
    /// # Errors
    /// The variables that `cargo xtask test` sets are missing, and as [`Lab::raise`].
    pub fn from_environment(options: &Options) -> Result<Self> {
        let (lab_dir, guard) =
            prepared(std::env::var_os(LAB_DIR_VARIABLE), std::env::var_os(GUARD_VARIABLE))?;
        Self::raise(&Image::ensure(&lab_dir, false)?, &guard, options)
    }

    /// Raises a lab: the hypervisor's door is open when this returns, no VM runs yet.
    ///
    /// # Errors
    /// Not root, too much memory asked for, another lab that does not end, or a program that is missing.
    pub fn raise(image: &Image, guard: &Path, options: &Options) -> Result<Self> {
        let memory: u32 = options.vms.iter().map(|vm| vm.memory_mib).sum();
        if memory > MEMORY_CEILING_MIB {
            bail!("a lab may give its guests {MEMORY_CEILING_MIB} MiB together; {memory} were asked for");
        }
        let site = Site::claim()?;
        let mut hypervisor = Hypervisor::prepare(&site, guard)?;
        let vms: Vec<Vm> =
            options.vms.iter().map(|vm| Vm::prepare(&hypervisor, image, vm)).collect::<Result<_>>()?;
        let patience = Patience {
            grace: options.grace.as_secs(),
            stop_grace: options.stop_grace.as_secs(),
            kill_wait: options.kill_wait.as_secs(),
            forensics: options.forensics.as_secs(),
        };
        hypervisor.open(&vms, patience)?;
        let lab = Self { hypervisor, vms, site };
        std::fs::write(lab.fleet_file(), lab.fleet_toml()?)?;
        Ok(lab)
    }

    /// The VMs, in the order of the options.
    #[must_use]
    pub fn vms(&self) -> &[Vm] {
        &self.vms
    }

    /// The first VM.
    ///
    /// # Errors
    /// The options named none.
    pub fn vm(&self) -> Result<&Vm> {
        self.vms.first().context("this lab has no VM")
    }

    /// The lab's directory, owned by root; a test may put its own files there.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.site.directory()
    }

    /// The fleet file that was written for this lab.
    #[must_use]
    pub fn fleet_file(&self) -> PathBuf {
        self.site.directory().join("fleet.toml")
    }

    /// The guard's configuration file.
    #[must_use]
    pub fn guard_file(&self) -> PathBuf {
        self.hypervisor.guard_file()
    }

    /// The guard that the door leads into.
    #[must_use]
    pub fn guard(&self) -> &Path {
        &self.hypervisor.guard
    }

    /// The port of the hypervisor's sshd.
    #[must_use]
    pub const fn ssh_port(&self) -> u16 {
        self.hypervisor.ssh_port
    }

    /// The private key that is forced into the guard.
    #[must_use]
    pub fn power_key(&self) -> &Path {
        &self.hypervisor.power_key
    }

    /// The private key that logs into the guests as `breakglass`.
    #[must_use]
    pub fn repair_key(&self) -> &Path {
        &self.hypervisor.repair_key
    }

    /// The label that the guard writes into its record for [`Lab::power_key`].
    #[must_use]
    pub const fn key_label(&self) -> &'static str {
        KEY_LABEL
    }

    /// The processes with which the hypervisor's sshd serves its connections, for a test that cuts the line: killing
    /// them ends every connection and leaves the listener, and whatever was detached from them.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub fn connections(&self) -> Result<Vec<u32>> {
        self.hypervisor.sshd_pid().map_or_else(|| Ok(Vec::new()), process::children_of)
    }

    /// Sends a request through the hypervisor's door with stock `ssh`.
    ///
    /// # Errors
    /// `ssh` does not end within `deadline`.
    pub fn power(&self, request: &str, deadline: Duration) -> Result<Finished> {
        let known = stock_keys(&self.hypervisor)?;
        process::run(stock_ssh(self.power_key(), &known, "root", self.ssh_port(), request), deadline)
    }

    /// A fleet file for this lab, with sections for the components, the doors and a quick watch. A test that wants a
    /// page adds its `[web]` section at the end.
    ///
    /// # Errors
    /// A key's fingerprint cannot be read.
    pub fn fleet_toml(&self) -> Result<String> {
        let guests =
            self.vms.iter().map(|vm| Ok((vm, fingerprint(vm.host_key())?))).collect::<Result<Vec<_>>>()?;
        fleet_file::render(&self.hypervisor, &fingerprint(&self.hypervisor.host_key)?, &guests)
    }

    /// Leaves the directory when the lab ends, for a person to look at. Processes end nevertheless.
    pub const fn keep_files(&mut self) {
        self.site.keep();
    }
}

fn prepared(lab_dir: Option<OsString>, guard: Option<OsString>) -> Result<(PathBuf, PathBuf)> {
    match (lab_dir, guard) {
        (Some(lab_dir), Some(guard)) => Ok((lab_dir.into(), guard.into())),
        _ => bail!(
            "this test boots a real VM, and {LAB_DIR_VARIABLE} and {GUARD_VARIABLE} do not say where its image and the \
             static guard are; run `cargo xtask test`, which builds both, or `eval \"$(cargo xtask env)\"` once and \
             then plain `cargo test`"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::prepared;

    #[test]
    fn whoever_runs_plain_cargo_test_is_told_what_to_run() {
        let error = prepared(None, Some("guard".into())).unwrap_err().to_string();
        assert!(error.contains("cargo xtask test"), "{error}");
        assert!(prepared(Some("lab".into()), Some("guard".into())).is_ok());
    }
}
