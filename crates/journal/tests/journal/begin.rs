//! A server starts whatever its journal's disk does: within its deadline, with every event held, and the chain tells afterwards.

use crate::support::{Mount, close, eventually, impatient, mara, note, now, open, text};
use breakglass_incident::{EventBody, IncidentId, Seq};
use breakglass_journal::{Journal, Keeping, Limits, OpenError, Wanted, set_aside_before, verify};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const ALL: Wanted = Wanted { incident: None, after: Seq(0), limit: usize::MAX };

fn hurried() -> Limits {
    Limits { open_deadline: Duration::from_millis(400), ..impatient() }
}

async fn written(dir: &Path, events: u64) {
    let journal = open(dir);
    let (id, _) = journal.open_incident("devvm", "it does not answer", mara()).await;
    for n in 1..events {
        assert!(journal.append(Some(id), mara(), note(format!("before {n}"))).await.is_durable());
    }
    close(journal).await;
}

async fn keeps_again(journal: &Journal) {
    for _ in 0..1000 {
        if journal.is_open() && journal.keeping() == Keeping::Ok {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never kept again: {:?}", journal.keeping());
}

/// What the gaps of a journal say: events missing, numbers passed over, why.
async fn gaps(journal: &Journal) -> Vec<(u64, u64, String)> {
    let told = |event: &breakglass_incident::Event| match &event.body {
        EventBody::Gap { missing, skipped, reason, .. } => Some((*missing, *skipped, reason.clone())),
        _ => None,
    };
    journal.replay(ALL).await.iter().filter_map(told).collect()
}

#[tokio::test]
async fn a_disk_that_hangs_at_the_start_costs_one_deadline_and_leaves_one_gap() {
    let mut mount = Mount::in_a_file();
    written(mount.path(), 5).await;
    mount.freeze();
    let begun = Instant::now();
    let journal = Journal::begin(mount.path(), now, hurried()).unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    assert!(!journal.is_open());
    let Keeping::NotKeeping { why, .. } = journal.keeping() else { panic!("it says that it keeps") };
    assert!(why.contains("did not answer"), "{why}");
    let (id, kept) = journal.open_incident("gitvm", "the disk hangs", mara()).await;
    assert!(!kept.is_durable());
    for n in 0..20 {
        assert!(!journal.append(Some(id), mara(), note(format!("held {n}"))).await.is_durable());
    }
    assert_eq!(journal.incident(id).await.len(), 21, "a page shows it meanwhile");
    let mut behind = journal.attach(None, Seq(0));

    mount.thaw();
    keeps_again(&journal).await;
    assert!(journal.append(Some(id), mara(), note("after")).await.is_durable());
    assert_eq!(journal.incident(id).await.len(), 22, "its number stays its own");
    let gaps = gaps(&journal).await;
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].0 == 0 && gaps[0].1 > 0 && gaps[0].2.contains("could not be read"), "{gaps:?}");
    let (next, _) = journal.open_incident("devvm", "again", mara()).await;
    assert_eq!(next, IncidentId(2), "incidents are counted on from those of before");
    assert_eq!(journal.incidents().await.len(), 3);
    let first = behind.next().await.unwrap();
    assert!(first.event().is_some());
    close(journal).await;
    let verified = verify(mount.path(), None).unwrap();
    assert_eq!((verified.events, verified.gaps, verified.missing), (29, 1, 0));

    let journal = open(mount.path());
    let (next, _) = journal.open_incident("devvm", "and again", mara()).await;
    assert_eq!(next, IncidentId(3), "after a restart too");
    let back = journal.before_newest(4).await;
    assert_eq!(journal.replay(Wanted { after: back, ..ALL }).await.len(), 5, "four of before, one of now");
    close(journal).await;
    assert!(verify(mount.path(), None).is_ok());
}

#[tokio::test]
async fn a_read_only_disk_is_read_and_goes_on_where_it_stood() {
    let mount = Mount::tmpfs(2048);
    written(mount.path(), 5).await;
    mount.read_only();
    let journal = Journal::begin(mount.path(), now, hurried()).unwrap();
    assert!(matches!(journal.keeping(), Keeping::NotKeeping { .. }));
    let kept = journal.append(None, mara(), note("held")).await;
    assert_eq!((kept.is_durable(), kept.seq()), (false, Seq(6)));
    let replayed = journal.replay(ALL).await;
    assert_eq!(replayed.len(), 6, "what was written before can be read");
    assert_eq!(text(&replayed[5]), "held");
    mount.read_write();
    keeps_again(&journal).await;
    assert!(journal.append(None, mara(), note("after")).await.is_durable());
    let gaps = gaps(&journal).await;
    assert_eq!(gaps.iter().map(|gap| (gap.0, gap.1)).collect::<Vec<_>>(), [(0, 0)], "{gaps:?}");
    close(journal).await;
    assert_eq!(verify(mount.path(), None).unwrap().events, 8);
}

#[tokio::test]
async fn a_full_disk_at_the_start_holds_up_nothing() {
    let mount = Mount::tmpfs(2048);
    written(mount.path(), 5).await;
    let filler = crate::disk::fill(mount.path());
    let journal = Journal::begin(mount.path(), now, hurried()).unwrap();
    for n in 0..50 {
        assert!(
            !journal.append(None, mara(), note(format!("held {n} {}", "x".repeat(500)))).await.is_durable()
        );
    }
    assert!(matches!(journal.keeping(), Keeping::NotKeeping { missing: 50, .. }), "{:?}", journal.keeping());
    std::fs::remove_file(filler).unwrap();
    keeps_again(&journal).await;
    eventually("the gap is written", || journal.head().seq == journal.newest().0).await;
    let gaps = gaps(&journal).await;
    assert_eq!((gaps.len(), gaps[0].0), (1, 0), "{gaps:?}");
    assert_eq!(journal.replay(ALL).await.len(), 56);
    close(journal).await;
    assert_eq!(verify(mount.path(), None).unwrap().events, 56);
}

/// What is done to a journal of forty events, and whether its events are lost or lie aside.
type Harm = fn(&Path);

fn overwrite(path: &Path, from: usize, bytes: &[u8]) {
    let mut all = std::fs::read(path).unwrap();
    all.resize(all.len().max(from + bytes.len()), 0);
    all[from..from + bytes.len()].copy_from_slice(bytes);
    std::fs::write(path, all).unwrap();
}

fn database(dir: &Path) -> PathBuf {
    dir.join("journal.db")
}

#[tokio::test]
async fn a_damaged_database_is_set_aside_whole_and_another_begun() {
    let garbage = |dir: &Path| overwrite(&database(dir), 0, &[0xa5; 4096]);
    let header = |dir: &Path| overwrite(&database(dir), 0, b"not a database at all");
    let pages = |dir: &Path| {
        let length = std::fs::metadata(database(dir)).unwrap().len();
        overwrite(&database(dir), 4096, &vec![0x5a; usize::try_from(length).unwrap() - 4096]);
    };
    let half = |dir: &Path| {
        let file = std::fs::OpenOptions::new().write(true).open(database(dir)).unwrap();
        file.set_len(file.metadata().unwrap().len() / 2).unwrap();
    };
    let empty = |dir: &Path| std::fs::write(database(dir), "").unwrap();
    let gone = |dir: &Path| std::fs::remove_file(database(dir)).unwrap();
    let cases: [(&str, Harm); 6] = [
        ("first page", garbage),
        ("header", header),
        ("all other pages", pages),
        ("truncated", half),
        ("emptied", empty),
        ("gone", gone),
    ];
    for (name, harm) in cases {
        let dir = TempDir::new().unwrap();
        written(dir.path(), 40).await;
        harm(dir.path());
        let harmed = std::fs::read(database(dir.path())).ok();
        assert!(
            Journal::open(dir.path(), now).is_err(),
            "{name}: what only reads and writes touches nothing"
        );
        assert!(std::fs::read(database(dir.path())).ok() == harmed, "{name}");

        let journal = Journal::begin(dir.path(), now, Limits::default()).unwrap();
        let kept = journal.append(None, mara(), note("after")).await;
        assert!(kept.is_durable(), "{name}: {kept:?}");
        assert!(kept.seq() > Seq(40), "{name}: no number is given twice: {}", kept.seq());
        let aside = journal.set_aside().unwrap();
        assert!(aside.contains("journal.damaged-") && aside.contains("nothing of it was deleted"), "{aside}");
        let gaps = gaps(&journal).await;
        assert_eq!(gaps.len(), 1, "{name}: {gaps:?}");
        assert_eq!((gaps[0].0, gaps[0].1), (0, 40), "{name}: its events lie aside: {gaps:?}");
        assert!(gaps[0].2.contains(&aside), "{name}: {gaps:?}");
        close(journal).await;
        assert!(verify(dir.path(), None).is_ok(), "{name}");

        let lies = set_aside_before(dir.path()).unwrap();
        assert_eq!(lies.len(), 1, "{name}");
        assert_eq!(std::fs::read(lies[0].join("journal.db")).ok(), harmed, "{name}: byte for byte");
        let journal = Journal::begin(dir.path(), now, Limits::default()).unwrap();
        assert_eq!((journal.keeping(), journal.set_aside()), (Keeping::Ok, None), "{name}: once");
        close(journal).await;
    }
}

/// Kills a writer, so that its log stays.
fn leaves_its_log(dir: &Path) -> u64 {
    let (mut child, out) = crate::crash::start(dir);
    let kept = std::io::BufRead::lines(out).map_while(Result::ok).filter(|line| line.starts_with("kept "));
    let count = kept.take(60).count();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(std::fs::metadata(dir.join("journal.db-wal")).unwrap().len() > 0);
    u64::try_from(count).unwrap()
}

#[tokio::test]
async fn a_damaged_log_is_noticed_though_the_engine_takes_it_for_a_shorter_one() {
    // Once all of the journal stands in the log, and once only its end.
    for before in [0, 40] {
        let dir = TempDir::new().unwrap();
        if before > 0 {
            written(dir.path(), before).await;
        }
        let acknowledged = leaves_its_log(dir.path());
        let log = dir.path().join("journal.db-wal");
        let length = usize::try_from(std::fs::metadata(&log).unwrap().len()).unwrap();
        overwrite(&log, 32, &vec![0x77; length - 32]);
        let damaged = std::fs::read(&log).unwrap();

        let journal = Journal::begin(dir.path(), now, Limits::default()).unwrap();
        assert!(journal.append(None, mara(), note("after")).await.is_durable());
        let gaps = gaps(&journal).await;
        assert_eq!(gaps.len(), 1, "{gaps:?}");
        assert!(gaps[0].0 + gaps[0].1 >= acknowledged, "{acknowledged} were acknowledged: {gaps:?}");
        assert_eq!(gaps[0].0 > 0, before > 0, "lost where the rest goes on, aside where all is: {gaps:?}");
        let lies = set_aside_before(dir.path()).unwrap();
        assert!(
            std::fs::read(lies[0].join("journal.db-wal")).unwrap() == damaged,
            "what is left of it is kept"
        );
        close(journal).await;
        assert!(verify(dir.path(), None).is_ok());
    }
}

#[tokio::test]
async fn a_crash_between_two_moves_leaves_no_log_beside_a_database_of_another() {
    let dir = TempDir::new().unwrap();
    leaves_its_log(dir.path());
    overwrite(&database(dir.path()), 0, &[0; 4096]);
    // As far as the moving came: the directory, its mark, and the log.
    let into = dir.path().join("journal.damaged-2026-11-22T03-08-40-125Z");
    std::fs::create_dir(&into).unwrap();
    std::fs::write(into.join("unfinished"), "a crash came between\n").unwrap();
    std::fs::rename(dir.path().join("journal.db-wal"), into.join("journal.db-wal")).unwrap();

    let journal = Journal::begin(dir.path(), now, Limits::default()).unwrap();
    assert!(journal.append(None, mara(), note("after")).await.is_durable());
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());
    assert!(
        into.join("journal.db").exists() && into.join("why").exists() && !into.join("unfinished").exists()
    );
}

#[tokio::test]
async fn what_is_newer_or_foreign_or_not_ours_is_left_alone_and_opened_once_it_can_be() {
    let sql = |dir: &Path, sql: &str| {
        rusqlite::Connection::open(database(dir)).unwrap().execute_batch(sql).unwrap();
    };
    let dir = TempDir::new().unwrap();
    written(dir.path(), 5).await;
    sql(dir.path(), "PRAGMA user_version = 9");
    let before = std::fs::read(database(dir.path())).unwrap();
    let journal = Journal::begin(dir.path(), now, hurried()).unwrap();
    let Keeping::NotKeeping { why, .. } = journal.keeping() else { panic!("it keeps") };
    assert!(why.contains("schema 9") && why.contains("newer"), "{why}");
    assert!(!journal.append(None, mara(), note("held")).await.is_durable());
    assert_eq!(std::fs::read(database(dir.path())).unwrap(), before, "it was not touched");
    assert!(set_aside_before(dir.path()).unwrap().is_empty());
    // Whatever made it unreadable is mended while the server runs.
    sql(dir.path(), "PRAGMA user_version = 1");
    keeps_again(&journal).await;
    let told: Vec<String> = journal.replay(ALL).await.iter().map(text).collect();
    assert_eq!(told[told.len() - 2..], ["<gap>", "held"], "{told:?}");
    close(journal).await;
    assert!(verify(dir.path(), None).is_ok());

    let foreign = TempDir::new().unwrap();
    rusqlite::Connection::open(database(foreign.path()))
        .unwrap()
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .unwrap();
    let journal = Journal::begin(foreign.path(), now, hurried()).unwrap();
    assert!(
        matches!(journal.keeping(), Keeping::NotKeeping { why, .. } if why.contains("no journal of breakglass"))
    );
    close(journal).await;

    let unreadable = TempDir::new().unwrap();
    std::fs::create_dir(database(unreadable.path())).unwrap();
    let journal = Journal::begin(unreadable.path(), now, hurried()).unwrap();
    assert!(matches!(journal.keeping(), Keeping::NotKeeping { .. }));
    std::fs::remove_dir(database(unreadable.path())).unwrap();
    keeps_again(&journal).await;
    close(journal).await;
}

#[tokio::test]
async fn a_database_that_is_damaged_while_it_is_written_is_replaced_and_nothing_is_lost_from_then_on() {
    let dir = TempDir::new().unwrap();
    let journal = Journal::begin(dir.path(), now, impatient()).unwrap();
    for n in 0..4000 {
        journal.append(None, mara(), note(format!("before {n} {}", "x".repeat(600)))).await;
    }
    for name in ["journal.db", "journal.db-wal"] {
        let length = usize::try_from(std::fs::metadata(dir.path().join(name)).unwrap().len()).unwrap();
        let file = std::fs::OpenOptions::new().write(true).open(dir.path().join(name)).unwrap();
        file.write_all_at(&vec![0x5a; length - 4096], 4096).unwrap();
    }
    // A write finds it once it needs a page that is not in memory: the index of the kinds that frame.
    for n in 0..500 {
        let started = EventBody::ServerStarted { version: format!("since {n}"), unclean: false };
        journal.append(None, mara(), started).await;
        if journal.set_aside().is_some() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(journal.set_aside().is_some(), "{:?}", journal.keeping());
    keeps_again(&journal).await;
    assert!(journal.append(None, mara(), note("after")).await.is_durable());
    close(journal).await;
    let verified = verify(dir.path(), None).unwrap();
    assert!(verified.gaps >= 1 && verified.missing == 0, "{verified:?}");
}

#[tokio::test]
async fn a_second_server_is_refused_even_where_nothing_can_be_written() {
    let mount = Mount::tmpfs(2048);
    let first = Journal::begin(mount.path(), now, Limits::default()).unwrap();
    assert!(matches!(Journal::begin(mount.path(), now, Limits::default()), Err(OpenError::InUse { .. })));
    close(first).await;
}
