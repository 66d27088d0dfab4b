//! `breakglass mcp`: the tools for agents on somebody's own machine, on standard input and output.
//!
//! It goes through the running server, with a token that opens an agent's tools and nothing else. Where no server answers, a
//! machine that has the fleet file and the keys still looks through its diag doors.

mod config;
mod direct;

use crate::edge::{USAGE, coded};
use crate::fleet_file::FleetFile;
use anyhow::Context as _;
use breakglass_agents::{Behind, Direct, Fingerprint, KeySource, Remote, SKILL, Trust, serve_outside};
use breakglass_fleet::Fleet;
use config::Client;
use direct::Doors;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// A disk that takes longer to show the server's certificate hangs; it is gone on without.
const DISK: Duration = Duration::from_secs(2);
/// Where the token may stand instead of in a file.
const TOKEN: &str = "BREAKGLASS_TOKEN";

/// Offer the tools to an agent on this machine (MCP on standard input and output)
///
/// Give the agent a token of its own (`breakglass token NAME --agent`); it may look at every host, and what else it may do
/// stands in [agent.outside] of the server's fleet file. `--print-config` prints what its configuration needs.
#[derive(Debug, clap::Args)]
pub(crate) struct Mcp {
    /// The running server; without it, the one that the fleet file describes
    #[arg(long, value_name = "URL", env = "BREAKGLASS_SERVER")]
    server: Option<String>,
    /// The file with the agent's token; without it BREAKGLASS_TOKEN, or ~/.config/breakglass/token
    #[arg(long, value_name = "FILE", env = "BREAKGLASS_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Whoever vouches for the server's certificate, in PEM; without it this machine's own list
    #[arg(long, value_name = "FILE", env = "BREAKGLASS_CA")]
    ca: Option<PathBuf>,
    /// The SHA-256 of the server's certificate, as `breakglass status` prints it there: this one is believed, and no other
    #[arg(long, value_name = "SHA-256", env = "BREAKGLASS_FINGERPRINT", conflicts_with = "ca")]
    fingerprint: Option<Fingerprint>,
    /// Print the configuration for a client instead, or for all of them
    #[arg(long, value_name = "CLIENT", num_args = 0..=1, default_missing_value = "all", conflicts_with = "print_skill")]
    print_config: Option<Client>,
    /// Print a skill file (SKILL.md) that teaches an agent to use the tools
    #[arg(long)]
    print_skill: bool,
}

impl Mcp {
    pub(crate) fn run(self, file: &FleetFile) -> anyhow::Result<u8> {
        if self.print_skill {
            print!("{SKILL}");
            return Ok(0);
        }
        let fleet = file.load();
        if let Some(client) = self.print_config {
            let fleet = fleet.ok();
            let here = fleet.as_ref().and_then(|fleet| Some((fleet, address(fleet)?)));
            let server = self.server.or_else(|| Some(here.as_ref()?.1.clone()));
            // A certificate that the server made stays for years; one from files is renewed, and read when it is needed.
            let own = here.filter(|(fleet, at)| Some(at) == server.as_ref() && is_own(fleet));
            let pin = || of_page(own?.0).filter(|_| self.ca.is_none());
            let fingerprint = self.fingerprint.or_else(pin);
            config::print(
                client,
                &config::Wanted {
                    program: std::env::current_exe().context("this program does not find itself")?,
                    server: server.unwrap_or_else(|| "http://127.0.0.1:8080".to_owned()),
                    token_file: self.token_file.or_else(usual_token_file),
                    ca: self.ca,
                    fingerprint,
                    fleet: file.named(),
                },
            );
            return Ok(0);
        }
        let behind = self.behind(fleet, file)?;
        crate::here::block_on(async {
            let served = serve_outside(behind, tokio::io::stdin(), tokio::io::stdout()).await;
            served.map(|()| 0).map_err(|why| coded(USAGE, why))
        })
    }

    fn behind(
        self,
        fleet: Result<Fleet, breakglass_fleet::LoadError>,
        file: &FleetFile,
    ) -> anyhow::Result<Behind> {
        let near = fleet.as_ref().ok().and_then(address);
        let server = self.server.or_else(|| near.clone());
        let trust = match (self.fingerprint, self.ca) {
            (Some(pin), _) => Trust::Pinned(pin),
            (None, Some(file)) => Trust::Authorities(file),
            // On the server's own machine its certificate lies there to be read: no name and no authority says more.
            (None, None) => {
                let here = fleet.as_ref().ok().filter(|_| server == near && is_encrypted(&server));
                here.and_then(of_page).map_or(Trust::Machine, Trust::Pinned)
            }
        };
        let token = match (&self.token_file, std::env::var_os(TOKEN)) {
            (Some(path), _) => KeySource::File(path.clone()),
            (None, Some(_)) => KeySource::Variable(TOKEN.to_owned()),
            (None, None) => {
                usual_token_file().filter(|path| path.exists()).map_or(KeySource::None, KeySource::File)
            }
        };
        let direct: Option<Box<dyn Direct>> = match fleet {
            Ok(fleet) => Some(Box::new(Doors::new(fleet))),
            Err(error) if server.is_none() => {
                eprintln!(
                    "breakglass: neither a server (--server, BREAKGLASS_SERVER) nor a fleet file that can be used ({}): \
                     there is nothing to offer",
                    file.path().display()
                );
                return Err(error.into());
            }
            Err(_) => None,
        };
        let (remote, no_remote) = match server {
            Some(server) => (Some(Remote::new(&server, token, trust)?), String::new()),
            None => (None, "No server is named: give --server, since the fleet file names none that this machine reaches safely.".to_owned()),
        };
        Ok(Behind { remote, no_remote, direct })
    }
}

/// Where the server of this fleet file listens, as seen from its own machine.
fn address(fleet: &Fleet) -> Option<String> {
    let local = |ip: IpAddr| match ip {
        IpAddr::V4(at) if at.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(at) if at.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    let near = |listen: &SocketAddr| SocketAddr::new(local(listen.ip()), listen.port());
    // Without TLS a token goes to this very machine only.
    let plain = fleet.web.listen.iter().map(near).find(|listen| listen.ip().is_loopback());
    let tls = || fleet.web.tls.as_ref()?.listen.first().map(near);
    match plain {
        Some(listen) => Some(format!("http://{listen}")),
        None => tls().map(|listen| format!("https://{listen}")),
    }
}

fn is_encrypted(server: &Option<String>) -> bool {
    server.as_ref().is_some_and(|server| server.starts_with("https://"))
}

/// Whether the page shows a certificate that the server itself made.
fn is_own(fleet: &Fleet) -> bool {
    fleet.web.tls.as_ref().is_some_and(|tls| tls.files.is_none())
}

/// The certificate that the page of this fleet shows, where it can be read here and in time.
fn of_page(fleet: &Fleet) -> Option<Fingerprint> {
    let (tell, told) = std::sync::mpsc::channel();
    let fleet = fleet.clone();
    std::thread::spawn(move || tell.send(breakglass_web::fingerprint(&fleet)));
    told.recv_timeout(DISK).ok()?.ok()?.parse().ok()
}

/// Where a token is looked for unless a file is named.
fn usual_token_file() -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let xdg = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(absolute);
    let home = std::env::var_os("HOME").map(PathBuf::from).filter(absolute).map(|home| home.join(".config"));
    Some(xdg.or(home)?.join("breakglass/token"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn seen(web: &str) -> Option<String> {
        let text =
            format!("[fleet]\nname = \"home\"\n[[component]]\nname = \"a\"\nkind = \"host\"\n[web]\n{web}\n");
        address(&Fleet::parse(&text, Path::new("fleet.toml")).unwrap())
    }

    #[test]
    fn the_address_is_one_that_the_server_listens_on_and_plain_only_on_this_machine() {
        let tls = "[web.tls]\nlisten = [\"0.0.0.0:8443\"]";
        assert_eq!(seen("listen = [\"0.0.0.0:8080\"]").as_deref(), Some("http://127.0.0.1:8080"));
        assert_eq!(seen("listen = [\"192.0.2.7:8080\"]"), None);
        let far = format!("listen = [\"192.0.2.7:8080\"]\n{tls}");
        assert_eq!(seen(&far).as_deref(), Some("https://127.0.0.1:8443"));
        let both = format!("listen = [\"192.0.2.7:8080\", \"[::1]:8081\"]\n{tls}");
        assert_eq!(seen(&both).as_deref(), Some("http://[::1]:8081"));
    }
}
