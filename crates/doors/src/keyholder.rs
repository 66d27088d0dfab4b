//! Our side of the process that holds the keys: start it, start it again when it dies, ask it who can sign.
//!
//! The process that uses this never reads a key file. What it has of a key is a name, a path that it passes on, and
//! signatures. Any ssh-agent can stand in ([`Keyholder::from_socket`]).

mod agent;
mod child;
mod load;
mod rsa;
mod serve;
mod supervise;
mod sys;

pub use child::keyholder_main;

use crate::lock::lock;
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PublicKey};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use supervise::Supervised;
use tokio::net::UnixStream;
use tokio::time::timeout;

/// How long the keyholder may take to name its keys. It is long enough for one that is just being started again.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many keys of one name are tried: OpenSSH's server counts each, and hangs up after six.
const TRIED_KEYS: usize = 3;

/// The process that holds the keys. Cheap to clone; with the last clone it ends, where it was started here.
#[derive(Debug, Clone)]
pub struct Keyholder {
    socket: PathBuf,
    known: Vec<(String, PublicKey)>,
    supervised: Option<Arc<Supervised>>,
}

/// A key that the keyholder could not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key's name.
    pub key: String,
    /// The file, what is wrong with it, and what to do.
    pub reason: String,
}

/// Why there is no keyholder.
#[derive(Debug, thiserror::Error)]
pub enum KeyholderError {
    /// No directory for its socket.
    #[error("no private directory for the keyholder's socket can be made in {}", tried.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", "))]
    NoDirectory {
        /// Where it was tried.
        tried: Vec<PathBuf>,
        /// What the last one said.
        #[source]
        source: io::Error,
    },
    /// It did not come up.
    #[error("the keyholder ({}) did not start; doors that need a key stay closed", exe.display())]
    NotStarted {
        /// The program.
        exe: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A public key that was given is none.
    #[error("the public key given for {name} can't be read")]
    NoPublicKey {
        /// The key's name.
        name: String,
    },
}

/// Identities that may open a door, and the agent that signs for them.
pub(crate) struct Identities {
    pub(crate) agent: AgentClient<UnixStream>,
    pub(crate) list: Vec<AgentIdentity>,
}

impl Identities {
    /// Their fingerprints, for a message.
    pub(crate) fn fingerprints(&self) -> String {
        let each = self.list.iter().map(|i| i.public_key().fingerprint(HashAlg::Sha256).to_string());
        each.collect::<Vec<_>>().join(", ")
    }
}

impl Keyholder {
    /// Starts `EXE keyholder …` with these keys, each a name and a file, and waits until it serves. It is started again
    /// whenever it dies. A key that can't be loaded is a [`Problem`] and does not keep the others from serving.
    ///
    /// # Errors
    /// [`KeyholderError`] where it can't be started at all.
    pub fn spawn(exe: &Path, keys: &[(String, PathBuf)]) -> Result<Self, KeyholderError> {
        let supervised = Supervised::start(exe, keys)?;
        Ok(Self { socket: supervised.socket(), known: Vec::new(), supervised: Some(Arc::new(supervised)) })
    }

    /// Any ssh-agent, by its socket. A key is found there by its comment, which has to be its name in `fleet.toml`, or
    /// by its public half ([`Self::with_public_key`]), or by being the only one.
    #[must_use]
    pub fn from_socket(path: &Path) -> Self {
        Self { socket: path.to_owned(), known: Vec::new(), supervised: None }
    }

    /// Says which public key (a line of a `.pub` file) goes by a name, whatever its comment in the agent is.
    ///
    /// # Errors
    /// [`KeyholderError::NoPublicKey`].
    pub fn with_public_key(mut self, name: &str, line: &str) -> Result<Self, KeyholderError> {
        let key = PublicKey::from_openssh(line)
            .map_err(|_| KeyholderError::NoPublicKey { name: name.to_owned() })?;
        self.known.push((name.to_owned(), key));
        Ok(self)
    }

    /// The socket, for any other client of an ssh-agent that runs as the same user.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The keys that could not be loaded when the keyholder was last started.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        self.supervised.as_ref().map(|s| lock(&s.report).problems.clone()).unwrap_or_default()
    }

    /// By which means the keyholder's process is kept apart, as far as they applied on this machine; empty for an
    /// agent that was not started here.
    #[must_use]
    pub fn isolation(&self) -> Vec<String> {
        self.supervised.as_ref().map(|s| lock(&s.report).isolation.clone()).unwrap_or_default()
    }

    /// The process id of the keyholder, while it runs and was started here.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.supervised.as_ref().and_then(|s| lock(&s.report).pid)
    }

    /// Whether it answers.
    pub async fn is_up(&self) -> bool {
        self.all().await.is_ok()
    }

    async fn all(&self) -> Result<Identities, String> {
        let asked = async {
            let stream = UnixStream::connect(&self.socket).await.map_err(|error| error.to_string())?;
            let mut agent = AgentClient::connect(stream);
            let list = agent.request_identities().await.map_err(|error| error.to_string())?;
            Ok::<_, String>(Identities { agent, list })
        };
        timeout(PATIENCE, asked).await.unwrap_or_else(|_| Err("it does not answer".to_owned())).map_err(|error| {
            format!(
                "no keyholder at {}: {error}; nothing can be signed until it is back (plain ssh with the kit's own key \
                 works without it)",
                self.socket.display()
            )
        })
    }

    /// The identities that go by a name, certificates first.
    pub(crate) async fn identities(&self, name: &str) -> Result<Identities, String> {
        let mut identities = self.all().await?;
        let all = std::mem::take(&mut identities.list);
        let known = self.known.iter().find(|(known, _)| known == name).map(|(_, key)| key.key_data());
        let named = |identity: &&AgentIdentity| match known {
            Some(key) => identity.public_key().key_data() == key,
            None => identity.comment() == name,
        };
        let mut list: Vec<AgentIdentity> = all.iter().filter(named).cloned().collect();
        if let ([], [only], None, None) = (list.as_slice(), all.as_slice(), known, &self.supervised) {
            list.push(only.clone());
        }
        if list.is_empty() {
            return Err(self.no_such_key(name, &all));
        }
        list.sort_by_key(|identity| !matches!(identity, AgentIdentity::Certificate { .. }));
        list.truncate(TRIED_KEYS);
        identities.list = list;
        Ok(identities)
    }

    fn no_such_key(&self, name: &str, all: &[AgentIdentity]) -> String {
        if let Some(problem) = self.problems().into_iter().find(|problem| problem.key == name) {
            return format!("key {name} is not loaded: {}", problem.reason);
        }
        let others: Vec<&str> = all.iter().map(AgentIdentity::comment).collect();
        if self.supervised.is_some() {
            return format!(
                "the keyholder was given no key {name} (it has: {}); give the secret a `file` in fleet.toml",
                others.join(", ")
            );
        }
        format!(
            "the agent at {} holds no key with the comment {name} (it holds: {}); add it with `ssh-add` after `ssh-keygen \
             -c -C {name}`",
            self.socket.display(),
            others.join(", ")
        )
    }
}
