//! Landlock: a program sees the trees that it is granted, and writes nowhere.
//!
//! Trees are granted, never denied: the kernel has no other way. What lies beneath a granted tree and is denied is left
//! out by granting its siblings instead. A file that is created later beside them is not granted either.

use super::trees::{Grant, Hidden};
use crate::sys::{self, LandlockHandled};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, open, openat, statat};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

pub(super) const EXECUTE: u64 = 1;
pub(super) const WRITE: u64 = 1 << 1;
pub(super) const READ: u64 = 1 << 2;
pub(super) const LIST: u64 = 1 << 3;
pub(super) const DEVICE: u64 = 1 << 15;
/// What makes sense on something that is no directory.
const ON_FILES: u64 = EXECUTE | WRITE | READ | DEVICE;

const BIND_TCP: u64 = 1;
const CONNECT_TCP: u64 = 1 << 1;
const ABSTRACT_SOCKETS: u64 = 1;
const SIGNALS: u64 = 1 << 1;

/// More rules than this are never needed; a directory that grows without end costs no more.
const MOST_RULES: u32 = 1500;
/// How deep siblings are granted for what a denied tree lies in.
const DEEPEST: u32 = 6;

/// The version of the kernel's interface, where it has one.
pub(super) fn version() -> Option<u32> {
    sys::landlock_version().ok().filter(|version| *version > 0)
}

/// What a ruleset is about besides files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beyond {
    pub(super) connects: bool,
    pub(super) abstract_sockets: bool,
}

fn handled(version: u32, beyond: Beyond) -> (LandlockHandled, usize) {
    // Each version of the interface knows more kinds of access to files: refer, truncate, requests to devices.
    let kinds = match version {
        1 => 13,
        2 => 14,
        3 | 4 => 15,
        _ => 16,
    };
    let network = if beyond.connects { BIND_TCP } else { BIND_TCP | CONNECT_TCP };
    let scopes = if beyond.abstract_sockets { SIGNALS } else { SIGNALS | ABSTRACT_SOCKETS };
    let handled = LandlockHandled {
        files: (1 << kinds) - 1,
        network: if version >= 4 { network } else { 0 },
        scopes: if version >= 6 { scopes } else { 0 },
    };
    let fields = match version {
        ..=3 => 1,
        4 | 5 => 2,
        _ => 3,
    };
    (handled, fields)
}

/// A ruleset as it grows.
pub(super) struct Rules {
    ruleset: OwnedFd,
    handled: u64,
    left: u32,
}

impl Rules {
    /// An empty one: nothing is granted.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn new(version: u32, beyond: Beyond) -> std::io::Result<Self> {
        let (handled, fields) = handled(version, beyond);
        let ruleset = sys::landlock_ruleset(&handled, fields)?;
        Ok(Self { ruleset, handled: handled.files, left: MOST_RULES })
    }

    /// Grants access to all there is.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn whole(&mut self, access: u64) -> std::io::Result<()> {
        let root = open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
        self.allow(root.as_fd(), access)
    }

    pub(super) fn finish(self) -> OwnedFd {
        self.ruleset
    }

    /// What is not there needs no grant.
    pub(super) fn grant(&mut self, grant: &Grant<'_>, hidden: &Hidden<'_>) -> std::io::Result<()> {
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if !grant.through_links {
            flags |= OFlags::NOFOLLOW;
        }
        let Ok(at) = open(grant.path, flags, Mode::empty()) else { return Ok(()) };
        let kind = kind(at.as_fd());
        if kind == FileType::Symlink {
            return Ok(());
        }
        // Where a link leads is judged, not how it is called.
        let resolved = std::fs::read_link(format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&at)));
        let resolved = resolved.unwrap_or_else(|_| grant.path.to_owned());
        self.tree(hidden, at.as_fd(), kind, &resolved, (grant.access, DEEPEST))
    }

    fn tree(
        &mut self,
        hidden: &Hidden<'_>,
        at: BorrowedFd<'_>,
        kind: FileType,
        path: &Path,
        (access, deeper): (u64, u32),
    ) -> std::io::Result<()> {
        let bytes = path.as_os_str().as_bytes();
        if (hidden.is)(bytes) || self.left == 0 {
            return Ok(());
        }
        if kind != FileType::Directory {
            // A link inside a tree is followed by the kernel and judged where it leads.
            return if kind == FileType::Symlink { Ok(()) } else { self.allow(at, access & ON_FILES) };
        }
        if !(hidden.holds)(bytes) {
            return self.allow(at, access);
        }
        if deeper == 0 {
            return Ok(());
        }
        let Ok(directory) =
            openat(at, ".", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        else {
            return Ok(());
        };
        let mut buffer = [MaybeUninit::uninit(); 8192];
        let mut entries = RawDir::new(&directory, &mut buffer);
        while let Some(Ok(entry)) = entries.next() {
            let name: &CStr = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let Ok(child) = openat(&directory, name, flags, Mode::empty()) else { continue };
            let child_path = path.join(std::ffi::OsStr::from_bytes(name.to_bytes()));
            let kind = self::kind(child.as_fd());
            self.tree(hidden, child.as_fd(), kind, &child_path, (access, deeper - 1))?;
        }
        Ok(())
    }

    fn allow(&mut self, at: BorrowedFd<'_>, access: u64) -> std::io::Result<()> {
        let access = access & self.handled;
        if access == 0 {
            return Ok(());
        }
        self.left = self.left.saturating_sub(1);
        match sys::landlock_allow(self.ruleset.as_fd(), at, access) {
            // File systems that the kernel keeps to itself cannot be granted, and need not be.
            Err(error) if error.raw_os_error() == Some(libc::EBADFD) => Ok(()),
            other => other,
        }
    }
}

fn kind(at: BorrowedFd<'_>) -> FileType {
    statat(at, c"", AtFlags::EMPTY_PATH)
        .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode))
}
