//! `breakglass man`: manual pages, from what the command line itself knows: one for the program and one for each subcommand. The
//! guard's is written by hand, as its command line is, and lies beside its code.

use super::Arguments;
use anyhow::Context as _;
use clap::{Command, CommandFactory as _};
use std::path::{Path, PathBuf};

const GUARD: &str = include_str!("../../../guard/breakglass-guard.8");

/// Write the manual pages into a directory, one for each subcommand and the guard's
#[derive(Debug, clap::Args)]
pub(crate) struct Man {
    /// Where to; made where it is not there. Pages of the same name are replaced
    directory: PathBuf,
}

impl Man {
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        let directory = self.directory;
        let here = directory.display();
        std::fs::create_dir_all(&directory)
            .with_context(|| format!("{here} cannot be made; name a directory that may be written"))?;
        let mut program = Arguments::command().disable_help_subcommand(true);
        program.build();
        write(&program, &directory)
            .and_then(|()| std::fs::write(directory.join("breakglass-guard.8"), GUARD))
            .with_context(|| format!("not all pages could be written into {here}"))?;
        println!("the manual pages are in {here}; `man -l {here}/breakglass.1` shows the first");
        Ok(0)
    }
}

/// The page of a command, and of those below it.
fn write(command: &Command, directory: &Path) -> std::io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let mut page = Vec::new();
    let version = concat!("breakglass ", env!("CARGO_PKG_VERSION"));
    clap_mangen::Man::new(command.clone()).title(name).source(version).render(&mut page)?;
    std::fs::write(directory.join(format!("{name}.1")), page)?;
    command
        .get_subcommands()
        .filter(|below| !below.is_hide_set())
        .try_for_each(|below| write(below, directory))
}
