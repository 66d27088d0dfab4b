//! The live tail: nothing lost, nothing twice, in order, for one subscriber or a thousand.

use crate::support::{close, eventually, mara, note, now, open, text};
use breakglass_incident::{IncidentId, Seq};
use breakglass_journal::{Journal, Limits, Wanted};
use bytes::Bytes;
use std::time::Duration;

#[tokio::test]
async fn events_come_in_the_order_of_their_numbers_from_many_writers() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let mut tail = journal.subscribe();
    let writers: Vec<_> = (0..20)
        .map(|writer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for n in 0..25 {
                    assert!(journal.append(None, mara(), note(format!("{writer} {n}"))).await.is_durable());
                }
            })
        })
        .collect();
    for n in 1..=500 {
        let frame = tail.next().await.unwrap();
        assert_eq!(frame.seq, Some(Seq(n)));
        assert_eq!(frame.event().unwrap().seq, Seq(n));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let stored = journal.replay_frames(Wanted { incident: None, after: Seq(0), limit: usize::MAX }).await;
    let mut again = journal.attach(None, Seq(0));
    for frame in stored {
        assert_eq!(
            again.next().await.unwrap().json,
            frame.json,
            "live, replayed and stored are the same bytes"
        );
    }
    close(journal).await;
}

#[tokio::test]
async fn a_subscriber_that_sleeps_gets_everything_from_the_database() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { ring_frames: 8, ring_bytes: 2000, ..Limits::default() };
    let journal = Journal::open_with(dir.path(), now, limits).unwrap();
    let mut sleeper = journal.subscribe();
    for round in 0_u64..4 {
        let appends: Vec<_> =
            (0..500).map(|n| journal.append(None, mara(), note(format!("{round} {n}")))).collect();
        for kept in futures(appends).await {
            assert!(kept.is_durable());
        }
        for n in 1..=500 {
            let frame = tokio::time::timeout(Duration::from_secs(5), sleeper.next()).await.unwrap().unwrap();
            assert_eq!(frame.seq, Some(Seq(round * 500 + n)));
        }
    }
    assert!(sleeper.ready().is_none());
    close(journal).await;
}

async fn futures<T: Send + 'static>(all: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut done = Vec::new();
    for one in all {
        done.push(one.await);
    }
    done
}

#[tokio::test]
async fn attaching_while_others_write_has_no_hole_and_no_repetition() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { ring_frames: 16, ..Limits::default() };
    let journal = Journal::open_with(dir.path(), now, limits).unwrap();
    let writer = {
        let journal = journal.clone();
        tokio::spawn(async move {
            for n in 0_u64..1500 {
                let incident = Some(IncidentId(n % 3 + 1));
                assert!(journal.append(incident, mara(), note(format!("{n}"))).await.is_durable());
            }
        })
    };
    let mut readers = Vec::new();
    for reader in 0_u64..30 {
        let journal = journal.clone();
        readers.push(tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(reader * 10)).await;
            let (incident, step) =
                if reader % 2 == 0 { (None, 1) } else { (Some(IncidentId(reader % 3 + 1)), 3) };
            let after = reader * 7;
            eventually("the number is given", || journal.head().seq >= after).await;
            let mut tail = journal.attach(incident, Seq(after));
            let mut last: Option<u64> = None;
            while last.is_none_or(|last| last + step <= 1500) {
                let frame = tail.next().await.unwrap();
                assert!(incident.is_none() || frame.incident == incident);
                let seq = frame.seq.unwrap().0;
                match last {
                    Some(last) => assert_eq!(seq, last + step, "reader {reader}"),
                    None => assert!(seq > after && seq <= after + step, "reader {reader} began with {seq}"),
                }
                last = Some(seq);
            }
        }));
    }
    for reader in readers {
        tokio::time::timeout(Duration::from_secs(20), reader).await.unwrap().unwrap();
    }
    writer.await.unwrap();
    close(journal).await;
}

#[tokio::test]
async fn a_thousand_subscribers_share_one_encoding() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let counted = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let subscribers: Vec<_> = (0..1000)
        .map(|_| {
            let mut tail = journal.subscribe();
            let counted = std::sync::Arc::clone(&counted);
            tokio::spawn(async move {
                let mut frames = Vec::new();
                for n in 1..=20 {
                    let frame = tail.next().await.unwrap();
                    assert_eq!(frame.seq, Some(Seq(n)));
                    frames.push(frame);
                }
                counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                frames
            })
        })
        .collect();
    tokio::task::yield_now().await;
    for n in 0..20 {
        assert!(journal.append(None, mara(), note(format!("event {n}"))).await.is_durable());
    }
    eventually("all have all", || counted.load(std::sync::atomic::Ordering::Relaxed) == 1000).await;
    let mut addresses = std::collections::BTreeSet::new();
    for subscriber in subscribers {
        addresses.insert(subscriber.await.unwrap()[7].json.as_ptr() as usize);
    }
    assert_eq!(addresses.len(), 1, "the frame is encoded once and shared");
    close(journal).await;
}

#[tokio::test]
async fn live_text_has_no_id_and_no_history() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let mut watching = journal.subscribe();
    journal.live(Some(IncidentId(1)), Bytes::from_static(br#"{"live":"output","text":"abc"}"#));
    assert!(journal.append(Some(IncidentId(1)), mara(), note("whole")).await.is_durable());
    let frame = watching.next().await.unwrap();
    assert_eq!((frame.seq, frame.event()), (None, None));
    assert_eq!(watching.next().await.unwrap().seq, Some(Seq(1)));

    let mut late = journal.attach(Some(IncidentId(1)), Seq(0));
    assert_eq!(
        late.next().await.unwrap().seq,
        Some(Seq(1)),
        "text that streamed before is in the event by now"
    );
    journal.live(Some(IncidentId(2)), Bytes::from_static(b"{}"));
    journal.live(Some(IncidentId(1)), Bytes::from_static(br#"{"live":"mine"}"#));
    assert_eq!(late.next().await.unwrap().json, Bytes::from_static(br#"{"live":"mine"}"#));
    close(journal).await;
    assert!(late.next().await.is_none());
    assert!(watching.next().await.is_some());
}

#[tokio::test]
async fn a_client_that_comes_back_goes_on_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    for n in 0..10 {
        assert!(journal.append(None, mara(), note(format!("{n}"))).await.is_durable());
    }
    close(journal).await;
    let journal = open(dir.path());
    assert!(journal.append(None, mara(), note("after the restart")).await.is_durable());
    let mut tail = journal.attach(None, Seq(8));
    for n in 9..=11 {
        assert_eq!(tail.next().await.unwrap().seq, Some(Seq(n)));
    }
    let mut ahead = journal.attach(None, Seq(500));
    for n in 1..=11 {
        assert_eq!(
            ahead.next().await.unwrap().seq,
            Some(Seq(n)),
            "an id from another journal gets everything"
        );
    }
    let newest = journal.tail(2).await;
    assert_eq!(newest.iter().map(text).collect::<Vec<_>>(), ["9", "after the restart"]);
    close(journal).await;
}
