//! `--explain 'REQUEST'`: the decision, word by word, without running or opening anything.

use super::{Accepted, accept};
use crate::diag::grammar::near;
use crate::diag::plan::{Parsed, Source};
use crate::diag::policy::DiagPolicy;
use crate::diag::tables;
use breakglass_protocol::words::Request;
use std::fmt::Write as _;

/// What the door would do with a request, for a person.
pub(crate) fn explain(policy: &DiagPolicy, request: &[u8]) -> String {
    let mut out = String::new();
    let mut told = |word: &str, what: &str, row: &str| {
        let _ = writeln!(out, "  {:<32} {what:<16} {row}", near::shown(word));
    };
    let decision = accept(policy, request, &mut told);
    match decision {
        Ok(accepted) => allowed(&mut out, &accepted),
        Err(refusal) => {
            let _ = writeln!(
                out,
                "refused ({})\n  why:  {}\n  hint: {}",
                refusal.rule, refusal.reason, refusal.hint
            );
            table(&mut out, request);
        }
    }
    out
}

fn allowed(out: &mut String, accepted: &Accepted) {
    let plan = &accepted.plan;
    let _ = writeln!(out, "allowed{}", if accepted.json { ", answered as JSON lines" } else { "" });
    match &plan.source {
        Source::Program(program) => {
            let _ = writeln!(out, "  runs: {} {:?}", program.name, program.arguments);
            for place in &program.places {
                let _ = writeln!(out, "  from: {}", place.display());
            }
            for (name, value) in &program.environment {
                let _ = writeln!(out, "  with: {name}={value}");
            }
            let _ = writeln!(out, "  {:?}, output redacted as {:?}", program.needs, program.shape);
        }
        Source::Native(parsed) => native(out, "reads", parsed),
    }
    for filter in &plan.filters {
        native(out, "filter", filter);
    }
    let _ = writeln!(out, "  error output: {:?}", plan.errors);
    for note in &plan.notes {
        let _ = writeln!(out, "  note: {}", near::shown(note));
    }
}

fn native(out: &mut String, what: &str, parsed: &Parsed) {
    let _ = write!(out, "  {what}: {}", parsed.command);
    for given in &parsed.options {
        let _ = write!(out, " {}", given.name);
        if let Some(value) = &given.value {
            let _ = write!(out, "={value:?}");
        }
    }
    for operand in &parsed.operands {
        let _ = write!(out, " {:?}{}", operand.text, if operand.glob { " (glob)" } else { "" });
    }
    out.push('\n');
}

/// The table of the command that was called, where there is one.
fn table(out: &mut String, request: &[u8]) {
    let Ok(request) = Request::parse(request) else { return };
    for (at, stage) in request.stages.iter().enumerate() {
        let Some(word) = stage.words.first() else { continue };
        if let Some((command, name)) = tables::find(&word.text, at > 0) {
            let _ = writeln!(out, "the table of {name}:");
            for line in near::table(command) {
                let _ = writeln!(out, "  {line}");
            }
        }
    }
}
