//! What stands beside the database: artifacts, the spool, the list of incidents, and reading without a server.

use crate::support::{close, mara, note, now, open, text};
use breakglass_incident::{EventBody, IncidentId, Seq};
use breakglass_journal::{Archive, ArtifactError, Journal, Limits, Spool, SpoolError};
use std::io::Write as _;

#[tokio::test]
async fn artifacts_are_kept_once_and_checked_when_read() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { artifact_bytes: 1000, artifacts_bytes: 1500, ..Limits::default() };
    let journal = Journal::open_with(dir.path(), now, limits).unwrap();
    let kept = journal.put_artifact("screen.png", "image/png", vec![7_u8; 900]).await.unwrap();
    assert_eq!((kept.bytes, kept.name.as_str()), (900, "screen.png"));
    let again = journal.put_artifact("other.png", "image/png", vec![7_u8; 900]).await.unwrap();
    assert_eq!(again.sha256, kept.sha256);
    assert_eq!(journal.artifact(&kept.sha256).await.unwrap(), vec![7_u8; 900]);

    let refused = journal.put_artifact("x", "text/plain", vec![0_u8; 1001]).await.unwrap_err();
    assert!(matches!(refused, ArtifactError::TooLarge { bytes: 1001, limit: 1000 }), "{refused}");
    let refused = journal.put_artifact("x", "text/plain", vec![0_u8; 700]).await.unwrap_err();
    assert!(matches!(refused, ArtifactError::Full { used: 900, limit: 1500, .. }), "{refused}");
    close(journal).await;

    let journal = Journal::open_with(dir.path(), now, limits).unwrap();
    let refused = journal.put_artifact("x", "text/plain", vec![0_u8; 700]).await.unwrap_err();
    assert!(
        matches!(refused, ArtifactError::Full { used: 900, .. }),
        "what is there is counted after a restart: {refused}"
    );
    for name in ["../../etc/passwd", "", "zz"] {
        assert!(matches!(journal.artifact(name).await.unwrap_err(), ArtifactError::NotADigest));
    }
    let absent = "0".repeat(64);
    assert!(matches!(journal.artifact(&absent).await.unwrap_err(), ArtifactError::NoSuch { .. }));
    let path = dir.path().join("artifacts").join(&kept.sha256[..2]).join(&kept.sha256);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[3] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    assert!(matches!(journal.artifact(&kept.sha256).await.unwrap_err(), ArtifactError::Damaged { .. }));
    close(journal).await;
}

#[tokio::test]
async fn incidents_are_listed_here_and_without_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let journal = open(dir.path());
    let (first, _) = journal.open_incident("devvm", "it does not answer", mara()).await;
    let (second, _) = journal.open_incident("gitvm", "the disk is full", mara()).await;
    assert_eq!((first, second), (IncidentId(1), IncidentId(2)));
    assert!(journal.append(Some(first), mara(), note("I am looking")).await.is_durable());
    let body = EventBody::IncidentClosed {
        target: "devvm".to_owned(),
        reason: "it is back".to_owned(),
        away_millis: Some(1),
    };
    assert!(journal.append(Some(first), mara(), body).await.is_durable());
    let list = journal.incidents().await;
    assert_eq!(
        list.iter().map(|i| (i.id, i.events, i.last)).collect::<Vec<_>>(),
        [(second, 1, Seq(2)), (first, 3, Seq(4))]
    );
    assert_eq!(list[1].closed.as_ref().unwrap().1, "it is back");
    assert_eq!(list[0].closed, None);

    let archive = Archive::open(dir.path()).unwrap();
    assert_eq!(archive.incidents().unwrap(), list, "beside the running server");
    assert_eq!(archive.incident(first).unwrap(), journal.incident(first).await);
    close(journal).await;
    assert_eq!(archive.tail(2).unwrap().len(), 2, "and without it");
    let journal = open(dir.path());
    assert_eq!(journal.open_incident("devvm", "again", mara()).await.0, IncidentId(3));
    close(journal).await;
}

#[test]
fn the_spool_is_shared_by_commands_and_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let spool = Spool::open(&dir.path().join("state"), now).unwrap();
    assert!(spool.events().unwrap().is_empty());
    let opened = spool
        .append(
            None,
            mara(),
            EventBody::IncidentOpened { target: "devvm".to_owned(), reason: "no server".to_owned() },
        )
        .unwrap();
    assert_eq!(opened.incident, Some(IncidentId(1)));
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let spool = spool.clone();
            std::thread::spawn(move || {
                for n in 0..10 {
                    // Busy is an honest answer on a slow disk; the command says so and goes on.
                    while matches!(
                        spool.append(None, mara(), note(format!("{thread} {n}"))),
                        Err(SpoolError::Busy { .. })
                    ) {}
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let events = spool.events().unwrap();
    assert_eq!(events.iter().map(|event| event.seq.0).collect::<Vec<_>>(), (1..=41).collect::<Vec<_>>());
    let head = spool.verify(None).unwrap().unwrap();
    assert_eq!((head.lines, head.gaps), (41, 0));

    let mut file = std::fs::OpenOptions::new().append(true).open(spool.path()).unwrap();
    file.write_all(br#"{"incident":null,"at":"20"#).unwrap();
    let after = spool.append(None, mara(), note("after the crash")).unwrap();
    assert_eq!(after.seq, Seq(43));
    let events = spool.events().unwrap();
    assert_eq!(text(events.last().unwrap()), "after the crash");
    assert_eq!(spool.verify(Some(head.tip())).unwrap().unwrap().gaps, 1);

    let words = std::fs::read_to_string(spool.path()).unwrap();
    std::fs::write(spool.path(), words.replacen("2 3", "9 9", 1)).unwrap();
    assert!(spool.verify(None).unwrap().is_err());
    std::fs::write(spool.path(), "not a chain\n").unwrap();
    assert!(matches!(spool.append(None, mara(), note("x")), Err(SpoolError::Damaged { .. })));
}
