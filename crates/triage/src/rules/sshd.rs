//! The SSH server is gone or stuck, while the kernel answers.

use crate::case::Case;
use crate::charge::nothing_in_charge;
use crate::evidence::Reach;
use crate::result::{Action, Health, Wedge};
use crate::text::ROOT_PREFIX;
use crate::verdict::Verdict;
use breakglass_protocol::Verb;

pub(super) fn dead(case: &Case<'_>) -> Option<Verdict> {
    if !case.no_banner() || case.kernel_answers() != Some(true) || !(case.running() || case.inside_works()) {
        return None;
    }
    let gone = matches!(case.reach, Reach::Closed);
    let (summary, ssh) = if gone {
        ("SSH server dead: the kernel answers, and nothing listens on its port.", "refused or closed at once")
    } else {
        (
            "SSH server dead: the kernel answers, its port accepts, and no server greets.",
            "accepted, and no banner",
        )
    };
    let verdict = Verdict::down(Wedge::SshdDead, summary).seen("SSH", ssh);
    let verdict = if case.refusing == Some(&Reach::Closed) {
        verdict.seen_as("Unused port", "refuses: the kernel answers the network", Health::Good)
    } else {
        verdict
    };
    if case.inside_works() {
        // Only a connection that was open before can still be there.
        return Some(
            verdict
                .advise(
                    Action::Run(format!(
                        "{ROOT_PREFIX}sh -c 'systemctl restart ssh || systemctl restart sshd || service ssh restart'"
                    )),
                    "The connection that was open before still works: through it the server can be started anew.",
                    "the server was closed on purpose, for maintenance",
                )
                .remark(Verb::Reset, "helps too, and ends all that runs inside"),
        );
    }
    Some(
        verdict
            .seen_as("QEMU", "running", Health::Good)
            .advise(
                Action::Press(Verb::Reset),
                "The guest works and only its door is shut; a reset boots it, and the boot starts the server.",
                format!(
                    "what it does is worth more than the log-in: then start the server at its console instead. \
                     Also wrong while a backup or migration runs ({})",
                    nothing_in_charge(case)
                ),
            )
            .remark(Verb::Stop, "the guest still hears the power button: it shuts down in order, and stays off")
            .remark(Verb::Cycle, "helps too: it first asks the guest to shut down in order, which takes longer"),
    )
}
