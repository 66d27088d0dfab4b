//! `breakglass keyholder`: the process that holds the keys. Started by the others; by hand only to serve an ssh client.

use crate::fleet_file::FleetFile;
use crate::here;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// Hold the keys and sign with them over the ssh-agent protocol; `serve` and the others start their own
#[derive(Debug, clap::Args)]
pub(crate) struct Keyholder {
    /// Where to listen; use it as SSH_AUTH_SOCK, or as BREAKGLASS_AGENT for other breakglass commands
    #[arg(long, value_name = "PATH")]
    socket: PathBuf,
    /// A key by name and file; without any, all of the fleet file's
    #[arg(long = "key", num_args = 2, value_names = ["NAME", "FILE"])]
    keys: Vec<OsString>,
}

/// Becomes the keyholder when that is what the command line of a parent asks for: before any thread, runtime or parser.
pub(crate) fn main_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    let asked = arguments.next()? == "keyholder" && std::env::args_os().any(|argument| argument == "--fd");
    asked.then(|| breakglass_doors::keyholder_main(arguments))
}

impl Keyholder {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        let mut arguments: Vec<OsString> = vec!["--socket".into(), self.socket.into()];
        let mut keys = self.keys;
        if keys.is_empty() {
            let fleet = file.load()?;
            keys = here::keys(&fleet, |_| true)
                .into_iter()
                .flat_map(|(name, file)| [name.into(), file.into()])
                .collect();
        }
        for pair in keys.chunks(2) {
            arguments.push("--key".into());
            arguments.extend_from_slice(pair);
        }
        let ended = breakglass_doors::keyholder_main(arguments);
        Ok(if ended == ExitCode::SUCCESS { 0 } else { breakglass_protocol::exit::INTERNAL })
    }
}
