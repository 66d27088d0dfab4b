//! The six verbs of a power door, and the names they are used with.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One operation of a power door. The language is finite: these six words, byte for byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Look: what the hypervisor says of the VM now. Changes nothing.
    Status,
    /// Look closely: capture everything that explains a wedge. Changes nothing.
    Forensics,
    /// Warm reset of the same QEMU process.
    Reset,
    /// Ask the guest to power off, then end the process.
    Stop,
    /// Make the VM run: start a stopped one, let a paused one go on.
    Start,
    /// Stop, then start: a fresh QEMU process that applies staged configuration.
    Cycle,
}

impl Verb {
    /// All verbs, in the order in which the page lists them.
    pub const ALL: [Self; 6] =
        [Self::Cycle, Self::Reset, Self::Stop, Self::Start, Self::Status, Self::Forensics];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Status => "status",
            Self::Forensics => "forensics",
            Self::Reset => "reset",
            Self::Stop => "stop",
            Self::Start => "start",
            Self::Cycle => "cycle",
        }
    }

    /// The verb that is exactly these bytes: no trimming, no folding of case, no prefix.
    #[must_use]
    pub fn from_bytes(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str().as_bytes() == word)
    }

    /// Whether the verb changes the VM. Forensics are captured before each of these.
    #[must_use]
    pub const fn is_mutating(self) -> bool {
        !matches!(self, Self::Status | Self::Forensics)
    }

    /// Whether the QEMU process is gone afterwards, so that what might hang it may be asked first.
    #[must_use]
    pub const fn ends_process(self) -> bool {
        matches!(self, Self::Stop | Self::Cycle)
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The name by which a power door knows one VM: `[a-z0-9][a-z0-9._-]{0,62}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct VmName(String);

impl VmName {
    /// Checks the form of a name.
    ///
    /// # Errors
    /// The offending text, where it is empty, too long, or has a byte outside the set.
    pub fn new(text: &str) -> Result<Self, String> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let rest = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b));
        if first && rest && text.len() <= 63 {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{}` is not a VM name: lower-case letters, digits, `.`, `_`, `-`; at most 63",
                text.escape_debug()
            ))
        }
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for VmName {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::new(&text)
    }
}

impl From<VmName> for String {
    fn from(name: VmName) -> Self {
        name.0
    }
}

impl fmt::Display for VmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Names one accepted operation of a guard: made by the guard, opaque to everyone else, sorts by time.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(transparent)]
pub struct OperationId(pub String);

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
