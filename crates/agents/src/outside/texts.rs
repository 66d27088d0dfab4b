//! The texts that outside agents are given: how to use the tools, in short with the session and at length as a skill.

/// What a client is told when a session begins.
pub(super) const INSTRUCTIONS: &str = include_str!("../../prompts/outside.md");
/// A skill file: YAML front matter, then Markdown.
pub const SKILL: &str = include_str!("../../prompts/skill.md");
/// Changes whenever either text does; a test holds them together.
pub const SKILL_VERSION: &str = "2026-11-1";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_and_texts_change_together() {
        let both = INSTRUCTIONS.bytes().chain(SKILL.bytes());
        let sum = both.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        assert_eq!((SKILL_VERSION, format!("{sum:016x}").as_str()), ("2026-11-1", "99972cb75d5ffed2"));
    }
}
