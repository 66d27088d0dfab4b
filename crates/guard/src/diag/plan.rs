//! What an accepted request becomes. Nothing in it is a byte of the request that no table has named: a program's argv
//! is rebuilt from the parsed form.

use breakglass_redact::Shape;
use std::path::PathBuf;

/// One request, ready to be carried out: a source, and filters that the guard itself is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) source: Source,
    /// What `2>/dev/null` or `2>&1` after the source asked for.
    pub(crate) errors: Errors,
    /// In order; each is native, so that a pipeline has at most one process beside the guard's.
    pub(crate) filters: Vec<Parsed>,
    /// What was added or bounded, in sentences for the error output.
    pub(crate) notes: Vec<String>,
}

/// Where the source's error output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Errors {
    #[default]
    Shown,
    /// `2>/dev/null`
    Dropped,
    /// `2>&1`
    Merged,
}

/// Where the output comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A program of the host.
    Program(Program),
    /// A reader of the guard's own: cat head tail ls stat grep wc find zcat.
    Native(Parsed),
}

/// A program of the host, its argv rebuilt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    /// As a person calls it.
    pub(crate) name: String,
    /// Absolute paths where it may stand; the first that is there is started.
    pub(crate) places: Vec<PathBuf>,
    /// Without the program itself.
    pub(crate) arguments: Vec<String>,
    /// Fixed environment beside the one that every program gets.
    pub(crate) environment: Vec<(String, String)>,
    pub(crate) needs: Needs,
    /// How its output is redacted.
    pub(crate) shape: Shape,
}

/// What the walls must leave open for a program, and nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// Sockets to paths: `systemctl` speaks to D-Bus.
    pub(crate) unix_sockets: bool,
    /// Sockets to the kernel: `ip`, `ss`.
    pub(crate) netlink: bool,
    /// Sockets to other machines: `ping`, `dig`, `kubectl`.
    pub(crate) network: bool,
    /// It only answers to root, or to a member of a group that is root's equal: it goes through the broker.
    pub(crate) privilege: Option<Privilege>,
}

/// What the broker keeps for a program that needs privilege.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Privilege {
    /// The firewall's rules: CAP_NET_ADMIN.
    NetAdmin,
    /// Disk health and kinds: CAP_SYS_RAWIO, CAP_SYS_ADMIN and reading block devices.
    Disks,
    /// The hypervisor's status: root's own files and sockets.
    Hypervisor,
    /// A container engine: not run at all, asked by read requests of the broker's own.
    ContainerEngine,
}

/// A command of the guard's own, as parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parsed {
    /// `cat head tail ls stat grep wc find zcat` as readers; `grep head tail wc sort uniq cut tr nl tac cat` as filters.
    pub(crate) command: &'static str,
    pub(crate) options: Vec<Given>,
    pub(crate) operands: Vec<Operand>,
}

/// One option as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Given {
    /// GNU's long name where it has one (`--lines`), else the short one (`-r`); of `find`, the predicate (`-name`).
    pub(crate) name: &'static str,
    pub(crate) value: Option<String>,
}

/// An operand as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Operand {
    pub(crate) text: String,
    /// Its last component has an unquoted `*`, `?` or `[`, which the reader matches itself.
    pub(crate) glob: bool,
}

impl Parsed {
    /// Whether an option was given.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|given| given.name == name)
    }

    /// The value of an option; of several, the last, as GNU's tools do.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|given| given.name == name).and_then(|given| given.value.as_deref())
    }
}
