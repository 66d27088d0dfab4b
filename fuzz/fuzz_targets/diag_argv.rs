//! Whatever is asked, the argv that comes of it has no option that its command's table does not name.
//!
//! The guard is a binary, so its decision core is taken in by its path.
#![no_main]
#![expect(dead_code, reason = "only the decision is called here; the rest of the door uses what is left")]

#[path = "../../crates/guard/src/diag"]
mod diag {
    pub(crate) mod decide;
    pub(crate) mod denied;
    pub(crate) mod grammar;
    pub(crate) mod plan;
    pub(crate) mod policy;
    pub(crate) mod tables;
}

use diag::decide::{Decision, decide, explain::explain};
use diag::plan::{Parsed, Program, Source};
use diag::policy::DiagPolicy;
use diag::tables;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|raw: &[u8]| {
    let policy = DiagPolicy::default();
    let _ = explain(&policy, raw);
    let Decision::Allow(accepted) = decide(&policy, Some(raw)) else { return };
    match &accepted.plan.source {
        Source::Program(program) => inside_its_table(program),
        Source::Native(parsed) => named(parsed, false),
    }
    for filter in &accepted.plan.filters {
        named(filter, true);
        assert!(matches!(filter.command, "tr" | "grep") || filter.operands.is_empty(), "{filter:?}");
    }
});

/// Options of the guard's own commands carry the names of their tables.
fn named(parsed: &Parsed, filter: bool) {
    let (command, _) = tables::find(parsed.command, filter).expect("what was accepted has a table");
    assert!(parsed.options.iter().all(|it| command.rows().any(|row| row.name() == it.name)), "{parsed:?}");
}

/// Every word of a program's argv that begins with a dash is an option of its table, or the value of one.
fn inside_its_table(program: &Program) {
    let (command, _) = tables::find(&program.name, false).expect("what was accepted has a table");
    let lead = command.lead.split_ascii_whitespace().count();
    let mut is_value = false;
    for argument in program.arguments.iter().skip(lead) {
        if std::mem::take(&mut is_value) || !argument.starts_with('-') {
            continue;
        }
        let name = argument.split('=').next().unwrap_or_default();
        let row = command.rows().find(|row| row.name() == name);
        let added = command.rules.contains(&["add ", name, "="].concat());
        assert!(row.is_some() || added, "{argument} of {program:?}");
        is_value = !name.starts_with("--") && (added || row.is_some_and(|row| !row.kind.is_empty()));
    }
}
