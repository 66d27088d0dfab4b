//! `find`: a walk that follows no link and passes over what is denied.

mod expression;

use super::calendar;
use super::facts::{letter, mode_text};
use super::files::{Run, harmless, shown};
use super::sink::Sink;
use super::status::filled;
use super::text::DEEPEST;
use super::users::Names;
use crate::diag::places::{Last, Opened, Trouble, kind};
use expression::{Expression, Test};
use rustix::fs::{FileType, Statx};

/// What is at hand while an expression is evaluated.
pub(super) struct Visit<'visit> {
    pub(super) path: &'visit [u8],
    /// As the starting point was typed.
    start: &'visit [u8],
    depth: usize,
    pub(super) stat: Statx,
    /// Of the directory that it stands in; a starting point stands in none.
    parent: Option<&'visit Opened>,
    itself: Option<&'visit Opened>,
}

/// What holds for the whole walk.
struct Walk {
    expression: Expression,
    least: usize,
    most: usize,
    one_device: bool,
    now: i64,
    names: Names,
    quit: bool,
}

impl Run<'_> {
    pub(crate) fn find(&mut self) {
        let parsed = self.parsed;
        let depth = |name: &str, default: usize| match parsed.value(name) {
            Some(text) => super::amount::plain(text).and_then(|depth| usize::try_from(depth).ok()),
            None => Some(default),
        };
        let mut names = Names::default();
        let (expression, least, most) = match (
            Expression::new(self, &mut names),
            depth("-mindepth", 0),
            depth("-maxdepth", usize::MAX),
        ) {
            (Ok(expression), Some(least), Some(most)) => (expression, least, most),
            (Err(message), ..) => return self.complain(&message, 1),
            _ => return self.complain("expected a positive number for -mindepth or -maxdepth", 1),
        };
        for given in parsed.options.iter().filter(|it| matches!(it.name, "-path" | "-ipath" | "-wholename")) {
            // A question after what stands below a denied place, however it is asked.
            let asked = given.value.as_deref().unwrap_or_default();
            let plain = asked.find(['*', '?', '[', '\\']).and_then(|at| asked.get(..at)).unwrap_or(asked);
            if let Err(trouble) = self.places.judge(plain.as_bytes()) {
                return self.trouble(&shown(plain.as_bytes()), trouble, 1);
            }
        }
        let mut walk = Walk {
            expression,
            least,
            most,
            one_device: parsed.has("-xdev") || parsed.has("-mount"),
            now: rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec,
            names,
            quit: false,
        };
        for path in self.paths(&parsed.operands) {
            match self.places.open(&path, Last::Itself) {
                Ok(opened) => {
                    let visit = Visit {
                        path: &path,
                        start: &path,
                        depth: 0,
                        stat: opened.stat,
                        parent: None,
                        itself: Some(&opened),
                    };
                    self.visit(&mut walk, &visit);
                }
                Err(trouble) => self.cannot(&path, trouble),
            }
            if walk.quit || self.sink.enough {
                return;
            }
        }
    }

    fn visit(&mut self, walk: &mut Walk, visit: &Visit<'_>) {
        let mut pruned = false;
        if visit.depth >= walk.least {
            let root = walk.expression.root;
            let holds = self.holds(walk, root, visit, &mut pruned);
            if holds && !walk.expression.acts {
                self.emit(visit.path, b'\n');
            }
        }
        let stop = walk.quit || pruned || self.sink.enough || visit.depth >= walk.most;
        if stop || kind(&visit.stat) != FileType::Directory {
            return;
        }
        let opened;
        let directory = match (visit.itself, visit.parent) {
            (Some(itself), _) => itself,
            (None, Some(parent)) => {
                let name = visit.path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
                match self.places.child(parent, name) {
                    Ok(found) => {
                        opened = found;
                        &opened
                    }
                    Err(trouble) => return self.pass_over(visit.path, trouble),
                }
            }
            (None, None) => return,
        };
        let (entries, whole) = match directory.entries() {
            Ok(found) => found,
            Err(trouble) => return self.cannot(visit.path, trouble),
        };
        if !whole || visit.depth > DEEPEST {
            self.complain(&format!("{}: too large, searched in part", shown(visit.path)), 1);
        }
        if visit.depth > DEEPEST {
            return;
        }
        let below = visit.path.strip_suffix(b"/").unwrap_or(visit.path);
        for entry in entries {
            let path = [below, b"/", entry.name.as_slice()].concat();
            let stat = match self.places.entry(directory, &entry.name) {
                Ok(stat) => stat,
                Err(trouble) => {
                    self.pass_over(&path, trouble);
                    continue;
                }
            };
            let device = |stat: &Statx| (stat.stx_dev_major, stat.stx_dev_minor);
            if walk.one_device
                && device(&stat) != device(&directory.stat)
                && kind(&stat) != FileType::Directory
            {
                continue;
            }
            let child = Visit {
                path: &path,
                start: visit.start,
                depth: visit.depth + 1,
                stat,
                parent: Some(directory),
                itself: None,
            };
            if walk.one_device && device(&stat) != device(&directory.stat) {
                // The place where another file system begins is named, and not entered.
                let most = std::mem::replace(&mut walk.most, child.depth);
                self.visit(walk, &child);
                walk.most = most;
            } else {
                self.visit(walk, &child);
            }
            if walk.quit || self.sink.enough {
                return;
            }
        }
    }

    /// What is denied is passed over in silence: a search is not a way to ask what there is.
    fn pass_over(&mut self, path: &[u8], trouble: Trouble) {
        if trouble.rule().is_none() {
            self.cannot(path, trouble);
        }
    }

    fn emit(&mut self, path: &[u8], end: u8) {
        let mut line = harmless(path);
        line.push(end);
        let _ = self.sink.push(&line);
    }

    fn holds(&mut self, walk: &mut Walk, node: usize, visit: &Visit<'_>, pruned: &mut bool) -> bool {
        let Some(test) = walk.expression.tests.get(node).cloned() else { return true };
        match test {
            Test::Not(inner) => !self.holds(walk, inner, visit, pruned),
            Test::And(a, b) => {
                self.holds(walk, a, visit, pruned) && !walk.quit && self.holds(walk, b, visit, pruned)
            }
            Test::Or(a, b) => {
                self.holds(walk, a, visit, pruned) || walk.quit || self.holds(walk, b, visit, pruned)
            }
            Test::Print(end) => {
                self.emit(visit.path, end);
                true
            }
            Test::Format(format) => {
                let names = &mut walk.names;
                let text =
                    filled(&format, true, &mut |letter, second| self.value(visit, letter, second, names));
                let _ = self.sink.push(&text);
                true
            }
            Test::Ls => {
                let line = self.ls_line(visit, &mut walk.names, walk.now);
                let _ = self.sink.push(line.as_bytes());
                self.emit_rest(visit);
                true
            }
            Test::Prune => {
                *pruned = true;
                true
            }
            Test::Quit => {
                walk.quit = true;
                true
            }
            Test::Empty => match kind(&visit.stat) {
                FileType::RegularFile => visit.stat.stx_size == 0,
                FileType::Directory => self.is_empty(visit),
                _ => false,
            },
            Test::NoUser => walk.names.user(visit.stat.stx_uid).is_none(),
            Test::NoGroup => walk.names.group(visit.stat.stx_gid).is_none(),
            plain => plain.holds(visit, walk.now),
        }
    }

    fn is_empty(&self, visit: &Visit<'_>) -> bool {
        let count = |opened: &Opened| opened.entries().is_ok_and(|(entries, _)| entries.is_empty());
        match (visit.itself, visit.parent) {
            (Some(itself), _) => count(itself),
            (None, Some(parent)) => {
                self.places.child(parent, visit.name()).is_ok_and(|opened| count(&opened))
            }
            (None, None) => false,
        }
    }

    fn target(&self, visit: &Visit<'_>) -> Vec<u8> {
        if kind(&visit.stat) != FileType::Symlink {
            return Vec::new();
        }
        let target = match (visit.itself, visit.parent) {
            (Some(itself), _) => itself.target().ok(),
            (None, Some(parent)) => {
                self.places.child(parent, visit.name()).and_then(|opened| opened.target()).ok()
            }
            (None, None) => None,
        };
        harmless(&target.unwrap_or_default())
    }

    fn ls_line(&self, visit: &Visit<'_>, names: &mut Names, now: i64) -> String {
        let stat = &visit.stat;
        let user = names.user(stat.stx_uid).map_or_else(|| stat.stx_uid.to_string(), str::to_owned);
        let group = names.group(stat.stx_gid).map_or_else(|| stat.stx_gid.to_string(), str::to_owned);
        let size = match kind(stat) {
            FileType::CharacterDevice | FileType::BlockDevice => {
                format!("{:3}, {:3}", stat.stx_rdev_major, stat.stx_rdev_minor)
            }
            _ => format!("{:8}", stat.stx_size),
        };
        let time = calendar::listed(&stat.stx_mtime, now, None);
        let (inode, blocks, links) = (stat.stx_ino, stat.stx_blocks.div_ceil(2), stat.stx_nlink);
        format!("{inode:9} {blocks:6} {} {links:3} {user:<8} {group:<8} {size} {time} ", mode_text(stat))
    }

    fn emit_rest(&mut self, visit: &Visit<'_>) {
        let mut line = harmless(visit.path);
        let target = self.target(visit);
        if !target.is_empty() {
            line.extend_from_slice(b" -> ");
            line.extend(target);
        }
        line.push(b'\n');
        let _ = self.sink.push(&line);
    }

    /// A letter of `-printf`.
    fn value(&self, visit: &Visit<'_>, letter_asked: u8, second: u8, names: &mut Names) -> Option<Vec<u8>> {
        let stat = &visit.stat;
        let base = || {
            let path = visit.path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(visit.path);
            path.iter()
                .rposition(|byte| *byte == b'/')
                .filter(|_| path.len() > 1)
                .map_or((&b""[..], path), |at| {
                    (path.get(..at).unwrap_or_default(), path.get(at + 1..).unwrap_or_default())
                })
        };
        let text = match (letter_asked, second) {
            (b'p', 0) => return Some(harmless(visit.path)),
            (b'f', 0) => return Some(harmless(base().1)),
            (b'h', 0) => return Some(harmless(base().0)),
            (b'H', 0) => return Some(harmless(visit.start)),
            (b'P', 0) => {
                let below = visit.path.strip_prefix(visit.start).unwrap_or_default();
                return Some(harmless(below.strip_prefix(b"/").unwrap_or(below)));
            }
            (b'l', 0) => return Some(self.target(visit)),
            (b's', 0) => stat.stx_size.to_string(),
            (b'b', 0) => stat.stx_blocks.to_string(),
            (b'k', 0) => stat.stx_blocks.div_ceil(2).to_string(),
            (b'd', 0) => visit.depth.to_string(),
            (b'D', 0) => super::facts::device(stat.stx_dev_major, stat.stx_dev_minor).to_string(),
            (b'i', 0) => stat.stx_ino.to_string(),
            (b'n', 0) => stat.stx_nlink.to_string(),
            (b'm', 0) => format!("{:o}", stat.stx_mode & 0o7777),
            (b'M', 0) => mode_text(stat),
            (b'u', 0) => names.user(stat.stx_uid).map_or_else(|| stat.stx_uid.to_string(), str::to_owned),
            (b'g', 0) => names.group(stat.stx_gid).map_or_else(|| stat.stx_gid.to_string(), str::to_owned),
            (b'U', 0) => stat.stx_uid.to_string(),
            (b'G', 0) => stat.stx_gid.to_string(),
            (b'y', 0) => letter(kind(stat), 'f').to_string(),
            (b't', 0) => calendar::lettered(&stat.stx_mtime, b'c')?,
            (b'a', 0) => calendar::lettered(&stat.stx_atime, b'c')?,
            (b'c', 0) => calendar::lettered(&stat.stx_ctime, b'c')?,
            (b'T', 1..) => calendar::lettered(&stat.stx_mtime, second)?,
            (b'A', 1..) => calendar::lettered(&stat.stx_atime, second)?,
            (b'C', 1..) => calendar::lettered(&stat.stx_ctime, second)?,
            _ => return None,
        };
        Some(text.into_bytes())
    }
}

impl Visit<'_> {
    /// Its last component.
    pub(super) fn name(&self) -> &[u8] {
        let path = self.path.strip_suffix(b"/").filter(|path| !path.is_empty()).unwrap_or(self.path);
        if path == b"/" { path } else { path.rsplit(|byte| *byte == b'/').next().unwrap_or(path) }
    }
}
