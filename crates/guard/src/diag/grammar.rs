//! The notation of the tables: what a command is, and how one line of a table reads.
//!
//! A table is text, so that a reader audits it in one sitting. One option a line, its spellings first, exact (nothing is
//! completed); what is not named does not exist:
//!
//! ```text
//! -r --reverse                      an option without a value
//! -n --lines = lines(10000)         `-n 5`, `-n5`, `--lines 5`, `--lines=5`
//! --color =? one(always|never)      a value only where it is attached: `--color`, `--color=never`
//! -b --boot =+ boot                 the same, or the next word where it can be one
//! --tail = count(5000) @logs        only after this verb
//! --no-pager %drop                  understood and not handed on
//! dev = interface @addr             a keyword, where a command has such
//! -# = count(9999) %lines           `-20`, handed on as `--lines`
//! ```
//!
//! One verb a line: its words (`|` between spellings, the first being handed on; `?` at the end of one that may be left
//! out), `:`, and its operands, alternatives between `/`: `KIND` one, `KIND?` none or one, `KIND*9` up to nine, `KIND+9` one
//! to nine. A rule is a line too: `add WHAT unless THESE: NOTE`, `need ONE: WHY`, `not THESE with THESE: WHY`, each after
//! an optional `@VERB`. The kinds are in `value.rs`.

pub(super) mod near;
mod rules;
pub(super) mod scan;
pub(super) mod shape;
pub(super) mod value;

use super::plan::{Given, Needs, Operand};
use super::policy::DiagPolicy;
use breakglass_protocol::Refusal;
use breakglass_redact::Shape;

/// One command, or several that share a grammar.
pub(crate) struct Command {
    /// Blank-separated.
    pub(crate) names: &'static str,
    /// The set that a host switches off by name.
    pub(crate) set: &'static str,
    pub(crate) role: Role,
    pub(crate) style: Style,
    /// Arguments that every run of it begins with, blank-separated.
    pub(crate) lead: &'static str,
    pub(crate) rows: &'static [&'static str],
    pub(crate) verbs: &'static str,
    pub(crate) rules: &'static str,
    pub(crate) needs: Needs,
    pub(crate) shape: Shape,
    /// Environment, `NAME=value` blank-separated.
    pub(crate) environment: &'static str,
    /// What no line can say.
    pub(crate) last: Option<Last>,
}

/// Looks at the whole once it is parsed, may add to it, and may refuse it.
pub(crate) type Last = fn(&mut Draft, &DiagPolicy) -> Result<(), Refusal>;

/// Who carries a command out, and where in a pipeline it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A program of the host, first.
    Program,
    /// The guard itself, over files, first.
    Reader,
    /// The guard itself, over what comes down the pipeline.
    Filter,
}

/// How a command's words are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// `-abc` is `-a -b -c`, `--x=y`, options among the operands, `--`.
    Clusters,
    /// Each option is one word; those with a dash go before the verb. Keywords without a dash are options too.
    Words,
}

/// A program that needs nothing.
pub(crate) const PROGRAM: Command = Command {
    names: "",
    set: "host",
    role: Role::Program,
    style: Style::Clusters,
    lead: "",
    rows: &[],
    verbs: ":",
    rules: "",
    needs: NOTHING,
    shape: Shape::Text,
    environment: "",
    last: None,
};

pub(crate) const READER: Command = Command { role: Role::Reader, set: "files", ..PROGRAM };
pub(crate) const FILTER: Command = Command { role: Role::Filter, set: "filters", ..PROGRAM };

pub(crate) const NOTHING: Needs =
    Needs { unix_sockets: false, netlink: false, network: false, privilege: None };
pub(crate) const SOCKETS: Needs = Needs { unix_sockets: true, ..NOTHING };
pub(crate) const NETLINK: Needs = Needs { netlink: true, ..NOTHING };
pub(crate) const NETWORK: Needs = Needs { network: true, netlink: true, ..NOTHING };
/// Names of hosts and accounts may come from a service of the host's own, which listens at a path.
pub(crate) const NAME_SERVICE: Needs = Needs { unix_sockets: true, ..NETWORK };

/// A stage as it is being parsed.
pub(crate) struct Draft {
    pub(crate) command: &'static Command,
    /// As it was called, without a directory.
    pub(crate) name: &'static str,
    /// The canonical words of the verb.
    pub(crate) verb: Vec<&'static str>,
    pub(crate) options: Vec<Given>,
    pub(crate) operands: Vec<Operand>,
    pub(crate) notes: Vec<String>,
    pub(crate) shape: Shape,
}

impl Draft {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.options.iter().any(|given| given.name == name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|given| given.name == name).and_then(|given| given.value.as_deref())
    }

    pub(crate) fn verb_is(&self, word: &str) -> bool {
        self.verb.contains(&word)
    }

    /// The arguments that a program is started with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let mut out: Vec<String> = self.command.lead.split_ascii_whitespace().map(str::to_owned).collect();
        let dashes_first = self.command.style == Style::Words;
        let leads = |given: &&Given| dashes_first && given.name.starts_with('-');
        self.options.iter().filter(leads).for_each(|given| push(&mut out, given));
        out.extend(self.verb.iter().map(|&word| word.to_owned()));
        self.options.iter().filter(|given| !leads(given)).for_each(|given| push(&mut out, given));
        out.extend(self.operands.iter().map(|operand| operand.text.clone()));
        out
    }
}

fn push(out: &mut Vec<String>, given: &Given) {
    match &given.value {
        None => out.push(given.name.to_owned()),
        Some(value) if given.name.starts_with("--") || given.name.starts_with('+') => {
            out.push([given.name, "=", value].concat());
        }
        Some(value) => out.extend([given.name.to_owned(), value.clone()]),
    }
}

/// One line of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) line: &'static str,
    names: &'static str,
    pub(crate) takes: Takes,
    pub(crate) kind: &'static str,
    only: Option<&'static str>,
    /// `drop`, or the name that it is handed on under.
    pub(crate) as_: Option<&'static str>,
}

/// Whether an option has a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    Attached,
    AttachedOrNext,
}

impl Row {
    fn read(line: &'static str) -> Self {
        let (mut takes, mut kind, mut only, mut as_) = (Takes::Nothing, "", None, None);
        let mut names = line;
        let mut rest = line;
        while let Some((token, after)) = next_token(rest) {
            let marks = match token {
                "=" => Some(Takes::Value),
                "=?" => Some(Takes::Attached),
                "=+" => Some(Takes::AttachedOrNext),
                _ => None,
            };
            let is_mark = marks.is_some() || token.starts_with(['@', '%']);
            if is_mark && names.len() == line.len() {
                names = line.get(..line.len() - rest.trim_start().len()).unwrap_or_default().trim_end();
            }
            rest = after;
            if let Some(it) = marks {
                takes = it;
                (kind, rest) = next_token(rest).unwrap_or_default();
            } else if let Some(verb) = token.strip_prefix('@') {
                only = Some(verb);
            } else if let Some(name) = token.strip_prefix('%') {
                as_ = Some(name);
            }
        }
        Self { line, names, takes, kind, only, as_ }
    }

    pub(crate) fn spellings(&self) -> impl Iterator<Item = &'static str> {
        self.names.split_ascii_whitespace()
    }

    pub(crate) fn applies(&self, verb: &[&str]) -> bool {
        self.only.is_none_or(|only| only.split(',').any(|word| verb.contains(&word)))
    }

    /// GNU's long name, else the first.
    pub(crate) fn name(&self) -> &'static str {
        match self.as_ {
            Some(name) if name != "drop" => name,
            _ => {
                let long = self.spellings().find(|name| name.starts_with("--"));
                long.or_else(|| self.spellings().next()).unwrap_or_default()
            }
        }
    }
}

fn next_token(text: &'static str) -> Option<(&'static str, &'static str)> {
    let text = text.trim_start();
    if text.is_empty() { None } else { Some(text.split_once(' ').unwrap_or((text, ""))) }
}

/// The word of a blank-separated list that is this one. Byte by byte: every request asks all tables for its command.
pub(crate) fn word_of(list: &'static str, word: &str) -> Option<&'static str> {
    let mut at = 0;
    list.as_bytes().split(|byte| *byte == b' ').find_map(|it| {
        let begin = at;
        at += it.len() + 1;
        if it == word.as_bytes() { list.get(begin..begin + it.len()) } else { None }
    })
}

/// The lines of a text that say something.
pub(crate) fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

impl Command {
    pub(crate) fn rows(&self) -> impl Iterator<Item = Row> {
        self.rows.iter().flat_map(|text| lines(text)).map(Row::read)
    }

    /// The row that names this spelling, after these words of a verb.
    pub(crate) fn row(&self, spelling: &str, verb: &[&str]) -> Option<Row> {
        self.rows().find(|row| row.applies(verb) && row.spellings().any(|name| name == spelling))
    }
}

#[cfg(test)]
mod tests;
