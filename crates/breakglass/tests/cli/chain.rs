//! The journal from the command line: verified, shown, exported, and found out when it was tampered with.

use crate::site::{breakglass, now};
use breakglass_incident::{Actor, EventBody};
use breakglass_journal::Journal;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

/// A journal with one incident, closed in order.
fn written(state: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = Journal::open(state, now).unwrap();
        let alice = || Actor::Human("alice".to_owned());
        let (incident, kept) = journal.open_incident("devvm", "it hangs", alice()).await;
        assert!(kept.is_durable());
        for text in ["the first note", "the second note"] {
            let note = EventBody::Note { text: text.to_owned() };
            assert!(journal.append(Some(incident), alice(), note).await.is_durable());
        }
        assert!(journal.close(Duration::from_secs(5)).await);
    });
}

fn on(state: &Path, arguments: &[&str]) -> crate::site::Out {
    let state = state.display().to_string();
    let mut all = arguments.to_vec();
    all.extend(["--state", &state]);
    breakglass(&all)
}

#[test]
fn an_untouched_journal_holds_and_can_be_read_without_a_fleet_file() {
    let dir = TempDir::new().unwrap();
    written(dir.path());
    let verified = on(dir.path(), &["journal", "verify"]);
    assert_eq!(verified.code, 0, "{}", verified.err);
    let head = on(dir.path(), &["journal", "head"]).out;
    assert!(verified.out.contains(head.trim()), "{head} in {}", verified.out);
    assert_eq!(on(dir.path(), &["journal", "verify", "--head", head.trim()]).code, 0);
    assert_eq!(on(dir.path(), &["journal", "verify", "--head", "nonsense"]).code, 2);

    let tail = on(dir.path(), &["journal", "tail", "-n", "2", "--json"]).out;
    let events: Vec<serde_json::Value> =
        tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.len(), 2);
    assert!(on(dir.path(), &["journal", "tail"]).out.contains("the second note"));

    assert!(on(dir.path(), &["incident", "list"]).out.contains("devvm"));
    assert!(on(dir.path(), &["incident", "show", "1"]).out.contains("the first note"));
    assert!(on(dir.path(), &["incident", "export", "1"]).out.contains("the first note"));
    let exported = on(dir.path(), &["incident", "export", "1", "--format", "json"]).out;
    let exported: Vec<serde_json::Value> = serde_json::from_str(&exported).unwrap();
    assert_eq!(exported.len(), 3);
    assert_eq!(on(dir.path(), &["incident", "show", "7"]).code, 2);
}

#[test]
fn an_edited_journal_is_found_out() {
    let dir = TempDir::new().unwrap();
    written(dir.path());
    for name in ["journal.db", "journal.db-wal"] {
        let path = dir.path().join(name);
        let Ok(mut bytes) = std::fs::read(&path) else { continue };
        let (old, new) = (b"the first note", b"the first lie!");
        let places: Vec<usize> =
            (0..bytes.len().saturating_sub(old.len())).filter(|at| bytes[*at..].starts_with(old)).collect();
        for at in places {
            bytes[at..at + new.len()].copy_from_slice(new);
        }
        std::fs::write(&path, bytes).unwrap();
    }
    let verified = on(dir.path(), &["journal", "verify"]);
    assert_eq!(verified.code, 1, "{verified:?}");
    assert!(verified.err.contains("does not hold"), "{}", verified.err);
}

#[test]
fn a_cut_tail_is_noticed_against_a_head_that_was_kept() {
    let (long, short) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    written(long.path());
    let head = on(long.path(), &["journal", "head"]).out;
    // Another journal that ends earlier stands in for one whose end was cut.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let journal = Journal::open(short.path(), now).unwrap();
        let (_, kept) = journal.open_incident("devvm", "it hangs", Actor::Server).await;
        assert!(kept.is_durable());
        journal.close(Duration::from_secs(5)).await;
    });
    assert_eq!(on(short.path(), &["journal", "verify"]).code, 0);
    assert_eq!(on(short.path(), &["journal", "verify", "--head", head.trim()]).code, 1);
}
