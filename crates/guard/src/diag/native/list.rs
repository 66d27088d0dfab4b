//! `ls`.

use super::calendar;
use super::facts::{human, letter, mode_text};
use super::files::{Run, harmless, shown};
use super::sink::Sink;
use super::text::DEEPEST;
use super::users::Names;
use super::version;
use crate::diag::places::{Last, Opened, Trouble, kind};
use crate::sorted::sort_by;
use rustix::fs::{FileType, Statx};
use std::cmp::Ordering;

/// Something to be listed.
struct Item {
    name: Vec<u8>,
    kind: FileType,
    /// It is a directory, or leads to one.
    directory: bool,
    /// Missing where it was not needed, or where it is denied.
    stat: Option<Statx>,
    target: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    Name,
    None,
    Time,
    Size,
    Version,
    Extension,
}

/// How the listing looks.
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub(crate) struct Listing {
    long: bool,
    owner: bool,
    group: bool,
    numeric: bool,
    inode: bool,
    blocks: bool,
    human: Option<u64>,
    order: Order,
    reverse: bool,
    directories_first: bool,
    time: u8,
    style: Option<String>,
    mark: Option<bool>,
    slash: bool,
    now: i64,
    names: Names,
}

impl Run<'_> {
    pub(crate) fn ls(&mut self) {
        let parsed = self.parsed;
        let has = |name: &str| parsed.has(name);
        let value = |name: &str| parsed.value(name).map(str::to_owned);
        let long = ["-l", "-g", "-o", "--numeric-uid-gid", "--full-time"].into_iter().any(has);
        let time = match (value("--time").as_deref(), has("-c"), has("-u")) {
            (Some("atime" | "access" | "use"), _, _) | (None, false, true) => b'a',
            (Some("ctime" | "status"), _, _) | (None, true, _) => b'c',
            _ => b'm',
        };
        let mut order = match value("--sort").as_deref() {
            Some("none") => Order::None,
            Some("size") => Order::Size,
            Some("time") => Order::Time,
            Some("version") => Order::Version,
            Some("extension") => Order::Extension,
            _ if time != b'm' && !long => Order::Time,
            _ => Order::Name,
        };
        for given in &parsed.options {
            order = match given.name {
                "-t" => Order::Time,
                "-S" => Order::Size,
                "-U" => Order::None,
                "-v" => Order::Version,
                "-X" => Order::Extension,
                _ => continue,
            };
        }
        let mut listing = Listing {
            long,
            owner: !has("-g"),
            group: !has("-o") && !has("--no-group"),
            numeric: has("--numeric-uid-gid"),
            inode: has("--inode"),
            blocks: has("--size"),
            human: if has("--si") { Some(1000) } else { has("--human-readable").then_some(1024) },
            order,
            reverse: has("--reverse"),
            directories_first: has("--group-directories-first"),
            time,
            style: if has("--full-time") { Some("full-iso".to_owned()) } else { value("--time-style") },
            mark: if has("--classify") { Some(true) } else { has("--file-type").then_some(false) },
            slash: has("-p"),
            now: rustix::time::clock_gettime(rustix::time::ClockId::Realtime).tv_sec,
            names: Names::default(),
        };
        self.listed(&mut listing);
    }

    fn listed(&mut self, listing: &mut Listing) {
        let paths = self.paths(&self.parsed.operands);
        let as_itself = self.parsed.has("--directory");
        let several = paths.len() > 1 || self.parsed.has("--recursive");
        let (mut files, mut directories) = (Vec::new(), Vec::new());
        for path in paths {
            match self.operand(listing, &path, as_itself) {
                Ok(opened) => {
                    let item = item(path, opened.kind(), Some(opened.stat), opened.target().ok());
                    if opened.kind() == FileType::Directory && !as_itself {
                        directories.push((item, opened));
                    } else {
                        files.push(item);
                    }
                }
                Err(trouble) => self.cannot(&path, trouble),
            }
        }
        listing.sort(&mut files);
        let mut first = files.is_empty();
        if !first {
            self.print(listing, &files);
        }
        if listing.order != Order::None {
            sort_by(&mut directories, |(a, _), (b, _)| listing.compare(a, b));
        }
        for (item, opened) in directories {
            if self.sink.enough {
                return;
            }
            self.directory(listing, &opened, &item.name, (several, &mut first), 0);
        }
    }

    fn operand(&self, listing: &Listing, path: &[u8], as_itself: bool) -> Result<Opened, Trouble> {
        let opened = self.places.open(path, Last::Itself)?;
        if opened.kind() == FileType::Symlink && !listing.long && !as_itself && listing.mark.is_none() {
            match self.places.open(path, Last::Followed) {
                Ok(led) if led.kind() == FileType::Directory => return Ok(led),
                Err(trouble @ Trouble::Denied(_)) => return Err(trouble),
                _ => {}
            }
        }
        Ok(opened)
    }

    fn directory(
        &mut self,
        listing: &mut Listing,
        directory: &Opened,
        path: &[u8],
        header: (bool, &mut bool),
        depth: usize,
    ) {
        let (several, first) = header;
        let (entries, whole) = match directory.entries() {
            Ok(found) => found,
            Err(trouble) => {
                return self.trouble(
                    &format!("cannot open directory '{}'", shown(path)),
                    trouble,
                    if depth == 0 { 2 } else { 1 },
                );
            }
        };
        if several {
            let gap = if *first { "" } else { "\n" };
            let _ = self.sink.push(format!("{gap}{}:\n", shown(path)).as_bytes());
        }
        *first = false;
        let (all, almost) = (self.parsed.has("--all"), self.parsed.has("--almost-all"));
        let mut items = Vec::new();
        if all {
            items.push(item(b".".to_vec(), FileType::Directory, Some(directory.stat), None));
            let above = [path, b"/.."].concat();
            let above = self.places.open(&above, Last::Followed).ok().map(|opened| opened.stat);
            items.push(item(b"..".to_vec(), FileType::Directory, above, None));
        }
        for entry in entries {
            if entry.name.first() == Some(&b'.') && !all && !almost {
                continue;
            }
            // A name is shown even where nothing else of the entry may be known.
            let stat =
                if listing.needs_stat() { self.places.entry(directory, &entry.name).ok() } else { None };
            let kind = stat.as_ref().map_or(entry.kind, kind);
            let target = if listing.long && kind == FileType::Symlink && stat.is_some() {
                self.places.child(directory, &entry.name).and_then(|link| link.target()).ok()
            } else {
                None
            };
            let mut item = item(entry.name, kind, stat, target);
            if listing.directories_first && kind == FileType::Symlink {
                let path = [path, b"/", item.name.as_slice()].concat();
                let led = self.places.open(&path, Last::Followed);
                item.directory = led.is_ok_and(|led| led.kind() == FileType::Directory);
            }
            items.push(item);
        }
        listing.sort(&mut items);
        if listing.long || listing.blocks {
            let total: u64 =
                items.iter().filter_map(|item| item.stat.as_ref()).map(|stat| stat.stx_blocks).sum();
            let _ = self.sink.push(format!("total {}\n", listing.blocks_text(total)).as_bytes());
        }
        self.print(listing, &items);
        if !whole {
            self.complain(&format!("{}: too many entries, listed in part", shown(path)), 1);
        }
        if !self.parsed.has("--recursive") {
            return;
        }
        if depth > DEEPEST {
            return self.complain(&format!("{}: too deep", shown(path)), 1);
        }
        for item in items
            .iter()
            .filter(|item| item.kind == FileType::Directory && item.name != b"." && item.name != b"..")
        {
            if self.sink.enough {
                return;
            }
            if let Ok(below) = self.places.child(directory, &item.name) {
                let path = [path.strip_suffix(b"/").unwrap_or(path), b"/", &item.name].concat();
                self.directory(listing, &below, &path, (true, &mut *first), depth + 1);
            }
        }
    }

    fn print(&mut self, listing: &mut Listing, items: &[Item]) {
        let rows: Vec<Vec<(String, bool)>> = items.iter().map(|item| listing.columns(item)).collect();
        let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns)
            .map(|at| {
                rows.iter().filter_map(|row| row.get(at)).map(|(text, _)| text.len()).max().unwrap_or(0)
            })
            .collect();
        for (item, row) in items.iter().zip(&rows) {
            let mut line = Vec::new();
            for ((text, left), width) in row.iter().zip(&widths) {
                let cell = if *left { format!("{text:<width$} ") } else { format!("{text:>width$} ") };
                line.extend_from_slice(cell.as_bytes());
            }
            line.extend_from_slice(&harmless(&item.name));
            if let (true, Some(target)) = (listing.long, &item.target) {
                line.extend_from_slice(b" -> ");
                line.extend_from_slice(&harmless(target));
            } else {
                line.extend_from_slice(listing.mark(item).as_bytes());
            }
            line.push(b'\n');
            let _ = self.sink.push(&line);
            if self.sink.enough {
                return;
            }
        }
    }
}

fn item(name: Vec<u8>, kind: FileType, stat: Option<Statx>, target: Option<Vec<u8>>) -> Item {
    Item { name, kind, directory: kind == FileType::Directory, stat, target }
}

impl Listing {
    fn needs_stat(&self) -> bool {
        self.long
            || self.inode
            || self.blocks
            || self.mark == Some(true)
            || matches!(self.order, Order::Time | Order::Size)
    }

    fn sort(&self, items: &mut Vec<Item>) {
        if self.order != Order::None {
            sort_by(items, |a, b| self.compare(a, b));
        } else if self.directories_first {
            // As they come otherwise: unsorted backwards is unsorted too.
            let (mut all, files): (Vec<_>, Vec<_>) =
                std::mem::take(items).into_iter().partition(|item| item.directory);
            all.extend(files);
            *items = all;
        }
    }

    fn compare(&self, a: &Item, b: &Item) -> Ordering {
        if self.directories_first {
            let file = |item: &Item| !item.directory;
            let order = file(a).cmp(&file(b));
            if order != Ordering::Equal {
                return order;
            }
        }
        let time =
            |item: &Item| item.stat.as_ref().map(|stat| self.time_of(stat)).map(|it| (it.tv_sec, it.tv_nsec));
        let size = |item: &Item| item.stat.as_ref().map(|stat| stat.stx_size);
        fn ending(item: &Item) -> &[u8] {
            item.name
                .iter()
                .rposition(|byte| *byte == b'.')
                .and_then(|at| item.name.get(at..))
                .unwrap_or_default()
        }
        let order = match self.order {
            Order::None => return Ordering::Equal,
            Order::Name => Ordering::Equal,
            Order::Time => time(b).cmp(&time(a)),
            Order::Size => size(b).cmp(&size(a)),
            Order::Version => version::compare(&a.name, &b.name),
            Order::Extension => ending(a).cmp(ending(b)),
        };
        let order = order.then_with(|| a.name.cmp(&b.name));
        if self.reverse { order.reverse() } else { order }
    }

    fn time_of<'stat>(&self, stat: &'stat Statx) -> &'stat rustix::fs::StatxTimestamp {
        match self.time {
            b'a' => &stat.stx_atime,
            b'c' => &stat.stx_ctime,
            _ => &stat.stx_mtime,
        }
    }

    fn blocks_text(&self, blocks: u64) -> String {
        match self.human {
            Some(base) => human(blocks * 512, base),
            None => blocks.div_ceil(2).to_string(),
        }
    }

    /// The columns before the name, and which stand left.
    fn columns(&mut self, item: &Item) -> Vec<(String, bool)> {
        let unknown = || "?".to_owned();
        let stat = item.stat.as_ref();
        let mut columns = Vec::new();
        if self.inode {
            columns.push((stat.map_or_else(unknown, |stat| stat.stx_ino.to_string()), false));
        }
        if self.blocks {
            columns.push((stat.map_or_else(unknown, |stat| self.blocks_text(stat.stx_blocks)), false));
        }
        if !self.long {
            return columns;
        }
        let Some(stat) = stat else {
            columns.push((format!("{}?????????", letter(item.kind, '-')), true));
            columns.push((unknown(), false));
            columns.extend((0..u8::from(self.owner) + u8::from(self.group)).map(|_| (unknown(), true)));
            columns.extend([(unknown(), false), (unknown(), false)]);
            return columns;
        };
        columns.push((mode_text(stat), true));
        columns.push((stat.stx_nlink.to_string(), false));
        if self.owner {
            let name = if self.numeric { None } else { self.names.user(stat.stx_uid) };
            columns
                .push(name.map_or_else(|| (stat.stx_uid.to_string(), false), |name| (name.to_owned(), true)));
        }
        if self.group {
            let name = if self.numeric { None } else { self.names.group(stat.stx_gid) };
            columns
                .push(name.map_or_else(|| (stat.stx_gid.to_string(), false), |name| (name.to_owned(), true)));
        }
        let size = match (kind(stat), self.human) {
            (FileType::CharacterDevice | FileType::BlockDevice, _) => {
                format!("{}, {}", stat.stx_rdev_major, stat.stx_rdev_minor)
            }
            (_, Some(base)) => human(stat.stx_size, base),
            _ => stat.stx_size.to_string(),
        };
        columns.push((size, false));
        columns.push((calendar::listed(self.time_of(stat), self.now, self.style.as_deref()), false));
        columns
    }

    fn mark(&self, item: &Item) -> &'static str {
        let executable = item.stat.as_ref().is_some_and(|stat| stat.stx_mode & 0o111 != 0);
        match (item.kind, self.mark) {
            (FileType::Directory, mark) if self.slash || mark.is_some() => "/",
            (FileType::Symlink, Some(_)) => "@",
            (FileType::Fifo, Some(_)) => "|",
            (FileType::Socket, Some(_)) => "=",
            (FileType::RegularFile, Some(true)) if executable => "*",
            _ => "",
        }
    }
}
