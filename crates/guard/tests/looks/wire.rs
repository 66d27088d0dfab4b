//! The corpus from end to end: stock ssh, a real sshd, and behind its forced command the static guard as it is shipped. An
//! ordinary run asks what needs a fixture or sends an environment, and every fifth of the rest; a full one, or one with
//! another corpus, asks everything.

use super::cells::{decode, repeat};
use super::corpus;
use super::sshd::{DIAG_KEY, POWER_KEY, Shared, Sshd};
use super::support::{Door, WIDE};
use std::path::PathBuf;

/// sshd cannot start a command whose environment has a longer entry, so a longer request never reaches the guard.
const ARRIVES: usize = 130_000;
/// So many files are read by one request.
const FILES: usize = 8;

/// The guard that is shipped; where none was built, the one of this build.
fn guard() -> PathBuf {
    let Some(built) = std::env::var_os("BREAKGLASS_GUARD").map(PathBuf::from) else {
        println!("BREAKGLASS_GUARD names no static guard: the one of this build is asked");
        return env!("CARGO_BIN_EXE_breakglass-guard").into();
    };
    assert!(!wants_an_interpreter(&std::fs::read(&built).unwrap()), "{} is not static", built.display());
    built
}

/// Whether one of the segments of an ELF program for 64 bits names the loader of its libraries (`PT_INTERP` of elf(5)).
fn wants_an_interpreter(program: &[u8]) -> bool {
    let number = |at: usize, size: usize| {
        let bytes = program[at..at + size].iter().rev();
        bytes.fold(0, |number, byte| number << 8 | usize::from(*byte))
    };
    let (segments, size, count) = (number(32, 8), number(54, 2), number(56, 2));
    assert!(count > 0);
    (0..count).any(|segment| number(segments + segment * size, 4) == 3)
}

fn whole() -> bool {
    ["BREAKGLASS_FULL", "BREAKGLASS_CORPUS"].iter().any(|name| std::env::var_os(name).is_some())
}

#[test]
fn the_corpus_through_a_real_sshd_and_the_static_guard() {
    let power = "[power]\nvm = 102\nbackend = \"qm\"\n";
    let Some(door) = Door::of(&guard(), &format!("{WIDE}{power}")) else { return };
    let sshd = Sshd::new(&door);
    let diag = Shared::new(&sshd, DIAG_KEY);
    redaction(&door, &diag);
    corpus::allow(&door, &|request| diag.ask(request, |_| {}).unwrap());
    power_is_refused(&door, &Shared::new(&sshd, POWER_KEY));
    let wanted = |number: usize, row: &corpus::Row| {
        let special = !row.precondition.is_empty() || !row.environment.is_empty();
        row.request.len() < ARRIVES
            && !row.request.contains(&0)
            && (special || whole() || number.is_multiple_of(5))
    };
    let checked =
        corpus::deny(&door, &wanted, &|row| diag.ask(&row.request, |client| row.put_environment(client)));
    assert!(checked > if whole() { 450 } else { 120 }, "{checked}");
}

/// Every line stands in a file of its own, and is read as such.
fn redaction(door: &Door, diag: &Shared<'_>) {
    let mut rows = corpus::table("../redact/tests/data/secrets-redaction.tsv");
    if whole() {
        rows.extend(corpus::table("../redact/tests/data/more.tsv"));
    }
    rows.retain(|cells| cells.len() > 3);
    let mut wrong = Vec::new();
    for rows in rows.chunks(FILES) {
        let mut request = b"cat".to_vec();
        for cells in rows {
            let path = format!("/srv/lines/{}", cells[0]);
            door.stage.write(&path, &[repeat(decode(&cells[3])), b"\n".to_vec()].concat());
            request.extend([b" ", path.as_bytes()].concat());
        }
        let answer = diag.ask(&request, |_| {}).unwrap();
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        for cells in rows {
            let shown = |bytes: &[u8]| answer.stdout.as_bytes().windows(bytes.len()).any(|it| it == bytes);
            let fine = match cells[1].as_str() {
                "hide" => {
                    let secrets = decode(cells.get(4).map_or("", String::as_str));
                    cells[2].starts_with("hard:") || !secrets.split(|byte| *byte == 0x1e).any(shown)
                }
                _ => shown(&repeat(decode(&cells[3]))),
            };
            if !fine {
                wrong.push(format!("{} is to {}", cells[0], cells[1]));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rows.len() > 100, "the corpus is not whole");
}

/// Nothing but the six verbs is let through, whatever else the key may be used for.
fn power_is_refused(door: &Door, power: &Shared<'_>) {
    door.stand_in("qm", b"");
    let mut checked = 0;
    for row in corpus::denied("tests/data/power-deny.tsv") {
        let never = row.request.contains(&0) || row.request.len() > ARRIVES;
        if row.expect != "refuse" || never {
            continue;
        }
        let before = door.record().len();
        let answer = power.ask(&row.request, |client| row.put_environment(client)).unwrap();
        assert_eq!(answer.code, 77, "{}: {}{}", row.id, answer.stdout, answer.stderr);
        assert!(!answer.stdout.contains("called: "), "{}", row.id);
        let lines = door.record();
        assert_eq!(lines.len(), before + 1, "{}", row.id);
        assert_eq!(lines.last().unwrap()["decision"], "deny", "{}", row.id);
        checked += 1;
    }
    assert!(checked > 60, "{checked}");
}
