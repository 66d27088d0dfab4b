//! It was started a moment ago and need not answer yet.

use crate::case::Case;
use crate::result::{Action, Health};
use crate::verdict::Verdict;
use breakglass_protocol::{RunState, Verb};

pub(super) fn booting(case: &Case<'_>) -> Option<Verdict> {
    let starts =
        |state: &RunState| matches!(state, RunState::Running | RunState::Prelaunch | RunState::Unknown);
    case.status().filter(|status| starts(&status.state))?;
    let seconds = case
        .booting_seconds()
        .filter(|_| case.no_banner() || !matches!(case.login, crate::case::Login::NoDoor))?;
    Some(
        Verdict::unnamed(Health::Unknown, format!("Booting for {seconds} s."))
            .seen("Boot", format!("began {seconds} s ago"))
            .advise(
                Action::Wait,
                format!("It began to boot {seconds} s ago; most machines answer within a minute."),
                "the minute is over and it still does not answer: then look again",
            )
            .remark(Verb::Reset, "would begin the boot anew")
            .remark(Verb::Cycle, "would begin the boot anew")
            .remark(Verb::Start, "it is running already"),
    )
}
