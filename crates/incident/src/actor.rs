//! Who did it.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Who caused an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// The watch.
    Watch,
    /// The server itself.
    Server,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Human(name) | Self::Cli(name) => f.write_str(name),
            Self::Token(name) => write!(f, "token {name}"),
            Self::Guard(door) => write!(f, "guard of {door}"),
            Self::Watch => f.write_str("watch"),
            Self::Server => f.write_str("breakglass"),
        }
    }
}
