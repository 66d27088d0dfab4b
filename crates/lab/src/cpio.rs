//! A writer of cpio archives in the `newc` format, which Linux unpacks as its initramfs.
//!
//! Only what an initramfs needs: directories, files, symbolic links and character devices, all owned by whom the
//! caller says. It reads nothing from the host. Format: Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`.

use std::collections::BTreeSet;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive in the making. Paths are relative to the root and without a leading slash.
#[derive(Debug, Default)]
pub(crate) struct Cpio {
    bytes: Vec<u8>,
    inode: u32,
    directories: BTreeSet<String>,
}

/// One member as the header needs it.
struct Member<'a> {
    path: &'a str,
    mode: u32,
    owner: u32,
    device: (u32, u32),
    content: &'a [u8],
}

impl Cpio {
    /// A directory; its parents are made with mode 0755 where they are missing.
    pub(crate) fn directory(&mut self, path: &str, permissions: u32, owner: u32) {
        self.parents(path);
        if self.directories.insert(path.to_owned()) {
            self.member(&Member { path, mode: DIRECTORY | permissions, owner, device: (0, 0), content: &[] });
        }
    }

    /// A regular file.
    pub(crate) fn file(&mut self, path: &str, permissions: u32, owner: u32, content: &[u8]) {
        self.parents(path);
        self.member(&Member { path, mode: REGULAR | permissions, owner, device: (0, 0), content });
    }

    /// A symbolic link at `path` that says `target`.
    pub(crate) fn link(&mut self, path: &str, target: &str) {
        self.parents(path);
        let content = target.as_bytes();
        self.member(&Member { path, mode: LINK | 0o777, owner: 0, device: (0, 0), content });
    }

    /// A character device.
    pub(crate) fn device(&mut self, path: &str, permissions: u32, major: u32, minor: u32) {
        self.parents(path);
        let device = (major, minor);
        self.member(&Member { path, mode: CHARACTER_DEVICE | permissions, owner: 0, device, content: &[] });
    }

    /// The archive. Its length is a multiple of four, so that another archive may follow it directly.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.inode = 0;
        self.member(&Member { path: "TRAILER!!!", mode: 0, owner: 0, device: (0, 0), content: &[] });
        self.bytes
    }

    fn parents(&mut self, path: &str) {
        let mut at = 0;
        while let Some(slash) = path.get(at..).and_then(|rest| rest.find('/')) {
            at += slash;
            let parent = path.get(..at).unwrap_or_default().to_owned();
            if self.directories.insert(parent.clone()) {
                self.member(&Member {
                    path: &parent,
                    mode: DIRECTORY | 0o755,
                    owner: 0,
                    device: (0, 0),
                    content: &[],
                });
            }
            at += 1;
        }
    }

    fn member(&mut self, member: &Member<'_>) {
        self.inode += 1;
        // Lengths fit: an initramfs of four gigabytes would not boot in the lab's memory either.
        let length = u32::try_from(member.content.len()).unwrap_or(u32::MAX);
        let name_length = u32::try_from(member.path.len()).unwrap_or(u32::MAX).saturating_add(1);
        let fields = [
            self.inode,
            member.mode,
            member.owner,
            member.owner,
            1,
            0,
            length,
            0,
            0,
            member.device.0,
            member.device.1,
            name_length,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(member.path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(member.content);
        self.pad();
    }

    fn pad(&mut self) {
        let padded = self.bytes.len().next_multiple_of(4);
        self.bytes.resize(padded, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::Cpio;

    #[test]
    fn writes_what_the_format_says_and_makes_parents_once() {
        let mut archive = Cpio::default();
        archive.file("etc/motd", 0o644, 1000, b"hello");
        archive.file("etc/other", 0o600, 0, b"");
        archive.link("bin", "usr/bin");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let text = String::from_utf8_lossy(&bytes);
        assert_eq!(text.matches("\u{0}hello").count(), 1);
        assert_eq!(text.matches("070701").count(), 5, "etc, motd, other, bin, trailer");
        // inode 2, regular 0644, uid and gid 1000, one link, no time, five bytes
        assert!(text.contains("07070100000002000081a4000003e8000003e800000001000000000000000500000000"));
        assert!(text.ends_with("TRAILER!!!\u{0}\u{0}\u{0}\u{0}"));
    }
}
