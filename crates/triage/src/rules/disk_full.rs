//! A file system without space or inodes.

use crate::case::Case;
use crate::result::{Action, Wedge};
use crate::text::{ROOT_PREFIX, percent, size, tame};
use crate::verdict::Verdict;
use breakglass_protocol::{Filesystem, Verb};

/// Less than this share is full…
const FULL_PERCENT: f64 = 1.0;
/// …unless that is still more than this: a hundredth of a large disk is a lot.
const FULL_KIB: u64 = 64 * 1024;

pub(super) fn full(case: &Case<'_>) -> Option<Verdict> {
    let no_space = case.sync.iter().find(|probe| probe.error.as_deref().is_some_and(says_full));
    let filesystems = case.facts().and_then(|facts| facts.filesystems.value());
    let mut writable = filesystems.into_iter().flatten().filter(|one| !one.read_only);
    if let Some(one) = writable.clone().find(|one| lacks_space(one)) {
        let free = size(one.available_kib.unwrap_or(0));
        return Some(conclude(
            &one.mount,
            &format!("{free} of {} left", size(one.size_kib.unwrap_or(0))),
            false,
        ));
    }
    if let Some(one) = writable.find(|one| lacks_inodes(one)) {
        let free = one.inodes_free.unwrap_or(0);
        return Some(conclude(
            &one.mount,
            &format!("{free} of {} inodes left", one.inodes.unwrap_or(0)),
            true,
        ));
    }
    no_space.map(|probe| conclude(&probe.mount, "a small file could not be written: no space left", false))
}

/// Whether the words of an error mean that there is no space.
fn says_full(error: &str) -> bool {
    let error = error.to_lowercase();
    ["no space", "enospc", "quota", "disk full"].iter().any(|words| error.contains(words))
}

fn lacks_space(one: &Filesystem) -> bool {
    match (one.available_kib, one.size_kib) {
        (Some(available), Some(size)) => {
            size > 0 && available < FULL_KIB && percent(available, size) < FULL_PERCENT
        }
        _ => false,
    }
}

/// Some file systems make inodes as they need them and report none.
fn lacks_inodes(one: &Filesystem) -> bool {
    match (one.inodes_free, one.inodes) {
        (Some(free), Some(all)) => all > 0 && percent(free, all) < FULL_PERCENT,
        _ => false,
    }
}

fn conclude(mount: &str, left: &str, inodes: bool) -> Verdict {
    let named = tame(mount);
    let look = if is_plain(mount) {
        // Stays on that file system, and only looks.
        let what = if inodes { "--inodes " } else { "" };
        Action::Run(format!("{ROOT_PREFIX}du -x {what}-d 2 {mount}"))
    } else {
        Action::Run("df -k".to_owned())
    };
    Verdict::degraded(Wedge::DiskFull, format!("Disk full: {named} has {left}."))
        .seen("Disks", format!("{named}: {left}"))
        .advise(
            look,
            format!(
                "It shows what fills {named}; what may go is for a person to say, so nothing is deleted."
            ),
            "something writes faster than you can delete: then stop that first (see the busiest processes)",
        )
        .remark(Verb::Reset, "a full disk stays full")
        .remark(Verb::Cycle, "a full disk stays full; a staged larger disk would be applied")
}

/// Whether a mount point can stand in a command line as it is. The name comes from the guest.
fn is_plain(mount: &str) -> bool {
    mount.starts_with('/') && mount.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b))
}
