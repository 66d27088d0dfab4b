//! What is known of a file without its content, in the forms that `ls`, `stat` and `find` share.

use rustix::fs::{FileType, Statx};

/// `-rwxr-xr-x`
pub(crate) fn mode_text(stat: &Statx) -> String {
    let mode = stat.stx_mode;
    let mut text = String::with_capacity(10);
    text.push(letter(crate::diag::places::kind(stat), '-'));
    for (shift, special, exec_letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = mode >> shift;
        text.push(if bits & 4 != 0 { 'r' } else { '-' });
        text.push(if bits & 2 != 0 { 'w' } else { '-' });
        text.push(match (bits & 1 != 0, mode & special != 0) {
            (true, true) => exec_letter,
            (false, true) => exec_letter.to_ascii_uppercase(),
            (true, false) => 'x',
            (false, false) => '-',
        });
    }
    text
}

/// The letter of a kind; that of a regular file differs between the tools.
pub(crate) fn letter(kind: FileType, regular: char) -> char {
    match kind {
        FileType::RegularFile => regular,
        FileType::Directory => 'd',
        FileType::Symlink => 'l',
        FileType::Fifo => 'p',
        FileType::Socket => 's',
        FileType::CharacterDevice => 'c',
        FileType::BlockDevice => 'b',
        FileType::Unknown => '?',
    }
}

/// The kind in words.
pub(crate) fn kind_text(stat: &Statx) -> &'static str {
    match crate::diag::places::kind(stat) {
        FileType::RegularFile if stat.stx_size == 0 => "regular empty file",
        FileType::RegularFile => "regular file",
        FileType::Directory => "directory",
        FileType::Symlink => "symbolic link",
        FileType::Fifo => "fifo",
        FileType::Socket => "socket",
        FileType::CharacterDevice => "character special file",
        FileType::BlockDevice => "block special file",
        FileType::Unknown => "weird file",
    }
}

/// The device number as one, as the C library puts it together.
pub(crate) fn device(major: u32, minor: u32) -> u64 {
    rustix::fs::makedev(major, minor)
}

/// `4.0K`, `12M`: rounded up, as `ls -h` does.
pub(crate) fn human(size: u64, base: u64) -> String {
    let mut unit = 1u128;
    let (size, base) = (u128::from(size), u128::from(base));
    let mut letters = if base == 1000 { "kMGTPE" } else { "KMGTPE" }.chars();
    let mut letter = None;
    loop {
        // Less than ten is shown with one digit more.
        let tenths = (size * 10).div_ceil(unit);
        if letter.is_some() && tenths < 100 {
            return format!("{}.{}{}", tenths / 10, tenths % 10, letter.unwrap_or_default());
        }
        let whole = size.div_ceil(unit);
        if whole < base {
            return letter.map_or_else(|| whole.to_string(), |letter: char| format!("{whole}{letter}"));
        }
        unit *= base;
        letter = letters.next();
        if letter.is_none() {
            return whole.to_string();
        }
    }
}
