//! Reads a file only where nobody but root (or the very account that the guard runs as) could have changed it.
//!
//! Every directory on the way is looked at, through every symbolic link, since whoever may rename one of them may
//! put another file there. The mode bits tell for access lists too: Linux shows their mask as the group's bits.

use rustix::fs::{AtFlags, Mode, OFlags, Stat, fstat, open, readlinkat, statat};
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// No configuration is larger.
const LARGEST: usize = 256 * 1024;
/// Symbolic links followed at most, as the kernel limits them.
const MOST_LINKS: usize = 40;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// Who may own what is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Whose {
    /// Root alone: the door's account must not be able to change what it may do.
    Roots,
    /// Root, or the account that the guard runs as.
    RootsOrOwn,
}

/// Reads the file at `path` after its whole path was found trustworthy.
///
/// # Errors
/// A sentence that names the file or directory at fault and what to do about it.
pub(super) fn read_trusted(path: &Path, whose: Whose) -> Result<String, String> {
    let own = match whose {
        Whose::Roots => 0,
        Whose::RootsOrOwn => rustix::process::geteuid().as_raw(),
    };
    if !path.is_absolute() {
        return Err(format!("{}: the configuration must be named by an absolute path", path.display()));
    }
    let resolved = walk(path, own)?;
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = open(&resolved, flags, Mode::empty()).map_err(|error| unreadable(&resolved, error))?;
    let stat = fstat(&file).map_err(|error| unreadable(&resolved, error))?;
    judge(&resolved, &stat, Place::File, own)?;
    let mut text = String::with_capacity(usize::try_from(stat.st_size).unwrap_or(0).min(LARGEST) + 1);
    let mut limited = std::fs::File::from(file).take(LARGEST as u64 + 1);
    limited.read_to_string(&mut text).map_err(|error| format!("{}: {error}", resolved.display()))?;
    if text.len() > LARGEST {
        return Err(format!("{}: larger than {LARGEST} bytes", resolved.display()));
    }
    Ok(text)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Directory,
    /// What stands right inside a directory that others may write to, kept in place by its sticky bit.
    Entry,
    File,
}

/// Follows the path step by step and judges each directory before its entries are believed.
fn walk(path: &Path, own: u32) -> Result<PathBuf, String> {
    let mut todo: Vec<OsString> = steps(path);
    let mut here = PathBuf::from("/");
    let mut links = 0;
    judge_directory(&here, own)?;
    while let Some(step) = todo.pop() {
        if step == ".." {
            here.pop();
            continue;
        }
        let next = here.join(&step);
        let stat = statat(rustix::fs::CWD, &next, AtFlags::SYMLINK_NOFOLLOW)
            .map_err(|error| unreadable(&next, error))?;
        judge(&next, &stat, Place::Entry, own)?;
        match stat.st_mode & 0o170_000 {
            LINK => {
                links += 1;
                if links > MOST_LINKS {
                    return Err(format!("{}: too many symbolic links", path.display()));
                }
                let target = readlinkat(rustix::fs::CWD, &next, Vec::new())
                    .map_err(|error| unreadable(&next, error))?;
                let target = PathBuf::from(OsString::from_vec(target.into_bytes()));
                if target.is_absolute() {
                    here = PathBuf::from("/");
                }
                todo.extend(steps(&target));
            }
            DIRECTORY => {
                judge(&next, &stat, Place::Directory, own)?;
                here = next;
            }
            _ if todo.is_empty() => return Ok(next),
            _ => return Err(format!("{}: not a directory", next.display())),
        }
    }
    Ok(here)
}

/// Whether nobody but root may put something at `path`, as far as its directories are there yet.
///
/// # Errors
/// As for [`read_trusted`].
pub(super) fn judge_way(path: &Path) -> Result<(), String> {
    match path.ancestors().skip(1).find(|above| above.exists()) {
        Some(above) => walk(above, 0).and_then(|above| judge_directory(&above, 0)),
        None => Ok(()),
    }
}

/// Whether nobody but root may change the file at `path`.
///
/// # Errors
/// As for [`read_trusted`].
pub(super) fn judge_file(path: &Path) -> Result<(), String> {
    let resolved = walk(path, 0)?;
    let stat =
        statat(rustix::fs::CWD, &resolved, AtFlags::empty()).map_err(|error| unreadable(&resolved, error))?;
    judge(&resolved, &stat, Place::File, 0)
}

/// The steps of a path, last one first.
fn steps(path: &Path) -> Vec<OsString> {
    path.components()
        .rev()
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

fn judge_directory(path: &Path, own: u32) -> Result<(), String> {
    let stat = statat(rustix::fs::CWD, path, AtFlags::empty()).map_err(|error| unreadable(path, error))?;
    judge(path, &stat, Place::Directory, own)
}

fn judge(path: &Path, stat: &Stat, place: Place, own: u32) -> Result<(), String> {
    let refused = |what: &str, remedy: &str| {
        Err(format!("{} {what}: nothing that it says is believed; {remedy}", path.display()))
    };
    let owner = stat.st_uid;
    if owner != 0 && owner != own {
        return refused(&format!("belongs to user {owner}"), "`chown root:root` it");
    }
    let others_write = stat.st_mode & 0o022 != 0;
    // In a sticky directory (such as /tmp) others may add entries, but neither rename nor remove this one, whose
    // owner was just checked.
    let sticky = stat.st_mode & 0o1000 != 0;
    let wrong = match place {
        Place::Directory => others_write && !sticky,
        Place::Entry => false,
        Place::File => others_write,
    };
    if wrong {
        return refused(
            &format!("may be written to by others (mode {:04o})", stat.st_mode & 0o7777),
            "`chmod go-w` it",
        );
    }
    if place == Place::File && stat.st_mode & 0o170_000 != REGULAR {
        return refused("is no regular file", "name a regular file");
    }
    Ok(())
}

fn unreadable(path: &Path, error: rustix::io::Errno) -> String {
    format!("{}: {}", path.display(), std::io::Error::from(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn believes_only_what_others_cannot_change() {
        let scratch = tempfile::tempdir().unwrap();
        let directory = scratch.path().join("etc");
        let file = directory.join("guard.toml");
        fs::create_dir(&directory).unwrap();
        fs::write(&file, "x").unwrap();
        mode(&directory, 0o755);
        for (bits, believed) in [(0o644, true), (0o600, true), (0o664, false), (0o646, false), (0o666, false)]
        {
            mode(&file, bits);
            assert_eq!(read_trusted(&file, Whose::RootsOrOwn).is_ok(), believed, "file {bits:o}");
        }
        mode(&file, 0o644);
        for (bits, believed) in
            [(0o755, true), (0o775, false), (0o757, false), (0o777, false), (0o1777, true)]
        {
            mode(&directory, bits);
            assert_eq!(read_trusted(&file, Whose::RootsOrOwn).is_ok(), believed, "directory {bits:o}");
        }
    }

    #[test]
    fn looks_behind_symbolic_links_and_at_their_directories() {
        let scratch = tempfile::tempdir().unwrap();
        let (sound, open) = (scratch.path().join("sound"), scratch.path().join("open"));
        for directory in [&sound, &open] {
            fs::create_dir(directory).unwrap();
            mode(directory, 0o755);
            fs::write(directory.join("real"), "x").unwrap();
        }
        mode(&open, 0o777);
        symlink(open.join("real"), sound.join("to-open")).unwrap();
        symlink("real", sound.join("near")).unwrap();
        symlink(sound.join("real"), open.join("to-sound")).unwrap();
        symlink("loop", sound.join("loop")).unwrap();
        assert!(read_trusted(&sound.join("near"), Whose::RootsOrOwn).is_ok());
        assert!(read_trusted(&sound.join("to-open"), Whose::RootsOrOwn).unwrap_err().contains("open"));
        assert!(read_trusted(&open.join("to-sound"), Whose::RootsOrOwn).unwrap_err().contains("open"));
        assert!(read_trusted(&sound.join("loop"), Whose::RootsOrOwn).is_err());
        assert!(read_trusted(&sound, Whose::RootsOrOwn).is_err());
        assert!(read_trusted(&sound.join("absent"), Whose::RootsOrOwn).is_err());
    }

    #[test]
    fn never_waits_on_a_fifo() {
        let scratch = tempfile::tempdir().unwrap();
        let fifo = scratch.path().join("fifo");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &fifo,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        assert!(read_trusted(&fifo, Whose::RootsOrOwn).unwrap_err().contains("no regular file"));
    }
}
