//! One table of `guard.toml`, read strictly: a key that is not known, or a value of another kind, is a fault with its line.

use super::document::{Entry, Fault, Table, Value};
use std::path::{Component, Path, PathBuf};

/// A table whose keys were all found to be known ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Section<'file> {
    table: &'file Table,
}

impl<'file> Section<'file> {
    /// The table under its header's name, which is empty for the file itself.
    ///
    /// # Errors
    /// A key that is not known, with the nearest one that is.
    pub(super) fn new(
        table: &'file Table,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Self, Fault> {
        match table.entries.iter().find(|entry| !known.contains(&entry.key.as_str())) {
            None => Ok(Self { table }),
            Some(Entry { key, line, .. }) => {
                let place = if name.is_empty() { "at the top".to_owned() } else { format!("in [{name}]") };
                let hint = match nearest(key, known) {
                    Some(near) => format!("the nearest that is known is `{near}`"),
                    None => format!("known are {}", known.join(", ")),
                };
                let reason = format!("unknown key `{}` {place}; {hint}", key.escape_debug());
                Err(Fault { line: *line, reason })
            }
        }
    }

    /// A fault in the value of `key`, or in the table where the key is missing.
    pub(super) fn fault(&self, key: &str, reason: impl Into<String>) -> Fault {
        let line = self.table.entry(key).map_or(self.table.line, |entry| entry.line);
        Fault { line, reason: reason.into() }
    }

    fn other_kind(&self, key: &str, wanted: &str) -> Fault {
        self.fault(key, format!("`{key}` must be {wanted}"))
    }

    fn value(&self, key: &str) -> Option<&'file Value> {
        self.table.entry(key).map(|entry| &entry.value)
    }

    /// The keys that are there, where any name may stand.
    pub(super) fn entries(&self) -> &'file [Entry] {
        &self.table.entries
    }

    pub(super) fn text(&self, key: &str) -> Result<Option<&'file str>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(_) => Err(self.other_kind(key, "text in quotes")),
        }
    }

    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Fault> {
        let items = match self.value(key) {
            None => return Ok(Vec::new()),
            Some(Value::List(items)) => items,
            Some(_) => return Err(self.other_kind(key, "a list of texts, as in [\"a\", \"b\"]")),
        };
        let text = |item: &Entry| match &item.value {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(Fault { line: item.line, reason: format!("`{key}` must be a list of texts in quotes") }),
        };
        items.iter().map(text).collect()
    }

    pub(super) fn switch(&self, key: &str, otherwise: bool) -> Result<bool, Fault> {
        match self.value(key) {
            None => Ok(otherwise),
            Some(Value::Switch(switch)) => Ok(*switch),
            Some(_) => Err(self.other_kind(key, "true or false")),
        }
    }

    /// A whole number within bounds.
    pub(super) fn number(&self, key: &str, least: u64, most: u64) -> Result<Option<u64>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Number(number)) => match u64::try_from(*number) {
                Ok(number) if (least..=most).contains(&number) => Ok(Some(number)),
                _ => Err(self.fault(key, format!("`{key}` is {number}; it must be from {least} to {most}"))),
            },
            Some(_) => Err(self.other_kind(key, "a whole number")),
        }
    }

    /// An absolute path that does not go up.
    pub(super) fn path(&self, key: &str) -> Result<Option<PathBuf>, Fault> {
        let Some(text) = self.text(key)? else {
            return Ok(None);
        };
        let path = Path::new(text);
        let dotted = path.components().any(|part| matches!(part, Component::ParentDir));
        if path.is_absolute() && !dotted && !text.contains('\0') {
            return Ok(Some(path.to_owned()));
        }
        let shown = text.escape_debug();
        Err(self.fault(key, format!("`{key}` must be an absolute path without `..`, not `{shown}`")))
    }

    pub(super) fn section(
        &self,
        key: &str,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Option<Self>, Fault> {
        match self.table(key)? {
            None => Ok(None),
            Some(table) => Section::new(table, name, known).map(Some),
        }
    }

    /// A table whose keys are names that the reader judges itself.
    pub(super) fn open_section(&self, key: &str) -> Result<Option<Self>, Fault> {
        Ok(self.table(key)?.map(|table| Section { table }))
    }

    fn table(&self, key: &str) -> Result<Option<&'file Table>, Fault> {
        match self.value(key) {
            None => Ok(None),
            Some(Value::Table(table)) => Ok(Some(table)),
            Some(_) => Err(self.other_kind(key, "a table")),
        }
    }

    /// `[[key]]` tables, or a list of tables.
    pub(super) fn sections(
        &self,
        key: &str,
        name: &'static str,
        known: &'static [&'static str],
    ) -> Result<Vec<Self>, Fault> {
        let wrong = || self.other_kind(key, "tables, each under a header in double brackets");
        let tables: Vec<&Table> = match self.value(key) {
            None => Vec::new(),
            Some(Value::Tables(tables)) => tables.iter().collect(),
            Some(Value::List(items)) => {
                let table = |item: &'file Entry| match &item.value {
                    Value::Table(table) => Ok(table),
                    _ => Err(wrong()),
                };
                items.iter().map(table).collect::<Result<_, _>>()?
            }
            Some(_) => return Err(wrong()),
        };
        tables.into_iter().map(|table| Section::new(table, name, known)).collect()
    }
}

/// The known word that is the fewest edits away, where it is near at all.
pub(super) fn nearest<'known>(word: &str, known: &[&'known str]) -> Option<&'known str> {
    let (distance, near) = known.iter().map(|near| (edits(word, near), *near)).min()?;
    (distance <= near.len().max(word.len()) / 2).then_some(near)
}

/// Levenshtein's distance, over bytes.
fn edits(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, b) in row.iter_mut().skip(1).zip(other.bytes()) {
            let here = (diagonal + usize::from(a != b)).min(left + 1).min(*cell + 1);
            diagonal = std::mem::replace(cell, here);
            left = here;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_nearest_word() {
        let known = ["deny", "allow", "redact", "resolvers", "kubeconfig"];
        for (word, near) in [
            ("denied", Some("deny")),
            ("alow", Some("allow")),
            ("redaction", Some("redact")),
            ("resolver", Some("resolvers")),
            ("xyzzyxyzzy", None),
        ] {
            assert_eq!(nearest(word, &known), near, "{word}");
        }
        assert_eq!(edits("kitten", "sitting"), 3);
        assert_eq!(edits("", "abc"), 3);
        assert_eq!(edits("abc", ""), 3);
    }
}
