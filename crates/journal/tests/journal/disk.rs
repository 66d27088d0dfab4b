//! Full, read-only and hung disks: nobody waits long, everything is shown, and what was lost is said for ever.

use crate::support::{Mount, close, eventually, impatient, mara, note, now, open, text};
use breakglass_incident::{EventBody, Seq};
use breakglass_journal::{Archive, ArtifactError, Journal, Keeping, Kept, Limits, OpenError, Wanted, verify};
use std::path::Path;
use std::time::{Duration, Instant};

const ALL: Wanted = Wanted { incident: None, after: Seq(0), limit: usize::MAX };

/// Takes all the space that is left.
pub(crate) fn fill(dir: &Path) -> std::path::PathBuf {
    use std::io::Write as _;
    let path = dir.join("filler");
    let mut file = std::fs::File::create(&path).unwrap();
    let page = [0_u8; 4096];
    while file.write_all(&page).is_ok() {}
    path
}

async fn append_until_refused(journal: &Journal) -> Kept {
    // What the log beside the database had allotted already is used up first.
    for n in 0..5000 {
        let kept = journal.append(None, mara(), note(format!("filling {n} {}", "x".repeat(500)))).await;
        if !kept.is_durable() {
            return kept;
        }
    }
    panic!("a full disk took everything");
}

#[tokio::test]
async fn a_full_disk_blocks_nobody_and_what_was_held_is_written_when_there_is_room() {
    let mount = Mount::tmpfs(2048);
    let journal = Journal::open_with(mount.path(), now, impatient()).unwrap();
    let mut tail = journal.subscribe();
    assert!(journal.append(None, mara(), note("before")).await.is_durable());
    assert_eq!(tail.next().await.unwrap().seq, Some(Seq(1)));
    let filler = fill(mount.path());
    let refused = append_until_refused(&journal).await;
    assert!(matches!(&refused, Kept::NotKept { why, .. } if why.contains("full")), "{refused:?}");
    assert!(matches!(journal.keeping(), Keeping::NotKeeping { missing: 1, .. }), "{:?}", journal.keeping());

    // While it is known to be full nobody waits at all.
    let begun = Instant::now();
    for n in 0..100 {
        let kept = journal.append(None, mara(), note(format!("held {n}"))).await;
        assert!(!kept.is_durable());
    }
    assert!(begun.elapsed() < Duration::from_millis(200), "{:?}", begun.elapsed());
    let error = journal.put_artifact("screen.png", "image/png", vec![1_u8; 100_000]).await.unwrap_err();
    assert!(matches!(error, ArtifactError::Disk { .. }), "{error}");

    let mut shown = 0;
    while let Some(frame) = tail.ready() {
        shown += u32::from(
            frame.seq.is_none() && frame.event().is_some_and(|event| text(&event).starts_with("held")),
        );
    }
    assert_eq!(shown, 100, "the live tail shows what is not kept");
    let replayed = journal.replay(ALL).await;
    assert_eq!(text(replayed.last().unwrap()), "held 99", "and so does a page that is loaded now");

    std::fs::remove_file(filler).unwrap();
    eventually("the disk has room and the journal keeps again", || journal.keeping() == Keeping::Ok).await;
    let after = journal.append(None, mara(), note("after")).await;
    assert!(after.is_durable());
    let replayed = journal.replay(ALL).await;
    let last: Vec<String> = replayed.iter().rev().take(3).rev().map(text).collect();
    assert_eq!(
        last,
        ["held 99", "<gap>", "after"],
        "held events keep their numbers, and the gap says that they were late"
    );
    let numbers: Vec<u64> = replayed.iter().map(|event| event.seq.0).collect();
    assert_eq!(numbers, (1..=after.seq().0).collect::<Vec<_>>());

    // What was shown without an id comes again with one, once, in order.
    let mut with_id = Vec::new();
    while let Some(frame) = tail.ready() {
        with_id.extend(frame.seq);
    }
    assert_eq!(with_id, (refused.seq().0..=after.seq().0).map(Seq).collect::<Vec<_>>());
    close(journal).await;
    let verified = verify(mount.path(), None).unwrap();
    assert_eq!((verified.gaps, verified.missing), (1, 0));
}

#[tokio::test]
async fn more_than_memory_holds_leaves_a_hole_that_is_accounted_for() {
    let mount = Mount::tmpfs(2048);
    let journal = Journal::open_with(mount.path(), now, Limits { queue: 10, ..impatient() }).unwrap();
    assert!(journal.append(None, mara(), note("before")).await.is_durable());
    let filler = fill(mount.path());
    append_until_refused(&journal).await;
    let mut numbers = Vec::new();
    for n in 0..50 {
        numbers.push(journal.append(None, mara(), note(format!("held {n}"))).await.seq());
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "each has a number of its own, kept or not");
    std::fs::remove_file(filler).unwrap();
    eventually("it keeps again", || journal.keeping() == Keeping::Ok).await;
    assert!(journal.append(None, mara(), note("after")).await.is_durable());
    let replayed = journal.replay(ALL).await;
    let gap = replayed.iter().find_map(|event| match &event.body {
        EventBody::Gap { missing, .. } => Some((*missing, event.seq)),
        _ => None,
    });
    let (missing, at) = gap.unwrap();
    assert_eq!(missing, 41, "one was refused and nine of fifty fitted beside it");
    assert!(replayed.iter().any(|event| text(event) == "held 8"));
    assert!(!replayed.iter().any(|event| text(event) == "held 9"));
    close(journal).await;
    let verified = verify(mount.path(), None).unwrap();
    assert_eq!((verified.gaps, verified.missing), (1, 41));

    // The account cannot be stretched over more than was lost.
    let database = rusqlite::Connection::open(mount.path().join("journal.db")).unwrap();
    database.execute("DELETE FROM events WHERE seq = ?1", [i64::try_from(at.0 - 42).unwrap()]).unwrap();
    assert!(verify(mount.path(), None).is_err());
}

#[tokio::test]
async fn a_hung_disk_costs_one_deadline_once() {
    let mut mount = Mount::in_a_file();
    let journal = Journal::open_with(mount.path(), now, impatient()).unwrap();
    let (id, _) = journal.open_incident("devvm", "it does not answer", mara()).await;
    mount.freeze();
    let begun = Instant::now();
    let kept = journal.append(Some(id), mara(), note("first")).await;
    let first = begun.elapsed();
    assert!(matches!(&kept, Kept::NotKept { why, .. } if why.contains("did not answer")), "{kept:?}");
    assert!(first >= Duration::from_millis(290) && first < Duration::from_millis(600), "{first:?}");
    let begun = Instant::now();
    for n in 0..50 {
        assert!(!journal.append(Some(id), mara(), note(format!("held {n}"))).await.is_durable());
    }
    assert!(begun.elapsed() < Duration::from_millis(100), "{:?}", begun.elapsed());
    let error = journal.put_artifact("screen.png", "image/png", vec![1_u8; 1000]).await.unwrap_err();
    assert!(matches!(error, ArtifactError::TimedOut { .. }), "{error}");
    let begun = Instant::now();
    let events = journal.incident(id).await;
    assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    assert_eq!(events.len(), 52, "a page that is loaded now shows all of it");

    mount.thaw();
    eventually("the disk answers and the journal keeps again", || journal.keeping() == Keeping::Ok).await;
    assert!(journal.append(Some(id), mara(), note("after")).await.is_durable());
    assert_eq!(journal.incident(id).await.len(), 53);
    close(journal).await;
    assert_eq!(verify(mount.path(), None).unwrap().missing, 0);
}

#[tokio::test]
async fn a_disk_that_turns_read_only_is_said_and_still_read() {
    let mount = Mount::tmpfs(2048);
    let journal = open(mount.path());
    for n in 0..20 {
        assert!(journal.append(None, mara(), note(format!("event {n}"))).await.is_durable());
    }
    close(journal).await;
    mount.read_only();
    let error = Journal::open(mount.path(), now).err().unwrap();
    assert!(matches!(error, OpenError::Directory { .. } | OpenError::Database { .. }), "{error}");
    assert_eq!(verify(mount.path(), None).unwrap().events, 20);
    assert_eq!(Archive::open(mount.path()).unwrap().tail(3).unwrap().len(), 3);
}

#[tokio::test]
async fn a_database_that_is_moved_away_under_the_server_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open_with(dir.path(), now, impatient()).unwrap();
    assert!(journal.append(None, mara(), note("before")).await.is_durable());
    std::fs::rename(dir.path().join("journal.db"), dir.path().join("elsewhere.db")).unwrap();
    let kept = journal.append(None, mara(), note("lost?")).await;
    assert!(matches!(&kept, Kept::NotKept { why, .. } if why.contains("moved or replaced")), "{kept:?}");
    std::fs::rename(dir.path().join("elsewhere.db"), dir.path().join("journal.db")).unwrap();
    eventually("it is back", || journal.keeping() == Keeping::Ok).await;
    assert!(journal.append(None, mara(), note("after")).await.is_durable());
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());
}
