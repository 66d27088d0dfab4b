//! What an agent is told before anything else: a text of ours, versioned, shown in the page.

use breakglass_recovery::turn::Prompt;

/// Changes whenever the text does; a test holds the two together.
const VERSION: &str = "2026-11-1";
const TEXT: &str = include_str!("../prompts/agent.md");

/// The text that every turn begins with.
#[must_use]
pub fn prompt() -> Prompt {
    Prompt { version: VERSION.to_owned(), text: TEXT.to_owned() }
}

/// The whole system text of an incident: ours, then the target and its doors, then which runbooks there are.
#[must_use]
pub fn system_text(prompt: &Prompt, doors: &str, runbooks: &[String]) -> String {
    let mut text = format!("{}\n\n# Doors here\n\n{}\n", prompt.text.trim_end(), doors.trim_end());
    if !runbooks.is_empty() {
        text.push_str("\n# Runbooks of this fleet, read with `runbook`\n\n");
        for runbook in runbooks {
            text.push_str("- ");
            text.push_str(runbook);
            text.push('\n');
        }
    }
    text
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

    #[test]
    fn doors_and_runbooks_follow_our_own_text() {
        let text = system_text(&prompt(), "devvm-repair: repair", &["Disk full".to_owned()]);
        let at = |word: &str| text.find(word).unwrap();
        assert!(at("untrusted") < at("devvm-repair: repair") && at("devvm-repair") < at("- Disk full"));
        assert!(!system_text(&prompt(), "none", &[]).contains("Runbooks of this fleet"));
    }
}
