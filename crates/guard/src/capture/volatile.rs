//! Where small files go that must not touch a disk, since a disk that hangs is what we look for.

use rustix::fs::{FileType, Mode, statfs};
use std::path::{Path, PathBuf};

/// `f_type` of tmpfs and ramfs (statfs(2)).
const IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// A directory of ours in memory for the markers of probes that run.
pub(crate) fn marker_dir() -> PathBuf {
    let dir = volatile_dir("breakglass-guard", 0o700).join("sync-probe");
    let _ = rustix::fs::mkdir(&dir, Mode::from_raw_mode(0o700));
    dir
}

/// A directory of ours in memory for screens. QEMU's user may pass through it to the file that was made for it.
pub(super) fn screen_dir() -> PathBuf {
    volatile_dir("breakglass-guard-screen", 0o711)
}

/// The directory of that name, made where it is missing: under `/run`, or under `/dev/shm` on a host whose `/run` lies
/// on a disk; a bare system may have neither, but always has devices. That none can be had shows when it is used.
fn volatile_dir(name: &str, mode: u32) -> PathBuf {
    let under = |base: &str| Path::new(base).join(name);
    let mut bases = ["/run", "/dev/shm", "/dev"].into_iter();
    let base = bases.find(|base| is_in_memory(base) && is_ours(&under(base), mode)).unwrap_or("/run");
    under(base)
}

/// Makes the directory, and says whether nobody else can have made it or write to it: `/dev/shm` is open to all.
fn is_ours(dir: &Path, mode: u32) -> bool {
    let mode = Mode::from_raw_mode(mode);
    if rustix::fs::mkdir(dir, mode).is_ok() {
        // The umask took away what others may do.
        let _ = rustix::fs::chmod(dir, mode);
    }
    rustix::fs::lstat(dir).is_ok_and(|seen| {
        FileType::from_raw_mode(seen.st_mode) == FileType::Directory
            && seen.st_uid == rustix::process::geteuid().as_raw()
            && seen.st_mode & 0o022 == 0
    })
}

fn is_in_memory(path: &str) -> bool {
    statfs(path).is_ok_and(|seen| u64::try_from(seen.f_type).is_ok_and(|kind| IN_MEMORY.contains(&kind)))
}
