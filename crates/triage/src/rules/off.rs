//! The VM is off.

use crate::case::Case;
use crate::result::{Action, Wedge};
use crate::text::tame;
use crate::verdict::Verdict;
use breakglass_protocol::{Outcome, RunState, Verb};

pub(super) fn powered_off(case: &Case<'_>) -> Option<Verdict> {
    let status = case.status()?;
    match &status.state {
        RunState::Stopped => {}
        // The guest powered itself off and QEMU was told to stay.
        RunState::Other(word) if word == "shutdown" => return Some(shut_down_inside()),
        _ => return None,
    }
    let last = status.last_operation.as_ref();
    let asked = last.filter(|last| last.verb == Verb::Stop && last.outcome == Some(Outcome::Done));
    let half_way =
        last.filter(|last| last.verb == Verb::Cycle && last.outcome != Some(Outcome::Done) && !last.running);
    let verdict = match (asked, half_way) {
        (Some(stop), _) => {
            let who = format!("{} from {} at {}", tame(&stop.key), tame(&stop.source), stop.accepted.time_of_day());
            Verdict::down(Wedge::Off, format!("Powered off: key {who} asked for it."))
                .seen("Operation", format!("stop, by {who}"))
                .advise(
                    Action::Press(Verb::Start),
                    "It was stopped in order, so its disk is clean and a start is all it takes.",
                    format!("whoever used key {} wants it to stay off", tame(&stop.key)),
                )
        }
        (None, Some(cycle)) => Verdict::down(Wedge::Off, "Powered off: a cycle ended before its start.")
            .seen("Operation", format!("cycle, {}", tame(&cycle.message)))
            .advise(
                Action::Press(Verb::Start),
                "The process is gone, so nothing else writes to its disk.",
                "the cycle stopped where it did for a reason: read its last message first",
            ),
        (None, None) => Verdict::down(Wedge::Off, "Powered off: there is no QEMU process.").advise(
            Action::Press(Verb::Start),
            "No process has its disk, so it can be started; nothing is lost by that.",
            "its owner shut it down inside, or somebody moved it to another host. No stop through this door was seen",
        ),
    };
    Some(
        verdict
            .seen("QEMU", "no process")
            .remark(Verb::Cycle, "starts it too; there is nothing to stop")
            .remark(Verb::Reset, "there is no process to reset")
            .remark(Verb::Stop, "it is off already"),
    )
}

fn shut_down_inside() -> Verdict {
    Verdict::down(Wedge::Off, "Powered off: the guest shut itself down, and its QEMU process stayed.")
        .seen("QEMU", "shutdown")
        .advise(
            Action::Press(Verb::Cycle),
            "The guest has ended in order; only a fresh process runs it again.",
            "its owner shut it down on purpose",
        )
        .remark(Verb::Start, "the old process is in the way: use cycle")
}
