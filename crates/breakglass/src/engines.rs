//! The engines that this server has: what `[agent]` of the fleet file names, made from crate `agents`.

use breakglass_fleet::Fleet;
use breakglass_recovery::turn::Engines;

/// The engines in the fleet's order, and what their agents are told. None yet: a turn is answered that no agent is
/// configured.
pub(crate) fn engines(_fleet: &Fleet) -> Engines {
    Engines::default()
}
