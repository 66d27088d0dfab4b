//! The writer is killed with SIGKILL at random points, in a real process, and everything that it had acknowledged is there.

use crate::support::{close, mara, note, now, open, text};
use breakglass_incident::{EventBody, Seq};
use breakglass_journal::{Journal, OpenError, Wanted, verify};
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

const CHILD: &str = "BREAKGLASS_TEST_JOURNAL_CHILD";

/// Not a test: what the child process runs. Without its variable it does nothing.
#[test]
fn child_appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = open(Path::new(&dir));
        println!("\nopen");
        let tasks: Vec<_> = (0..8).map(|task| tokio::spawn(append_for_ever(journal.clone(), task))).collect();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

async fn append_for_ever(journal: Journal, task: u32) {
    for n in 0_u64.. {
        let words = format!("task {task} event {n} {}", "x".repeat((n % 700) as usize));
        let kept = journal.append(None, mara(), note(&words)).await;
        assert!(kept.is_durable());
        let mut out = std::io::stdout().lock();
        // One write a line, so that a kill cuts between lines or within one, never mixes two.
        out.write_all(format!("kept {} {words}\n", kept.seq()).as_bytes()).unwrap();
        out.flush().unwrap();
    }
}

pub(crate) fn start(dir: &Path) -> (Child, BufReader<ChildStdout>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_appends_until_it_is_killed", "--nocapture", "--test-threads", "1"])
        .env(CHILD, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while line.trim() != "open" {
        line.clear();
        assert_ne!(out.read_line(&mut line).unwrap(), 0, "the child ended before it was killed");
    }
    (child, out)
}

#[tokio::test]
async fn everything_that_was_acknowledged_survives_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged: BTreeMap<u64, String> = BTreeMap::new();
    let mut seed = std::process::id();
    for round in 0..12 {
        let (mut child, mut out) = start(dir.path());
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let moment = Duration::from_micros(u64::from(seed >> 8) % 120_000);
        let killer = std::thread::spawn(move || {
            std::thread::sleep(moment);
            child.kill().unwrap();
            child.wait().unwrap();
        });
        let mut line = String::new();
        while out.read_line(&mut line).unwrap() > 0 {
            if let Some((seq, words)) =
                line.strip_prefix("kept ").and_then(|l| l.strip_suffix('\n')?.split_once(' '))
            {
                let before = acknowledged.insert(seq.parse().unwrap(), words.to_owned());
                assert_eq!(before, None, "round {round}: number {seq} was acknowledged twice");
            }
            line.clear();
        }
        killer.join().unwrap();

        let journal = open(dir.path());
        let there: BTreeMap<u64, String> = journal
            .replay(Wanted { incident: None, after: Seq(0), limit: usize::MAX })
            .await
            .iter()
            .map(|e| (e.seq.0, text(e)))
            .collect();
        for (seq, words) in &acknowledged {
            assert_eq!(
                there.get(seq),
                Some(words),
                "round {round}: event {seq} was acknowledged and is gone"
            );
        }
        close(journal).await;
        let verified = verify(dir.path(), None).unwrap();
        assert_eq!(verified.events, there.len() as u64);
    }
    assert!(
        acknowledged.len() > 100,
        "only {} events in all rounds: this proved nothing",
        acknowledged.len()
    );
}

#[tokio::test]
async fn a_second_process_is_told_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut child, _out) = start(dir.path());
    let error = Journal::open(dir.path(), now).err().unwrap();
    assert!(
        matches!(&error, OpenError::InUse { holder, .. } if *holder == child.id().to_string()),
        "{error}"
    );
    assert!(verify(dir.path(), None).is_ok(), "verifying reads beside the one that writes");
    child.kill().unwrap();
    child.wait().unwrap();
    close(open(dir.path())).await;
}

#[tokio::test]
async fn says_whether_the_run_before_said_good_bye() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    assert_eq!(journal.ended_in_order(), None);
    let started = || EventBody::ServerStarted { version: "0.1.0".to_owned(), unclean: false };
    assert!(journal.append(None, mara(), started()).await.is_durable());
    close(journal).await;
    let journal = open(dir.path());
    assert_eq!(journal.ended_in_order(), Some(false));
    assert!(journal.append(None, mara(), started()).await.is_durable());
    assert!(journal.append(None, mara(), EventBody::ServerStopped {}).await.is_durable());
    close(journal).await;
    assert_eq!(open(dir.path()).ended_in_order(), Some(true));
}
