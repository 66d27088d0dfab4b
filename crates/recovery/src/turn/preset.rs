//! The questions that are asked most, as buttons.

/// A question that is asked with one touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// What is wrong, changing nothing.
    Triage,
    /// Memory and the OOM killer.
    Memory,
    /// Disks and inodes.
    Disk,
    /// Failed services.
    Services,
    /// Whether the machine is wedged.
    Wedged,
}

impl Preset {
    /// All, in the order of the page.
    pub const ALL: [Self; 5] = [Self::Triage, Self::Memory, Self::Disk, Self::Services, Self::Wedged];

    /// The word in a form.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Triage => "triage",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Services => "services",
            Self::Wedged => "wedged",
        }
    }

    /// What stands on its button.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Triage => "Triage",
            Self::Memory => "Memory, OOM",
            Self::Disk => "Disk",
            Self::Services => "Services",
            Self::Wedged => "Wedged?",
        }
    }

    /// The preset of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|preset| preset.word() == word)
    }

    /// What the agent is asked.
    #[must_use]
    pub const fn ask(self) -> &'static str {
        match self {
            Self::Triage => "Find out what is wrong and tell me. Look only; change nothing yet.",
            Self::Memory => {
                "Is memory the problem? Look at pressure, swap and the OOM killer, name what uses it, and relieve it with the \
                 mildest step that helps."
            }
            Self::Disk => {
                "Is a disk or its inodes full? Find what fills it, and free room without deleting what somebody may need. Say \
                 what you removed."
            }
            Self::Services => {
                "Which services have failed, and why? Bring back what should run, the mildest way first."
            }
            Self::Wedged => {
                "Is this machine wedged? If softer steps cannot help, use the power door as the triage recommends, then see \
                 whether it is back."
            }
        }
    }
}
