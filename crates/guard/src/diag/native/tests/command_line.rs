//! Command lines into the parsed form, for tests alone: the door's own grammar is elsewhere, and stricter.

use crate::diag::plan::{Given, Operand, Parsed};

/// Short letters, their canonical names, and whether a value follows.
const OPTIONS: &[(&str, &str)] = &[
    (
        "cat",
        "n=--number b=--number-nonblank s=--squeeze-blank E=--show-ends T=--show-tabs v=--show-nonprinting A=--show-all e=-e t=-t",
    ),
    ("head", "n:--lines c:--bytes q=--quiet v=--verbose"),
    ("tail", "n:--lines c:--bytes q=--quiet v=--verbose"),
    ("wc", "l=--lines w=--words c=--bytes m=--chars L=--max-line-length"),
    ("zcat", ""),
    ("tac", ""),
    (
        "ls",
        "a=--all A=--almost-all l=-l 1=-1 h=--human-readable t=-t S=-S U=-U X=-X v=-v c=-c u=-u g=-g o=-o p=-p G=--no-group r=--reverse \
         R=--recursive d=--directory i=--inode s=--size n=--numeric-uid-gid F=--classify",
    ),
    ("stat", "c:--format t=--terse L=--dereference"),
    (
        "grep",
        "e:--regexp E=--extended-regexp G=--basic-regexp F=--fixed-strings i=--ignore-case v=--invert-match w=--word-regexp x=--line-regexp \
         c=--count n=--line-number b=--byte-offset o=--only-matching l=--files-with-matches L=--files-without-match q=--quiet s=--no-messages \
         H=--with-filename h=--no-filename A:--after-context B:--before-context C:--context m:--max-count a=--text I=-I r=--recursive",
    ),
    (
        "sort",
        "n=--numeric-sort h=--human-numeric-sort M=--month-sort V=--version-sort r=--reverse u=--unique k:--key t:--field-separator \
         f=--ignore-case d=--dictionary-order b=--ignore-leading-blanks s=--stable",
    ),
    (
        "uniq",
        "c=--count d=--repeated D=--all-repeated u=--unique i=--ignore-case f:--skip-fields s:--skip-chars w:--check-chars",
    ),
    ("cut", "b:--bytes c:--characters f:--fields d:--delimiter s=--only-delimited"),
    ("tr", "d=--delete s=--squeeze-repeats c=--complement t=--truncate-set1"),
    (
        "nl",
        "b:--body-numbering w:--number-width s:--number-separator n:--number-format v:--starting-line-number i:--line-increment",
    ),
    ("find", ""),
];

fn kept(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// Words with quotes, as a shell splits them; whether an unquoted `*`, `?` or `[` stands in each.
fn words(line: &str) -> Vec<(String, bool)> {
    let (mut words, mut word, mut glob, mut quote) = (Vec::new(), None::<String>, false, None);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take().map(|word| (word, std::mem::take(&mut glob)))),
            (None, '\\') => word.get_or_insert_default().extend(characters.next()),
            (_, plain) => {
                glob |= quote.is_none() && matches!(plain, '*' | '?' | '[');
                word.get_or_insert_default().push(plain);
            }
        }
    }
    words.extend(word.map(|word| (word, glob)));
    words
}

pub(crate) fn parsed(line: &str) -> Parsed {
    let mut words = words(line).into_iter().peekable();
    let (command, _) = words.next().unwrap();
    let (command, table) = *OPTIONS.iter().find(|(name, _)| *name == command).unwrap();
    let mut parsed = Parsed { command, options: Vec::new(), operands: Vec::new() };
    let mut give =
        |name: &str, value: Option<String>| parsed.options.push(Given { name: kept(name.to_owned()), value });
    if command == "find" {
        while let Some((text, glob)) = words.next_if(|(word, _)| word.starts_with('/')) {
            parsed.operands.push(Operand { text, glob });
        }
        while let Some((word, _)) = words.next() {
            let alone = [
                "(", ")", "!", "-a", "-o", "-xdev", "-mount", "-nouser", "-nogroup", "-empty", "-true",
                "-false", "-prune", "-print", "-print0", "-ls", "-quit",
            ];
            let value =
                if alone.contains(&word.as_str()) { None } else { words.next().map(|(word, _)| word) };
            give(&word, value);
        }
        return parsed;
    }
    let mut operands = Vec::new();
    let mut over = false;
    while let Some((word, glob)) = words.next() {
        if over || !word.starts_with('-') || word == "-" {
            operands.push(Operand { text: word, glob });
        } else if word == "--" {
            over = true;
        } else if word.starts_with("--") {
            match word.split_once('=') {
                Some((name, value)) => give(name, Some(value.to_owned())),
                None => give(&word, None),
            }
        } else if word[1..].bytes().all(|byte| byte.is_ascii_digit())
            && matches!(command, "head" | "tail" | "grep")
        {
            give(if command == "grep" { "--context" } else { "--lines" }, Some(word[1..].to_owned()));
        } else {
            let mut letters = word[1..].chars();
            while let Some(letter) = letters.next() {
                let option = table.split_ascii_whitespace().find(|it| it.starts_with(letter)).unwrap();
                if option[1..].starts_with(':') {
                    let glued = letters.as_str().to_owned();
                    let value = if glued.is_empty() { words.next().unwrap().0 } else { glued };
                    give(&option[2..], Some(value));
                    break;
                }
                give(&option[2..], None);
            }
        }
    }
    parsed.operands = operands;
    parsed
}
