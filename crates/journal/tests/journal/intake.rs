//! Spools are taken in once, whole, under the journal's own numbers, and never believed further than their chain holds.

use crate::support::{close, mara, note, now, open, text};
use breakglass_incident::{Actor, EventBody, IncidentId, OutsideAgent, PressId, Seq};
use breakglass_journal::{Journal, Spool, SpoolIntake, Wanted, set_spool_aside, verify};
use breakglass_protocol::{Outcome, Verb};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

const ALL: Wanted = Wanted { incident: None, after: Seq(0), limit: usize::MAX };
const CHILD: &str = "BREAKGLASS_TEST_INTAKE_CHILD";

fn alice() -> Actor {
    Actor::Cli("alice@laptop".to_owned())
}

fn outside() -> Actor {
    Actor::Outside(OutsideAgent::new("claude-code", "alice@laptop"))
}

fn pressed() -> EventBody {
    EventBody::VerbPressed {
        target: "devvm".to_owned(),
        verb: Verb::Cycle,
        seen: None,
        shown: "command line".to_owned(),
        door: "devvm-power".to_owned(),
    }
}

fn finished(press: u64) -> EventBody {
    EventBody::VerbFinished {
        press: Some(PressId(press)),
        target: "devvm".to_owned(),
        verb: Verb::Cycle,
        operation: None,
        outcome: Outcome::Done,
        message: "it runs".to_owned(),
        refusal: None,
        status: None,
    }
}

fn opened() -> EventBody {
    EventBody::IncidentOpened { target: "devvm".to_owned(), reason: "it hangs".to_owned() }
}

#[tokio::test]
async fn a_spool_becomes_an_incident_under_the_journals_own_numbers() {
    let dir = TempDir::new().unwrap();
    let spool = Spool::open(&dir.path().join("spool"), now).unwrap();
    let begun = spool.append(None, alice(), opened()).unwrap();
    let press = spool.append(begun.incident, alice(), pressed()).unwrap();
    let journal = open(dir.path());
    let (ours, _) = journal.open_incident("gitvm", "another", mara()).await;

    let taken = journal.take_in(spool.path()).await.unwrap();
    assert_eq!((taken.events, taken.open.clone()), (2, vec![("devvm".to_owned(), IncidentId(2))]));
    assert_ne!(ours, IncidentId(2));
    // The command goes on, and what comes later still finds its press.
    spool.append(begun.incident, Actor::Guard("devvm-power".to_owned()), finished(press.seq.0)).unwrap();
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 1);
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 0, "once");

    let events = journal.incident(IncidentId(2)).await;
    assert_eq!(events.len(), 3);
    let EventBody::VerbFinished { press: named, .. } = &events[2].body else { panic!("{:?}", events[2]) };
    assert_eq!(*named, Some(PressId(events[1].seq.0)), "the press has the number that it has here");
    let head = spool.verify(None).unwrap().unwrap().tip();
    let Actor::Spool(late) = &events[2].actor else { panic!("{:?}", events[2].actor) };
    assert_eq!((late.line.clone(), late.taken_in >= events[2].at), (head.to_string(), true));
    assert_eq!(*late.by, Actor::Guard("devvm-power".to_owned()));
    assert_eq!(events[0].at, begun.at, "it keeps the time at which it happened");
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());
    let journal = open(dir.path());
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 0, "after a restart too");
    close(journal).await;
}

#[tokio::test]
async fn what_lies_beside_a_spool_is_taken_over() {
    let dir = TempDir::new().unwrap();
    let beside = dir.path().join("spool");
    let spool = Spool::open(&beside, now).unwrap();
    let memory = Journal::open(&dir.path().join("other"), now).unwrap();
    let artifact = memory.put_artifact("output.txt", "text/plain", vec![7_u8; 3000]).await.unwrap();
    std::fs::rename(dir.path().join("other/artifacts"), beside.join("artifacts")).unwrap();
    close(memory).await;
    let body = EventBody::CommandFinished {
        command: breakglass_incident::CommandId(77),
        target: "devvm".to_owned(),
        exit: Some(0),
        message: "done".to_owned(),
        millis: 3,
        output: String::new(),
        rest: Some(artifact.clone()),
    };
    spool.append(None, alice(), body).unwrap();
    let journal = open(dir.path());
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 1);
    assert_eq!(journal.artifact(&artifact.sha256).await.unwrap().len(), 3000);
    let EventBody::CommandFinished { command, .. } = &journal.replay(ALL).await[0].body else { panic!() };
    assert_eq!(command.0, 0, "a number that the spool does not explain names nothing here");
    close(journal).await;
}

/// Whether a spool was refused as damaged, and at which line.
async fn refused(journal: &Journal, path: &Path) -> Option<u64> {
    match journal.take_in(path).await {
        Err(SpoolIntake::Damaged { line, .. }) => Some(line),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[tokio::test]
async fn nothing_of_a_spool_is_believed_that_was_changed_or_says_what_a_server_says() {
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let spool = Spool::open(&dir.path().join("spool"), now).unwrap();
    for n in 0..200 {
        spool.append(None, alice(), note(format!("line {n}"))).unwrap();
    }
    let sound = std::fs::read_to_string(spool.path()).unwrap();
    let lines: Vec<&str> = sound.lines().collect();
    let join = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let swapped: Vec<&str> =
        lines.iter().enumerate().map(|(n, line)| if n == 5 { lines[6] } else { line }).collect();
    let cases = [
        ("edited", sound.replacen("line 150", "line 015", 1)),
        ("a line taken out", join(&[&lines[..9], &lines[10..]].concat())),
        ("swapped", join(&swapped)),
        ("no JSON", format!("{}nonsense\n{}", join(&lines[..20]), join(&lines[20..]))),
        ("garbage", "\0\0\0\u{1}\n".repeat(20)),
    ];
    for (name, text) in cases {
        std::fs::write(spool.path(), text).unwrap();
        assert!(refused(&journal, spool.path()).await.is_some(), "{name}");
        assert_eq!(journal.newest(), Seq(0), "{name}: not one line of it was believed");
    }
    std::fs::write(spool.path(), &sound).unwrap();
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 200);
    // What was taken in and is changed afterwards shows too, though its own chain holds.
    std::fs::write(spool.path(), join(&lines[..100])).unwrap();
    assert!(refused(&journal, spool.path()).await.is_some(), "its end was cut off");
    let aside = set_spool_aside(spool.path(), now()).unwrap();
    assert!(aside.exists() && !spool.path().exists());
    close(journal).await;

    let cases: [(&str, Actor, EventBody); 8] = [
        (
            "a gap",
            alice(),
            EventBody::Gap { missing: 9, skipped: 0, from: now(), until: now(), reason: "x".to_owned() },
        ),
        (
            "an erasure",
            alice(),
            EventBody::Erased { which: Seq(1), was: "note".to_owned(), why: "x".to_owned() },
        ),
        (
            "a notice",
            Actor::Server,
            EventBody::Notified {
                of: Seq(1),
                key: "x".to_owned(),
                receiver: "oncall".to_owned(),
                how: breakglass_incident::Delivery::Sent,
                tries: 1,
                sentence: "nobody has to look".to_owned(),
            },
        ),
        ("a good-bye", Actor::Server, EventBody::ServerStopped {}),
        ("an end of sessions", alice(), EventBody::SessionsEnded { name: "mara".to_owned(), session: None }),
        ("an agent", outside(), note("I did nothing of the kind")),
        ("a person", mara(), note("I was logged in")),
        ("a token", Actor::Token("robot".to_owned()), note("so was I")),
    ];
    for (name, actor, body) in cases {
        let dir = TempDir::new().unwrap();
        let journal = open(dir.path());
        let spool = Spool::open(&dir.path().join("spool"), now).unwrap();
        spool.append(None, alice(), note("harmless")).unwrap();
        spool.append(None, actor, body).unwrap();
        assert_eq!(refused(&journal, spool.path()).await, Some(2), "{name}");
        assert_eq!(journal.newest(), Seq(0), "{name}");
        close(journal).await;
    }
}

#[tokio::test]
async fn a_line_that_a_crash_tore_is_passed_over_and_one_that_is_being_written_waits() {
    use std::io::Write as _;
    let dir = TempDir::new().unwrap();
    let journal = open(dir.path());
    let spool = Spool::open(&dir.path().join("spool"), now).unwrap();
    spool.append(None, alice(), note("one")).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(spool.path()).unwrap();
    file.write_all(b"{\"incident\":null,\"at\":\"20").unwrap();
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 1);
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 0);
    spool.append(None, alice(), note("two")).unwrap();
    assert_eq!(journal.take_in(spool.path()).await.unwrap().events, 1);
    assert_eq!(journal.replay(ALL).await.iter().map(text).collect::<Vec<_>>(), ["one", "two"]);
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());
}

/// Not a test: takes a spool in until it is killed. Without its variable it does nothing.
#[test]
fn child_takes_in_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let dir = Path::new(&dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = open(dir);
        for n in 0_u64.. {
            let _between = journal.append(None, mara(), note(format!("between {n}"))).await;
            journal.take_in(&dir.join("spool/spool.jsonl")).await.unwrap();
        }
    });
}

#[tokio::test]
async fn each_line_is_taken_in_exactly_once_however_often_the_server_is_killed() {
    let dir = TempDir::new().unwrap();
    let rounds = 15;
    let mut seed = std::process::id();
    // Two command lines at once, into one spool, while the server is killed again and again.
    let writers: Vec<_> = ["alice", "bob"]
        .map(|who| {
            let spool = dir.path().join("spool");
            std::thread::spawn(move || {
                let spool = Spool::open(&spool, now).unwrap();
                for n in 0..400 {
                    spool.append(None, Actor::Cli(who.to_owned()), note(format!("{who} {n}"))).unwrap();
                    std::thread::sleep(Duration::from_millis(3));
                }
            })
        })
        .into();
    for _ in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "intake::child_takes_in_until_it_is_killed",
                "--nocapture",
                "--test-threads",
                "1",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        tokio::time::sleep(Duration::from_millis(30 + u64::from(seed >> 8) % 150)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    for writer in writers {
        writer.join().unwrap();
    }
    let journal = open(dir.path());
    let now_taken = journal.take_in(&dir.path().join("spool/spool.jsonl")).await.unwrap().events;
    let told = journal.replay(ALL).await;
    let late: Vec<String> =
        told.iter().filter(|event| matches!(event.actor, Actor::Spool(_))).map(text).collect();
    assert_eq!(late.len(), 800, "{now_taken} of them at the end");
    assert_eq!(late.iter().collect::<BTreeSet<_>>().len(), 800, "none twice");
    let alices: Vec<&String> = late.iter().filter(|text| text.starts_with("alice")).collect();
    assert_eq!(
        alices,
        (0..400).map(|n| format!("alice {n}")).collect::<Vec<_>>().iter().collect::<Vec<_>>(),
        "in order"
    );
    assert!(now_taken < 800, "the killed ones took nothing in: this proved nothing");
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());
}
