//! Why something is not shown: a rule of this door, or the kernel's word.

use breakglass_protocol::Rule;
use rustix::io::Errno;

/// Why a file is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It lies where nobody reads, and why nobody does.
    Denied(&'static str),
    /// Its path is not absolute.
    Relative,
    /// A device, FIFO or socket.
    Special,
    /// An entry of the kernel's own file systems that is not listed.
    Unlisted,
    /// A regular file with several names, outside the trees of packages: the others could be denied ones, and no
    /// bounded search finds them all.
    SeveralNames,
    /// What the kernel says.
    Failed(Errno),
}

impl From<Errno> for Trouble {
    fn from(error: Errno) -> Self {
        Self::Failed(error)
    }
}

impl Trouble {
    /// The rule, where this door refused and not the kernel. A magic link of procfs, and a loop, is the kernel's
    /// `ELOOP`, which stands for the refusal to follow it.
    pub(crate) fn rule(self) -> Option<Rule> {
        match self {
            Self::Denied(_) | Self::SeveralNames => Some(Rule::DeniedPlace),
            Self::Special | Self::Unlisted | Self::Failed(Errno::LOOP) => Some(Rule::NotReadable),
            Self::Relative => Some(Rule::Operand),
            Self::Failed(_) => None,
        }
    }

    /// In words, without a byte of the path.
    pub(crate) fn text(self) -> String {
        let why = match self {
            Self::Denied(why) => why,
            Self::Relative => "paths are absolute here",
            Self::Special => "it is a device, FIFO or socket",
            Self::Unlisted => "of the kernel's file systems only listed entries are read",
            Self::SeveralNames => "it is a file with several names, which may be that of a secret",
            Self::Failed(Errno::LOOP) => "it is a link that leads nowhere a reader may go",
            Self::Failed(error) => {
                // The standard library's texts are the C library's, with the number behind them.
                let text = std::io::Error::from(error).to_string();
                return text.split(" (os error").next().unwrap_or_default().to_owned();
            }
        };
        match self.rule() {
            Some(rule) => format!("refused ({rule}): {why}"),
            None => why.to_owned(),
        }
    }
}
