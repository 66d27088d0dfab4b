//! `breakglass token`: makes a bearer token and the line that lets the server know it.

use crate::edge::{USAGE, coded};
use sha2::{Digest as _, Sha256};

/// Make a bearer token, and its line for the token file (which holds only a hash)
#[derive(Debug, clap::Args)]
pub(crate) struct Token {
    /// The name that the journal shows for it: letters, digits and `._@-`
    name: String,
    /// For an outside agent: it opens the tools of `breakglass mcp` and nothing else
    #[arg(long)]
    agent: bool,
    /// For a monitoring system: it opens `/metrics` and nothing else
    #[arg(long, conflicts_with = "agent")]
    metrics: bool,
}

impl Token {
    pub(crate) fn run(self) -> anyhow::Result<u8> {
        if !is_name(&self.name) {
            return Err(coded(USAGE, "a name has 1 to 64 letters, digits and `._@-`; nothing was made"));
        }
        let secret: [u8; 32] = rand::random();
        let token = format!("bg_{}", hex(&secret));
        let kind = match (self.agent, self.metrics) {
            (true, _) => ":agent",
            (_, true) => ":metrics",
            _ => "",
        };
        println!("{}:{}{kind}", self.name, hex(&Sha256::digest(token.as_bytes())));
        eprintln!("The line above goes into the token file. The token, shown only now:");
        eprintln!("{token}");
        if self.agent {
            eprintln!(
                "Put it into a file of mode 0600 on the agent's machine: ~/.config/breakglass/token is found by itself."
            );
            eprintln!("`breakglass mcp --print-config` there prints the agent's configuration.");
        }
        if self.metrics {
            eprintln!(
                "Put it into a file that only Prometheus may read, and name that file in its scrape job:"
            );
            eprintln!("  authorization: {{ credentials_file: FILE }}");
        }
        Ok(0)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What the server accepts as a name in its files.
pub(crate) fn is_name(name: &str) -> bool {
    let fine = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
    !name.is_empty() && name.len() <= 64 && name.chars().all(fine)
}
