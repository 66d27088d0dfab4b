//! Everything that was looked at, as label and value, whether or not a rule makes anything of it.

mod changed;
mod inside;
mod outside;

use crate::case::Case;
use crate::result::{Finding, Health};

/// All findings: what is seen from outside, then from inside.
pub(crate) fn all(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    outside::look(case, &mut findings);
    inside::look(case, &mut findings);
    findings
}

/// What was changed inside a short while ago; nothing where the inside does not answer.
pub(crate) fn changed(case: &Case<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(facts) = case.facts() {
        changed::look(case, facts, &mut findings);
    }
    findings
}

fn tell(findings: &mut Vec<Finding>, label: &str, seen: impl Into<String>, health: Health) {
    findings.push(Finding { label: label.to_owned(), seen: seen.into(), health });
}

const fn degraded_if(bad: bool) -> Health {
    if bad { Health::Degraded } else { Health::Good }
}
