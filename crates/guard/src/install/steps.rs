//! What install has done, written down before each step is taken, so that `uninstall` knows all that may be there
//! wherever install was interrupted. The file is replaced whole and atomically: no line of it is ever torn.

use super::files;
use super::places::STEPS;
use std::path::Path;

/// One step that was taken or is about to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A directory that was not there before.
    Directory(String),
    /// A file that was not there before, whatever is in it now.
    File(String),
    /// A file that was not there before, and whose text people edit: by the digest of what was written.
    Config(String, String),
    /// A part of a file, between two marks.
    Part(String),
    /// A directory whose mode was changed, and the mode before.
    Mode(String, String),
    /// A directory with all that the account writes into it.
    Tree(String),
    /// The account's record.
    Record(String),
    Group(String),
    User(String),
    /// A unit that was switched on.
    Unit(String),
}

impl Step {
    fn render(&self) -> String {
        match self {
            Self::Directory(path) => format!("directory\t{path}"),
            Self::File(path) => format!("file\t{path}"),
            Self::Config(path, digest) => format!("config\t{path}\t{digest}"),
            Self::Part(path) => format!("part\t{path}"),
            Self::Mode(path, before) => format!("mode\t{path}\t{before}"),
            Self::Tree(path) => format!("tree\t{path}"),
            Self::Record(path) => format!("record\t{path}"),
            Self::Group(name) => format!("group\t{name}"),
            Self::User(name) => format!("user\t{name}"),
            Self::Unit(name) => format!("unit\t{name}"),
        }
    }

    fn parse(line: &str) -> Option<Self> {
        let mut fields = line.split('\t');
        let (kind, value) = (fields.next()?, fields.next()?.to_owned());
        Some(match kind {
            "directory" => Self::Directory(value),
            "file" => Self::File(value),
            "config" => Self::Config(value, fields.next()?.to_owned()),
            "part" => Self::Part(value),
            "mode" => Self::Mode(value, fields.next()?.to_owned()),
            "tree" => Self::Tree(value),
            "record" => Self::Record(value),
            "group" => Self::Group(value),
            "user" => Self::User(value),
            "unit" => Self::Unit(value),
            _ => return None,
        })
    }
}

/// All steps so far, in their order.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    all: Vec<Step>,
}

impl Steps {
    /// The steps of an earlier install; none where there was none.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, or is not ours.
    pub(crate) fn read() -> Result<Self, String> {
        let text = match std::fs::read_to_string(STEPS) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(format!("{STEPS}: {error}")),
        };
        let step =
            |line| Step::parse(line).ok_or_else(|| format!("{STEPS}: a line is not understood: {line}"));
        let all = text.lines().map(step).collect::<Result<_, _>>()?;
        Ok(Self { all })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// In the order in which they were taken.
    pub(crate) fn all(&self) -> &[Step] {
        &self.all
    }

    /// In the order in which they are undone.
    pub(crate) fn backwards(&self) -> impl Iterator<Item = &Step> {
        self.all.iter().rev()
    }

    /// The account that an earlier install made or took over.
    pub(crate) fn user(&self) -> Option<&str> {
        self.all.iter().find_map(|step| match step {
            Step::Record(path) => {
                path.strip_prefix(super::places::RECORD)?.strip_prefix("/guard-")?.strip_suffix(".jsonl")
            }
            _ => None,
        })
    }

    /// Whether what stands at this path is ours.
    pub(crate) fn has_made(&self, path: &str) -> bool {
        self.all.iter().any(|step| match step {
            Step::Directory(made)
            | Step::File(made)
            | Step::Config(made, _)
            | Step::Tree(made)
            | Step::Record(made) => made == path,
            _ => false,
        })
    }

    /// Whether a file with this digest is as install wrote it, the last time or one before.
    pub(crate) fn has_written(&self, path: &str, digest: &str) -> bool {
        self.all
            .iter()
            .any(|step| matches!(step, Step::Config(made, wrote) if made == path && wrote == digest))
    }

    /// Writes down a step that is about to be taken. It is on the disk when this returns.
    ///
    /// # Errors
    /// A sentence: it could not be written, so the step must not be taken.
    pub(crate) fn note(&mut self, step: Step) -> Result<(), String> {
        if self.all.contains(&step) {
            return Ok(());
        }
        // Of a directory's modes the first counts, which it had before install came.
        let first =
            |have: &Step| matches!((have, &step), (Step::Mode(have, _), Step::Mode(new, _)) if have == new);
        if self.all.iter().any(first) {
            return Ok(());
        }
        self.all.push(step);
        let text: String = self.all.iter().map(|step| step.render() + "\n").collect();
        files::replace(Path::new(STEPS), text.as_bytes(), 0o600, (0, 0))
    }
}
