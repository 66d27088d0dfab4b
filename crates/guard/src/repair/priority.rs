//! Priority for a repair: what it takes to still run where everything thrashes. Nothing is refused because
//! something could not be raised.

use crate::power::{own_cgroup, remove_empty_cgroups, spare_from_oom};

/// Niceness: ahead of everything that has the usual one, behind what the kernel needs.
const NICENESS: i32 = -10;
/// Out-of-memory score: spared as long as anything else can go. Not -1000: a repair that eats all memory must be endable.
const OOM_SCORE: i32 = -800;

/// Raises this process, and so all that it starts; whether the kernel let it.
pub(super) fn raise() -> bool {
    let nice = rustix::process::setpriority_process(None, NICENESS).is_ok();
    spare_from_oom(OOM_SCORE);
    weigh_most();
    nice
}

/// A control group of its own with the largest weight, where the kernel has such groups and no systemd keeps them.
fn weigh_most() {
    remove_empty_cgroups();
    let Some(own) = own_cgroup(&format!("repair-{}", std::process::id())) else {
        return;
    };
    // Each controller must be handed down on the way; one that this kernel does not have is done without.
    for above in own.ancestors().skip(1).take(2) {
        for controller in ["+cpu", "+io"] {
            let _ = std::fs::write(above.join("cgroup.subtree_control"), controller);
        }
    }
    for weight in ["cpu.weight", "io.weight"] {
        let _ = std::fs::write(own.join(weight), "10000");
    }
}
