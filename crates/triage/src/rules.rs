//! The rules in their order: the first that applies names what is wrong.
//!
//! The order is the reasoning. What the hypervisor holds comes first, since nothing that is seen of a held guest means
//! anything. Then what explains other symptoms comes before what it would be mistaken for: a panic silences SSH, lack
//! of memory and a stalled disk both drive the load up. What is seen only from outside comes last, behind the rule
//! that a machine which has just been started need not answer yet.

mod block_stall;
mod booting;
mod disk_failure;
mod disk_full;
mod held;
mod load;
mod memory;
mod network;
mod off;
mod panic;
mod qemu;
mod sshd;

use crate::case::Case;
use crate::verdict::Verdict;

/// One rule: its name for tests, and what it says of a case.
pub(crate) type Rule = (&'static str, fn(&Case<'_>) -> Option<Verdict>);

/// All rules.
pub(crate) const RULES: [Rule; 18] = [
    // What the hypervisor itself says.
    ("QEMU does not answer", qemu::unresponsive),
    ("powered off", off::powered_off),
    ("held on purpose", held::on_purpose),
    ("held by a task", held::by_a_task),
    ("paused", held::paused),
    ("held since a disk request failed", disk_failure::held),
    ("held by an error inside QEMU", qemu::internal_error),
    ("panicked", panic::panicked),
    // What the inside tells, or the kernel's last words.
    ("out of memory", memory::exhausted),
    ("writes never complete", block_stall::seen_inside),
    ("disk errors", disk_failure::errors),
    ("file system full", disk_full::full),
    ("more work than processors", load::seen_inside),
    // What only silence tells.
    ("booting", booting::booting),
    ("quiet against its own normal", block_stall::seen_outside),
    ("no processor left to answer", load::seen_outside),
    ("no SSH server", sshd::dead),
    ("no network", network::dead),
];

/// What the rules say: the first that applies.
pub(crate) fn first(case: &Case<'_>) -> Option<Verdict> {
    RULES.iter().find_map(|(_, rule)| rule(case))
}
