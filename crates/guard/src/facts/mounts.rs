//! Which file systems lie on a disk: read from the kernel's mount table, without touching any of them.

use crate::capture::kernel_text::read;
use serde::{Deserialize, Serialize};
use std::io;

/// Types that keep their data on a disk of this machine.
const ON_DISK: [&str; 15] = [
    "ext2", "ext3", "ext4", "xfs", "btrfs", "vfat", "exfat", "f2fs", "jfs", "nilfs2", "bcachefs", "zfs",
    "ntfs3", "reiserfs", "fuseblk",
];

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mount {
    /// Where.
    pub(crate) mount: String,
    /// From what.
    pub(crate) source: String,
    /// Its type.
    pub(crate) kind: String,
    /// Its device number, `major:minor`.
    pub(crate) device: String,
    /// Whether it is read-only, here or altogether.
    pub(crate) read_only: bool,
}

/// How full a file system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) size_kib: u64,
    pub(crate) available_kib: u64,
    pub(crate) inodes: u64,
    pub(crate) inodes_free: u64,
}

/// The file systems on disks, each once. Empty where the mount table cannot be read.
pub(crate) fn disk_mounts() -> Vec<Mount> {
    parse(&read("/proc/self/mountinfo", 1 << 20).unwrap_or_default())
}

/// Asks a file system how full it is. **May hang** with it.
///
/// # Errors
/// What the operating system says.
pub(crate) fn usage(mount: &str) -> io::Result<Usage> {
    let seen = rustix::fs::statvfs(mount)?;
    let kib = |blocks: u64| {
        u64::try_from(u128::from(blocks) * u128::from(seen.f_frsize) / 1024).unwrap_or(u64::MAX)
    };
    Ok(Usage {
        size_kib: kib(seen.f_blocks),
        available_kib: kib(seen.f_bavail),
        inodes: seen.f_files,
        inodes_free: seen.f_ffree,
    })
}

/// A file system that is mounted in several places counts once, at the place that shows its own root; a place that
/// shows a single file of it, as containers have them, only where there is no other.
fn parse(table: &str) -> Vec<Mount> {
    let mut found: Vec<(Mount, bool)> = Vec::new();
    for line in table.lines() {
        let Some((mount, whole)) = parse_line(line) else { continue };
        match found.iter_mut().find(|(known, _)| known.device == mount.device || known.source == mount.source)
        {
            None => found.push((mount, whole)),
            Some(known) if whole && !known.1 => *known = (mount, whole),
            Some(_) => {}
        }
    }
    found.into_iter().map(|(mount, _)| mount).collect()
}

/// `27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard` (proc(5)); any number of fields before the dash.
fn parse_line(line: &str) -> Option<(Mount, bool)> {
    let (front, back) = line.split_once(" - ")?;
    let mut front = front.split(' ').skip(2);
    let (device, root, mount, options) = (front.next()?, front.next()?, front.next()?, front.next()?);
    let mut back = back.split(' ');
    let (kind, source, of_all) = (back.next()?, unescape(back.next()?), back.next().unwrap_or_default());
    if !ON_DISK.contains(&kind) || !(source.starts_with("/dev/") || kind == "zfs") {
        return None;
    }
    let read_only = [options, of_all].iter().any(|all| all.split(',').any(|option| option == "ro"));
    let (device, kind) = (device.to_owned(), kind.to_owned());
    Some((Mount { mount: unescape(mount), source, kind, device, read_only }, root == "/"))
}

/// The table writes blank, tab, line break and backslash as three octal digits.
fn unescape(text: &str) -> String {
    let mut plain = text.to_owned();
    for (octal, character) in [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")] {
        plain = plain.replace(octal, character);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_lies_on_a_disk() {
        for (table, expected) in [
            ("22 27 0:21 / /proc rw,relatime - proc proc rw", &[][..]),
            ("27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard", &["/ rw"]),
            ("27 1 254:0 / / rw shared:1 master:2 - ext4 /dev/root ro", &["/ ro"]),
            ("27 1 254:0 / / ro - xfs /dev/mapper/a-b rw", &["/ ro"]),
            ("27 1 0:50 / / rw - overlay overlay rw,lowerdir=/dev/x", &[]),
            ("27 1 7:1 / /snap/core rw - squashfs /dev/loop1 ro", &[]),
            ("27 1 0:44 / /tank rw - zfs tank rw", &["/tank rw"]),
            ("27 1 8:1 / /mnt/a\\040b rw - ext4 /dev/sda1 rw", &["/mnt/a b rw"]),
            (
                "1 1 8:1 /etc/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n2 1 8:1 / /data rw - ext4 /dev/sda1 rw\n3 1 8:1 / /again rw - ext4 /dev/sda1 rw",
                &["/data rw"],
            ),
            (
                "1 1 0:30 /@ / rw - btrfs /dev/sda2 rw\n2 1 0:31 /@home /home rw - btrfs /dev/sda2 rw",
                &["/ rw"],
            ),
            ("nonsense\n1 2 3 - ext4\n - - -", &[]),
        ] {
            let found: Vec<String> = parse(table)
                .into_iter()
                .map(|m| format!("{} {}", m.mount, if m.read_only { "ro" } else { "rw" }))
                .collect();
            assert_eq!(found, expected, "{table}");
        }
    }
}
