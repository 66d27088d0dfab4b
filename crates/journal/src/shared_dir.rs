//! Files of the state directory that the server writes and whoever types at its machine writes too.
//!
//! The directory is the server's account's, and who types may be root: what that account left there may be a link that leads
//! somewhere else. So nothing here follows one, and what root gives to the account is a file that it has open and has looked at.

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

/// A directory whose files belong to the owner of the state directory, whoever makes them.
#[derive(Debug)]
pub struct SharedDir {
    dir: OwnedFd,
    uid: Uid,
    gid: Gid,
}

impl SharedDir {
    /// The state directory itself. Its name is the administrator's: links in it are followed.
    ///
    /// # Errors
    /// When it is not there, or is no directory.
    pub fn state(path: &Path) -> io::Result<Self> {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        let dir =
            rustix::fs::open(path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        let stat = rustix::fs::fstat(&dir)?;
        Ok(Self { dir, uid: Uid::from_raw(stat.st_uid), gid: Gid::from_raw(stat.st_gid) })
    }

    /// A directory in it, which is made for the owner alone where it is not there.
    ///
    /// # Errors
    /// When something else has that name, or it cannot be made.
    pub fn within(&self, name: &Path) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.dir, name, Mode::RWXU) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let dir = rustix::fs::openat(&self.dir, name, flags, Mode::empty()).map_err(not_ours)?;
        self.give(&dir, &rustix::fs::fstat(&dir)?);
        Ok(Self { dir, uid: self.uid, gid: self.gid })
    }

    /// A file to append to and to read, made with these permissions where it is not there.
    ///
    /// # Errors
    /// When something else than a file of its own has that name, or it cannot be opened.
    pub fn append(&self, name: &str, permissions: u32) -> io::Result<File> {
        self.open(name, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE, permissions)
    }

    /// A new, empty file in place of whatever has that name.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(&self, name: &str, permissions: u32) -> io::Result<File> {
        match rustix::fs::unlinkat(&self.dir, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        self.open(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL, permissions)
    }

    /// A file to read.
    ///
    /// # Errors
    /// When it is not there, or something else than a file of its own has that name.
    pub fn read(&self, name: &str) -> io::Result<File> {
        self.open(name, OFlags::RDONLY, 0)
    }

    /// Gives a file of it another name of it, in place of whatever has that.
    ///
    /// # Errors
    /// What the system says.
    pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.dir, from, &self.dir, to)?)
    }

    fn open(&self, name: &str, flags: OFlags, permissions: u32) -> io::Result<File> {
        // A pipe of that name must not hold whoever opens it.
        let flags = flags | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file =
            rustix::fs::openat(&self.dir, name, flags, Mode::from_raw_mode(permissions)).map_err(not_ours)?;
        let stat = rustix::fs::fstat(&file)?;
        // A second name may be one in a place that the account may not write to.
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_nlink > 1 {
            return Err(not_ours(Errno::LOOP));
        }
        self.give(&file, &stat);
        Ok(file.into())
    }

    /// What root made belongs to the account that has to be able to write to it. For anybody else this does nothing.
    fn give(&self, what: &OwnedFd, stat: &Stat) {
        if stat.st_uid == 0 && !self.uid.is_root() {
            let _not_root = rustix::fs::fchown(what, Some(self.uid), Some(self.gid));
        }
    }
}

/// The system's words for a link are about levels of links.
fn not_ours(error: Errno) -> io::Error {
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::NXIO => io::Error::other(
            "something else has its name there, a link perhaps; look at it and move it aside",
        ),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, chown, symlink};

    const ACCOUNT: u32 = 65_534;

    /// A state directory of another account, and a file of root's elsewhere. Nothing where the tests do not run as root.
    fn places() -> Option<(tempfile::TempDir, tempfile::TempDir)> {
        let (state, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(elsewhere.path().join("roots"), "kept").unwrap();
        if chown(state.path(), Some(ACCOUNT), Some(ACCOUNT)).is_err() {
            println!("skipped: only root gives files away");
            return None;
        }
        Some((state, elsewhere))
    }

    #[test]
    fn what_root_makes_belongs_to_the_owner_of_the_state() {
        let Some((state, _)) = places() else { return };
        let shared = SharedDir::state(state.path()).unwrap();
        shared.append("list", 0o644).unwrap();
        shared.within(Path::new("spool")).unwrap().append("spool.jsonl", 0o600).unwrap();
        for path in ["list", "spool", "spool/spool.jsonl"] {
            assert_eq!(fs::metadata(state.path().join(path)).unwrap().uid(), ACCOUNT, "{path}");
        }
    }

    #[test]
    fn nothing_that_lies_elsewhere_is_written_given_away_or_made() {
        let Some((state, elsewhere)) = places() else { return };
        let shared = SharedDir::state(state.path()).unwrap();
        let theirs = elsewhere.path().join("roots");
        symlink(&theirs, state.path().join("link")).unwrap();
        symlink(elsewhere.path().join("new"), state.path().join("dangling")).unwrap();
        fs::hard_link(&theirs, state.path().join("second")).unwrap();
        symlink(elsewhere.path(), state.path().join("spool")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, state.path().join("pipe"), FileType::Fifo, Mode::RWXU, 0)
            .unwrap();
        for name in ["link", "dangling", "second", "pipe"] {
            let error = shared.append(name, 0o644).unwrap_err();
            assert!(error.to_string().contains("something else has its name"), "{name}: {error}");
        }
        assert!(shared.within(Path::new("spool")).is_err());
        // What takes a name's place does not go through it.
        for name in ["link", "dangling", "second"] {
            shared.make(name, 0o644).unwrap();
        }
        let meta = fs::metadata(&theirs).unwrap();
        assert_eq!((meta.uid(), meta.size(), meta.nlink()), (0, 4, 1));
        assert_eq!(fs::metadata(elsewhere.path()).unwrap().uid(), 0);
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 1);
    }
}
