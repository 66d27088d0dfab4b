//! Every row of `tests/data/power-deny.tsv` through the built binary, and the finite language from the other side.
//! `BREAKGLASS_CORPUS` names a directory with another file of this name, whose rows come beside ours.

use crate::cells::{decode, repeat};
use crate::support::{Door, answer};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

struct Row {
    id: String,
    request: Vec<u8>,
    environment: Vec<Vec<u8>>,
    unset: bool,
    expect: String,
}

fn rows() -> Vec<Row> {
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/power-deny.tsv").to_owned();
    let other = std::env::var("BREAKGLASS_CORPUS").map(|directory| format!("{directory}/power-deny.tsv"));
    let other = other.ok().filter(|other| fs::exists(other).unwrap());
    let mut lines: Vec<String> = Vec::new();
    for path in std::iter::once(ours).chain(other) {
        let text = fs::read_to_string(path).unwrap();
        lines.extend(text.lines().skip(1).map(str::to_owned));
    }
    lines.sort();
    lines.dedup();
    let rows: Vec<Row> = lines.iter().map(|line| row(line)).collect();
    assert!(rows.len() > 70, "the corpus is not whole");
    rows
}

fn row(line: &str) -> Row {
    let cells: Vec<&str> = line.split('\t').collect();
    assert_eq!(cells.len(), 7, "{line}");
    let environment = decode(cells[3]);
    let unset = environment == b"UNSET SSH_ORIGINAL_COMMAND";
    let entries = environment.split(|byte| *byte == 0x1e).filter(|entry| entry.contains(&b'='));
    Row {
        id: cells[0].to_owned(),
        request: repeat(decode(cells[2])),
        environment: entries.map(<[u8]>::to_vec).collect(),
        unset,
        expect: cells[6].to_owned(),
    }
}

impl Row {
    /// Whether a kernel can hand it to a program at all: no text of an environment has a zero byte or 128 KiB.
    fn arrives(&self) -> bool {
        self.expect != "unreachable" && !self.request.contains(&0)
    }

    fn surround(&self, command: &mut std::process::Command) {
        for entry in &self.environment {
            let at = entry.iter().position(|byte| *byte == b'=').unwrap();
            command.env(OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..]));
        }
    }

    /// What the record must say of where it came from.
    fn source(&self) -> &str {
        let claims = self.environment.iter().any(|entry| entry.starts_with(b"SSH_CONNECTION"));
        if claims { "unknown" } else { "192.0.2.2" }
    }
}

#[test]
fn every_row_is_refused_recorded_once_and_does_nothing() {
    let door = Door::new();
    let pid = door.start();
    crate::support::until("the start is recorded", || door.record_lines().len() == 2);
    let before = door.operations(102);
    let mut checked = 0;
    let refused = |row: &Row| matches!(row.expect.as_str(), "refuse" | "policy-refuse") && row.arrives();
    for row in rows().into_iter().filter(refused) {
        let recorded = door.record_lines().len();
        let request = (!row.unset).then_some(row.request.as_slice());
        let mut command = door.guard(request);
        row.surround(&mut command);
        let answer = answer(&mut command);
        let id = &row.id;
        assert_eq!(answer.code, 77, "{id}: {}", answer.stderr);
        let starts = answer.stderr.starts_with("breakglass-guard: refused (");
        assert!(
            starts && answer.stderr.lines().count() == 1 && answer.stderr.is_ascii(),
            "{id}: {}",
            answer.stderr
        );
        if row.request.starts_with(b"--json ") {
            assert_eq!(
                answer.lines().end.refusal.map(|it| it.to_string()).as_deref(),
                Some(answer.stderr.trim_end()),
                "{id}"
            );
        } else {
            assert_eq!(answer.stdout, "", "{id}");
        }
        let lines = door.record_lines();
        assert_eq!(lines.len(), recorded + 1, "{id}");
        let last = lines.last().unwrap();
        let word = |key: &str| last[key].as_str().unwrap_or_default().to_owned();
        assert_eq!(
            (word("decision"), word("outcome"), word("source")),
            ("deny".into(), "refused".into(), row.source().into()),
            "{id}"
        );
        assert!(word("request").len() <= 400 && word("request").is_ascii(), "{id}");
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
    assert_eq!(door.qemus(102), [pid]);
    assert_eq!(door.operations(102), before);
    assert_eq!(door.verify(&[]).code, 0);
}

#[test]
fn the_environment_changes_nothing() {
    let door = Door::to(&[(102, "devvm"), (103, "other")]);
    let start = || door.lines("start devvm").end.status.unwrap().process.unwrap().pid;
    let mut pid = start();
    let inert = |row: &Row| row.expect == "inert" && row.arrives();
    let rows: Vec<Row> = rows().into_iter().filter(inert).collect();
    assert!(rows.len() >= 5);
    for row in rows {
        let request = [b"--json ".as_slice(), &row.request, b" devvm"].concat();
        let mut command = door.guard(Some(&request));
        row.surround(&mut command);
        let lines = answer(&mut command).lines();
        assert_eq!(lines.end.exit, 0, "{}: {:?}", row.id, lines.end);
        if matches!(row.request.as_slice(), b"stop" | b"cycle") {
            assert_ne!(door.qemus(102), [pid], "{}", row.id);
            pid = start();
        }
        assert_eq!(door.qemus(102), [pid], "{}", row.id);
        assert_eq!(door.qemus(103), Vec::<u32>::new(), "{}", row.id);
        let recorded = door.record_lines();
        let last = recorded.last().unwrap();
        assert_eq!(last["source"], row.source(), "{}", row.id);
        assert_eq!(last["user"], "root", "{}", row.id);
    }
    assert_eq!(door.verify(&[]).code, 0);
}

#[test]
fn what_the_kernel_cannot_pass_never_arrives() {
    let door = Door::new();
    let mut rows = rows();
    rows.retain(|row| !row.arrives());
    assert!(!rows.is_empty());
    for row in rows {
        let error = door.guard(Some(&row.request)).spawn().map(|_| ()).unwrap_err();
        let expected = if row.request.contains(&0) { None } else { Some(7) };
        assert_eq!(error.raw_os_error(), expected, "E2BIG, or no call at all: {} {error}", row.id);
    }
}

#[test]
fn with_several_vms_a_name_is_needed_and_must_be_on_the_list() {
    let door = Door::to(&[(102, "devvm"), (1020, "gitvm")]);
    for (request, rule) in [
        ("status", "vm-missing"),
        ("status mailvm", "unknown-vm"),
        ("status 102", "unknown-vm"),
        ("status devvm gitvm", "unknown-vm"),
        ("status devv", "unknown-vm"),
        ("cycle ../devvm", "unknown-vm"),
    ] {
        let answer = door.ask(request);
        assert_eq!(answer.code, 77);
        assert!(answer.stderr.contains(&format!("refused ({rule})")), "{request}: {}", answer.stderr);
    }
    assert_eq!(door.ask("status gitvm").code, 0);
}
