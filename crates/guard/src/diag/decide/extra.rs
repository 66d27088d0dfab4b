//! Commands that a host's configuration declares: flags, options with one plain value, and operands from a list.

use crate::diag::grammar::{NOTHING, near};
use crate::diag::plan::{Needs, Program};
use crate::diag::policy::{DiagPolicy, ExtraCommand};
use breakglass_protocol::words::Stage;
use breakglass_protocol::{Refusal, Rule};
use breakglass_redact::Shape;

/// The declared command that a stage calls, by its name or its whole path. One of the door's own names stays the door's.
pub(super) fn find<'policy>(policy: &'policy DiagPolicy, stage: &Stage) -> Option<&'policy ExtraCommand> {
    let word = stage.words.first()?;
    let own =
        |name: &str| [false, true].iter().any(|filter| crate::diag::tables::find(name, *filter).is_some());
    policy.extra.iter().find(|command| {
        (command.name == word.text || command.path.to_str() == Some(word.text.as_str()))
            && !own(&command.name)
    })
}

/// The run that the stage comes to.
pub(super) fn program(
    command: &ExtraCommand,
    stage: &Stage,
    trace: &mut dyn FnMut(&str, &str, &str),
) -> Result<Program, Refusal> {
    let mut words = stage.words.iter().map(|word| word.text.as_str());
    trace(words.next().unwrap_or_default(), "command", "this host's configuration");
    let refuse = |rule, word: &str, why: &str, known: &[String]| {
        let hint = if known.is_empty() {
            "it takes none".to_owned()
        } else {
            format!("it takes {}", known.join(" "))
        };
        Err(Refusal { rule, reason: format!("`{}` of `{}` {why}", near::shown(word), command.name), hint })
    };
    let mut arguments = Vec::new();
    while let Some(word) = words.next() {
        let named = |known: &[String], name: &str| known.iter().any(|it| it == name);
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ => (word, None),
        };
        if named(&command.flags, word) {
            trace(word, "option", "this host's configuration");
            arguments.push(word.to_owned());
        } else if named(&command.options, name) {
            let Some(value) = attached.or_else(|| words.next()) else {
                return refuse(Rule::Option, name, "needs a value", &command.options);
            };
            if !plain(value) {
                return refuse(
                    Rule::Option,
                    name,
                    "takes letters, digits and `._:@/+-` only",
                    &command.options,
                );
            }
            trace(word, "option", "this host's configuration");
            arguments.extend([name.to_owned(), value.to_owned()]);
        } else if word.starts_with('-') {
            return refuse(
                Rule::Option,
                name,
                "is not declared",
                &[command.flags.as_slice(), command.options.as_slice()].concat(),
            );
        } else if named(&command.operands, word) {
            trace(word, "operand", "this host's configuration");
            arguments.push(word.to_owned());
        } else {
            return refuse(Rule::Operand, word, "is not declared", &command.operands);
        }
    }
    Ok(Program {
        name: command.name.clone(),
        places: vec![command.path.clone()],
        arguments,
        environment: Vec::new(),
        needs: Needs { unix_sockets: command.unix_sockets, ..NOTHING },
        shape: Shape::Text,
    })
}

fn plain(value: &str) -> bool {
    !value.is_empty()
        && value.len() <= 200
        && !value.starts_with('-')
        && !value.split('/').any(|part| part == "..")
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:@/+-".contains(&byte))
}
