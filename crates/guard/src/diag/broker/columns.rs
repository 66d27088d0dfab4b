//! What an engine's list looks like to a person: columns under headings, identifiers alone, or a template of fields.

use serde_json::Value;

/// One line of a list: fields by the names that templates have for them.
pub(super) type Row = Vec<(&'static str, String)>;

/// How a list is wanted.
pub(super) struct Style<'a> {
    pub(super) quiet: bool,
    pub(super) template: Option<&'a str>,
}

/// Renders rows; `columns` are heading and field. The first one is what is shown alone.
pub(super) fn list(rows: &[Row], columns: &[(&str, &str)], style: &Style<'_>) -> String {
    let of = |row: &Row, field: &str| {
        row.iter().find(|(name, _)| *name == field).map(|(_, text)| text.clone()).unwrap_or_default()
    };
    if style.quiet {
        let first = columns.first().map_or("", |(_, field)| *field);
        return rows.iter().map(|row| format!("{}\n", of(row, first))).collect();
    }
    if let Some(template) = style.template.map(|it| it.strip_prefix("table ").unwrap_or(it)) {
        let json = |row: &Row| {
            let fields = row.iter().map(|(name, text)| ((*name).to_owned(), Value::from(text.clone())));
            Value::Object(fields.collect()).to_string()
        };
        let line = |row: &Row| {
            if template == "json" {
                return json(row);
            }
            fill(template, &|path, as_json| match path {
                "." => json(row),
                path => {
                    let text = of(row, path.trim_start_matches('.'));
                    if as_json { Value::from(text).to_string() } else { text }
                }
            })
        };
        return rows.iter().map(|row| format!("{}\n", line(row))).collect();
    }
    let mut table: Vec<Vec<String>> =
        vec![columns.iter().map(|(heading, _)| (*heading).to_owned()).collect()];
    table.extend(rows.iter().map(|row| columns.iter().map(|(_, field)| of(row, field)).collect()));
    aligned(&table)
}

/// Columns as wide as their widest cell, three blanks between.
pub(super) fn aligned(table: &[Vec<String>]) -> String {
    let columns = table.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            table.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    for row in table {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(cell);
            let missing = width + 3 - cell.chars().count().min(*width);
            line.extend(std::iter::repeat_n(' ', missing));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Replaces `{{.Field}}` and `{{json .Field}}`, and the escapes `\t` and `\n`.
pub(super) fn fill(template: &str, value: &dyn Fn(&str, bool) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(&before.replace("\\t", "\t").replace("\\n", "\n"));
        let (inside, after) = after.split_once("}}").unwrap_or((after, ""));
        let inside = inside.trim();
        match inside.strip_prefix("json ") {
            Some(path) => out.push_str(&value(path.trim(), true)),
            None => out.push_str(&value(inside, false)),
        }
        rest = after;
    }
    out.push_str(&rest.replace("\\t", "\t").replace("\\n", "\n"));
    out
}

/// What stands in a document at `.A.B`.
pub(super) fn at<'a>(document: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .filter(|step| !step.is_empty())
        .fold(document, |value, step| value.get(step).unwrap_or(&Value::Null))
}

/// A value as a template prints it.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<no value>".to_owned(),
        other => other.to_string(),
    }
}
