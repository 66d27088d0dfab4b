//! Which files may be looked at: each is opened once, by a descriptor that reads nothing, and judged on what was opened.
//!
//! The order is the argument. What was typed is judged first, so that a denied name is never touched. Then the file is
//! opened with `O_PATH`, which runs no driver's code (opening `/dev/watchdog` arms a reboot, opening a FIFO waits). Then
//! come its kind and number of names, then its location as the kernel knows it, then its mount (held in place by the very
//! descriptor), and from that every other path by which the host's mounts reach it. All of them are judged; one denial is
//! enough. Only then that same descriptor is opened for reading, never the name again.
//!
//! It does not judge content: that is the redactor's.

mod mounts;
mod refuse;

use super::denied::{denied, opened, pseudo_allowed};
use super::policy::DiagPolicy;
pub(crate) use refuse::Trouble;
use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, RawDir, ResolveFlags, Statx, StatxFlags, fstatfs, openat2,
    readlinkat, statx,
};
use rustix::io::Errno;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::OsStr;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

/// Names of one directory that are held at most; beyond, the listing says that it is cut.
pub(crate) const MOST_ENTRIES: usize = 200_000;

/// Verdicts that are remembered.
const MOST_JUDGED: usize = 8;

/// What package managers and boot loaders fill: there files with several names are common, all of them public.
const MANAGED: &str = "usr nix/store gnu/store bin sbin lib lib64 boot snap";

/// File systems that are the kernel speaking: of them only what is listed is read.
const PSEUDO: &[u32] = &[
    0x9fa0,
    0x6265_6572,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xde5e_81e4,
    0xcafe_4a11,
    0x6265_6570,
    0x0027_e0eb,
    0x6367_7270,
    0xf97c_ff8c,
    0x4249_4e4d,
    0x1980_0202,
    0x6e73_6673,
    0x6573_5543,
    0x6165_676c,
    0x0765_5821,
    0x6e66_7364,
    0x6759_6969,
    0x1cd1,
    0x4341_5d53,
    0x6265_6572,
    0x5049_5045,
    0x534f_434b,
    0x7461_636f,
];
const PROC: u32 = 0x9fa0;

/// Whether the last component is followed where it is a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Last {
    Followed,
    Itself,
}

/// Judges by one policy.
pub(crate) struct Places<'policy> {
    pub(crate) policy: &'policy DiagPolicy,
    /// The last paths and what was found of them: on its way each is judged two or three times.
    judged: RefCell<VecDeque<(Vec<u8>, Option<&'static str>)>>,
}

/// Something that was opened, unread, and that nothing denies.
pub(crate) struct Opened {
    fd: OwnedFd,
    pub(crate) stat: Statx,
    /// Where it lies, then every other path by which it is reached.
    names: Vec<Vec<u8>>,
}

/// One name of a directory.
pub(crate) struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: FileType,
}

impl<'policy> Places<'policy> {
    pub(crate) fn new(policy: &'policy DiagPolicy) -> Self {
        Self { policy, judged: RefCell::default() }
    }

    /// Opens what an absolute path leads to.
    ///
    /// # Errors
    /// `Refused` by a rule, or `Failed` by the kernel.
    pub(crate) fn open(&self, path: &[u8], last: Last) -> Result<Opened, Trouble> {
        if path.first() != Some(&b'/') {
            return Err(Trouble::Relative);
        }
        self.judge(&without_climbing(path))?;
        let mut flags = OFlags::PATH | OFlags::CLOEXEC;
        if last == Last::Itself {
            flags |= OFlags::NOFOLLOW;
        }
        let fd = openat2(CWD, OsStr::from_bytes(path), flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)?;
        self.located(fd)
    }

    /// Opens one entry of an opened directory, which is not followed where it is a link.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn child(&self, directory: &Opened, name: &[u8]) -> Result<Opened, Trouble> {
        let names = self.child_names(directory, name)?;
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let here = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
        let name = OsStr::from_bytes(name);
        match openat2(&directory.fd, name, flags, Mode::empty(), here | ResolveFlags::NO_XDEV) {
            // Within one mount the names of a directory are those of its entries.
            Ok(fd) => Ok(Opened { stat: look(fd.as_fd())?, fd, names }),
            Err(Errno::XDEV) => self.located(openat2(&directory.fd, name, flags, Mode::empty(), here)?),
            Err(error) => Err(error.into()),
        }
    }

    /// What is known of an entry without opening it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub(crate) fn entry(&self, directory: &Opened, name: &[u8]) -> Result<Statx, Trouble> {
        self.child_names(directory, name)?;
        let found = statx(
            &directory.fd,
            OsStr::from_bytes(name),
            AtFlags::SYMLINK_NOFOLLOW | AtFlags::NO_AUTOMOUNT,
            wanted(),
        )?;
        if found.stx_mnt_id == directory.stat.stx_mnt_id {
            Ok(found)
        } else {
            Ok(self.child(directory, name)?.stat)
        }
    }

    fn child_names(&self, directory: &Opened, name: &[u8]) -> Result<Vec<Vec<u8>>, Trouble> {
        if name == b".." {
            return Err(Trouble::Denied("it climbs"));
        }
        let names: Vec<Vec<u8>> = directory.names.iter().map(|above| join(above, name)).collect();
        for name in &names {
            self.judge(name)?;
        }
        Ok(names)
    }

    /// Finds out where an opened thing lies, and judges that. Its number of names is taken before its location: a name
    /// that is taken away in between then shows as ` (deleted)`.
    fn located(&self, fd: OwnedFd) -> Result<Opened, Trouble> {
        let stat = look(fd.as_fd())?;
        let path = readlinkat(CWD, own(fd.as_raw_fd()), Vec::new())?.into_bytes();
        if path.first() != Some(&b'/') || path.ends_with(b" (deleted)") || stat.stx_nlink == 0 {
            return Err(Trouble::Denied("where it lies cannot be told"));
        }
        let names = mounts::names_of(&path, stat.stx_mnt_id)
            .ok_or(Trouble::Denied("where it lies cannot be told"))?;
        for name in &names {
            self.judge(name)?;
        }
        Ok(Opened { fd, stat, names })
    }

    /// One path, as typed or as found.
    ///
    /// # Errors
    /// `Denied`, with the reason.
    pub(crate) fn judge(&self, path: &[u8]) -> Result<(), Trouble> {
        let mut judged = self.judged.borrow_mut();
        let known = judged.iter().find(|(before, _)| before == path).map(|(_, why)| *why);
        let why = known.unwrap_or_else(|| {
            let why = denied(self.policy, path);
            judged.truncate(MOST_JUDGED - 1);
            judged.push_front((path.to_vec(), why));
            why
        });
        why.map_or(Ok(()), |why| Err(Trouble::Denied(why)))
    }

    /// Opens for reading what was opened before, and that very thing.
    ///
    /// # Errors
    /// `Refused` where it is not a regular file, where it has names that nobody can know, or where it is a kernel's
    /// entry that is not listed; `Failed` by the kernel.
    pub(crate) fn read(&self, opened_before: &Opened) -> Result<File, Trouble> {
        let (stat, path) = (&opened_before.stat, opened_before.path());
        match opened_before.kind() {
            FileType::RegularFile => {}
            FileType::Directory => return Err(Trouble::Failed(Errno::ISDIR)),
            FileType::Symlink => return Err(Trouble::Failed(Errno::LOOP)),
            _ => return Err(Trouble::Special),
        }
        let kernel = opened_before.file_system()?;
        if PSEUDO.contains(&kernel) || under(path, b"/proc") || under(path, b"/sys") {
            let listed =
                opened_before.names.iter().all(|name| pseudo_allowed(name) || opened(self.policy, name));
            if !listed {
                return Err(Trouble::Unlisted);
            }
        } else if stat.stx_nlink > 1 && !(stat.stx_uid == 0 && managed(path)) {
            return Err(Trouble::SeveralNames);
        } else if stat.stx_nlink == 1 {
            // The kernel's own file systems have no aliases to wait for.
            self.settled(opened_before)?;
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        // The one magic link that is ever followed: the guard's own, to what it has just judged.
        let fd = rustix::fs::open(own(opened_before.fd.as_raw_fd()), flags, Mode::empty())?;
        let again = look(fd.as_fd())?;
        if identity(&again) != identity(stat) || again.stx_mode & 0o170_000 != stat.stx_mode & 0o170_000 {
            return Err(Trouble::Denied("it changed while it was opened"));
        }
        Ok(File::from(fd))
    }

    /// Waits until no rename or removal is under way in the directory of a file that had one name, and looks again. While
    /// one name of a file takes another's place, the kernel has counted the name off but still shows it: for that moment
    /// an alias of a secret looks like a file of its own. The directory is locked meanwhile, and a look-up of a name that
    /// was never asked for waits for that lock.
    fn settled(&self, opened: &Opened) -> Result<(), Trouble> {
        const CHANGED: Trouble = Trouble::Denied("it changed while it was opened");
        let path = opened.path();
        let slash = path.iter().rposition(|byte| *byte == b'/').ok_or(CHANGED)?;
        let (parent, name) =
            (path.get(..slash).unwrap_or_default(), path.get(slash + 1..).unwrap_or_default());
        let parent = if parent.is_empty() { b"/" } else { parent };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let plain = ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS;
        let directory = openat2(CWD, OsStr::from_bytes(parent), flags, Mode::empty(), plain)?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let never = format!(".breakglass-{}-{}-{}", std::process::id(), now.tv_sec, now.tv_nsec);
        let entry = |name: &OsStr| statx(&directory, name, AtFlags::SYMLINK_NOFOLLOW, wanted());
        if entry(OsStr::new(&never)).is_ok()
            || identity(&entry(OsStr::from_bytes(name))?) != identity(&opened.stat)
        {
            return Err(CHANGED);
        }
        let again = readlinkat(CWD, own(opened.fd.as_raw_fd()), Vec::new())?.into_bytes();
        let stat = look(opened.fd.as_fd())?;
        match (again == path, stat.stx_nlink) {
            (true, 1) => Ok(()),
            (true, 2..) => Err(Trouble::SeveralNames),
            _ => Err(CHANGED),
        }
    }
}

impl Opened {
    /// Where it lies.
    pub(crate) fn path(&self) -> &[u8] {
        self.names.first().map_or(b"/", Vec::as_slice)
    }

    pub(crate) fn kind(&self) -> FileType {
        kind(&self.stat)
    }

    /// The target of a link, which is shown and not followed. Those of procfs lead into other processes and say nothing.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn target(&self) -> Result<Vec<u8>, Trouble> {
        if self.file_system()? == PROC && self.path().iter().filter(|byte| **byte == b'/').count() > 2 {
            return Err(Trouble::Unlisted);
        }
        Ok(readlinkat(&self.fd, c"", Vec::new())?.into_bytes())
    }

    /// The names of a directory as the kernel gives them, without `.` and `..`; whether all of them.
    ///
    /// # Errors
    /// What the kernel says.
    pub(crate) fn entries(&self) -> Result<(Vec<Entry>, bool), Trouble> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let fd = rustix::fs::open(own(self.fd.as_raw_fd()), flags, Mode::empty())?;
        if identity(&look(fd.as_fd())?) != identity(&self.stat) {
            return Err(Trouble::Denied("it changed while it was opened"));
        }
        let mut found = Vec::new();
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut entries = RawDir::new(fd, buffer.spare_capacity_mut());
        while let Some(entry) = entries.next() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            if found.len() == MOST_ENTRIES {
                return Ok((found, false));
            }
            found.push(Entry { name: name.to_vec(), kind: entry.file_type() });
        }
        Ok((found, true))
    }

    fn file_system(&self) -> Result<u32, Trouble> {
        // The magic numbers are 32 bits wide; the field is a word.
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the numbers are 32 bits wide"
        )]
        Ok(fstatfs(&self.fd)?.f_type as u32)
    }
}

/// The kind of a thing by its mode.
pub(crate) fn kind(stat: &Statx) -> FileType {
    FileType::from_raw_mode(u32::from(stat.stx_mode))
}

fn wanted() -> StatxFlags {
    StatxFlags::BASIC_STATS | StatxFlags::BTIME | StatxFlags::MNT_ID
}

fn look(fd: BorrowedFd<'_>) -> Result<Statx, Trouble> {
    let stat = statx(fd, c"", AtFlags::EMPTY_PATH, wanted())?;
    // Without it (before Linux 5.8) an alias by a bind mount could not be told.
    let known = stat.stx_mask & StatxFlags::MNT_ID.bits() != 0;
    if known { Ok(stat) } else { Err(Trouble::Failed(Errno::NOSYS)) }
}

fn identity(stat: &Statx) -> (u32, u32, u64) {
    (stat.stx_dev_major, stat.stx_dev_minor, stat.stx_ino)
}

fn own(fd: i32) -> String {
    format!("/proc/self/fd/{fd}")
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = directory.to_vec();
    if path.last() != Some(&b'/') {
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// Whether the path is this directory or lies below it.
fn under(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
}

fn managed(path: &[u8]) -> bool {
    let below = |directory: &str| path.get(1..).is_some_and(|path| under(path, directory.as_bytes()));
    MANAGED.split(' ').any(below) && !under(path, b"/usr/local")
}

/// The path without `.` and `..`, as a reader who knows no links understands it; what it really leads to is judged later.
fn without_climbing(path: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in path.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let mut plain = b"/".to_vec();
    plain.extend(parts.join(&b'/'));
    plain
}

#[cfg(test)]
mod tests;
