//! Patterns against the real grep: which lines, and which part of each.

use super::{Pattern, Reading};
use std::io::Write;
use std::process::{Command, Stdio};

const LINES: &str = "\nabc\nabcabc\naaa\na+b\na{2}\na*b\n*a\n+a\n^a\na^b\na$b\n$\nfoo bar\nfoo_bar baz\nfoo-bar\nFOO\nx]y\na-z\n[x]\nab12cd\n  lead\ntrail  \n(paren)\na|b\nback\\slash\n.\n12:34:56\nhost.example.org\ntab\there\naab\nabab\nabbb\n{\n}\na{,2}\naXbXc\nword\nwords\na{1\n)\na)b\n";

const BASIC: &str = r"a
abc
a.c
a*
a*b
*a
\*a
^a
^
$
^$
a$
a$b
a^b
\(ab\)*
\(ab\)*c
\(a\|b\)*c
a\|b
a\+
a\?b
a\{2\}
a\{2,\}
a\{1,2\}b
a\{0,1\}b
a\{,2\}b
\(^a\)
\(a$\)
\(*a\)
[abc]
[^abc]
[a-c]*
[]x]
[^]x]
[x-]
[a\]
[[:alpha:]]*
[[:digit:][:space:]]
[^[:alnum:]]
[[.a.]]b
[[=a=]]b
\w\+
\W
\s
\S*
\bfoo
bar\b
\Bo
\<foo\>
\<b
z\>
\`abc
abc\'
^*a
{
}
a{2}
a+b
(
)
|
\.
\$
\^
\\
.*b
.\{3\}
^.\{3\}$
\(a\(b\)\)\{2\}
x\|^a
^a\|b$
[[:upper:]]
[0-9]\{2\}:[0-9]
a\{2\}*
foo\(_\|-\| \)bar
";

const EXTENDED: &str = r"a|b
(a|b)+c
a+
a?b
a{2}
a{2,}b?
a{1,2}b
a{,2}b
^(abc)+$
(ab)*c
()
(|a)b
a||b
a**
a+?
^*
}
a{
a{1
a{x}
\{
\(
\)
\|
\+
\?
[(|)]
(^a|b$)
^$
^|a
\bfoo\b
\<(foo|bar)\>
(a*)*
(a*)+b
((a|b)*c)*
.{2,4}
[0-9]+(:[0-9]+){2}
(foo|foo_bar)
(foo|foo_bar|foo_bar baz)
([a-z]+)\.([a-z]+)
[[:alpha:]]+[[:digit:]]+
\w+\W\w+
x*
$^
a$|b
(a)(b)(c)
*a
+a
?a
|a
a|
";

fn real(pattern: &str, flags: &[&str]) -> (Vec<u8>, i32) {
    let mut child = Command::new("grep")
        .args(flags)
        .args(["-e", pattern])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(LINES.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    (output.stdout, output.status.code().unwrap())
}

/// As `grep -n -o`, and with the lines that match without a part to show.
fn ours(pattern: &str, reading: Reading) -> Option<(String, String)> {
    let mut pattern = Pattern::new(&[pattern.as_bytes()], reading).ok()?;
    let (mut parts, mut lines) = (String::new(), String::new());
    for (number, line) in LINES.lines().enumerate() {
        let number = number + 1;
        if pattern.is_in(line.as_bytes()) {
            lines.push_str(&format!("{number}:{line}\n"));
        }
        let mut from = 0;
        while from <= line.len()
            && let Some((start, end)) = pattern.find(line.as_bytes(), from)
        {
            if end > start {
                parts.push_str(&format!("{number}:{}\n", &line[start..end]));
            }
            from = end.max(start + usize::from(start == end));
        }
    }
    Some((lines, parts))
}

#[test]
fn patterns_match_as_the_real_grep_has_it() {
    let mut wrong = Vec::new();
    for (patterns, extended) in [(BASIC, false), (EXTENDED, true)] {
        for pattern in patterns.lines() {
            for (option, ignore_case, word, line) in [
                ("", false, false, false),
                ("i", true, false, false),
                ("w", false, true, false),
                ("x", false, false, true),
            ] {
                // Where `-w` tries a shorter match, GNU's does not try all of them.
                if word && matches!(pattern, "^*" | ".{2,4}") {
                    continue;
                }
                let reading = Reading { extended, fixed: false, ignore_case, word, line };
                let flags = format!("-n{}{option}", if extended { "E" } else { "" });
                let (lines, code) = real(pattern, &[&flags]);
                let (parts, _) = real(pattern, &[&flags, "-o"]);
                let expected = (code < 2)
                    .then(|| (String::from_utf8(lines).unwrap(), String::from_utf8(parts).unwrap()));
                let found = ours(pattern, reading);
                if found != expected {
                    wrong.push(format!("{flags} {pattern}\nreal {expected:?}\nours {found:?}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_pattern_has_a_largest_size() {
    for pattern in ["(a{1,200}){1,200}", "a{30000}", "((((a{9}){9}){9}){9}){9}"] {
        let reading = Reading { extended: true, ..Reading::default() };
        assert!(Pattern::new(&[pattern.as_bytes()], reading).is_err(), "{pattern}");
    }
    let deep = "(".repeat(5000) + &")".repeat(5000);
    assert!(Pattern::new(&[deep.as_bytes()], Reading { extended: true, ..Reading::default() }).is_err());
}
