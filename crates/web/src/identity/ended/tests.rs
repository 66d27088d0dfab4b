//! What was ended stays ended, whatever the disk and the clock do.

use super::*;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(millis)
}

fn one(id: &str) -> End {
    End::Session { id: id.to_owned(), until: 9_000 }
}

#[tokio::test]
async fn what_was_ended_stays_so_after_a_restart_and_what_the_command_line_ends_is_heard() {
    let dir = tempfile::tempdir().unwrap();
    let ended = Ended::open(dir.path(), at(1_000));
    assert!(!ended.has("a", "mara", at(500)));
    ended.add(one("a")).await.unwrap();
    append(dir.path(), &[End::Person { name: "ole".to_owned(), before: 700 }]).unwrap();
    assert!(ended.has("a", "mara", at(500)) && !ended.has("b", "ole", at(500)));
    ended.refresh(at(1_000)).await;
    assert!(
        ended.has("b", "ole", at(500)) && !ended.has("b", "ole", at(800)),
        "since then he logged in again"
    );
    let again = Ended::open(dir.path(), at(2_000));
    assert!(again.has("a", "mara", at(500)) && again.has("c", "ole", at(600)));
    assert!(!again.has("c", "mara", at(600)) && again.fault().is_none());
}

#[tokio::test]
async fn a_list_that_cannot_be_read_ends_every_session_once() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &[one("a")]).unwrap();
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.path().join(FILE)).unwrap();
    file.write_all(b"session b").unwrap();
    let ended = Ended::open(dir.path(), at(1_000));
    assert!(ended.has("anything", "anybody", at(999)) && !ended.has("new", "anybody", at(1_000)));
    assert!(ended.fault().unwrap().contains("counts as ended"));
    ended.refresh(at(1_000)).await;
    let again = Ended::open(dir.path(), at(5_000));
    assert!(again.fault().is_none(), "{:?}", again.fault());
    assert!(!again.has("new", "anybody", at(1_500)), "who logged in since then stays in");
    assert!(again.has("old", "anybody", at(900)));
    std::fs::create_dir(dir.path().join("x")).unwrap();
    std::fs::create_dir(dir.path().join("x").join(FILE)).unwrap();
    assert!(Ended::open(&dir.path().join("x"), at(5_000)).has("old", "anybody", at(4_000)));
}

#[tokio::test]
async fn a_clock_that_was_set_back_locks_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    append(dir.path(), &[End::Person { name: "ole".to_owned(), before: 9_000 }]).unwrap();
    let ended = Ended::open(dir.path(), at(1_000));
    assert!(ended.has("a", "ole", at(1_000)), "one that began then is ended");
    let began = ended.floor("ole", at(1_000));
    assert!(!ended.has("a", "ole", began), "a log-in after it counts");
    assert_eq!(ended.floor("mara", at(1_000)), at(1_000));
}

#[test]
fn what_root_writes_belongs_to_whom_the_state_belongs() {
    let dir = tempfile::tempdir().unwrap();
    // Only root can give a directory away; who is not root has nothing to be tried here.
    if std::os::unix::fs::chown(dir.path(), Some(65_534), Some(65_534)).is_err() {
        return;
    }
    append(dir.path(), &[one("a")]).unwrap();
    for file in [FILE, LOCK] {
        assert_eq!(std::fs::metadata(dir.path().join(file)).unwrap().uid(), 65_534, "{file}");
    }
}

#[tokio::test]
async fn without_a_disk_an_end_counts_and_is_told_and_is_written_later() {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    std::fs::write(&state, "in the way").unwrap();
    let ended = Ended::unread(&state);
    assert!(ended.add(one("a")).await.is_err());
    assert!(ended.has("a", "mara", at(500)));
    assert!(ended.fault().unwrap().contains("come back"));
    std::fs::remove_file(&state).unwrap();
    ended.refresh(at(1_000)).await;
    assert!(ended.fault().is_none());
    assert!(Ended::open(&state, at(2_000)).has("a", "mara", at(500)));
}

#[tokio::test]
async fn a_process_that_holds_the_list_holds_one_thread_and_nobody_for_long() {
    let dir = tempfile::tempdir().unwrap();
    let ended = Ended::open(dir.path(), at(1_000));
    let held = turn(&SharedDir::state(dir.path()).unwrap()).unwrap();
    let begun = std::time::Instant::now();
    let ends = (0..40).map(|n| one(&n.to_string()));
    let told = futures_util::future::join_all(ends.map(|end| ended.add(end))).await;
    assert!(told.iter().all(Result::is_err) && begun.elapsed() < Duration::from_secs(10));
    assert!(ended.has("39", "mara", at(500)) && ended.fault().unwrap().contains("40 ended sessions"));
    drop(held);
    while ended.fault().is_some() {
        ended.refresh(at(1_000)).await;
    }
    let again = Ended::open(dir.path(), at(1_000));
    assert!((0..40).all(|n| again.has(&n.to_string(), "mara", at(500))));
}

#[test]
fn what_is_over_by_itself_is_taken_out() {
    let dir = tempfile::tempdir().unwrap();
    let old = End::Session { id: "old".to_owned(), until: 10 };
    append(dir.path(), &[old, one("a"), End::Person { name: "ole".to_owned(), before: 5 }]).unwrap();
    compact(dir.path(), at(1_000)).unwrap();
    let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
    assert_eq!(text, "session a 9000\nperson ole 5\n");
    compact(dir.path(), at(1_000 + 91 * DAY_MILLIS)).unwrap();
    assert_eq!(std::fs::read_to_string(dir.path().join(FILE)).unwrap(), "");
}

#[tokio::test]
async fn what_began_in_a_future_that_the_clock_was_set_back_from_ends_with_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let end_all = |now| crate::identity::revoke::end_sessions_of(dir.path(), "ole", at(now)).unwrap();
    // Ended while the clock was ahead; whoever logs in after it was set back has to begin later than that.
    end_all(9_000);
    let ended = Ended::open(dir.path(), at(1_000));
    let began = ended.floor("ole", at(1_000));
    assert!(began > at(9_000) && !ended.has("c", "ole", began), "nobody is locked out: {began:?}");
    end_all(1_100);
    ended.refresh(at(1_100)).await;
    assert!(ended.has("c", "ole", began), "it began before, whatever its time says");
    let again = ended.floor("ole", at(1_200));
    assert!(!ended.has("d", "ole", again), "and the next log-in counts");
}

#[tokio::test]
async fn a_session_that_began_while_the_clock_was_ahead_ends_with_the_rest_though_none_was_ended_then() {
    let dir = tempfile::tempdir().unwrap();
    let register = crate::identity::register::Register::empty(dir.path());
    for (name, began) in [("ole", 9_000), ("mara", 20_000)] {
        register.seen(crate::identity::SessionEntry {
            id: name.to_owned(),
            name: name.to_owned(),
            began: at(began),
            expires: at(90_000),
            seen: at(began),
            from: "127.0.0.1".to_owned(),
            browser: String::new(),
            stamp: String::new(),
        });
    }
    register.keep();
    crate::identity::revoke::end_sessions_of(dir.path(), "ole", at(1_000)).unwrap();
    let ended = Ended::open(dir.path(), at(1_000));
    assert!(ended.has("ole", "ole", at(9_000)) && !ended.has("mara", "mara", at(20_000)));
    assert!(!ended.has("new", "ole", ended.floor("ole", at(1_000))), "the next log-in counts");
}
