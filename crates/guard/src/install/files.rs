//! Files and directories as install wants them: each is there whole, or as it was before.

use super::steps::{Step, Steps};
use breakglass_chain::digest;
use rustix::fs::{Gid, Mode, OFlags, Uid, chown, fchmod, fchown, open};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// User and group, by number.
pub(crate) type Owner = (u32, u32);
/// Root.
pub(crate) const ROOT: Owner = (0, 0);

pub(crate) fn said(path: &Path, error: impl std::fmt::Display) -> String {
    format!("{}: {error}", path.display())
}

/// The name under which a file is prepared beside its place. It ends in none of the endings that sshd, PAM or systemd
/// look for, so that a leftover of an interrupted install means nothing to them.
pub(crate) fn prepared(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.breakglass-new"))
}

/// Puts a whole file in its place, on the disk before it is seen.
///
/// # Errors
/// A sentence; what stood there before still stands there.
pub(crate) fn replace(path: &Path, content: &[u8], mode: u32, owner: Owner) -> Result<(), String> {
    let beside = prepared(path);
    let _ = fs::remove_file(&beside);
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = open(&beside, flags, Mode::from_raw_mode(0o600)).map_err(|error| said(&beside, error))?;
    let mut file = File::from(file);
    let written = file
        .write_all(content)
        .and_then(|()| Ok(fchown(&file, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))?))
        .and_then(|()| Ok(fchmod(&file, Mode::from_raw_mode(mode))?))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&beside, path));
    if let Err(error) = written {
        let _ = fs::remove_file(&beside);
        return Err(said(path, error));
    }
    sync_directory_of(path);
    Ok(())
}

/// A file that can't be found again after a crash was not put there; a file system that has no such call keeps order.
fn sync_directory_of(path: &Path) {
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
}

/// Whether a file is there with exactly this content, mode and owner.
fn is_so(path: &Path, content: &[u8], mode: u32, owner: Owner) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    metadata.is_file()
        && metadata.mode() & 0o7777 == mode
        && (metadata.uid(), metadata.gid()) == owner
        && fs::read(path).is_ok_and(|have| have == content)
}

/// Makes a file as it shall be, and writes down before that it is ours.
///
/// # Errors
/// A sentence; what stood there before still stands there.
pub(crate) fn file(steps: &mut Steps, path: &str, content: &[u8], mode: u32) -> Result<(), String> {
    let place = Path::new(path);
    if is_so(place, content, mode, ROOT) {
        return Ok(());
    }
    steps.note(Step::File(path.to_owned()))?;
    replace(place, content, mode, ROOT)
}

/// The same for a file whose text people edit, so that undoing it leaves what they wrote.
///
/// # Errors
/// As for [`file`].
pub(crate) fn config(steps: &mut Steps, path: &str, content: &[u8]) -> Result<(), String> {
    let place = Path::new(path);
    if is_so(place, content, 0o644, ROOT) {
        return Ok(());
    }
    steps.note(Step::Config(path.to_owned(), digest(content).to_string()))?;
    replace(place, content, 0o644, ROOT)
}

/// Makes a directory, and the ones above it as root's. One that somebody else made is left as it is.
///
/// # Errors
/// A sentence.
pub(crate) fn directory(steps: &mut Steps, path: &str, mode: u32, owner: Owner) -> Result<(), String> {
    let place = Path::new(path);
    match fs::symlink_metadata(place) {
        Ok(have) if have.is_dir() => {
            if steps.has_made(path) && (have.mode() & 0o7777 != mode || (have.uid(), have.gid()) != owner) {
                return own(place, mode, owner);
            }
            return Ok(());
        }
        Ok(_) => return Err(said(place, "is there and is no directory")),
        Err(_) => {}
    }
    if let Some(above) = place.parent().and_then(Path::to_str)
        && !Path::new(above).exists()
    {
        directory(steps, above, 0o755, ROOT)?;
    }
    // The directory of the steps themselves is made before there can be any.
    if !super::places::STEPS.starts_with(&format!("{path}/")) {
        steps.note(Step::Directory(path.to_owned()))?;
    }
    fs::DirBuilder::new().mode(0o700).create(place).map_err(|error| said(place, error))?;
    own(place, mode, owner)
}

/// A directory of root's that others may go through, without seeing what else is in it.
///
/// # Errors
/// A sentence.
pub(crate) fn passage(steps: &mut Steps, path: &str) -> Result<(), String> {
    directory(steps, path, 0o711, ROOT)?;
    let place = Path::new(path);
    let have = fs::symlink_metadata(place).map_err(|error| said(place, error))?;
    if have.uid() != 0 || have.mode() & 0o022 != 0 {
        return Err(said(
            place,
            "must be root's, and nobody else's to write to; `chown root:root` and `chmod go-w` it",
        ));
    }
    if have.mode() & 0o011 != 0o011 {
        steps.note(Step::Mode(path.to_owned(), format!("{:o}", have.mode() & 0o7777)))?;
        own(place, have.mode() & 0o7777 | 0o011, (0, have.gid()))?;
    }
    Ok(())
}

/// Gives a path to its owner, then its mode.
pub(crate) fn own(path: &Path, mode: u32, owner: Owner) -> Result<(), String> {
    chown(path, Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)))
        .map_err(|error| said(path, error))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(|error| said(path, error))
}
