//! The way back: words become the text that is split into them again.

use super::{ErrorOutput, Request, Word, is_glob};
use crate::JSON_PREFIX;

impl Request {
    /// The request as it is sent: `parse(render(x)) == x`.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        if self.json {
            out.push_str(JSON_PREFIX);
        }
        for (at, stage) in self.stages.iter().enumerate() {
            if at > 0 {
                out.push_str(" | ");
            }
            for (at, word) in stage.words.iter().enumerate() {
                if at > 0 {
                    out.push(' ');
                }
                out.push_str(&word.render());
            }
            out.push_str(match stage.errors {
                ErrorOutput::Shown => "",
                ErrorOutput::Dropped => " 2>/dev/null",
                ErrorOutput::Merged => " 2>&1",
            });
        }
        // A request whose first word is the prefix itself is not to be taken for machine output.
        if !self.json && out.starts_with(JSON_PREFIX) { format!("''{out}") } else { out }
    }
}

impl Word {
    /// The word with the quotes that it needs.
    #[must_use]
    pub fn render(&self) -> String {
        let bare = |c: char| c.is_ascii_alphanumeric() || "_-./:=@%+,^!]".contains(c);
        if !self.text.is_empty() && self.globs.is_empty() && self.text.chars().all(bare) {
            return self.text.clone();
        }
        if self.globs.is_empty() && !self.text.contains('\'') {
            return ["'", &self.text, "'"].concat();
        }
        let mut out = String::new();
        let mut quoted = false;
        for (at, c) in self.text.char_indices() {
            let glob = is_glob(c) && self.globs.contains(&at);
            let quote = !glob && c != '\'' && !bare(c);
            // Inside quotes what needs none may stay, so that a sentence is quoted once.
            if quoted && (glob || c == '\'') || !quoted && quote {
                out.push('\'');
                quoted = !quoted;
            }
            if c == '\'' {
                out.push('\\');
            }
            out.push(c);
        }
        if quoted {
            out.push('\'');
        }
        out
    }
}

/// The request that an operator's words mean, as `breakglass diag HOST -- WORD…` gets them.
///
/// One word alone is a request already, as with ssh: `'df -h | grep srv'`. Of several, each is quoted, but for `|`,
/// `2>&1` and `2>/dev/null`; globs stay what they are, since the operator's own shell had its turn before.
#[must_use]
pub fn render_arguments<W: AsRef<str>>(words: &[W]) -> String {
    if let [only] = words {
        return only.as_ref().to_owned();
    }
    let mut out = String::new();
    for word in words.iter().map(AsRef::as_ref) {
        if !out.is_empty() {
            out.push(' ');
        }
        if matches!(word, "|" | "2>&1" | "2>/dev/null") {
            out.push_str(word);
        } else {
            let globs = word.char_indices().filter(|(_, c)| is_glob(*c)).map(|(at, _)| at).collect();
            out.push_str(&Word { text: word.to_owned(), globs }.render());
        }
    }
    out
}
