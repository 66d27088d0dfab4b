//! Every row of `tests/data/power-deny.tsv` through the built binary, and the finite language from the other side.

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
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/power-deny.tsv")).unwrap();
    let rows: Vec<Row> = text
        .lines()
        .skip(1)
        .map(|line| {
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
        })
        .collect();
    assert!(rows.len() > 70, "the corpus is not whole");
    rows
}

#[test]
fn every_row_is_refused_recorded_once_and_does_nothing() {
    let door = Door::new();
    let pid = door.start();
    crate::support::until("the start is recorded", || door.record_lines().len() == 2);
    let before = door.operations(102);
    let mut checked = 0;
    for row in rows().into_iter().filter(|row| row.expect == "refuse") {
        let recorded = door.record_lines().len();
        let request = (!row.unset).then_some(row.request.as_slice());
        let answer = answer(&mut door.guard(request));
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
            ("deny".into(), "refused".into(), "192.0.2.2".into()),
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
    let pid = door.lines("start devvm").end.status.unwrap().process.unwrap().pid;
    let rows: Vec<Row> = rows().into_iter().filter(|row| row.expect == "inert").collect();
    assert!(rows.len() >= 5);
    for row in rows {
        let request = [b"--json ".as_slice(), &row.request, b" devvm"].concat();
        let mut command = door.guard(Some(&request));
        for entry in &row.environment {
            let at = entry.iter().position(|byte| *byte == b'=').unwrap();
            command.env(OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..]));
        }
        let lines = answer(&mut command).lines();
        assert_eq!(lines.end.exit, 0, "{}: {:?}", row.id, lines.end);
        assert_eq!(door.qemus(102), [pid], "{}", row.id);
        assert_eq!(door.qemus(103), Vec::<u32>::new(), "{}", row.id);
        let recorded = door.record_lines();
        let last = recorded.last().unwrap();
        let claims_an_address = row.environment.iter().any(|entry| entry.starts_with(b"SSH_CONNECTION"));
        assert_eq!(last["source"], if claims_an_address { "unknown" } else { "192.0.2.2" }, "{}", row.id);
        assert_eq!(last["user"], "root", "{}", row.id);
    }
    assert_eq!(door.verify(&[]).code, 0);
}

#[test]
fn what_the_kernel_cannot_pass_never_arrives() {
    let door = Door::new();
    let row = rows().into_iter().find(|row| row.expect == "unreachable").unwrap();
    assert_eq!(
        door.guard(Some(&row.request)).spawn().map(|_| ()).unwrap_err().raw_os_error(),
        Some(7),
        "E2BIG"
    );
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
