//! What is accepted means the same to another reader of TOML; what is refused names its line.

use super::*;

fn same(ours: &Table, theirs: &toml::Table) -> bool {
    ours.entries.len() == theirs.len()
        && ours.entries.iter().all(|e| theirs.get(&e.key).is_some_and(|theirs| same_value(&e.value, theirs)))
}

fn same_value(ours: &Value, theirs: &toml::Value) -> bool {
    match (ours, theirs) {
        (Value::Text(ours), toml::Value::String(theirs)) => ours == theirs,
        (Value::Number(ours), toml::Value::Integer(theirs)) => ours == theirs,
        (Value::Switch(ours), toml::Value::Boolean(theirs)) => ours == theirs,
        (Value::Table(ours), toml::Value::Table(theirs)) => same(ours, theirs),
        (Value::List(ours), toml::Value::Array(theirs)) => {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(o, t)| same_value(&o.value, t))
        }
        (Value::Tables(ours), toml::Value::Array(theirs)) => {
            ours.len() == theirs.len()
                && ours.iter().zip(theirs).all(|(o, t)| t.as_table().is_some_and(|t| same(o, t)))
        }
        _ => false,
    }
}

const WHOLE: &str = "# a comment\t§\r\nstate_dir = \"/run/x\" # and one behind\n\n[ record ]\n\"dir\"='/var/log'\n\
    [diag]\ndeny = [ \"/a\", # first\n\n  '/b \\n', ]\nempty=[]\nnested = [[1, 2], [\"x\"]]\n\
    limits.per_minute = 1_000\nlimits . 'at a time' = -3\nsets = { a = true, b.c = false, d = {} }\n\
    [[diag.command]]\nname = \"q\\\"\\\\\\t\\u00e9\\U0001F512\"\n[diag.command.more]\nx = +7\n\
    [[diag.command]]\nname = \"\"\n[a.b.c]\nd = 0\n[a]\ne = 1\n[a.b]\nf = 1";

#[test]
fn reads_what_another_reader_reads() {
    let ours = parse(WHOLE).unwrap();
    let theirs: toml::Table = toml::from_str(WHOLE).unwrap();
    assert!(same(&ours, &theirs), "{ours:#?}\n{theirs:#?}");
    assert_eq!(ours.entry("diag").unwrap().line, 6);
}

/// Every text that comes of one by cutting, doubling, dropping or replacing a piece: what is still accepted must be
/// accepted by the other reader too, with the same meaning.
#[test]
fn accepts_nothing_that_another_reader_does_not() {
    let pieces: Vec<&str> = WHOLE.split_inclusive(|c: char| !c.is_ascii_alphanumeric()).collect();
    let mut accepted = 0;
    let mut check = |text: &str| {
        if let Ok(ours) = parse(text) {
            accepted += 1;
            let theirs = toml::from_str::<toml::Table>(text);
            assert!(theirs.is_ok_and(|theirs| same(&ours, &theirs)), "{text}");
        }
    };
    for at in 0..pieces.len() {
        let (before, after) = (pieces[..at].concat(), pieces[at + 1..].concat());
        check(&before);
        check(&format!("{before}{after}"));
        check(&format!("{before}{0}{0}{after}", pieces[at]));
        for other in [
            "\n", "\r", "=", ".", "[", "]]", "{", "}", ",", "\"", "'", "#", "1", "0x1", "\\", "\u{7f}", "é",
            "a.b",
        ] {
            check(&format!("{before}{other}{after}"));
            check(&format!("{before}{}{other}{after}", pieces[at]));
        }
    }
    let lines: Vec<&str> = WHOLE.split_inclusive('\n').collect();
    for one in &lines {
        for other in &lines {
            for third in &lines {
                check(&format!("{one}{other}{third}"));
            }
        }
    }
    assert!(accepted > 2000, "only {accepted} were accepted");
}

#[test]
fn refuses_with_the_line() {
    for (text, line, named) in [
        ("a = 1\na = 2", 2, "stands twice, first in line 1"),
        ("[a]\n[b]\n[a]", 3, "first in line 1"),
        ("a = 1\n[a]", 2, "is no table"),
        ("[[a]]\n[a]", 2, "stands twice"),
        ("a = []\n[[a]]", 2, "stands twice"),
        ("a = {}\n[a.b]", 2, "stands twice"),
        ("a.b = 1\n[a]", 2, "stands twice"),
        ("[a.b]\n[a]\nb.c = 1", 3, "stands twice"),
        ("\n\na = 1.5", 3, "`1.5`"),
        ("a = 2026-01-01", 1, "2026-01-01"),
        ("a = 01", 1, "`01`"),
        ("a = 1__0", 1, "1__0"),
        ("a = 9223372036854775808", 1, "9223372036854775808"),
        ("a = yes", 1, "true, false"),
        ("a = \"\"\"x\"\"\"", 1, "one line"),
        ("a = \"x\ny\"", 1, "does not end"),
        ("a = \"\\x41\"", 1, "backslash"),
        ("a = \"\\ud800\"", 1, "hex digits"),
        ("a = [1\n\n2]", 3, "`]` is missing before `2`"),
        ("a = {b = 1,\n}", 1, "a key is missing at the end of the line"),
        ("a = 1 b = 2", 1, "should end"),
        ("a", 1, "`=` is missing at the end of the file"),
        ("= 1", 1, "a key is missing"),
        ("[a", 1, "`]` is missing"),
        ("a = [[[[[[[[[[[1]]]]]]]]]]]", 1, "too deep"),
        ("a = 1 # \u{1}", 1, "control character"),
    ] {
        let fault = parse(text).unwrap_err();
        assert_eq!((fault.line, fault.reason.contains(named)), (line, true), "{text:?}: {fault:?}");
    }
}
