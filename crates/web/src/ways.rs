//! All ways in, so that whoever fails by one is told the others.
//!
//! A stranger reads this: it names nothing of the fleet.

use crate::identity::Identity;
use crate::server::Listening;
use crate::tls::Certificate;
use std::net::SocketAddr;
use std::sync::Arc;

/// What ways there are to this server.
pub(crate) struct Ways {
    passwords: bool,
    tokens: bool,
    proxy: bool,
    secure: Vec<SocketAddr>,
    certificate: Option<Arc<Certificate>>,
}

impl Ways {
    pub(crate) fn of(identity: &Identity, listening: &Listening) -> Self {
        Self {
            passwords: identity.has_passwords(),
            tokens: identity.has_tokens(),
            proxy: identity.has_proxy(),
            secure: listening.secure_addresses.clone(),
            certificate: listening.certificate.clone(),
        }
    }

    /// A sentence for each, the page's own first; what is typed stands between backticks.
    pub(crate) fn sentences(&self) -> Vec<String> {
        let mut all = Vec::new();
        all.push(if self.passwords {
            "A name and password of this server's own file: it needs no single sign-on, no internet and no database. \
             `breakglass password NAME` on the server makes a line."
                .to_owned()
        } else {
            "No password file is configured: `password_file` in [web] of fleet.toml names one, `breakglass password NAME` \
             makes a line."
                .to_owned()
        });
        if self.proxy {
            all.push("Single sign-on: come through its proxy, and you are logged in.".to_owned());
        }
        all.push(if self.tokens {
            "A bearer token: `curl -H \"Authorization: Bearer TOKEN\" ADDRESS/api/v1/targets`. `breakglass token NAME` makes one."
                .to_owned()
        } else {
            "Bearer tokens are off: `token_file` in [web] of fleet.toml names a file for them.".to_owned()
        });
        for address in &self.secure {
            let address = if address.ip().is_unspecified() {
                format!("https://ADDRESS-OF-THIS-SERVER:{}", address.port())
            } else {
                format!("https://{address}")
            };
            let seen = self.certificate.as_ref().map(|certificate| certificate.facts().fingerprint);
            let seen =
                seen.map_or_else(String::new, |seen| format!(" Its certificate has SHA-256 `{seen}`."));
            all.push(format!("This page by address, past every proxy and name: `{address}`.{seen}"));
        }
        all.push(
            "The command line, on the server or on a laptop with the keys: `breakglass status`, `breakglass power TARGET \
             cycle`. It asks for no log-in here and needs no server."
                .to_owned(),
        );
        all.push(
            "Nothing but ssh and a door's key, through the same guard: `ssh -i KEY USER@HYPERVISOR cycle`."
                .to_owned(),
        );
        all
    }
}
