//! The request grammar of a read-only door: words, quotes, `|` between stages, and nothing else of a shell.
//!
//! Bytes become words as a POSIX shell would make them, where it would neither expand nor run nor redirect anything;
//! wherever it would, the request is refused with the token named and one fixed hint for its class. Nothing is ever
//! expanded here, and nothing is normalised: a word has exactly the characters that stood in the request.

mod render;

use crate::{JSON_PREFIX, Refusal, Rule};
pub use render::render_arguments;

/// Most bytes of a request.
pub const LONGEST_REQUEST: usize = 16_384;
/// Most bytes of a word.
pub const LONGEST_WORD: usize = 4_096;
/// Most words of a request, all stages together.
pub const MOST_WORDS: usize = 256;
/// Most stages of a pipeline.
pub const MOST_STAGES: usize = 10;

/// A request, split.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Whether the answer is JSON lines.
    pub json: bool,
    /// At least one.
    pub stages: Vec<Stage>,
}

/// One command of a pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// At least one.
    pub words: Vec<Word>,
    /// What its last token asks for.
    pub errors: ErrorOutput,
}

/// Where a stage's error output goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ErrorOutput {
    /// It is shown.
    #[default]
    Shown,
    /// `2>/dev/null`
    Dropped,
    /// `2>&1`
    Merged,
}

/// One word, its quotes taken away.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Word {
    /// Its characters.
    pub text: String,
    /// Where in `text` a `*`, `?` or `[` stands that was not quoted, in ascending order.
    pub globs: Vec<usize>,
}

impl Word {
    /// A word without unquoted glob characters.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self { text: text.to_owned(), globs: Vec::new() }
    }

    /// Whether it has a glob character that was quoted.
    #[must_use]
    pub fn has_quoted_glob(&self) -> bool {
        self.text.char_indices().any(|(at, c)| is_glob(c) && !self.globs.contains(&at))
    }
}

/// One hint for each class of shell syntax, so that whoever automates requests can learn them.
mod hint {
    pub(super) const ONE: &str = "send one command a connection (ssh's ControlMaster makes that cheap)";
    pub(super) const OR: &str = "send the bare command; exit codes are passed through";
    pub(super) const REDIRECT: &str =
        "leave it out; only `2>&1` and `2>/dev/null` at the end of a command are understood";
    pub(super) const EXPANSION: &str =
        "no variable and no command is ever expanded: write the value, or quote it with '...'";
    pub(super) const QUOTE: &str = "quote it with '...' if it is meant literally";
    pub(super) const HOME: &str = "there is no home directory here: write the absolute path";
    pub(super) const CLOSE: &str = "close the quote";
    pub(super) const PLAIN: &str = "send printable characters and blanks only";
    pub(super) const SHORT: &str = "ask for less in one request";
    pub(super) const PIPE: &str = "a command stands on each side of `|`";
    pub(super) const FIRST: &str =
        "name a command, such as `systemctl status`, `journalctl -u UNIT -n 50` or `df -h`";
}

impl Request {
    /// Splits the bytes of a request.
    ///
    /// # Errors
    /// A [`Refusal`] by the rules `no-request`, `bytes`, `length` or `shell-syntax`.
    pub fn parse(raw: &[u8]) -> Result<Self, Refusal> {
        let text = sound(raw)?;
        let (json, text) = match text.strip_prefix(JSON_PREFIX) {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let mut reader = Reader { rest: text, words: 0 };
        let mut stages = Vec::new();
        loop {
            let (stage, more) = reader.stage(stages.is_empty())?;
            stages.push(stage);
            if stages.len() > MOST_STAGES {
                return Err(refuse(
                    Rule::Length,
                    format!("the request has more than {MOST_STAGES} stages"),
                    hint::SHORT,
                ));
            }
            if !more {
                return Ok(Self { json, stages });
            }
        }
    }
}

/// The request as text, if its bytes can be one.
fn sound(raw: &[u8]) -> Result<&str, Refusal> {
    if raw.is_empty() {
        return Err(refuse(
            Rule::NoRequest,
            "no request was given and this key opens no shell".to_owned(),
            hint::FIRST,
        ));
    }
    if raw.len() > LONGEST_REQUEST {
        let reason = format!("the request has {} bytes, of {LONGEST_REQUEST} at most", raw.len());
        return Err(refuse(Rule::Length, reason, hint::SHORT));
    }
    let Ok(text) = std::str::from_utf8(raw) else {
        return Err(refuse(Rule::Bytes, "the request is not valid UTF-8".to_owned(), hint::PLAIN));
    };
    match text.chars().find(|c| invisible(*c)) {
        None => Ok(text),
        Some('\n') => Err(refuse(
            Rule::Bytes,
            "the request has a line break, which would separate commands".to_owned(),
            hint::ONE,
        )),
        Some(other) => {
            let reason = format!("the request has the invisible character `{}`", other.escape_default());
            Err(refuse(Rule::Bytes, reason, hint::PLAIN))
        }
    }
}

/// Characters that a terminal does not show as what they are: controls, blanks other than the blank, marks of direction,
/// joiners, fillers, tags, and what is no character.
fn invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(u32::from(c),
            0xad | 0x34f | 0x600..=0x605 | 0x61c | 0x6dd | 0x70f | 0x890..=0x891 | 0x8e2 | 0x115f..=0x1160 | 0x17b4..=0x17b5
            | 0x180b..=0x180f | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0x3164 | 0xe000..=0xf8ff
            | 0xfdd0..=0xfdef | 0xfe00..=0xfe0f | 0xfeff | 0xffa0 | 0xfff0..=0xfffb | 0x110bd | 0x110cd | 0x13430..=0x1345f
            | 0x1bca0..=0x1bca3 | 0x1d173..=0x1d17a | 0xe0000..=0x10_ffff)
        || u32::from(c) & 0xfffe == 0xfffe
}

fn is_glob(c: char) -> bool {
    matches!(c, '*' | '?' | '[')
}

fn refuse(rule: Rule, reason: String, hint: &str) -> Refusal {
    Refusal { rule, reason, hint: hint.to_owned() }
}

fn syntax(token: &str, what: &str, hint: &str) -> Refusal {
    refuse(Rule::Syntax, format!("`{token}` {what}"), hint)
}

struct Reader<'text> {
    rest: &'text str,
    words: usize,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn take(&mut self, token: &str) -> bool {
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// One stage, and whether a `|` follows it.
    fn stage(&mut self, first: bool) -> Result<(Stage, bool), Refusal> {
        let mut stage = Stage { words: Vec::new(), errors: ErrorOutput::Shown };
        loop {
            while self.take(" ") {}
            let ended = self.rest.is_empty();
            let piped =
                self.rest.starts_with('|') && !self.rest.starts_with("||") && !self.rest.starts_with("|&");
            if ended || piped {
                if stage.words.is_empty() {
                    return Err(if first && ended {
                        refuse(Rule::NoRequest, "the request is blank".to_owned(), hint::FIRST)
                    } else {
                        syntax("|", "has no command beside it", hint::PIPE)
                    });
                }
                self.take("|");
                return Ok((stage, piped));
            }
            if stage.errors != ErrorOutput::Shown {
                return Err(syntax(
                    "2>",
                    "is understood as the last token of a command only",
                    hint::REDIRECT,
                ));
            }
            if let Some(errors) = self.errors() {
                if stage.words.is_empty() {
                    return Err(syntax("2>", "has no command before it", hint::REDIRECT));
                }
                stage.errors = errors;
                continue;
            }
            let word = self.word()?;
            let is_command = stage.words.is_empty();
            if is_command && assigns(&word.text) {
                return Err(refuse(
                    Rule::Syntax,
                    "the first word sets a variable".to_owned(),
                    hint::EXPANSION,
                ));
            }
            stage.words.push(word);
            self.words += 1;
            if self.words > MOST_WORDS {
                let reason = format!("the request has more than {MOST_WORDS} words");
                return Err(refuse(Rule::Length, reason, hint::SHORT));
            }
        }
    }

    /// `2>&1` or `2>/dev/null`, standing alone.
    fn errors(&mut self) -> Option<ErrorOutput> {
        for (token, errors) in [("2>&1", ErrorOutput::Merged), ("2>/dev/null", ErrorOutput::Dropped)] {
            if let Some(rest) = self.rest.strip_prefix(token) {
                let alone = rest.is_empty()
                    || rest.starts_with(' ')
                    || (rest.starts_with('|') && !rest.starts_with("|&"));
                if alone {
                    self.rest = rest;
                    return Some(errors);
                }
            }
        }
        None
    }

    fn word(&mut self) -> Result<Word, Refusal> {
        let mut word = Word::default();
        let mut begun = false;
        let mut braces = Braces::default();
        while let Some(c) = self.peek() {
            match c {
                ' ' => break,
                '|' if !self.rest.starts_with("||") && !self.rest.starts_with("|&") => break,
                '\'' => {
                    self.next();
                    self.single(&mut word)?;
                }
                '"' => {
                    self.next();
                    self.double(&mut word)?;
                }
                '\\' => {
                    self.next();
                    match self.next() {
                        Some(c) => word.text.push(c),
                        None => return Err(syntax("\\", "ends the request", hint::QUOTE)),
                    }
                }
                '#' if !begun => return Err(syntax("#", "begins a comment", hint::QUOTE)),
                '~' if !begun || word.text.ends_with(['=', ':']) => {
                    return Err(syntax("~", "stands for a home directory", hint::HOME));
                }
                _ => {
                    self.operator(&word.text)?;
                    self.next();
                    if is_glob(c) {
                        word.globs.push(word.text.len());
                    }
                    braces.see(c)?;
                    word.text.push(c);
                }
            }
            begun = true;
            if word.text.len() > LONGEST_WORD {
                return Err(refuse(
                    Rule::Length,
                    format!("a word has more than {LONGEST_WORD} bytes"),
                    hint::SHORT,
                ));
            }
        }
        Ok(word)
    }

    fn single(&mut self, word: &mut Word) -> Result<(), Refusal> {
        let Some((quoted, rest)) = self.rest.split_once('\'') else {
            return Err(syntax("'", "is never closed", hint::CLOSE));
        };
        word.text.push_str(quoted);
        self.rest = rest;
        Ok(())
    }

    fn double(&mut self, word: &mut Word) -> Result<(), Refusal> {
        loop {
            match self.next() {
                None => return Err(syntax("\"", "is never closed", hint::CLOSE)),
                Some('"') => return Ok(()),
                Some('\\') => match self.peek() {
                    Some(c @ ('"' | '\\' | '$' | '`')) => {
                        self.next();
                        word.text.push(c);
                    }
                    _ => word.text.push('\\'),
                },
                Some('`') => return Err(syntax("`", "runs a command", hint::EXPANSION)),
                // A shell leaves a `$` alone that nothing follows: "error$", "(a|b)$|c".
                Some('$') if !matches!(self.peek(), Some('"' | ' ' | '|' | ')')) => {
                    return Err(syntax("$", "would be expanded", hint::EXPANSION));
                }
                Some(c) => word.text.push(c),
            }
        }
    }

    /// Refuses whatever a shell would take for an operator; `before` is the word so far.
    fn operator(&self, before: &str) -> Result<(), Refusal> {
        let rest = self.rest;
        for (token, what, hint) in [
            ("&&", "joins commands", hint::ONE),
            ("||", "joins commands", hint::OR),
            ("|&", "is a redirection", hint::REDIRECT),
            (";", "separates commands", hint::ONE),
            ("&>", "is a redirection", hint::REDIRECT),
            ("&", "starts a command in the background", hint::ONE),
            ("<(", "runs a command", hint::EXPANSION),
            (">(", "runs a command", hint::EXPANSION),
            ("<<", "is a redirection", hint::REDIRECT),
            ("<", "is a redirection", hint::REDIRECT),
            (">", "is a redirection", hint::REDIRECT),
            ("$(", "runs a command", hint::EXPANSION),
            ("$", "would be expanded", hint::EXPANSION),
            ("`", "runs a command", hint::EXPANSION),
            ("(", "opens a subshell", hint::QUOTE),
            (")", "closes a subshell", hint::QUOTE),
        ] {
            if rest.starts_with(token) {
                let token = if token == ">" && before == "2" { "2>" } else { token };
                return Err(syntax(token, what, hint));
            }
        }
        Ok(())
    }
}

/// Sees whether unquoted braces would be expanded: `{a,b}` and `{1..9}` are, `{{.Name}}` and `{}` are not.
#[derive(Default)]
struct Braces {
    open: usize,
    last: Option<char>,
}

impl Braces {
    fn see(&mut self, c: char) -> Result<(), Refusal> {
        match c {
            '{' => self.open += 1,
            '}' => self.open = self.open.saturating_sub(1),
            ',' if self.open > 0 => return Err(syntax("{", "would be expanded", hint::QUOTE)),
            '.' if self.open > 0 && self.last == Some('.') => {
                return Err(syntax("{", "would be expanded", hint::QUOTE));
            }
            _ => {}
        }
        self.last = Some(c);
        Ok(())
    }
}

/// `NAME=value`, which a shell would not run.
fn assigns(word: &str) -> bool {
    let Some((name, _)) = word.split_once('=') else { return false };
    let name = name.strip_suffix('+').unwrap_or(name);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
