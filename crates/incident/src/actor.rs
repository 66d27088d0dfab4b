//! Who did it.

use breakglass_protocol::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case", tag = "is", content = "who")]
pub enum Actor {
    /// A person who logged in, by name.
    Human(String),
    /// A program with a bearer token, by the token's name.
    Token(String),
    /// A person at the command line without a server: the account's name and the machine's.
    Cli(String),
    /// The guard at the end of the named door.
    Guard(String),
    /// An agent in a turn that somebody started.
    Agent(AgentActor),
    /// Somebody at the command line while no server took it: told by a line of a spool, taken in later.
    Spool(SpoolActor),
    /// An agent that no turn of ours runs, on somebody's machine, which uses the same tools.
    Outside(OutsideAgent),
    /// The watch.
    Watch,
    /// The server itself.
    Server,
}

/// An agent, its turn, and the person who answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentActor {
    /// The turn.
    pub turn: crate::TurnId,
    /// Which agent: `claude`, `api`.
    pub engine: String,
    /// Who started the turn.
    pub asked_by: String,
}

/// Who did it as a spool tells it, and which line tells it. The event's own time is the spool's, not that of the taking in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SpoolActor {
    /// Whom the line names.
    pub by: Box<Actor>,
    /// Number and hash of the line, `SEQ:HASH`: the head of the spool's chain as it stood then.
    pub line: String,
    /// When it was taken in.
    pub taken_in: Timestamp,
}

/// An agent on somebody's machine, and what answers for it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct OutsideAgent {
    /// As it calls itself; nobody vouches for that.
    pub agent: String,
    /// What let it in: `token laptop`, or an account and a machine where it came without the server.
    pub by: String,
}

impl OutsideAgent {
    /// The longest name that is taken.
    const NAME: usize = 48;

    /// An agent with a name that is fit to stand in a line: what a client says of itself is anybody's text.
    #[must_use]
    pub fn new(says: &str, by: impl Into<String>) -> Self {
        let fine = |c: char| c.is_ascii_alphanumeric() || " ._-/".contains(c);
        let name: String = says.chars().filter(|c| fine(*c)).take(Self::NAME).collect();
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { agent: if name.is_empty() { "without a name".to_owned() } else { name }, by: by.into() }
    }
}

impl Actor {
    /// Whether it is a person, who alone may allow what an agent asks for.
    #[must_use]
    pub const fn is_person(&self) -> bool {
        matches!(self, Self::Human(_) | Self::Cli(_))
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Human(name) | Self::Cli(name) => f.write_str(name),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Guard(door) => write!(f, "guard of {door}"),
            Self::Agent(agent) => write!(f, "agent {} for {}", agent.engine, agent.asked_by),
            Self::Spool(spool) => write!(f, "{} (taken in late)", spool.by),
            Self::Outside(outside) => write!(f, "outside agent {} ({})", outside.agent, outside.by),
            Self::Watch => f.write_str("watch"),
            Self::Server => f.write_str("breakglass"),
        }
    }
}
