//! The decision of the read-only door: a pure function of the policy and the request's bytes, and a value.
//!
//! It touches no file: what a path leads to is judged again when it is opened.

pub(crate) mod explain;
mod extra;

use super::grammar::scan::scan;
use super::grammar::{Command, Draft, Role, near};
use super::plan::{Errors, Parsed, Plan, Program, Source};
use super::policy::DiagPolicy;
use super::tables;
use breakglass_protocol::words::{ErrorOutput, Request, Stage};
use breakglass_protocol::{Refusal, Rule};
use breakglass_redact::Shape;
use std::path::PathBuf;

/// What was decided about a request.
#[must_use]
#[derive(Debug)]
pub(crate) enum Decision {
    /// It may be carried out.
    Allow(Accepted),
    /// It may not; nothing is started and nothing is opened.
    Deny(Refusal),
}

/// A request that may be carried out.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) plan: Plan,
    /// Whether the answer is JSON lines.
    pub(crate) json: bool,
}

/// Where a program stands when it is called by its whole path; also where it is looked for first.
const PINNED: [&str; 3] = ["/usr/bin/", "/usr/sbin/", "/run/current-system/sw/bin/"];
/// Where it is looked for beside these.
const BESIDE: [&str; 2] = ["/bin/", "/sbin/"];

/// Decides about the bytes of one request; `None` is a client that asked for a login shell.
pub(crate) fn decide(policy: &DiagPolicy, request: Option<&[u8]>) -> Decision {
    match accept(policy, request.unwrap_or_default(), &mut |_, _, _| {}) {
        Ok(accepted) => Decision::Allow(accepted),
        Err(refusal) => Decision::Deny(refusal),
    }
}

/// The same, telling of every word.
fn accept(
    policy: &DiagPolicy,
    raw: &[u8],
    trace: &mut dyn FnMut(&str, &str, &str),
) -> Result<Accepted, Refusal> {
    let request = Request::parse(raw)?;
    let mut stages = request.stages.iter();
    let Some(first) = stages.next() else { return Err(unknown("", false)) };
    let mut notes = Vec::new();
    let source = source(policy, first, &mut notes, trace)?;
    let mut filters = Vec::new();
    for stage in stages {
        let draft = known(policy, stage, true, trace)?;
        filters.push(parsed(draft, &mut notes));
    }
    let errors = match first.errors {
        ErrorOutput::Shown => Errors::Shown,
        ErrorOutput::Dropped => Errors::Dropped,
        ErrorOutput::Merged => Errors::Merged,
    };
    Ok(Accepted { plan: Plan { source, errors, filters, notes }, json: request.json })
}

fn source(
    policy: &DiagPolicy,
    stage: &Stage,
    notes: &mut Vec<String>,
    trace: &mut dyn FnMut(&str, &str, &str),
) -> Result<Source, Refusal> {
    if let Some(command) = extra::find(policy, stage) {
        return extra::program(command, stage, trace).map(Source::Program);
    }
    let draft = known(policy, stage, false, trace)?;
    if draft.command.role == Role::Reader {
        return Ok(Source::Native(parsed(draft, notes)));
    }
    let arguments = draft.arguments();
    notes.extend(draft.notes);
    Ok(Source::Program(program(draft.command, draft.name, arguments, draft.shape)))
}

/// The run that a table makes of one of its commands: where it stands, and what it is left.
pub(crate) fn program(command: &Command, name: &str, arguments: Vec<String>, shape: Shape) -> Program {
    let environment = command.environment.split_ascii_whitespace().filter_map(|entry| entry.split_once('='));
    Program {
        name: name.to_owned(),
        places: places(command, name),
        arguments,
        environment: environment.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        needs: command.needs,
        shape,
    }
}

fn parsed(draft: Draft, notes: &mut Vec<String>) -> Parsed {
    notes.extend(draft.notes);
    Parsed { command: draft.name, options: draft.options, operands: draft.operands }
}

/// One stage by the table of its command.
fn known(
    policy: &DiagPolicy,
    stage: &Stage,
    filter: bool,
    trace: &mut dyn FnMut(&str, &str, &str),
) -> Result<Draft, Refusal> {
    let Some((word, words)) = stage.words.split_first() else { return Err(unknown("", filter)) };
    let bare = PINNED.iter().find_map(|place| word.text.strip_prefix(place)).unwrap_or(&word.text);
    let Some((command, name)) = tables::find(bare, filter).filter(|_| word.globs.is_empty()) else {
        return Err(unknown(&word.text, filter));
    };
    trace(&word.text, if filter { "filter" } else { "command" }, command.set);
    if policy.sets_off.contains(command.set) {
        return Err(Refusal {
            rule: Rule::Disabled,
            reason: format!(
                "`{name}` belongs to the set `{}`, which is switched off on this host",
                command.set
            ),
            hint: "the host's configuration decides; ask for something else".to_owned(),
        });
    }
    scan(command, name, words, policy, trace)
}

fn unknown(name: &str, filter: bool) -> Refusal {
    let shown = near::shown(name);
    let (reason, hint) = if filter && tables::find(name, false).is_some() {
        (format!("`{shown}` stands behind a `|` and is no filter"), "it stands first".to_owned())
    } else if !filter && tables::find(name, true).is_some() {
        (format!("`{shown}` stands first and only filters"), "put it behind a `|`".to_owned())
    } else if name.is_empty() {
        ("the command's name is empty".to_owned(), near::command(tables::ALL, name))
    } else {
        (format!("`{shown}` is no command of this door"), near::command(tables::ALL, name))
    };
    Refusal { rule: Rule::UnknownCommand, reason, hint }
}

/// The absolute paths where a program may stand. Only what a cluster's installer puts there is looked for below /usr/local.
fn places(command: &Command, name: &str) -> Vec<PathBuf> {
    let local: &[&str] = if command.set == "kubernetes" { &["/usr/local/bin/"] } else { &[] };
    PINNED.iter().chain(&BESIDE).chain(local).map(|place| PathBuf::from([place, name].concat())).collect()
}

#[cfg(test)]
mod tests;
