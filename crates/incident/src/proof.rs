//! What was found at a door that was tried: what must work, what must be refused, and the words for it.

use crate::RowKind;
use crate::words::{Told, duration};
use breakglass_triage::Health;
use serde::{Deserialize, Serialize};

/// What was found at one door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Proof {
    /// The door's name in the fleet file.
    pub door: String,
    /// `power`, `diag` or `repair`.
    pub kind: String,
    /// Whether all that was tried held, and all of it was tried.
    pub proven: bool,
    /// What was tried, in this order.
    pub trials: Vec<Trial>,
    /// What a person does about it; empty where all held.
    pub next: String,
}

/// One thing that was tried at a door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Trial {
    /// What should be so, such as "a plain shell command is refused".
    pub what: String,
    /// Whether it was seen to be so.
    pub held: bool,
    /// What was seen instead, or what is worth knowing; empty where there is nothing to add.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seen: String,
}

impl Proof {
    /// What did not hold, in a sentence fragment; `None` where the door was proven.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        if self.proven {
            return None;
        }
        let failed = self.trials.iter().find(|trial| !trial.held);
        Some(failed.map_or_else(
            || "nothing was seen".to_owned(),
            |trial| format!("not so: {} ({})", trial.what, trial.seen),
        ))
    }
}

/// The row of one run at one target.
pub(crate) fn tell(target: &str, doors: &[Proof], millis: u64) -> Told {
    let failed = doors.iter().filter(|proof| !proof.proven).count();
    let sentence = match (doors.len(), failed) {
        (1, 0) => format!("The one door of {target} was proven."),
        (n, 0) => format!("All {n} doors of {target} were proven."),
        (n, failed) => format!("{failed} of {n} doors of {target} were not proven."),
    };
    let mut told = Told::new(RowKind::Observed, "canary", sentence)
        .and(format!("It took {}.", duration(millis)))
        .health(if failed == 0 { Health::Good } else { Health::Down });
    told.detail.extend(doors.iter().map(|proof| match proof.failure() {
        None => {
            let held: Vec<&str> = proof.trials.iter().map(|trial| trial.what.as_str()).collect();
            format!("{} ({}): {}", proof.door, proof.kind, held.join(", "))
        }
        Some(failure) => format!("{} ({}): {failure}. {}", proof.door, proof.kind, proof.next),
    }));
    told
}
