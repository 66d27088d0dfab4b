//! `breakglass init`: writes a first fleet file that explains itself.

use crate::edge::{USAGE, coded};
use anyhow::Context as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

/// Write a first fleet file, commented, with every default written out
#[derive(Debug, clap::Args)]
pub(crate) struct Init {
    /// Where to write it; `-` is standard output
    #[arg(default_value = "fleet.toml")]
    file: PathBuf,
    /// Replace a file that is there
    #[arg(long)]
    force: bool,
}

impl Init {
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let text = breakglass_fleet::example();
        if self.file.as_os_str() == "-" {
            std::io::stdout().write_all(text.as_bytes())?;
            return Ok(0);
        }
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true);
        if !self.force {
            options.create_new(true);
        }
        let shown = self.file.display();
        let mut file = match options.open(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                let message = format!(
                    "{shown} is there already and was left as it is; name another file, or give --force"
                );
                return Err(coded(USAGE, message));
            }
            other => {
                other.with_context(|| format!("{shown} cannot be written; name another file, or `-`"))?
            }
        };
        file.write_all(text.as_bytes())
            .with_context(|| format!("{shown} could not be written whole; write it again"))?;
        println!("Wrote {shown}. Change it to your fleet, then run `breakglass --fleet {shown} check`.");
        Ok(0)
    }
}
