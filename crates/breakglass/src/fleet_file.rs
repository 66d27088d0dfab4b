//! Which fleet file is meant, and reading it.

use breakglass_fleet::{Fleet, LoadError};
use std::path::{Path, PathBuf};

const USUAL: &str = "/etc/breakglass/fleet.toml";
const HERE: &str = "fleet.toml";

/// Which fleet file.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct FleetFile {
    /// The fleet file; without it /etc/breakglass/fleet.toml, or else ./fleet.toml
    #[arg(long = "fleet", value_name = "FILE", env = "BREAKGLASS_FLEET", global = true)]
    file: Option<PathBuf>,
}

impl FleetFile {
    /// The one that was named, where one was.
    pub(crate) fn named(&self) -> Option<PathBuf> {
        self.file.clone()
    }

    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        match &self.file {
            Some(path) => path.clone(),
            None if Path::new(USUAL).exists() || !Path::new(HERE).exists() => USUAL.into(),
            None => HERE.into(),
        }
    }

    /// Reads it.
    pub(crate) fn load(&self) -> Result<Fleet, LoadError> {
        Fleet::load(&self.path())
    }
}
