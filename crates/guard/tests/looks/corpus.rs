//! Every row of the corpus, its fixture really built, through the built binary. `BREAKGLASS_CORPUS` names a directory with
//! another corpus of the same form, such as a larger one.

use super::cells::{decode, repeat};
use super::support::{Answer, Door};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The marker stands in what nobody can know for a secret: a password typed as a name, without key and without shape.
const KNOWN_LIMITS: &[&str] = &["D1476"];
/// What a row asks for is built by another test: races by the readers' own, sessions and bounds in `resources`.
const ELSEWHERE: &[&str] =
    &["race:", "note:client", "note:50", "note:request every", "note:FUSE", "note:sparse", "note:directory"];

pub(super) struct Row {
    pub(super) id: String,
    pub(super) request: Vec<u8>,
    pub(super) environment: Vec<Vec<u8>>,
    pub(super) precondition: String,
    pub(super) expect: String,
}

/// The rows of a file of the corpus, cell by cell.
pub(super) fn table(path: &str) -> Vec<Vec<String>> {
    let name = path.rsplit('/').next().unwrap();
    let ours = format!("{}/{path}", env!("CARGO_MANIFEST_DIR"));
    let other = std::env::var("BREAKGLASS_CORPUS").ok().map(|directory| format!("{directory}/{name}"));
    let path = other.filter(|other| Path::new(other).exists()).unwrap_or(ours);
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split('\t').map(str::to_owned).collect()).collect()
}

/// What is to be denied, from a file of that form.
pub(super) fn denied(path: &str) -> Vec<Row> {
    table(path)
        .into_iter()
        .map(|cells| {
            let environment = decode(&cells[3]);
            let entries = environment.split(|byte| *byte == 0x1e).filter(|entry| entry.contains(&b'='));
            Row {
                id: cells[0].clone(),
                request: repeat(decode(&cells[2])),
                environment: entries.map(<[u8]>::to_vec).collect(),
                precondition: String::from_utf8_lossy(&decode(&cells[4])).into_owned(),
                expect: cells[6].clone(),
            }
        })
        .collect()
}

fn rows() -> Vec<Row> {
    let rows = denied("tests/data/diag-deny.tsv");
    assert!(rows.len() > 500, "the corpus is not whole");
    rows
}

/// Builds what a row needs; a process that has to run while it is asked comes back.
fn build(door: &Door, precondition: &str) -> Option<Child> {
    let stage = &door.stage;
    let mut child = None;
    for part in precondition.split(" && ") {
        let pair = |rest: &str| rest.split_once("=>").map(|(a, b)| (a.to_owned(), b.to_owned()));
        let run = |words: &[&str]| {
            let _ = stage.command(false, words[0]).args(&words[1..]).stderr(Stdio::null()).status();
        };
        if let Some((path, text)) = part.strip_prefix("file:").and_then(|rest| rest.split_once('=')) {
            stage.write(path, text.as_bytes());
        } else if let Some((link, to)) = part.strip_prefix("symlink:").and_then(pair) {
            run(&["/bin/mkdir", "-p", parent(&link)]);
            run(&["/bin/ln", "-s", &to, &link]);
        } else if let Some((link, to)) = part.strip_prefix("hardlink:").and_then(pair) {
            if !stage.at(&to).exists() {
                stage.write(&to, b"BGCANARY");
            }
            run(&["/bin/mkdir", "-p", parent(&link)]);
            run(&["/bin/ln", &to, &link]);
        } else if let Some((at, from)) = part.strip_prefix("bind:").and_then(pair) {
            run(&["/bin/mkdir", "-p", &at, &from]);
            run(&["/bin/mount", "--bind", &from, &at]);
        } else if let Some(path) = part.strip_prefix("fifo:") {
            run(&["/usr/bin/mkfifo", "-m", "666", path]);
        } else if let Some(path) = part.strip_prefix("dir:") {
            run(&["/bin/mkdir", "-p", path]);
        } else if let Some(line) = part.strip_prefix("proc:") {
            let words: Vec<&str> = line.split(' ').collect();
            let mut sleeper = stage.command(true, "/usr/bin/perl");
            sleeper.args(["-e", "$0 = join ' ', @ARGV; sleep 60", "--"]).args(&words);
            child = Some(sleeper.stdout(Stdio::null()).spawn().unwrap());
        }
    }
    child
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent })
}

impl Row {
    /// Gives a command the environment that the row's client sends.
    pub(super) fn put_environment(&self, command: &mut Command) {
        for entry in &self.environment {
            let at = entry.iter().position(|byte| *byte == b'=').unwrap();
            command.env(OsStr::from_bytes(&entry[..at]), OsStr::from_bytes(&entry[at + 1..]));
        }
    }

    /// It is to be asked while something goes on that another test makes.
    fn is_elsewhere(&self) -> bool {
        ELSEWHERE.iter().any(|note| self.precondition.contains(note))
            || KNOWN_LIMITS.contains(&self.id.as_str())
            || self.precondition.contains("audit log path")
    }
}

/// As sshd would ask, without it; nothing where the request cannot be passed on.
fn ask(door: &Door, row: &Row) -> Option<Answer> {
    let mut command = door.guard(Some(&row.request));
    row.put_environment(&mut command);
    command.output().ok().map(Answer::from)
}

/// Asks what must be denied, of those rows that are wanted.
pub(super) fn deny(
    door: &Door,
    wanted: &dyn Fn(usize, &Row) -> bool,
    ask: &dyn Fn(&Row) -> Option<Answer>,
) -> usize {
    let secret = "N8N_ENCRYPTION_KEY=BGCANARY-n8nkey\npostgres://n8n:BGCANARY-pg@db/n8n\nEnvironment=N8N_ENCRYPTION_KEY=BGCANARY-key\n\
         PASSWORD: BGCANARY-k8s\n";
    for name in ["systemctl", "journalctl", "kubectl", "qm", "docker", "podman"] {
        door.stand_in(name, secret.as_bytes());
    }
    door.stage.write(
        "/etc/nginx/nginx.conf",
        b"proxy_set_header Authorization \"Basic BGCANARYBGCANARYBGCANARY==\";\n",
    );
    door.stage.write("/var/log/nginx/access.log", b"192.0.2.7 - GET /x?token=BGCANARY-url HTTP/1.1 200\n");
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for (number, row) in rows().into_iter().enumerate() {
        if row.is_elsewhere() || !wanted(number, &row) {
            continue;
        }
        let mut helper = build(door, &row.precondition);
        let before = door.record().len();
        let answer = ask(&row);
        if let Some(helper) = &mut helper {
            let _ = helper.kill();
            let _ = helper.wait();
        }
        let Some(answer) = answer else {
            assert_eq!(row.expect, "unreachable", "{}", row.id);
            continue;
        };
        checked += 1;
        let Row { id, expect, .. } = &row;
        let marked = row.request.windows(8).any(|window| window == b"BGCANARY");
        if answer.stdout.contains("BGCANARY") || (!marked && answer.stderr.contains("BGCANARY")) {
            wrong.push(format!("{id} discloses: {}{}", answer.stdout, answer.stderr));
        }
        let lines = door.record();
        let last = lines.last().cloned().unwrap_or_default();
        let ran = answer.stdout.contains("called: ");
        let refused = answer.code == 77 && !ran && last["decision"] == "deny" && last["outcome"] == "refused";
        let absent = answer.stderr.contains("No such file") && !ran;
        match expect.as_str() {
            "refuse" if !(refused || absent) => {
                wrong.push(format!(
                    "{id} {} not refused: {} {}",
                    row.request.escape_ascii(),
                    answer.code,
                    answer.stderr
                ));
            }
            "refuse" if refused && lines.len() > before + 2 => {
                wrong.push(format!("{id}: {} lines", lines.len() - before))
            }
            "inert" if answer.code == 77 && !answer.stderr.contains("(no-broker)") => {
                wrong.push(format!("{id} refused: {}", answer.stderr));
            }
            _ => {}
        }
        if row.request.len() < 300 && !answer.stderr.is_ascii() {
            wrong.push(format!("{id}: bytes of the request on the error output"));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    let record = door.record_text();
    assert!(!record.contains("hunter2"), "a password of a request stands in the record");
    assert!(record.is_ascii());
    for line in door.record() {
        let request = line["request"].as_str().unwrap_or_default().to_owned();
        assert!(request.len() <= 420 && !request.chars().any(char::is_control), "{request}");
    }
    checked
}

#[test]
fn nothing_that_must_be_refused_runs_and_nothing_secret_shows() {
    let Some(door) = Door::new() else { return };
    let checked = deny(&door, &|_, _| true, &|row| ask(&door, row));
    assert!(checked > 480, "{checked}");
}

/// Asks what must be allowed.
pub(super) fn allow(door: &Door, ask: &dyn Fn(&[u8]) -> Answer) {
    for name in ["systemctl", "journalctl", "kubectl", "ping", "dig", "resolvectl", "hostnamectl"] {
        door.stand_in(name, b"");
    }
    let (mut wrong, mut checked) = (Vec::new(), 0);
    for cells in table("tests/data/diag-allow.tsv") {
        let (id, request, tier) = (&cells[0], decode(&cells[1]), &cells[3]);
        if tier != "core" {
            continue;
        }
        checked += 1;
        let before = door.record().len();
        let answer = ask(&request);
        let needs_more = answer.stderr.contains("(no-broker)");
        let allowed = !answer.stderr.contains("breakglass-guard: refused (");
        if !allowed && !needs_more {
            wrong.push(format!("{id} {}: {}", request.escape_ascii(), answer.stderr));
        }
        let grown = door.record().len() - before;
        if allowed && grown != 2 {
            wrong.push(format!("{id}: {grown} lines of record"));
        }
    }
    assert!(wrong.is_empty(), "{} of {checked}:\n{}", wrong.len(), wrong.join("\n"));
    assert!(checked > 90, "{checked}");
}

#[test]
fn every_core_row_is_allowed_and_recorded_twice() {
    let Some(door) = Door::new() else { return };
    allow(&door, &|request| door.guard(Some(request)).output().unwrap().into());
}
