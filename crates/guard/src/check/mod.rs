//! `check`: what is wrong with the read-only door on this host, and what to do about each thing.
//!
//! It looks and changes nothing. The guard itself needs none of it to be safe against a request; what is found here is
//! around it: who else could change what it relies on, and by what other way its account could do more than look.

mod account;
mod door;
mod keys;
mod sshd;

use crate::install::places;
use crate::report;
use breakglass_protocol::exit;
use std::path::Path;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grade {
    /// The door does not hold, or does not open.
    Wrong,
    /// It holds, and something beside it makes it weaker, slower or less useful than it could be.
    Weak,
    Fine,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) grade: Grade,
    pub(crate) what: String,
    /// What to do; empty where nothing has to be done.
    pub(crate) remedy: String,
}

/// Everything that was found, in the order of looking.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    pub(crate) all: Vec<Finding>,
}

impl Findings {
    fn wrong(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.all.push(Finding { grade: Grade::Wrong, what: what.into(), remedy: remedy.into() });
    }

    fn weak(&mut self, what: impl Into<String>, remedy: impl Into<String>) {
        self.all.push(Finding { grade: Grade::Weak, what: what.into(), remedy: remedy.into() });
    }

    fn fine(&mut self, what: impl Into<String>) {
        self.all.push(Finding { grade: Grade::Fine, what: what.into(), remedy: String::new() });
    }

    /// Whether anything is plainly wrong.
    fn any_wrong(&self) -> bool {
        self.all.iter().any(|finding| finding.grade == Grade::Wrong)
    }
}

/// What of the findings is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shown {
    All,
    Faults,
}

/// Looks and prints; the result is the exit code.
pub(crate) fn run(config: &Path, user: Option<&str>, json: bool) -> u8 {
    let installed = user.is_none().then(crate::install::installed_user).flatten();
    let user = user.or(installed.as_deref()).unwrap_or(places::USER);
    let findings = all(config, user);
    if json {
        report::say(&render_json(&findings));
    } else {
        report::say(render(&findings, Shown::All).trim_end());
    }
    if findings.any_wrong() { exit::BAD_CONFIGURATION } else { exit::DONE }
}

/// Looks at everything.
pub(crate) fn all(config: &Path, user: &str) -> Findings {
    let mut findings = Findings::default();
    if !rustix::process::geteuid().is_root() {
        findings.weak("this was not run by root, so much of it could not be seen", "run it with sudo");
    }
    if door::look(config, user, &mut findings) {
        account::look(user, &mut findings);
        let held = sshd::look(user, &mut findings);
        keys::look(user, config, held.as_deref(), &mut findings);
    }
    findings
}

/// The findings for a person.
pub(crate) fn render(findings: &Findings, shown: Shown) -> String {
    let mut text = String::new();
    for Finding { grade, what, remedy } in &findings.all {
        let word = match grade {
            Grade::Wrong => "wrong",
            Grade::Weak => "weak ",
            Grade::Fine if shown == Shown::Faults => continue,
            Grade::Fine => "fine ",
        };
        text.push_str(&format!("{word}  {what}\n"));
        if !remedy.is_empty() {
            text.push_str(&format!("       -> {remedy}\n"));
        }
    }
    text
}

/// The findings for a program, in one line.
fn render_json(findings: &Findings) -> String {
    let finding = |Finding { grade, what, remedy }: &Finding| {
        let grade = match grade {
            Grade::Wrong => "wrong",
            Grade::Weak => "weak",
            Grade::Fine => "fine",
        };
        serde_json::json!({ "grade": grade, "what": what, "remedy": remedy })
    };
    let all: Vec<serde_json::Value> = findings.all.iter().map(finding).collect();
    serde_json::json!({ "ok": !findings.any_wrong(), "findings": all }).to_string()
}
