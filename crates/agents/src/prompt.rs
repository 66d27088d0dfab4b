//! What an agent is told before anything else: a text of ours, versioned, shown in the page. The turn adds doors and runbooks.

use breakglass_recovery::turn::Prompt;

/// Changes whenever the text does; a test holds the two together.
const VERSION: &str = "2026-11-1";
const TEXT: &str = include_str!("../prompts/agent.md");

/// The text that every turn begins with.
#[must_use]
pub fn prompt() -> Prompt {
    Prompt { version: VERSION.to_owned(), text: TEXT.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The version has to change with the text: people read in the journal which one a turn had.
    #[test]
    fn version_and_text_change_together() {
        let sum = TEXT.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!((VERSION, format!("{sum:016x}").as_str()), ("2026-11-1", "784b4a5073b48666"));
    }
}
