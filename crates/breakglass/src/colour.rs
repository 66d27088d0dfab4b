//! Colours, only where a person looks at a terminal and has not asked for none.

use breakglass_triage::Health;
use std::io::IsTerminal as _;

/// Whether to colour standard output.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Colour(bool);

impl Colour {
    /// As standard output and `NO_COLOR` say.
    pub(crate) fn of_stdout() -> Self {
        let asked_for_none = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self(std::io::stdout().is_terminal() && !asked_for_none)
    }

    pub(crate) fn health(self, health: Health, text: &str) -> String {
        let code = match health {
            Health::Good => "32",
            Health::Unknown => "2",
            Health::Degraded => "33",
            Health::Down => "31;1",
        };
        self.paint(code, text)
    }

    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn faint(self, text: &str) -> String {
        self.paint("2", text)
    }

    fn paint(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// The word for a health.
pub(crate) const fn word(health: Health) -> &'static str {
    match health {
        Health::Good => "well",
        Health::Unknown => "unknown",
        Health::Degraded => "degraded",
        Health::Down => "down",
    }
}

/// What comes from other machines, without what a terminal would obey.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}
