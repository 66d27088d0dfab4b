//! A refusal: the value that a guard's decision has when the answer is no.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a request was refused, as a stable word that scripts and tests can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// No request came at all: the client asked for a login shell.
    NoRequest,
    /// The request is none of the verbs.
    UnknownVerb,
    /// The verb is right and something stands after it that must not.
    Arguments,
    /// The VM that is named is not in this door's list.
    UnknownVm,
    /// Several VMs are behind this door and none was named.
    VmMissing,
    /// The request has bytes that no request has: control characters or invalid UTF-8.
    Bytes,
    /// The request is longer than any request can be.
    Length,
    /// The guard's configuration is unusable or may be changed by others.
    Configuration,
    /// The state that was observed makes the verb unsafe.
    UnsafeState,
    /// Another operation is running on the VM.
    Busy,
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRequest => "no-request",
            Self::UnknownVerb => "unknown-verb",
            Self::Arguments => "arguments",
            Self::UnknownVm => "unknown-vm",
            Self::VmMissing => "vm-missing",
            Self::Bytes => "bytes",
            Self::Length => "length",
            Self::Configuration => "configuration",
            Self::UnsafeState => "unsafe-state",
            Self::Busy => "busy",
        })
    }
}

/// A denial as a value: which rule, why, and the nearest thing that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The stable word.
    pub rule: Rule,
    /// What was wrong, in a sentence fragment; holds no bytes of the request that are not escaped.
    pub reason: String,
    /// What would be allowed instead.
    pub hint: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "breakglass-guard: refused ({}): {}; {}", self.rule, self.reason, self.hint)
    }
}
