//! What is said where no rule applies: that all is well, that something is off and has no name, or that too little was
//! seen. It never guesses a name.

use crate::case::{Case, Login, View};
use crate::evidence::Reach;
use crate::result::{Action, Finding, Health};
use crate::text::tame;
use crate::verdict::Verdict;
use breakglass_protocol::{RunState, Verb};

pub(crate) fn without_a_name(case: &Case<'_>, findings: &[Finding]) -> Verdict {
    match (case.banner(), case.no_banner()) {
        (true, _) => greets(case, findings),
        (_, true) => silent(case),
        _ => unseen(case, findings),
    }
}

const LOG_IN_HANGS: &str = "SSH greets, and a log-in does not end in time; the evidence does not say why.";

fn greets(case: &Case<'_>, findings: &[Finding]) -> Verdict {
    match case.login {
        Login::Works(_) | Login::NoDoor => {
            let off: Vec<&Finding> = findings.iter().filter(|finding| finding.health >= Health::Degraded).collect();
            match off.first() {
                Some(first) => {
                    let seen = format!("It serves, and {} a look: {} ({}).", count(off.len()), first.label, first.seen);
                    Verdict::unnamed(Health::Degraded, seen).advise(
                        Action::Look,
                        "Nothing of this stops it from serving now.",
                        "it is known and accepted: then there is nothing to do",
                    )
                }
                None => Verdict::unnamed(Health::Good, well(case)).advise(
                    Action::Nothing,
                    "Everything that was looked at is as it should be.",
                    "what you miss is an application: this looks at the machine under it only",
                ),
            }
        }
        Login::TimedOut => Verdict::unnamed(Health::Degraded, LOG_IN_HANGS)
            .seen("Log-in", "no answer in time")
            .advise(
                Action::Look,
                "It may be a name service that log-ins wait for, a disk that begins to stall, or load. Look again in half a \
                 minute: a stall shows in writes that stay at zero.",
                "it gets worse while you wait: then a cycle captures forensics first and brings it back",
            )
            .remark(Verb::Reset, "does not help where the disk path is stalled"),
        Login::Failed(why) => Verdict::unnamed(Health::Degraded, format!("SSH greets; the repair door does not open: {}", tame(why)))
            .seen("Log-in", tame(why))
            .advise(
                Action::Look,
                "The machine answers; it is the door that is shut: its key, its host key or its guard.",
                "others cannot log in either: then it is the machine after all",
            ),
    }
}

fn well(case: &Case<'_>) -> String {
    match (case.inside_works(), case.running()) {
        (true, true) => "It serves: SSH greets, a log-in works, its QEMU runs.".to_owned(),
        (true, false) => "It serves: SSH greets and a log-in works.".to_owned(),
        (false, true) => "SSH greets and its QEMU runs; the inside was not looked at.".to_owned(),
        (false, false) => "SSH greets; that is all that was looked at.".to_owned(),
    }
}

fn count(number: usize) -> String {
    if number == 1 { "one thing needs".to_owned() } else { format!("{number} things need") }
}

fn silent(case: &Case<'_>) -> Verdict {
    let ssh = match case.reach {
        Reach::Closed => "its SSH port refuses or closes at once",
        Reach::Silent => "nothing answers at its SSH port",
        _ => "its SSH port accepts and no server greets",
    };
    if case.running() {
        return does_not_answer(case, ssh);
    }
    let because = match case.view {
        View::Status(status) => return odd_state(&status.state, ssh),
        View::NoDoor => "No power door leads to it, so nothing was seen from outside.",
        View::TimedOut | View::Failed(_) => {
            "Neither it nor its hypervisor answered: look at the hypervisor, or the way to it, first."
        }
    };
    Verdict::unnamed(Health::Down, format!("It does not answer: {ssh}. The evidence does not say why."))
        .seen("SSH", ssh)
        .advise(Action::Look, because, "only the way from here is cut: try from another place")
}

/// It runs, and nothing tells a dead server from a dead network or a dead kernel.
fn does_not_answer(case: &Case<'_>, ssh: &str) -> Verdict {
    let spins = case.flow().is_some_and(|flow| flow.wanted_percent >= 75.0);
    let why = match (case.kernel_answers(), spins) {
        (None, _) => {
            "no port where nothing listens is known, so a dead server, network and kernel look the same"
        }
        (_, true) => {
            "the guest is silent and uses all its processor: a panic or lockup that no console tells of, or load"
        }
        _ => "what was seen fits several causes",
    };
    let summary =
        format!("It does not answer while its QEMU runs: {ssh}. The evidence does not name the cause.");
    Verdict::unnamed(Health::Down, summary)
        .seen("SSH", ssh)
        .seen_as("QEMU", "running", Health::Good)
        .advise(
            Action::Press(Verb::Reset),
            format!("A reset boots it, whichever of the causes it is, but for a stalled disk path; {why}."),
            "only the way from here to it is cut, or it works on something that must not be broken off: look at the screen \
             in the forensics first",
        )
        .remark(Verb::Cycle, "helps where a reset does not: in a stall of the disk path")
}

fn odd_state(state: &RunState, ssh: &str) -> Verdict {
    let word = match state {
        RunState::Other(word) => tame(word),
        other => format!("{other:?}").to_lowercase(),
    };
    let verdict = Verdict::unnamed(Health::Down, format!("It does not answer: {ssh}. Its QEMU says {word}."));
    verdict.seen("QEMU", word).advise(
        Action::Look,
        "No rule knows this state: read the hypervisor's notes and its log, then decide.",
        "it passes by itself: look again in half a minute",
    )
}

/// There is no SSH to try.
fn unseen(case: &Case<'_>, findings: &[Finding]) -> Verdict {
    let off = findings.iter().any(|finding| finding.health >= Health::Degraded);
    if case.running() && !off {
        return Verdict::unnamed(Health::Good, "Its QEMU runs; nothing else of it can be tried.").advise(
            Action::Nothing,
            "The hypervisor sees nothing out of order.",
            "what runs in it does not work: nobody looks inside. Declare its address and a repair door",
        );
    }
    Verdict::unnamed(Health::Unknown, "Too little was seen to say anything.").advise(
        Action::Look,
        "No address to try, and no other door told enough.",
        "you know more than this: act on that",
    )
}
