//! `breakglass completions`: for the shell.

use super::Arguments;
use clap::CommandFactory as _;
use clap_complete::Shell;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Completions {
    /// Which one
    shell: Shell,
}

impl Completions {
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Arguments::command(), "breakglass", &mut script);
        std::io::Write::write_all(&mut std::io::stdout(), &script)?;
        Ok(0)
    }
}
