//! Every way to change what was written is noticed and named; what is no journal is told apart and left alone.

use crate::support::{close, mara, note, now, open, text};
use breakglass_incident::{EventBody, Seq};
use breakglass_journal::{Archive, Broken, Damage, Head, Journal, OpenError, Verified, Wanted, verify};
use rusqlite::Connection;
use std::path::Path;
use tempfile::TempDir;

async fn journal_of(events: usize) -> (TempDir, Head) {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    for n in 0..events {
        assert!(journal.append(None, mara(), note(format!("event {n}"))).await.is_durable());
    }
    let head = journal.head();
    close(journal).await;
    (dir, head)
}

fn change(dir: &Path, sql: &str) {
    Connection::open(dir.join("journal.db")).unwrap().execute_batch(sql).unwrap();
}

fn damage(dir: &Path, expected: Option<Head>) -> (u64, Damage) {
    match verify(dir, expected).unwrap_err() {
        Broken::Damaged { seq, what, .. } => (seq.0, what),
        other @ Broken::Open(_) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_journal_that_was_left_alone_holds() {
    let (dir, head) = journal_of(10).await;
    let expected = Verified { events: 10, head, gaps: 0, missing: 0, erased: 0 };
    assert_eq!(verify(dir.path(), None).unwrap(), expected);
    assert_eq!(verify(dir.path(), Some(head)).unwrap(), expected);
    assert_eq!(head.to_string().parse::<Head>().unwrap(), head);
    let empty = tempfile::tempdir().unwrap();
    close(open(empty.path())).await;
    assert_eq!(verify(empty.path(), Some(Head::EMPTY)).unwrap().events, 0);
}

#[tokio::test]
async fn every_change_is_named() {
    let swap = "UPDATE events SET seq = -1 WHERE seq = 4; UPDATE events SET seq = 4 WHERE seq = 5; UPDATE events SET seq = 5 WHERE seq = -1;";
    let renumber = "UPDATE events SET seq = seq - 1 WHERE seq > 4";
    let cases: [(&str, (u64, Damage)); 14] = [
        ("UPDATE events SET body = replace(body, 'event', 'edits') WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET actor = replace(actor, 'mara', 'eve') WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET at = '2020-01-01T00:00:00.000Z' WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET kind = 'gap' WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET incident = 7 WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET body_digest = zeroblob(32) WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET hash = zeroblob(32) WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET prev = zeroblob(32) WHERE seq = 4", (4, Damage::Edited)),
        ("UPDATE events SET body = NULL WHERE seq = 4", (4, Damage::BodyMissing)),
        ("DELETE FROM events WHERE seq = 1", (2, Damage::Missing)),
        ("DELETE FROM events WHERE seq BETWEEN 4 AND 6", (7, Damage::Missing)),
        (&format!("DELETE FROM events WHERE seq = 4; {renumber}"), (4, Damage::Edited)),
        (swap, (4, Damage::Reordered)),
        ("UPDATE events SET seq = -3 WHERE seq = 4", (1, Damage::Reordered)),
    ];
    for (sql, expected) in cases {
        let (dir, _) = journal_of(10).await;
        change(dir.path(), sql);
        assert_eq!(damage(dir.path(), None), expected, "{sql}");
    }
}

#[tokio::test]
async fn a_cut_tail_and_a_forged_one_show_against_an_exported_head() {
    let (dir, head) = journal_of(10).await;
    change(dir.path(), "DELETE FROM events WHERE seq > 7");
    assert!(verify(dir.path(), None).is_ok());
    assert_eq!(damage(dir.path(), Some(head)), (8, Damage::Truncated));
    let journal = open(dir.path());
    for n in 0..5 {
        assert!(journal.append(None, mara(), note(format!("forged {n}"))).await.is_durable());
    }
    close(journal).await;
    // The server had noticed by itself, and says so in the chain.
    assert_eq!(verify(dir.path(), None).unwrap().missing, 3);
    assert_eq!(damage(dir.path(), Some(head)), (8, Damage::Truncated));
    let (dir, _) = journal_of(7).await;
    let journal = open(dir.path());
    for n in 0..5 {
        assert!(journal.append(None, mara(), note(format!("forged {n}"))).await.is_durable());
    }
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());
    assert_eq!(damage(dir.path(), Some(head)), (10, Damage::Edited));
    change(dir.path(), "DELETE FROM events");
    assert_eq!(damage(dir.path(), Some(head)), (1, Damage::Truncated));
}

#[tokio::test]
async fn damaged_pages_are_noticed_and_the_server_can_go_on_without() {
    let (dir, _) = journal_of(400).await;
    let path = dir.path().join("journal.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    for byte in bytes.iter_mut().skip(middle).take(6000) {
        *byte = 0x5a;
    }
    std::fs::write(&path, bytes).unwrap();
    assert!(verify(dir.path(), None).is_err());
}

#[tokio::test]
async fn what_is_no_journal_is_told_apart_and_left_alone() {
    let mut seed = 7_u32;
    let mut noise = move || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 24) as u8
    };
    let garbage: Vec<u8> = (0..20_000).map(|_| noise()).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal.db");
    std::fs::write(&path, &garbage).unwrap();
    let error = Journal::open(dir.path(), now).err().unwrap();
    assert!(matches!(error, OpenError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("move it aside"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), garbage, "it may be salvaged");
    assert!(matches!(Archive::open(dir.path()).err().unwrap(), OpenError::Corrupt { .. }));
    assert!(matches!(verify(dir.path(), None).unwrap_err(), Broken::Open(OpenError::Corrupt { .. })));

    let dir = tempfile::tempdir().unwrap();
    change(dir.path(), "CREATE TABLE recipes (name TEXT)");
    let error = Journal::open(dir.path(), now).err().unwrap();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");

    let (dir, _) = journal_of(1).await;
    change(dir.path(), "PRAGMA user_version = 9");
    let error = Journal::open(dir.path(), now).err().unwrap();
    assert!(matches!(error, OpenError::Newer { found: 9, known: 1, .. }), "{error}");
    assert!(matches!(Archive::open(dir.path()).err().unwrap(), OpenError::Newer { .. }));

    let nothing = tempfile::tempdir().unwrap();
    assert!(matches!(Archive::open(nothing.path()).err().unwrap(), OpenError::Directory { .. }));
    assert!(std::fs::read_dir(nothing.path()).unwrap().next().is_none(), "looking makes nothing");
}

#[tokio::test]
async fn without_a_database_everything_goes_on_in_memory_and_it_shows() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("journal.db"),
        "no database at all, and long enough to be taken for one by its header",
    )
    .unwrap();
    let why = Journal::open(dir.path(), now).err().unwrap();
    let journal = Journal::open_degraded(dir.path(), now, &why);
    let mut tail = journal.subscribe();
    let (id, kept) = journal.open_incident("devvm", "it does not answer", mara()).await;
    assert!(!kept.is_durable());
    assert!(!journal.append(Some(id), mara(), note("I am looking")).await.is_durable());
    let frame = tail.next().await.unwrap();
    assert_eq!(frame.seq, None, "what is not durable has no id that a client could come back with");
    assert!(frame.event().is_some());
    let events = journal.incident(id).await;
    assert_eq!(events.len(), 2, "whoever loads the page again still sees what happened");
    assert_eq!(journal.incidents().await.len(), 1);
    assert!(
        matches!(journal.keeping(), breakglass_journal::Keeping::NotKeeping { missing: 2, .. }),
        "{:?}",
        journal.keeping()
    );
    assert!(journal.close(std::time::Duration::from_secs(1)).await);
    assert!(tail.next().await.is_some());
    assert!(tail.next().await.is_none());
}

#[tokio::test]
async fn an_erased_body_is_gone_from_the_disk_and_the_chain_holds() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let (id, _) = journal.open_incident("devvm", "it does not answer", mara()).await;
    let secret = "hunter2-AKIA0123456789";
    let slipped = journal.append(Some(id), mara(), note(format!("the password is {secret}"))).await;
    assert!(journal.append(Some(id), mara(), note("oh no")).await.is_durable());
    assert!(on_disk(dir.path(), secret), "else this test shows nothing");
    let erased = journal.erase(slipped.seq(), "a password was pasted", mara()).await.unwrap();

    assert!(!on_disk(dir.path(), secret));
    let events = journal.incident(id).await;
    assert!(
        matches!(&events[1].body, EventBody::Removed { was, .. } if was == "note"),
        "{:?}",
        events[1].body
    );
    assert_eq!((events[1].actor.clone(), events[1].at), (mara(), slipped.event().at));
    let mut tail = journal.attach(Some(id), Seq(0));
    for _ in 0..4 {
        let frame = tail.next().await.unwrap();
        assert!(!String::from_utf8_lossy(&frame.json).contains(secret), "the live tail forgets it too");
    }
    for needed in [erased.seq, Seq(999)] {
        assert!(journal.erase(needed, "no reason", mara()).await.is_err());
    }
    close(journal).await;
    let verified = verify(dir.path(), None).unwrap();
    assert_eq!((verified.events, verified.erased), (4, 1));

    change(dir.path(), &format!("UPDATE events SET body = NULL WHERE seq = {}", erased.seq));
    assert_eq!(
        damage(dir.path(), None).1,
        Damage::BodyMissing,
        "an erasure cannot be hidden by erasing its event"
    );
}

fn on_disk(dir: &Path, needle: &str) -> bool {
    let holds = |path: std::path::PathBuf| {
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
    };
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_file())
        .any(holds)
}

#[tokio::test]
async fn an_event_of_a_kind_from_the_future_is_shown_as_that() {
    let (dir, _) = journal_of(2).await;
    change(
        dir.path(),
        "UPDATE events SET kind = 'teleported', body = '{\"kind\":\"teleported\",\"where\":\"mars\"}' WHERE seq = 1",
    );
    let journal = open(dir.path());
    let events = journal.replay(Wanted { incident: None, after: Seq(0), limit: 10 }).await;
    assert_eq!(events.iter().map(text).collect::<Vec<_>>(), ["<removed>", "event 1"]);
    close(journal).await;
}
