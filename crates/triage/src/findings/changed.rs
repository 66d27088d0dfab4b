//! What was changed inside a short while ago. Nothing is concluded from it.

use super::tell;
use crate::case::Case;
use crate::result::{Finding, Health};
use crate::text::{stretch, tame};
use breakglass_protocol::{Change, ChangeKind, Facts, Part};

/// Of one kind; the newest are told.
const TOLD: usize = 6;

pub(super) fn look(case: &Case<'_>, facts: &Facts, findings: &mut Vec<Finding>) {
    let changes = match &facts.changes {
        Part::Yes(changes) => changes,
        Part::TimedOut => return tell(findings, "Changes", "did not answer in time", Health::Unknown),
        Part::No(why) => {
            return tell(findings, "Changes", format!("not seen: {}", tame(why)), Health::Unknown);
        }
    };
    if changes.is_empty() {
        let seen = "nothing that packages, units, configuration or log-ins show";
        return tell(findings, "Changes", seen, Health::Good);
    }
    // How long ago is counted by the clock that stamped them.
    let now = facts.clock.value().map_or(case.at, |clock| clock.at);
    for kind in ChangeKind::ALL {
        let of_kind: Vec<&Change> = changes.iter().filter(|change| change.kind == kind).collect();
        let told = of_kind.iter().take(TOLD);
        let told =
            told.map(|change| format!("{} {} ago", tame(&change.what), stretch(now.millis_since(change.at))));
        let mut seen = told.collect::<Vec<_>>().join("; ");
        if of_kind.len() > TOLD {
            seen.push_str(&format!("; and {} more", of_kind.len() - TOLD));
        }
        if !seen.is_empty() {
            tell(findings, label(kind), seen, Health::Good);
        }
    }
}

const fn label(kind: ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Package => "Packages",
        ChangeKind::Unit => "Units",
        ChangeKind::Configuration => "Configuration",
        ChangeKind::Login => "Log-ins",
    }
}
