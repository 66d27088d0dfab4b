//! The readers of content: `cat head tail wc grep zcat` over files.

use super::cat::Cat;
use super::count::{Counts, Shown, Wc};
use super::ends::Extent;
use super::files::{Run, shown};
use super::grep::Grep;
use super::lines::Lines;
use super::sink::{Filter, Flow, Sink};
use super::{glob, gzip};
use crate::diag::places::{Last, Opened, Trouble};
use breakglass_redact::Shape;
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io::Read;

/// Directories within directories that a search goes down.
pub(crate) const DEEPEST: usize = 64;

impl Run<'_> {
    pub(crate) fn cat(&mut self) {
        let mut filter = Cat::boxed(self.parsed);
        for path in self.paths(&self.parsed.operands) {
            let content = self.places.open(&path, Last::Followed);
            if let Err(trouble) = content.and_then(|opened| self.content(&opened, &mut *filter, None)) {
                self.cannot(&path, trouble);
            }
            if self.sink.enough {
                break;
            }
        }
        let _ = filter.finish(&mut self.sink);
    }

    /// `head` and `tail`.
    pub(crate) fn ends(&mut self, filter: fn(Extent) -> Box<dyn Filter>, from_end: bool) {
        let Some(extent) = Extent::new(self.parsed) else { return self.complain("invalid number", 1) };
        let paths = self.paths(&self.parsed.operands);
        let headers = self.parsed.has("--verbose") || (paths.len() > 1 && !self.parsed.has("--quiet"));
        let from_end = from_end && extent.sign != super::amount::Sign::Plus;
        let mut first = true;
        for path in paths {
            let opened = match self.places.open(&path, Last::Followed) {
                Ok(opened) => opened,
                Err(trouble) => {
                    self.cannot(&path, trouble);
                    continue;
                }
            };
            let readable = self.places.read(&opened).map(drop);
            if let Err(trouble) = readable
                && trouble != Trouble::Failed(Errno::ISDIR)
            {
                self.cannot(&path, trouble);
                continue;
            }
            if headers {
                let break_before = if std::mem::take(&mut first) { "" } else { "\n" };
                let _ = self.sink.push(format!("{break_before}==> {} <==\n", shown(&path)).as_bytes());
            }
            let mut filter = filter(extent);
            if extent.count > 0 || extent.sign != super::amount::Sign::None {
                if let Err(trouble) = self.content(&opened, &mut *filter, from_end.then_some(extent)) {
                    self.trouble(&format!("error reading '{}'", shown(&path)), trouble, 1);
                }
                self.code = self.code.max(filter.finish(&mut self.sink));
            }
            if self.sink.enough {
                break;
            }
        }
    }

    pub(crate) fn wc(&mut self) {
        let columns = Shown::new(self.parsed);
        let paths = self.paths(&self.parsed.operands);
        let width = self.width(&paths, columns);
        let mut total = Counts::default();
        for path in &paths {
            let counted =
                self.places.open(path, Last::Followed).and_then(|opened| self.count(&opened, columns));
            let (counts, trouble) = match counted {
                Ok(counts) => (Some(counts), None),
                Err(trouble @ Trouble::Failed(Errno::ISDIR)) => (Some(Counts::default()), Some(trouble)),
                Err(trouble) => (None, Some(trouble)),
            };
            if let Some(trouble) = trouble {
                self.cannot(path, trouble);
            }
            if let Some(counts) = counts {
                let _ =
                    self.sink.push(format!("{} {}\n", counts.text(columns, width), shown(path)).as_bytes());
                total.add(&counts);
            }
        }
        if paths.len() > 1 {
            let _ = self.sink.push(format!("{} total\n", total.text(columns, width)).as_bytes());
        }
    }

    fn count(&mut self, opened: &Opened, columns: Shown) -> Result<Counts, Trouble> {
        let mut wc = Wc { shown: columns, counts: Counts::default() };
        if columns.only_bytes() && opened.stat.stx_size > 0 {
            self.places.read(opened)?;
            let [_, _, _, bytes, _] = &mut wc.counts.values;
            *bytes = opened.stat.stx_size;
        } else {
            self.content(opened, &mut wc, None)?;
        }
        wc.counts.close();
        Ok(wc.counts)
    }

    /// Wide enough for the sum of the sizes, as GNU's has it.
    fn width(&self, paths: &[Vec<u8>], columns: Shown) -> usize {
        if paths.len() == 1 && columns.columns() == 1 {
            return 1;
        }
        let (mut sum, mut least) = (0u64, 1);
        for opened in paths.iter().filter_map(|path| self.places.open(path, Last::Followed).ok()) {
            match opened.kind() {
                FileType::RegularFile => sum = sum.saturating_add(opened.stat.stx_size),
                _ => least = 7,
            }
        }
        sum.to_string().len().max(least)
    }

    pub(crate) fn zcat(&mut self) {
        for path in self.paths(&self.parsed.operands) {
            let opened = self.places.open(&path, Last::Followed);
            match opened.and_then(|opened| self.places.read(&opened)) {
                Err(trouble) => self.cannot(&path, trouble),
                Ok(file) => {
                    let mut reader = gzip::Gunzip::new(file);
                    let mut cat = Through;
                    let fed = self.feed(&mut reader as &mut dyn Read, Shape::Text, &mut cat);
                    if let Some(wrong) = reader.wrong {
                        self.complain(&format!("{}: {wrong}", shown(&path)), 1);
                    } else if let Err(trouble) = fed {
                        self.cannot(&path, trouble);
                    }
                }
            }
            if self.sink.enough {
                break;
            }
        }
    }

    pub(crate) fn grep(&mut self) {
        let parsed = self.parsed;
        let mut grep = match Grep::new(parsed) {
            Ok(grep) => grep,
            Err(wrong) => return self.complain(wrong.0, 2),
        };
        let pattern_given = parsed.has("--regexp");
        let operands = parsed.operands.get(usize::from(!pattern_given)..).unwrap_or_default();
        let paths = self.paths(operands);
        let recursive = parsed.has("--recursive");
        let asked =
            parsed.options.iter().rev().find(|it| matches!(it.name, "--with-filename" | "--no-filename"));
        let prefixed = asked.map_or(paths.len() > 1, |given| given.name == "--with-filename");
        for path in paths {
            if grep.is_done() || self.sink.enough {
                break;
            }
            let searched = match self.places.open(&path, Last::Followed) {
                Ok(opened) if opened.kind() == FileType::Directory && recursive => {
                    if self.leaves_out(&path, true) {
                        continue;
                    }
                    let prefixed = asked.is_none_or(|given| given.name == "--with-filename");
                    self.search_below(&mut grep, &opened, &path, prefixed, 0);
                    Ok(())
                }
                Ok(_) if self.leaves_out(&path, false) => Ok(()),
                Ok(opened) => self.search(&mut grep, &opened, &path, prefixed),
                Err(trouble) => Err(trouble),
            };
            if let Err(trouble) = searched {
                self.cannot(&path, trouble);
            }
        }
        let quiet = parsed.has("--quiet") && grep.selected_any;
        if quiet {
            self.code = 0;
        } else if self.code == 0 && !grep.selected_any {
            self.code = 1;
        }
    }

    fn search(
        &mut self,
        grep: &mut Grep,
        opened: &Opened,
        path: &[u8],
        prefixed: bool,
    ) -> Result<(), Trouble> {
        let mut start = [0; 32 * 1024];
        let count =
            self.places.read(opened)?.read(&mut start).map_err(|error| super::files::failed(&error))?;
        let kernels = opened.stat.stx_size == 0;
        let binary = !kernels && start.get(..count).unwrap_or_default().contains(&0);
        grep.begin(&super::files::harmless(path), prefixed, binary);
        let mut lines = Lines::boxed(Box::new(grep));
        let outcome = self.content(opened, &mut *lines, None);
        let _ = lines.finish(&mut self.sink);
        outcome
    }

    /// Goes through a directory without following links; what is denied, or no regular file, is passed over.
    fn search_below(
        &mut self,
        grep: &mut Grep,
        directory: &Opened,
        path: &[u8],
        prefixed: bool,
        depth: usize,
    ) {
        let (entries, whole) = match directory.entries() {
            Ok(found) => found,
            Err(trouble) => return self.cannot(path, trouble),
        };
        if !whole || depth > DEEPEST {
            self.complain(&format!("{}: too large, searched in part", shown(path)), 2);
        }
        for entry in entries {
            if grep.is_done() || self.sink.enough || depth > DEEPEST {
                return;
            }
            let searched =
                matches!(entry.kind, FileType::RegularFile | FileType::Directory | FileType::Unknown);
            if !searched || self.leaves_out(&entry.name, entry.kind == FileType::Directory) {
                continue;
            }
            let below = path.strip_suffix(b"/").unwrap_or(path);
            let path = [below, b"/", entry.name.as_slice()].concat();
            let found = self.places.child(directory, &entry.name).and_then(|opened| match opened.kind() {
                FileType::Directory => {
                    self.search_below(grep, &opened, &path, prefixed, depth + 1);
                    Ok(())
                }
                FileType::RegularFile => self.search(grep, &opened, &path, prefixed),
                _ => Ok(()),
            });
            match found {
                Err(trouble @ Trouble::Failed(_)) if trouble.rule().is_none() => self.cannot(&path, trouble),
                _ => {}
            }
        }
    }

    /// By `--include`, `--exclude` and `--exclude-dir`; of several the last that matches decides.
    fn leaves_out(&self, path: &[u8], directory: bool) -> bool {
        let name = path.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty()).unwrap_or_default();
        let of_files = |it: &str| matches!(it, "--include" | "--exclude");
        let mut out = None;
        for given in &self.parsed.options {
            if if directory { given.name == "--exclude-dir" } else { of_files(given.name) } {
                let including = given.name == "--include";
                let so_far = out.unwrap_or(including);
                let pattern = given.value.as_deref().unwrap_or_default().as_bytes();
                out = Some(if glob::matches(pattern, name, false) { !including } else { so_far });
            }
        }
        out.unwrap_or(false)
    }
}

/// Hands everything on.
pub(crate) struct Through;

impl Filter for Through {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow {
        next.push(bytes)
    }

    fn finish(&mut self, _: &mut dyn Sink) -> u8 {
        0
    }
}
