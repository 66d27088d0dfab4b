//! A refusal: the value that a guard's decision has when the answer is no.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Why a request was refused, as a stable word that scripts and tests can match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
    /// Something of a shell's language: a list, a redirection, a variable, an unclosed quote.
    #[serde(rename = "shell-syntax")]
    Syntax,
    /// The command is none that this door has.
    UnknownCommand,
    /// The command exists here and its set is switched off on this host.
    Disabled,
    /// An option that the command's table does not name, or its value.
    Option,
    /// An operand that the command's table does not have.
    Operand,
    /// The file, or what it turned out to be when opened, is one that nobody reads through this door.
    DeniedPlace,
    /// What was opened is no regular file.
    NotReadable,
    /// The command needs privilege and no broker is installed here.
    NoBroker,
    /// The key asked too often in the last minute.
    Rate,
    /// The key has too many requests running.
    Concurrency,
    /// The kernel cannot put up the second wall and the configuration does not go without.
    Walls,
    /// The request could not be recorded, and a look is not worth going unrecorded.
    Record,
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
            Self::Syntax => "shell-syntax",
            Self::UnknownCommand => "unknown-command",
            Self::Disabled => "disabled",
            Self::Option => "option",
            Self::Operand => "operand",
            Self::DeniedPlace => "denied-place",
            Self::NotReadable => "not-readable",
            Self::NoBroker => "no-broker",
            Self::Rate => "rate",
            Self::Concurrency => "concurrency",
            Self::Walls => "walls",
            Self::Record => "record",
        })
    }
}

/// A denial as a value: which rule, why, and the nearest thing that is allowed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
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
