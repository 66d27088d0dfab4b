//! One bad night: a lab with its VM up, and a server that watches it.

use crate::server::Server;
use anyhow::Result;
use breakglass_lab::{Lab, Options, Vm};
use std::time::Duration;

/// Long enough for an emulated guest to boot beside a build.
pub const BOOT: Duration = Duration::from_secs(60);

/// A lab and a server on it. The server ends first, so that it never sees its fleet being torn down.
pub struct Night {
    /// The server.
    pub server: Server,
    /// The hypervisor and its VMs.
    pub lab: Lab,
}

/// How the loops should run: a few rounds for every change, many before something is called done.
#[must_use]
pub fn rounds(few: usize, many: usize) -> usize {
    if std::env::var_os("BREAKGLASS_FULL").is_some() { many } else { few }
}

/// Options for a lab whose guard is patient for seconds instead of minutes.
#[must_use]
pub fn brisk() -> Options {
    Options {
        grace: Duration::from_secs(2),
        stop_grace: Duration::from_secs(30),
        kill_wait: Duration::from_secs(5),
        forensics: Duration::from_secs(3),
        ..Options::default()
    }
}

/// Raises a lab and starts its first VM through the guard.
///
/// # Errors
/// When it does not come up.
pub fn lab(options: &Options) -> Result<Lab> {
    let lab = Lab::from_environment(options)?;
    lab.vm()?.start()?;
    lab.vm()?.await_banner(BOOT)?;
    Ok(lab)
}

impl Night {
    /// A lab whose VM serves, and a server that watches it.
    ///
    /// # Errors
    /// When either does not come up.
    pub fn begin(options: &Options) -> Result<Self> {
        let lab = lab(options)?;
        let server = Server::start(
            &lab.directory().join("server"),
            &lab.directory().join("state"),
            &lab.fleet_toml()?,
        )?;
        Ok(Self { server, lab })
    }

    /// The VM.
    ///
    /// # Errors
    /// Never, as long as the options name one.
    pub fn vm(&self) -> Result<&Vm> {
        self.lab.vm()
    }
}
