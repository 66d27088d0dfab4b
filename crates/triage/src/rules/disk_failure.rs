//! Disk requests that fail, told by QEMU or by the guest's kernel.

use crate::case::Case;
use crate::result::{Action, Health, Wedge};
use crate::text::tame;
use crate::verdict::Verdict;
use breakglass_protocol::{ConsoleSignKind, Part, RunState, Verb};

/// QEMU holds the guest since a request failed.
pub(super) fn held(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status().filter(|status| status.state == RunState::IoError)?;
    let failed: u64 =
        status.samples.last().map_or(0, |sample| sample.disks.iter().map(|disk| disk.failed).sum());
    Some(
        Verdict::down(Wedge::DiskFailure, "Disk failure: QEMU holds the guest since a disk request failed.")
            .seen("QEMU", "io-error")
            .seen("Failed requests", failed.to_string())
            .advise(
                Action::Look,
                "The storage under the VM failed or is full. Mend that first: free space in its pool, or bring the pool \
                 back. Then press start, and QEMU repeats the request; nothing is lost.",
                "the storage is well again already: then press start at once",
            )
            .remark(Verb::Start, "repeats the failed request: right once the storage is mended")
            .remark(Verb::Cycle, "loses what the guest holds in memory, and meets the same storage")
            .remark(Verb::Reset, "leaves it held: it would need a start after it"),
    )
}

/// The guest's kernel met errors and made a file system read-only.
pub(super) fn errors(case: &Case<'_>) -> Option<Verdict> {
    let sign = case.sign(ConsoleSignKind::DiskError)?;
    let Part::Yes(filesystems) = &case.facts()?.filesystems else { return None };
    let writable_kind = |kind: &str| ["ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs"].contains(&kind);
    let turned = filesystems.iter().find(|one| one.read_only && writable_kind(&one.kind))?;
    let summary = format!("Disk failure: {} is read-only after disk errors.", tame(&turned.mount));
    Some(
        Verdict::degraded(Wedge::DiskFailure, summary)
            .seen("Disks", format!("{} on {} is read-only", tame(&turned.mount), tame(&turned.source)))
            .seen("Console", tame(&sign.line))
            .advise(
                Action::Look,
                "The disk gave errors and the kernel protects what is left. Save what you need while it can be read, \
                 mend the storage, then cycle; the boot checks the file system.",
                "it is mounted read-only on purpose and the errors are of another disk",
            )
            .seen_as("Hypervisor", "answers", Health::Good)
            .remark(Verb::Reset, "meets the same storage")
            .remark(Verb::Cycle, "opens the disk anew: right once the storage is mended"),
    )
}
