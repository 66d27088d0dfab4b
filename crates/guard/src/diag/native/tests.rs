//! Every reader and filter against the real tool on this machine: the same bytes and the same exit code.

pub(in crate::diag) mod command_line;
mod fixtures;

use super::sink::{Flow, Sink};
use crate::diag::policy::DiagPolicy;
use command_line::parsed;
use fixtures::Fixtures;
use std::cell::RefCell;
use std::process::{Command, Stdio};
use std::rc::Rc;

/// Keeps what comes, and stops after some bytes.
#[derive(Clone, Default)]
pub(super) struct Kept {
    pub(super) bytes: Rc<RefCell<Vec<u8>>>,
    said: Rc<RefCell<Vec<String>>>,
    most: Option<usize>,
}

impl Sink for Kept {
    fn push(&mut self, bytes: &[u8]) -> Flow {
        self.bytes.borrow_mut().extend_from_slice(bytes);
        let full = self.most.is_some_and(|most| self.bytes.borrow().len() >= most);
        if full { Flow::Enough } else { Flow::More }
    }

    fn end(&mut self) -> Option<u8> {
        None
    }

    fn complain(&mut self, message: &str) {
        self.said.borrow_mut().push(message.to_owned());
    }
}

/// What a reader prints, says and ends with.
pub(in crate::diag) fn read(line: &str, policy: &DiagPolicy) -> (Vec<u8>, Vec<String>, u8) {
    let mut kept = Kept::default();
    let mut said = Vec::new();
    let parsed = parsed(line);
    let code = super::read(&parsed, policy, &mut kept, &mut |message| said.push(message.to_owned()));
    let bytes = kept.bytes.take();
    said.extend(kept.said.take());
    (bytes, said, code)
}

fn plain_policy() -> DiagPolicy {
    DiagPolicy { redaction_off: true, ..DiagPolicy::default() }
}

fn filtered(line: &str, input: &[u8], chunk: usize) -> (Vec<u8>, u8) {
    let kept = Kept::default();
    let mut chain = super::filter(&parsed(line), Box::new(kept.clone())).unwrap();
    for part in input.chunks(chunk) {
        if chain.push(part) == Flow::Enough {
            break;
        }
    }
    let code = chain.end().unwrap();
    (kept.bytes.take(), code)
}

/// What the real tool does, its input coming down a pipe.
fn real(line: &str, input: Option<&str>) -> (Vec<u8>, Vec<u8>, u8) {
    // Of all, only `wc` is compared where bytes are not characters.
    let locale = if line.starts_with("wc") { "C.UTF-8" } else { "C" };
    let line = input.map_or_else(|| line.to_owned(), |file| format!("cat {file} | {line}"));
    let mut command = Command::new("/bin/sh");
    command.args(["-c", &line]).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", locale);
    let output = command.stdin(Stdio::null()).output().unwrap();
    (output.stdout, output.stderr, u8::try_from(output.status.code().unwrap()).unwrap())
}

/// The beginning of a text, for messages.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..1500).unwrap_or(bytes)).into_owned()
}

/// Compares line by line of a list, `D` being the fixtures' directory, and shows all that differ.
fn compare_readers(list: &str) {
    let fixtures = Fixtures::new();
    let directory = fixtures.path().display().to_string();
    let mut wrong = Vec::new();
    for line in list.lines().filter(|line| !line.trim().is_empty()) {
        let line = line.trim().replace("D/", &format!("{directory}/"));
        let (expected, error, expected_code) = real(&line, None);
        let (found, said, code) = read(&line, &plain_policy());
        if (&found, code) != (&expected, expected_code) {
            wrong.push(format!(
                "{line}\n--- real {expected_code}\n{}{}--- ours {code}\n{}{said:?}\n",
                text(&expected),
                text(&error),
                text(&found)
            ));
        } else if !error.is_empty() {
            let error = text(&error).replace(['\u{2018}', '\u{2019}'], "'");
            let said = said.join("\n").replace(['\u{2018}', '\u{2019}'], "'");
            assert_eq!(said.trim(), error.trim(), "{line}");
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_readers_of_content_print_as_the_real_ones() {
    compare_readers(include_str!("tests/readers.txt"));
}

#[test]
fn ls_stat_and_find_print_as_the_real_ones() {
    compare_readers(include_str!("tests/places.txt"));
}

#[test]
fn the_filters_print_as_the_real_ones_wherever_the_text_is_cut() {
    let fixtures = Fixtures::new();
    let all = ["words", "table", "no-end", "log", "blanks", "crlf", "empty", "numbers", "bytes"];
    let full = std::env::var_os("BREAKGLASS_FULL").is_some();
    let mut wrong = Vec::new();
    for (at, line) in include_str!("tests/filters.txt").lines().enumerate() {
        // In an ordinary run three of the inputs, and of the others one in turn.
        for (_, input) in all.iter().enumerate().filter(|(it, _)| full || *it < 3 || *it == 3 + at % 6) {
            let path = fixtures.path().join(input);
            let (expected, error, expected_code) = real(line, path.to_str());
            let content = std::fs::read(&path).unwrap();
            for chunk in [1, 7, 100_000] {
                let (found, code) = filtered(line, &content, chunk);
                if (&found, code) != (&expected, expected_code) {
                    wrong.push(format!(
                        "{line} < {input} by {chunk}\n--- real {expected_code}\n{}{}--- ours {code}\n{}",
                        text(&expected),
                        text(&error),
                        text(&found)
                    ));
                    break;
                }
            }
        }
    }
    wrong.truncate(12);
    assert!(wrong.is_empty(), "differ:\n{}", wrong.join("\n"));
}

#[test]
fn a_chain_ends_with_the_last_stations_code() {
    let kept = Kept::default();
    let count = super::filter(&parsed("wc -l"), Box::new(kept.clone())).unwrap();
    let mut chain = super::filter(&parsed("grep nothing"), count).unwrap();
    let _ = chain.push(b"a\nb\n");
    assert_eq!(chain.end(), Some(0));
    assert_eq!(*kept.bytes.borrow(), b"0\n");
}

#[test]
fn values_that_make_no_sense_are_refused_before_anything_starts() {
    for line in [
        "grep 'a\\('",
        "grep -E 'a{2'x",
        "grep '\\(a\\)\\1'",
        "grep -E '(a{1,2000}){1,2000}'",
        "cut -f 0",
        "cut -f 3-1",
        "cut -d ab -f 1",
        "tr abc",
        "tr a '\\033'",
        "tr -d a b",
        "sort -k 0",
        "head -n x",
        "uniq -f x",
    ] {
        let refused = super::filter(&parsed(line), Box::new(Kept::default())).is_err();
        assert!(refused || line.contains("{2'x"), "{line}");
    }
}

#[test]
fn what_is_endless_or_huge_stays_bounded() {
    // A line of 10 MB passes; sorting or turning more than fits says so; a catastrophic pattern is linear.
    let long = vec![b'a'; 10 << 20];
    let (found, code) = filtered("grep -c a", &long, 65536);
    assert_eq!((found.as_slice(), code), (&b"1\n"[..], 0));
    let (found, code) = filtered("cut -c 1-3", &long, 65536);
    assert_eq!((found.as_slice(), code), (&b"aaa\n"[..], 0));
    for line in ["sort", "tac", "head -n -1"] {
        let kept = Kept::default();
        let mut chain = super::filter(&parsed(line), Box::new(kept.clone())).unwrap();
        let mut pushed = 0;
        while pushed < 4096 && chain.push(&long[..65536]) == Flow::More {
            pushed += 1;
        }
        assert!(pushed < 200, "{line} would take any amount");
        assert_ne!(chain.end(), Some(0), "{line}");
        assert!(!kept.said.borrow().is_empty(), "{line} says nothing");
        assert!(kept.bytes.borrow().is_empty(), "{line} pretends to be whole");
    }
    let catastrophic = vec![b'a'; 20_000];
    for pattern in ["(a*)*b", "(a|a)*b", "(a|aa)+$b", "(.*)*(.*)*(.*)*x"] {
        let (found, code) = filtered(&format!("grep -E '{pattern}'"), &catastrophic, 65536);
        assert_eq!((found.len(), code), (0, 1), "{pattern}");
    }
}

#[test]
fn a_bomb_is_cut_and_a_broken_file_is_told() {
    let fixtures = Fixtures::new();
    let directory = fixtures.path().display();
    let zeros = std::fs::read(fixtures.path().join("zeros.gz")).unwrap();
    assert!(zeros.len() < 40_000);
    // The sink has enough long before the text is over.
    let mut kept = Kept { most: Some(100_000), ..Kept::default() };
    let line = format!("zcat {directory}/zeros.gz");
    let code = super::read(&parsed(&line), &plain_policy(), &mut kept, &mut |_| ());
    assert_eq!(code, 0);
    assert!(kept.bytes.borrow().len() < 300_000);
    for (change, expected) in
        [(0, "not in gzip format"), (20, "invalid compressed data"), (usize::MAX, "unexpected end of file")]
    {
        let mut bytes = std::fs::read(fixtures.path().join("log.gz")).unwrap();
        match bytes.get_mut(change) {
            Some(byte) => *byte ^= 0xff,
            None => bytes.truncate(bytes.len() / 2),
        }
        std::fs::write(fixtures.path().join("broken.gz"), bytes).unwrap();
        let (_, said, code) = read(&format!("zcat {directory}/broken.gz"), &plain_policy());
        assert!(code == 1 && said.iter().any(|line| line.contains(expected)), "{change}: {code} {said:?}");
    }
}

#[test]
fn names_cannot_move_a_cursor() {
    let fixtures = Fixtures::new();
    let directory = fixtures.path().display();
    for line in [
        format!("ls {directory}/odd"),
        format!("ls -la {directory}/odd"),
        format!("find {directory}/odd"),
        format!("grep -r x {directory}/odd"),
        format!("find {directory}/odd -printf '%f\\n'"),
    ] {
        let (found, _, code) = read(&line, &plain_policy());
        assert_eq!(code, 0, "{line}");
        assert!(!found.contains(&0x1b) && text(&found).contains("\\033"), "{line}: {}", text(&found));
        assert!(text(&found).contains("two\\012lines"), "{line}: {}", text(&found));
    }
}
