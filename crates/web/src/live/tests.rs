//! A stream that has nothing to tell says that it is there, and one that tells says no more than that.

use super::*;
use breakglass_incident::Actor;
use breakglass_journal::Journal;
use breakglass_protocol::Timestamp;

const EVERY: Duration = Duration::from_millis(400);

async fn timed(reading: &mut Pin<Box<Reading>>) -> (Option<Bytes>, Duration) {
    let begun = Instant::now();
    let chunk = tokio::time::timeout(Duration::from_secs(10), reading.as_mut().next()).await.unwrap();
    (chunk, begun.elapsed())
}

#[tokio::test]
async fn a_silent_stream_beats_and_each_frame_puts_the_beat_off() {
    let dir = tempfile::tempdir().unwrap();
    let journal = Journal::open(dir.path(), || Timestamp::from_unix_millis(1)).unwrap();
    let stop = CancellationToken::new();
    let attached = std::sync::Arc::new(crate::metrics::Tally::default()).attach(Reader::Program);
    let mut reading = Box::pin(Reading::new(journal.subscribe(), stop.clone(), EVERY, attached));
    assert_eq!(timed(&mut reading).await.0.unwrap(), COME_BACK);
    let (beat, after) = timed(&mut reading).await;
    assert_eq!(beat.unwrap(), ": still here\n\n");
    assert!(after > EVERY / 2, "{after:?}");

    // Half-way to the next beat a frame comes; the beat is due one whole period after it.
    tokio::time::sleep(EVERY / 2).await;
    let body = EventBody::Note { text: "a note".to_owned() };
    journal.append(None, Actor::Human("mara".to_owned()), body).await;
    let (frame, _) = timed(&mut reading).await;
    assert!(String::from_utf8_lossy(&frame.unwrap()).contains("a note"));
    let (beat, after) = timed(&mut reading).await;
    assert_eq!(beat.unwrap(), ": still here\n\n");
    assert!(after > EVERY * 3 / 4, "{after:?}");

    // A wait that was given up loses nothing.
    assert!(tokio::time::timeout(EVERY / 8, reading.as_mut().next()).await.is_err());
    stop.cancel();
    assert_eq!(timed(&mut reading).await.0, None);
}
