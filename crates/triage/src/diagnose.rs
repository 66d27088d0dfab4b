//! The whole of triage as one story: look at the case, let the rules speak, fit the answer to who is in charge.

use crate::case::Case;
use crate::result::Finding;
use crate::verdict::Verdict;
use crate::{Evidence, Triage, charge, findings, rules, whole};
use breakglass_protocol::Verb;

/// Says what is wrong, what that rests on and the one thing to do next; or that the evidence does not say.
/// `millis` is how long gathering the evidence took.
#[must_use]
pub fn diagnose(evidence: &Evidence, millis: u64) -> Triage {
    let case = Case::new(evidence);
    let all = findings::all(&case);
    let verdict = rules::first(&case).unwrap_or_else(|| whole::without_a_name(&case, &all));
    let verdict = charge::fit(verdict, &case);
    Triage {
        at: evidence.at,
        millis,
        health: verdict.health,
        wedge: verdict.wedge,
        findings: most_telling_first(&verdict, all),
        changed: findings::changed(&case),
        action: verdict.action,
        because: verdict.because,
        wrong_if: verdict.wrong_if,
        remarks: one_each(verdict.remarks),
        summary: verdict.summary,
    }
}

/// What the verdict rests on, then the rest, worst first; nothing twice.
fn most_telling_first(verdict: &Verdict, all: Vec<Finding>) -> Vec<Finding> {
    let mut findings = verdict.evidence.clone();
    let mut rest: Vec<Finding> = all
        .into_iter()
        .filter(|finding| verdict.evidence.iter().all(|telling| telling.label != finding.label))
        .collect();
    rest.sort_by_key(|finding| std::cmp::Reverse(finding.health));
    findings.extend(rest);
    findings
}

/// One remark a verb, in the order of the page.
fn one_each(remarks: Vec<(Verb, String)>) -> Vec<(Verb, String)> {
    Verb::ALL
        .into_iter()
        .filter_map(|verb| {
            let of_verb: Vec<&str> =
                remarks.iter().filter(|(of, _)| *of == verb).map(|(_, text)| text.as_str()).collect();
            (!of_verb.is_empty()).then(|| (verb, of_verb.join("; ")))
        })
        .collect()
}
