//! The notation itself, and that every table is written in it.

use super::*;
use crate::diag::tables;
use std::collections::BTreeSet;

#[test]
fn a_line_reads_as_it_says() {
    let row = Row::read("-n --lines = lines(10) @status,show %-n");
    assert_eq!(
        (row.takes, row.kind, row.only, row.as_),
        (Takes::Value, "lines(10)", Some("status,show"), Some("-n"))
    );
    assert_eq!(row.spellings().collect::<Vec<_>>(), ["-n", "--lines"]);
    assert_eq!(row.name(), "-n");
    assert!(row.applies(&["status"]) && !row.applies(&["cat"]));
    let row = Row::read("-r --reverse");
    assert_eq!((row.takes, row.name()), (Takes::Nothing, "--reverse"));
    assert_eq!(Row::read("--color =? one(a|b) %drop").as_, Some("drop"));
    assert_eq!(Row::read("(").spellings().collect::<Vec<_>>(), ["("]);
}

/// No table names a kind that is not one, says a spelling twice, or drops what is dangerous in silence.
#[test]
fn every_table_is_sound() {
    let policy = DiagPolicy::default();
    let mut names = BTreeSet::new();
    for command in tables::ALL.iter().flat_map(|commands| commands.iter()) {
        for name in command.names.split(' ') {
            assert!(names.insert((name, command.role == Role::Filter)), "{name} has two tables");
        }
        let mut kinds: Vec<&'static str> = Vec::new();
        let mut seen = BTreeSet::new();
        for row in command.rows() {
            assert!(row.spellings().next().is_some(), "{}: {}", command.names, row.line);
            assert_eq!(row.kind.is_empty(), row.takes == Takes::Nothing, "{}: {}", command.names, row.line);
            kinds.extend(Some(row.kind).filter(|kind| !kind.is_empty()));
            for spelling in row.spellings() {
                for verb in row.only.unwrap_or_default().split(',') {
                    assert!(seen.insert((spelling, verb)), "{}: {spelling} twice @{verb}", command.names);
                }
            }
        }
        for (path, operands) in scan::verbs(command) {
            assert!(path.is_ascii() && operands.is_ascii());
            for item in operands.split('/').flat_map(str::split_ascii_whitespace) {
                let end = item.rfind(')').map_or_else(|| item.find(['?', '*', '+', '!']), |at| Some(at + 1));
                kinds.push(item.get(..end.unwrap_or(item.len())).unwrap_or(item));
            }
        }
        for kind in kinds {
            let reason =
                value::check(kind, &breakglass_protocol::words::Word::literal("\u{1}"), &policy).err();
            let known = scan_kinds().contains(&kind.split('(').next().unwrap_or_default());
            assert!(known, "{}: {kind} is no kind ({reason:?})", command.names);
            assert!(kind.contains('(') == kind.ends_with(')'), "{}: {kind}", command.names);
        }
        for verb in command.rows().filter_map(|row| row.only).flat_map(|only| only.split(',')) {
            let known = scan::verbs(command)
                .any(|(path, _)| path.split_ascii_whitespace().any(|step| scan::first(step) == verb));
            assert!(known, "{}: @{verb} is no verb", command.names);
        }
    }
    assert!(names.len() > 70, "{}", names.len());
}

/// The names in `value.rs`, read from its source: a kind that only a table knows would refuse everything.
fn scan_kinds() -> Vec<&'static str> {
    let arms = include_str!("value.rs").lines().filter(|line| line.trim_start().starts_with('"'));
    arms.flat_map(|line| line.split("=>").next().unwrap_or_default().split('"')).collect()
}
