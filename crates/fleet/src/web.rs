//! The page in the fleet file: where it listens, how one logs in, and what one may do then.

use crate::model::words;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// The page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Where to listen without TLS: for a proxy, and for a browser on this very machine.
    pub listen: Vec<SocketAddr>,
    /// Where and how the server speaks TLS itself, if it does.
    pub tls: Option<Tls>,
    /// `name:hash` lines; without it nobody can log in with a password.
    pub password_file: Option<PathBuf>,
    /// `name:sha256` lines; without it no bearer token is accepted.
    pub token_file: Option<PathBuf>,
    /// A header that names the user, believed only from these proxies.
    pub trusted_header: Option<TrustedHeader>,
    /// How long a log-in lasts, in hours.
    pub session_hours: u32,
    /// Whether cookies are sent over TLS only; over TLS of our own they always are. Off is for a page that is opened by address
    /// without TLS. Browsers count `127.0.0.1` and `localhost` as safe either way.
    pub secure_cookies: bool,
    /// Who may do what.
    pub roles: Roles,
}

impl Default for Web {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 8080))],
            tls: None,
            password_file: None,
            token_file: None,
            trusted_header: None,
            session_hours: 12,
            secure_cookies: true,
            roles: Roles::default(),
        }
    }
}

/// TLS by the server itself, so that the page opens by address when the proxy in front is what broke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Where to listen; at least one.
    pub listen: Vec<SocketAddr>,
    /// Certificate chain and key, both PEM. Without them the server makes a certificate of its own and keeps it.
    pub files: Option<CertificateFiles>,
    /// Names and addresses under which the page is opened, for the server's own certificate.
    pub names: Vec<String>,
}

/// A certificate that somebody else made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The chain, the server's own certificate first.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A header that an authenticating proxy sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedHeader {
    /// The header's name, in lower case.
    pub name: String,
    /// A second header, in which the proxy lists the user's groups.
    pub groups: Option<String>,
    /// A third header, in which the proxy tells whom it talks to; its last entry counts, for throttling and the journal.
    pub client: Option<String>,
    /// The addresses that may set them; at least one.
    pub proxies: Vec<IpAddr>,
}

/// What somebody may do. Each role may what the one before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// See everything.
    View,
    /// Press verbs, run commands, look through read-only doors, start agents and decide on their calls.
    Operate,
    /// End other people's sessions, see tokens, accept host keys.
    Admin,
}

words!(Role: View = "view", Operate = "operate", Admin = "admin");

/// Who may do what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Roles {
    /// What whoever is known may do and is named nowhere below.
    pub everybody: Role,
    /// People by the name that they log in with.
    pub people: Vec<(String, Role)>,
    /// Tokens by their name.
    pub tokens: Vec<(String, Role)>,
    /// Groups as the trusted header names them.
    pub groups: Vec<(String, Role)>,
}

impl Default for Roles {
    fn default() -> Self {
        Self { everybody: Role::Admin, people: Vec::new(), tokens: Vec::new(), groups: Vec::new() }
    }
}

impl Roles {
    /// What a person may do. Their own name counts before their groups, of which the one that may most counts.
    #[must_use]
    pub fn of_person(&self, name: &str, groups: &[String]) -> Role {
        let by_group =
            self.groups.iter().filter(|(group, _)| groups.contains(group)).map(|(_, role)| *role).max();
        of(&self.people, name).or(by_group).unwrap_or(self.everybody)
    }

    /// What the bearer of a token may do.
    #[must_use]
    pub fn of_token(&self, name: &str) -> Role {
        of(&self.tokens, name).unwrap_or(self.everybody)
    }

    /// Whether any person may end sessions and accept host keys on the page.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        let admin = |named: &[(String, Role)]| named.iter().any(|(_, role)| *role == Role::Admin);
        self.everybody == Role::Admin || admin(&self.people) || admin(&self.groups)
    }
}

fn of(named: &[(String, Role)], name: &str) -> Option<Role> {
    named.iter().find(|(of, _)| of == name).map(|(_, role)| *role)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_before_its_groups_and_of_groups_the_one_that_may_most() {
        let named = |names: &[(&str, Role)]| {
            names.iter().map(|(name, role)| ((*name).to_owned(), *role)).collect::<Vec<_>>()
        };
        let roles = Roles {
            everybody: Role::View,
            people: named(&[("ole", Role::View), ("mara", Role::Admin)]),
            tokens: named(&[("deploy", Role::Operate)]),
            groups: named(&[("staff", Role::View), ("oncall", Role::Operate)]),
        };
        let groups = ["staff".to_owned(), "oncall".to_owned()];
        assert_eq!(roles.of_person("ole", &groups), Role::View, "he is named");
        assert_eq!(roles.of_person("ida", &groups), Role::Operate);
        assert_eq!(roles.of_person("ida", &["elsewhere".to_owned()]), Role::View);
        assert_eq!(roles.of_person("mara", &[]), Role::Admin);
        assert_eq!(roles.of_person("deploy", &[]), Role::View, "a token's name is no person's");
        assert_eq!(roles.of_token("deploy"), Role::Operate);
        assert_eq!(roles.of_token("mara"), Role::View);
        assert!(roles.has_admin() && Role::View < Role::Operate && Role::Operate < Role::Admin);
    }
}
