//! The rules of a table, carried out on what was parsed.

use super::{Draft, lines};
use crate::diag::plan::Given;
use breakglass_protocol::{Refusal, Rule};

/// Carries out the command's rules: what is added, what is needed, what does not go together.
pub(super) fn apply(draft: &mut Draft) -> Result<(), Refusal> {
    for line in lines(draft.command.rules) {
        let (line, only) = match line.split_once(' ') {
            Some((verb, rest)) if verb.starts_with('@') => (rest, verb.get(1..)),
            _ => (line, None),
        };
        if only.is_some_and(|only| !only.split(',').any(|verb| draft.verb_is(verb))) {
            continue;
        }
        let (rule, said) = line.split_once(": ").unwrap_or((line, ""));
        let refusal = || Refusal {
            rule: Rule::Option,
            reason: format!("`{}` {}", draft.name, said.split("; ").next().unwrap_or_default()),
            hint: said.split_once("; ").map_or("ask for less", |(_, hint)| hint).to_owned(),
        };
        let any = |names: &str| names.split_ascii_whitespace().any(|name| draft.has(name));
        match rule.split_once(' ') {
            Some(("need", names)) if !any(names) => return Err(refusal()),
            Some(("not", names)) => {
                let (these, those) = names.split_once(" with ").unwrap_or((names, names));
                if any(these) && any(those) {
                    return Err(refusal());
                }
            }
            Some(("add", names)) => {
                let (added, unless) = names.split_once(" unless ").unwrap_or((names, ""));
                if any(unless) {
                    continue;
                }
                let (name, value) = match added.split_once('=') {
                    Some((name, value)) => (name, Some(value.to_owned())),
                    None => (added, None),
                };
                draft.options.push(Given { name, value });
                if !said.is_empty() {
                    draft.notes.push(said.to_owned());
                }
            }
            _ => {}
        }
    }
    Ok(())
}
