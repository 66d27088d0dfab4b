//! What `[diag]` of `guard.toml` comes to. `[diag]` alone is complete: every value has a safe default.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The policy of the read-only door.
#[derive(Debug, Clone, Default)]
pub(crate) struct DiagPolicy {
    /// Command sets that are switched off, by their names in the tables.
    pub(crate) sets_off: BTreeSet<String>,
    /// Commands that this host adds, each with a grammar of its own.
    pub(crate) extra: Vec<ExtraCommand>,
    /// Path patterns that are denied beside the built-in ones.
    pub(crate) denied: Vec<String>,
    /// Path patterns that are allowed although a built-in default leaves them out; a denial wins over them.
    pub(crate) allowed: Vec<String>,
    /// Name servers that `dig @SERVER` may ask; empty: private and loopback addresses.
    pub(crate) resolvers: Vec<IpAddr>,
    /// kubectl's configuration, injected.
    pub(crate) kubeconfig: Option<PathBuf>,
    /// The broker's socket.
    pub(crate) broker: Option<PathBuf>,
    pub(crate) limits: Limits,
    /// Off only by the configuration's own word.
    pub(crate) redaction_off: bool,
    /// Go on where the kernel has no Landlock, the second wall then being seccomp alone.
    pub(crate) without_landlock: bool,
}

/// Bounds of one request and of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) deadline: Duration,
    /// Bytes of output that are passed on, both outputs together.
    pub(crate) output: u64,
    /// Bytes of address space of a program.
    pub(crate) memory: u64,
    /// Requests of one key in a minute.
    pub(crate) per_minute: u32,
    /// Requests of one key at a time.
    pub(crate) at_a_time: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            output: 4 * 1024 * 1024,
            memory: 512 * 1024 * 1024,
            per_minute: 120,
            at_a_time: 8,
        }
    }
}

/// A command that a host's configuration declares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExtraCommand {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
    /// Options without a value.
    pub(crate) flags: Vec<String>,
    /// Options with one value, of letters, digits and `._:@/+-` only.
    pub(crate) options: Vec<String>,
    /// The words that may stand as operands; none: no operand.
    pub(crate) operands: Vec<String>,
    /// Speaks over sockets to paths.
    pub(crate) unix_sockets: bool,
}
