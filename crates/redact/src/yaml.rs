//! A strict reader of the YAML that `kubectl -o yaml` prints: block mappings and sequences, plain, quoted and block
//! scalars, `{}` and `[]`. Anchors, aliases, tags and flow collections are no part of it and make a document unreadable.
//! It writes as it reads: what does not change keeps its lines.

use crate::bytes::{at, part, rest, run};
use crate::json::{self, Member, Policy, Wrong};
use crate::marker;
use crate::masks::Masks;
use crate::scalars::{self, Scalar};
use crate::strip::Stripper;

/// Where a line's content belongs.
#[derive(Debug)]
enum Level {
    Key { column: usize, name: Vec<u8> },
    Item { column: usize },
}

impl Level {
    fn column(&self) -> usize {
        match self {
            Self::Key { column, .. } | Self::Item { column } => *column,
        }
    }
}

/// An item of a list of plain strings, which is judged with its neighbours.
struct Item {
    /// Where its line begins, its scalar, and where its last line ends.
    start: usize,
    scalar: Scalar,
}

struct Reader<'a> {
    source: &'a [u8],
    levels: Vec<Level>,
    masks: Masks,
    items: Vec<Item>,
    out: &'a mut Vec<u8>,
    /// What stands at this column or deeper is left out.
    dropping: Option<usize>,
}

/// Reads documents and appends them as they may be shown.
pub(crate) fn documents(source: &[u8], out: &mut Vec<u8>) -> Result<(), Wrong> {
    let mut masks = Masks::new(true);
    masks.enter(None);
    let mut plain = Vec::with_capacity(source.len());
    let mut stripper = Stripper::default();
    for (index, line) in source.split(|byte| *byte == b'\n').enumerate() {
        if index > 0 {
            plain.push(b'\n');
        }
        stripper.feed(line, plain.len(), &mut plain);
        stripper.end_line(&mut plain);
    }
    let source = plain.as_slice();
    let mut reader = Reader { source, levels: Vec::new(), masks, items: Vec::new(), out, dropping: None };
    let mut here = 0;
    while here < source.len() {
        here = reader.line(here)?;
    }
    reader.end_items();
    Ok(())
}

impl Reader<'_> {
    /// Reads the node whose line begins at `start`; answers where the next line begins.
    fn line(&mut self, start: usize) -> Result<usize, Wrong> {
        let end = scalars::line_end(self.source, start);
        let column = run(self.source, start, |byte| byte == b' ').saturating_sub(start);
        let text = part(self.source, start.saturating_add(column), end);
        if text.is_empty() || text.starts_with(b"#") || matches!(text, b"---" | b"...") {
            if column == 0 && !text.is_empty() && !text.starts_with(b"#") {
                self.levels.clear();
                self.dropping = None;
            }
            self.end_items();
            if self.dropping.is_none() {
                self.out.append(&mut crate::text(part(
                    self.source,
                    start,
                    scalars::next_line(self.source, end),
                )));
            }
            return Ok(scalars::next_line(self.source, end));
        }
        if text.starts_with(b"\t") {
            return Err("a tab indents");
        }
        let dash = text.starts_with(b"- ") || text == b"-";
        if self.dropping.is_some_and(|above| column > above || dash && column == above) {
            // Where its scalars end is where their lines are indented less.
            return Ok(scalars::next_line(self.source, end));
        }
        self.dropping = None;
        self.node(start, column)
    }

    fn node(&mut self, start: usize, indent: usize) -> Result<usize, Wrong> {
        let (mut column, mut dashes) = (indent, 0usize);
        let mut here = start.saturating_add(indent);
        while at(self.source, here) == b'-'
            && matches!(at(self.source, here.saturating_add(1)), b' ' | b'\n' | 0)
        {
            self.enter_item(column);
            dashes = dashes.saturating_add(1);
            let next = run(self.source, here.saturating_add(1), |byte| byte == b' ');
            column = column.saturating_add(next.saturating_sub(here));
            here = next;
        }
        let end = scalars::line_end(self.source, here);
        let Some((name, value)) = scalars::key(self.source, here, end)? else {
            if dashes == 0 {
                return if self.levels.is_empty() {
                    Err("a line is neither a key nor an item")
                } else {
                    Err("a scalar stands alone")
                };
            }
            return self.item(start, here, column.saturating_sub(1), dashes);
        };
        self.end_items();
        while self.levels.last().is_some_and(|level| level.column() >= column) {
            self.levels.pop();
        }
        self.levels.push(Level::Key { column, name });
        self.member(start, value, column, dashes > 0)
    }

    /// A dash at `column`: one more item of the list there.
    fn enter_item(&mut self, column: usize) {
        while self.levels.last().is_some_and(|level| level.column() > column) {
            self.levels.pop();
        }
        if matches!(self.levels.last(), Some(Level::Item { column: last }) if *last == column) {
            self.levels.pop();
        }
        self.levels.push(Level::Item { column });
        self.masks.leave();
        self.masks.enter(None);
    }

    fn path(&self) -> Vec<Vec<u8>> {
        let names = self.levels.iter().filter_map(|level| match level {
            Level::Key { name, .. } => Some(name.clone()),
            Level::Item { .. } => None,
        });
        names.collect()
    }

    /// A key and what stands behind its colon, at `value`.
    fn member(&mut self, start: usize, value: usize, column: usize, dashed: bool) -> Result<usize, Wrong> {
        let scalar = scalars::read(self.source, value, column)?;
        let path = self.path();
        let next = scalars::next_line(self.source, scalar.end);
        if self.masks.member(&path) == Member::Drop {
            self.dropping = Some(column);
            if dashed {
                self.write(start, &scalar, marked(marker::DATA));
            }
            return Ok(next);
        }
        let Some(content) = &scalar.content else {
            self.copy(start, next);
            return Ok(next);
        };
        if path.last().is_some_and(|name| name == b"name") {
            self.masks.leave();
            self.masks.enter(Some(crate::text(content)));
        }
        match self.masks.string(&path, content) {
            Some(changed) => self.write(start, &scalar, changed),
            None => self.copy(start, next),
        }
        Ok(next)
    }

    /// A scalar behind a dash, kept until its list is whole.
    fn item(&mut self, start: usize, value: usize, above: usize, dashes: usize) -> Result<usize, Wrong> {
        let scalar = scalars::read(self.source, value, above)?;
        let next = scalars::next_line(self.source, scalar.end);
        if scalar.content.is_none() {
            self.end_items();
            self.copy(start, next);
            return Ok(next);
        }
        if dashes > 1 {
            self.end_items();
        }
        self.items.push(Item { start, scalar });
        Ok(next)
    }

    /// The list is whole: its items are judged together.
    fn end_items(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let items = std::mem::take(&mut self.items);
        let values: Vec<Vec<u8>> =
            items.iter().map(|item| item.scalar.content.clone().unwrap_or_default()).collect();
        let path = self.path();
        let changed = self.masks.list(&path, &values);
        for (item, changed) in items.iter().zip(changed) {
            match changed {
                Some(changed) => self.write(item.start, &item.scalar, changed),
                None => self.copy(item.start, scalars::next_line(self.source, item.scalar.end)),
            }
        }
    }

    fn copy(&mut self, start: usize, end: usize) {
        self.out.extend_from_slice(part(self.source, start, end));
    }

    /// What stands before the scalar, then its new content, and its line's end.
    fn write(&mut self, start: usize, scalar: &Scalar, content: Vec<u8>) {
        self.copy(start, scalar.start);
        json::write_string(&content, self.out);
        if rest(self.source, scalar.end).starts_with(b"\n") {
            self.out.push(b'\n');
        }
    }
}

fn marked(kind: &str) -> Vec<u8> {
    let mut out = Vec::new();
    marker::write(kind, &mut out);
    out
}
