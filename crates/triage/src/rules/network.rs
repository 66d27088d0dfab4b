//! The guest runs and no packet gets through.

use crate::case::Case;
use crate::charge::nothing_in_charge;
use crate::result::{Action, Health, Wedge};
use crate::text::stretch;
use crate::verdict::Verdict;
use breakglass_protocol::{ConsoleSignKind, Verb};

/// Above this the guest's kernel may as well spin: a panic or a lockup that nobody wrote down.
const SPINNING_PERCENT: f64 = 75.0;

pub(super) fn dead(case: &Case<'_>) -> Option<Verdict> {
    let flow = case.flow();
    let spins = flow.is_some_and(|flow| {
        flow.wanted_percent >= SPINNING_PERCENT && case.busier_than_usual(flow.wanted_percent)
    });
    let writes = flow.is_some_and(|flow| flow.writes > 0);
    let other_sign = case.sign(ConsoleSignKind::Panic).or_else(|| case.sign(ConsoleSignKind::Lockup));
    let silent = case.no_banner() && case.kernel_answers() == Some(false) && case.running();
    // Without counters nothing says that the guest lives at all.
    if !silent || flow.is_none() || other_sign.is_some() || (spins && !writes) {
        return None;
    }
    let alive = match flow {
        Some(flow) if flow.writes > 0 => {
            format!("{} completed in {}: the guest works", flow.writes, stretch(flow.millis))
        }
        _ => "none in two samples: it may be idle".to_owned(),
    };
    let console = if case.console_is_kept() { "no panic, no lockup" } else { "not kept" };
    Some(
        Verdict::down(Wedge::NetworkDead, "Network dead: the guest runs, and no packet comes back from it.")
            .seen("SSH", "no banner")
            .seen("Unused port", "silent, where the kernel would refuse")
            .seen_as("Guest writes", alive, if writes { Health::Good } else { Health::Unknown })
            .seen_as("Console", console, if case.console_is_kept() { Health::Good } else { Health::Unknown })
            .advise(
                Action::Press(Verb::Reset),
                "Nobody can get in to mend its network; a reset boots it, and the boot sets the network up.",
                format!(
                    "the network between here and the target is what failed: then other machines on it are silent too. \
                     Also wrong while a backup or migration runs ({})",
                    nothing_in_charge(case)
                ),
            )
            .remark(Verb::Stop, "the guest still hears the power button: it shuts down in order, and stays off")
            .remark(Verb::Cycle, "helps too, and gives it a fresh network device: right if a reset does not help"),
    )
}
