//! Prints how quick the journal is on this machine: `cargo run --release -p breakglass-journal --example journal_numbers [DIR]`.
//! Not a test: it judges nothing.

use breakglass_incident::{Actor, EventBody, IncidentId, Seq};
use breakglass_journal::{Journal, Wanted};
use breakglass_protocol::Timestamp;
use std::error::Error;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

fn body(n: u64) -> EventBody {
    EventBody::Note { text: format!("event {n}: {}", "words ".repeat(30)) }
}

fn spread(name: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default();
    println!("{name:<44} p50 {:>9.1?}  p99 {:>9.1?}  of {}", at(50), at(99), times.len());
}

fn resident_kib() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("?").trim().to_owned()
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), Box<dyn Error>> {
    let own = std::env::temp_dir().join(format!("journal-numbers-{}", std::process::id()));
    let dir = std::env::args().nth(1).map_or(own, Into::into);
    let journal = Journal::open(&dir, now)?;
    let incident = Some(IncidentId(1));
    println!("resident before {}", resident_kib());

    let (sent, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let mut tail = journal.subscribe();
    tokio::spawn(async move {
        while let Some(frame) = tail.next().await {
            if sent.send((frame.seq, Instant::now())).is_err() {
                break;
            }
        }
    });
    let (mut appends, mut firsts) = (Vec::new(), Vec::new());
    for n in 0..1000 {
        let begun = Instant::now();
        let kept = journal.append(incident, Actor::Server, body(n)).await;
        appends.push(begun.elapsed());
        if let Some((Some(seq), arrived)) = arrivals.recv().await
            && seq == kept.seq()
        {
            firsts.push(arrived - begun);
        }
    }
    spread("append, durable, one after the other", appends);
    spread("append to frame at a subscriber, durable", firsts);

    let begun = Instant::now();
    let writers: Vec<_> = (0..64_u64)
        .map(|writer| {
            let journal = journal.clone();
            tokio::spawn(async move {
                for n in 0..150 {
                    journal.append(Some(IncidentId(1)), Actor::Server, body(writer * 1000 + n)).await;
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await?;
    }
    let many = journal.head().seq - 1000;
    println!(
        "{many} appends by 64 writers at once: {:.1?}, {:.1?} each",
        begun.elapsed(),
        begun.elapsed() / u32::try_from(many)?
    );

    let wanted = Wanted { incident, after: Seq(0), limit: 10_000 };
    let (mut replays, mut attaches, mut parsed) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..30 {
        let begun = Instant::now();
        let frames = journal.replay_frames(wanted).await;
        replays.push(begun.elapsed());
        assert_eq!(frames.len(), 10_000);
        drop(frames);
        let begun = Instant::now();
        let mut tail = journal.attach(incident, Seq(0));
        for _ in 0..10_000 {
            tail.next().await.ok_or("the journal closed")?;
        }
        attaches.push(begun.elapsed());
        let begun = Instant::now();
        assert_eq!(journal.replay(wanted).await.len(), 10_000);
        parsed.push(begun.elapsed());
    }
    spread("replay of 10,000 as frames", replays);
    spread("attach and read 10,000 in pages", attaches);
    spread("replay of 10,000 as parsed events", parsed);
    println!("resident after {}", resident_kib());
    journal.close(Duration::from_secs(5)).await;
    let begun = Instant::now();
    drop(journal);
    let journal = Journal::open(&dir, now)?;
    println!("open with {} events: {:.1?}", journal.head().seq, begun.elapsed());
    journal.close(Duration::from_secs(5)).await;
    let begun = Instant::now();
    let verified = breakglass_journal::verify(&dir, None)?;
    println!("verify {} events: {:.1?}", verified.events, begun.elapsed());
    std::fs::remove_dir_all(dir)?;
    Ok(())
}
