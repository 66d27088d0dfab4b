//! An unusable fleet file, told so that a person can mend it at 3 a.m.: every problem with its place in the file, the
//! line itself, what is wrong with it and what was probably meant.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Lines longer than this are shown as a window around the problem.
const WIDEST_LINE: usize = 140;

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The line as it is shown: without control characters, and only the part around the problem where it is very long.
    pub source: String,
    /// Where in `source` the caret begins, in characters from 0.
    pub caret: usize,
    /// How many characters are underlined; at least 1.
    pub width: usize,
    /// What is wrong.
    pub reason: String,
    /// What was probably meant, or what would be right.
    pub hint: Option<String>,
}

impl Problem {
    /// Places a problem at a byte range of the file.
    pub(crate) fn at(text: &str, span: &Range<usize>, reason: String, hint: Option<String>) -> Self {
        let start = floor_char_boundary(text, span.start);
        let before = text.get(..start).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.matches('\n').count() + 1;
        let rest = text.get(line_start..).unwrap_or_default();
        let whole = rest.lines().next().unwrap_or_default();
        let offset = text.get(line_start..start).unwrap_or_default().chars().count();
        let end = floor_char_boundary(text, span.end.min(line_start + whole.len()).max(start));
        let width = text.get(start..end).unwrap_or_default().chars().count().max(1);
        let skip =
            if whole.chars().count() > WIDEST_LINE { offset.saturating_sub(WIDEST_LINE / 2) } else { 0 };
        let visible = whole.chars().skip(skip).take(WIDEST_LINE);
        let source: String = visible.map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = offset - skip;
        let width = width.min(source.chars().count().saturating_sub(caret).max(1));
        Self { line, column: offset + 1, source, caret, width, reason, hint }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// The file cannot be used; holds everything that is wrong with it, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// The file.
    pub path: PathBuf,
    /// What is wrong: at least one.
    pub problems: Vec<Problem>,
    /// Whether only the syntax was looked at, since the file is no TOML yet.
    pub syntax_only: bool,
}

impl Invalid {
    pub(crate) fn new(path: &Path, mut problems: Vec<Problem>, syntax_only: bool) -> Self {
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        Self { path: path.to_path_buf(), problems, syntax_only }
    }
}

impl std::error::Error for Invalid {}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        let count = self.problems.len();
        let errors = if count == 1 { "1 error".to_owned() } else { format!("{count} errors") };
        writeln!(f, "{path} cannot be used: {errors}.")?;
        for problem in &self.problems {
            let number = problem.line.to_string();
            let margin = " ".repeat(number.len());
            writeln!(f)?;
            writeln!(f, "{path}:{}:{}: {}", problem.line, problem.column, problem.reason)?;
            writeln!(f, "  {number} | {}", problem.source)?;
            writeln!(f, "  {margin} | {}{}", " ".repeat(problem.caret), "^".repeat(problem.width))?;
            if let Some(hint) = &problem.hint {
                writeln!(f, "  {margin} = {hint}")?;
            }
        }
        writeln!(f)?;
        if self.syntax_only {
            writeln!(f, "The file is not TOML as it stands; names and keys are checked once it is.")?;
        }
        write!(
            f,
            "No host reads this file: every guard goes on as it is, and plain `ssh` through it works. \
             Mend the file, then run `breakglass check`."
        )
    }
}
