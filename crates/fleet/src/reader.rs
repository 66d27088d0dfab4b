//! Walks the tables of a parsed file and holds it to its word: every key that is asked for must have its type, every
//! key that is there must have been asked for.
//!
//! Hand-written over spanned values in place of a derived deserialiser, since that stops at the first error and has
//! to guess afterwards where it was.

use crate::invalid::Problem;
use crate::nearest;
use crate::values::{Parsed, duration, render_duration};
use std::ops::{Range, RangeInclusive};
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value with its place in the file.
#[derive(Debug, Clone)]
pub(crate) struct Located<T> {
    pub(crate) value: T,
    pub(crate) span: Range<usize>,
}

/// Collects problems while the file is read.
pub(crate) struct Report<'t> {
    text: &'t str,
    problems: Vec<Problem>,
}

impl<'t> Report<'t> {
    pub(crate) const fn new(text: &'t str) -> Self {
        Self { text, problems: Vec::new() }
    }

    pub(crate) fn say(&mut self, span: &Range<usize>, reason: impl Into<String>, hint: Option<String>) {
        self.problems.push(Problem::at(self.text, span, reason.into(), hint));
    }

    pub(crate) const fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    pub(crate) fn into_problems(self) -> Vec<Problem> {
        self.problems
    }
}

/// How messages call the table that holds all sections.
const WHOLE_FILE: &str = "the file";

/// One table of the file while it is read.
pub(crate) struct Section<'d, 't> {
    table: &'d DeTable<'t>,
    /// Where the table begins.
    span: Range<usize>,
    /// How messages call it: `[web]`, `[[door]] "cold"`.
    called: String,
    asked: Vec<&'static str>,
    missing: Vec<&'static str>,
}

/// What a value is, in the words of a message.
fn type_of(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

impl<'d, 't> Section<'d, 't> {
    /// Begins to read a table. `header` is how it is written, such as `[[door]]`; its `name`, where it has one, is
    /// added to how messages call it.
    pub(crate) fn new(header: &str, table: &'d DeTable<'t>, span: Range<usize>) -> Self {
        let name = table.get("name").and_then(|value| value.get_ref().as_str());
        let called = match name {
            Some(name) if header.starts_with("[[") => format!("{header} \"{}\"", name.escape_debug()),
            _ => header.to_owned(),
        };
        Self { table, span, called, asked: Vec::new(), missing: Vec::new() }
    }

    /// The table that holds all sections.
    pub(crate) fn whole_file(table: &'d DeTable<'t>, span: Range<usize>) -> Self {
        Self::new(WHOLE_FILE, table, span)
    }

    /// How messages call it.
    pub(crate) fn called(&self) -> &str {
        &self.called
    }

    /// Where the table begins.
    pub(crate) fn span(&self) -> &Range<usize> {
        &self.span
    }

    /// Says that `key` has to be there.
    pub(crate) fn must_have(&mut self, key: &'static str) {
        if self.value(key).is_none() {
            self.missing.push(key);
        }
    }

    /// The value of `key`, whatever it is; from now on the key counts as known.
    pub(crate) fn value(&mut self, key: &'static str) -> Option<&'d Spanned<DeValue<'t>>> {
        if !self.asked.contains(&key) {
            self.asked.push(key);
        }
        self.table.get(key)
    }

    /// Where the key itself stands, for a message about the key and not its value.
    pub(crate) fn key_span(&self, key: &str) -> Option<Range<usize>> {
        self.table.get_key_value(key).map(|(key, _)| key.span())
    }

    /// A text in a form that `parse` judges.
    pub(crate) fn text<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        parse: fn(&str) -> Parsed<T>,
    ) -> Option<Located<T>> {
        let value = self.value(key)?;
        read_text(report, key, value, parse)
    }

    /// A list of texts; absent means empty.
    pub(crate) fn texts<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        parse: fn(&str) -> Parsed<T>,
    ) -> Option<Vec<Located<T>>> {
        let value = self.value(key)?;
        let Some(array) = value.get_ref().as_array() else {
            let found = type_of(value.get_ref());
            let hint =
                value.get_ref().as_str().map(|text| format!("write {key} = [\"{}\"]", text.escape_debug()));
            report.say(&value.span(), format!("`{key}` must be a list of texts, and this is {found}"), hint);
            return None;
        };
        Some(array.iter().filter_map(|entry| read_text(report, key, entry, parse)).collect())
    }

    /// One word of a fixed list.
    pub(crate) fn word<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        words: &[&str],
        from_word: fn(&str) -> Option<T>,
    ) -> Option<T> {
        let value = self.value(key)?;
        let text = read_text(report, key, value, |text| Ok(text.to_owned()))?;
        let found = from_word(&text.value);
        if found.is_none() {
            let reason = format!("\"{}\" is none of the words for `{key}`", text.value.escape_debug());
            report.say(&text.span, reason, Some(nearest::hint(&text.value, '"', "one of", words)));
        }
        found
    }

    /// Several words of a fixed list.
    pub(crate) fn words<T>(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        words: &[&str],
        from_word: fn(&str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let texts = self.texts(report, key, |text| Ok(text.to_owned()))?;
        let mut all = Vec::new();
        for text in texts {
            match from_word(&text.value) {
                Some(word) => all.push(word),
                None => {
                    let reason =
                        format!("\"{}\" is none of the words for `{key}`", text.value.escape_debug());
                    report.say(&text.span, reason, Some(nearest::hint(&text.value, '"', "one of", words)));
                }
            }
        }
        Some(all)
    }

    /// A whole number within a range.
    pub(crate) fn number(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = self.value(key)?;
        let (low, high) = (range.start(), range.end());
        let hint = Some(format!("a whole number from {low} to {high}, without quotes"));
        let Some(integer) = value.get_ref().as_integer() else {
            let found = type_of(value.get_ref());
            report.say(&value.span(), format!("`{key}` must be a whole number, and this is {found}"), hint);
            return None;
        };
        let number =
            u32::from_str_radix(integer.as_str(), integer.radix()).ok().filter(|n| range.contains(n));
        if number.is_none() {
            report.say(&value.span(), format!("`{key}` is out of range"), hint);
        }
        number
    }

    /// `true` or `false`.
    pub(crate) fn yes_or_no(&mut self, report: &mut Report<'_>, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let found = value.get_ref().as_bool();
        if found.is_none() {
            let reason = format!("`{key}` must be true or false, and this is {}", type_of(value.get_ref()));
            report.say(&value.span(), reason, Some("write true or false, without quotes".to_owned()));
        }
        found
    }

    /// A duration within a range.
    pub(crate) fn duration(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = self.value(key)?;
        if let Some(integer) = value.get_ref().as_integer() {
            let hint = format!("write {key} = \"{integer} s\" if you mean seconds; units are ms, s, min, h");
            report.say(&value.span(), format!("`{key}` is a duration and needs its unit"), Some(hint));
            return None;
        }
        let found = read_text(report, key, value, duration)?;
        if range.contains(&found.value) {
            return Some(found.value);
        }
        let (low, high) = (render_duration(*range.start()), render_duration(*range.end()));
        report.say(
            &found.span,
            format!("`{key}` is out of range"),
            Some(format!("from \"{low}\" to \"{high}\"")),
        );
        None
    }

    /// A table inside this one.
    pub(crate) fn table(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        header: &str,
    ) -> Option<Section<'d, 't>> {
        let value = self.value(key)?;
        let Some(table) = value.get_ref().as_table() else {
            let hint =
                if header.starts_with("[[") { None } else { Some(format!("it begins with a line {header}")) };
            report.say(
                &value.span(),
                format!("`{key}` must be a table, and this is {}", type_of(value.get_ref())),
                hint,
            );
            return None;
        };
        Some(Section::new(header, table, value.span()))
    }

    /// The tables of a list that is written with a `[[key]]` line each.
    pub(crate) fn tables(
        &mut self,
        report: &mut Report<'_>,
        key: &'static str,
        header: &str,
    ) -> Vec<Section<'d, 't>> {
        let Some(value) = self.value(key) else { return Vec::new() };
        let Some(array) = value.get_ref().as_array() else {
            let found = type_of(value.get_ref());
            let reason = format!("there may be several of `{key}`, and this is {found}");
            let span = self.key_span(key).unwrap_or_else(|| value.span());
            report.say(&span, reason, Some(format!("write {header} with two brackets on each side")));
            return Vec::new();
        };
        let mut sections = Vec::new();
        for entry in array {
            match entry.get_ref().as_table() {
                Some(table) => sections.push(Section::new(header, table, entry.span())),
                None => {
                    let reason = format!(
                        "an entry of `{key}` must be a table, and this is {}",
                        type_of(entry.get_ref())
                    );
                    report.say(&entry.span(), reason, Some(format!("it begins with a line {header}")));
                }
            }
        }
        sections
    }

    /// Ends the reading: names the keys that nobody asked for and those that had to be there and are not. A missing
    /// key of which an unknown one is a misspelling is told once.
    pub(crate) fn close(self, report: &mut Report<'_>) {
        let mut misspelt = Vec::new();
        for (key, _) in self.table {
            let word = key.get_ref().as_ref();
            if self.asked.contains(&word) {
                continue;
            }
            misspelt.extend(nearest::nearest(word, self.missing.iter().copied()));
            let what = if self.called == WHOLE_FILE { "section" } else { "key" };
            let reason = format!("unknown {what} `{}` in {}", word.escape_debug(), self.called);
            report.say(&key.span(), reason, Some(nearest::hint(word, '`', "known here", &self.asked)));
        }
        for key in self.missing.iter().filter(|key| !misspelt.contains(key)) {
            let line = if self.called == WHOLE_FILE { format!("[{key}]") } else { format!("{key} = …") };
            let reason = format!("{} has no `{key}`", self.called);
            report.say(&self.span, reason, Some(format!("add a line {line}")));
        }
    }
}

fn read_text<T>(
    report: &mut Report<'_>,
    key: &str,
    value: &Spanned<DeValue<'_>>,
    parse: fn(&str) -> Parsed<T>,
) -> Option<Located<T>> {
    let Some(text) = value.get_ref().as_str() else {
        let reason = format!("`{key}` takes a text, and this is {}", type_of(value.get_ref()));
        report.say(&value.span(), reason, Some("texts stand in double quotes".to_owned()));
        return None;
    };
    match parse(text) {
        Ok(value_of) => Some(Located { value: value_of, span: value.span() }),
        Err(reason) => {
            report.say(&value.span(), format!("`{key}`: {reason}"), None);
            None
        }
    }
}
