//! Ports that refuse, say nothing, or say something else; probes and doors alike.

use crate::sshd::{KEY, Sshd, ask, component, door_to, empty_fleet, free_port, keygen, keyholder};
use breakglass_doors::{Banner, Doors, End, HostKeys, Limits, Stage, Stopped, refusing_port, ssh_banner};
use breakglass_fleet::HostKeyPolicy;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

const SHORT: Duration = Duration::from_millis(700);

/// A port that accepts, says this, and then waits (`keep`) or hangs up.
async fn talker(words: &'static [u8], keep: bool) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("its address").port();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(words).await;
            if keep {
                kept.push(stream);
            }
        }
    });
    port
}

fn doors_to(dir: &TempDir, port: u16) -> Doors {
    let key = dir.path().join("key");
    keygen(&key, "ed25519", KEY);
    let mut fleet = empty_fleet(dir.path());
    fleet.components.push(component("host", &format!("127.0.0.1:{port}"), HostKeyPolicy::TofuAlarm));
    fleet.doors.push(door_to("host", "door"));
    let host_keys = HostKeys::open(&dir.path().join("host_keys")).expect("host keys");
    Doors::new(Arc::new(fleet), keyholder(&[(KEY, &key)]), host_keys, Limits::default())
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_tell_a_server_from_what_only_accepts() {
    let sshd = Sshd::start();
    match ssh_banner("127.0.0.1", sshd.port, SHORT).await {
        Banner::Banner { text, .. } => assert!(text.starts_with("SSH-2.0-OpenSSH"), "{text}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(ssh_banner("127.0.0.1", free_port(), SHORT).await, Banner::Closed);
    assert_eq!(ssh_banner("127.0.0.1", talker(b"", true).await, SHORT).await, Banner::NoBanner);
    assert_eq!(ssh_banner("127.0.0.1", talker(b"", false).await, SHORT).await, Banner::Closed);
    assert_eq!(
        ssh_banner("127.0.0.1", talker(b"HTTP/1.1 400\r\n", true).await, SHORT).await,
        Banner::NoBanner
    );
    assert_eq!(ssh_banner("127.0.0.1", talker(b"SSH", true).await, SHORT).await, Banner::NoBanner);
    let began = Instant::now();
    ssh_banner("127.0.0.1", talker(b"", true).await, SHORT).await;
    assert!(began.elapsed() < SHORT + Duration::from_millis(1500), "{:?}", began.elapsed());

    assert_eq!(refusing_port(&format!("127.0.0.1:{}", free_port()), SHORT).await, Banner::Closed);
    assert_eq!(refusing_port(&format!("127.0.0.1:{}", sshd.port), SHORT).await, Banner::NoBanner);
    assert_eq!(refusing_port("not an address", SHORT).await, Banner::Silent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_refuses_is_unreachable_in_words() {
    let dir = tempfile::tempdir().expect("a directory");
    let (end, _) = ask(&doors_to(&dir, free_port()), "true", Duration::from_secs(20)).await;
    let End::Unreachable { reason } = &end else { panic!("{end:?}") };
    assert!(reason.contains("its kernel answers, no SSH server does"), "{reason}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_says_nothing_runs_into_the_deadline_before_anything_is_sent() {
    let dir = tempfile::tempdir().expect("a directory");
    let doors = doors_to(&dir, talker(b"", true).await);
    let began = Instant::now();
    let (end, _) = ask(&doors, "true", Duration::from_secs(1)).await;
    assert_eq!(end, End::TimedOut { stage: Stage::Banner, stopped: Stopped::NotStarted });
    assert!(began.elapsed() < Duration::from_millis(2500), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_speaks_something_else_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let (end, _) =
        ask(&doors_to(&dir, talker(b"220 mail\x1b[2J\r\n", true).await), "true", Duration::from_secs(20))
            .await;
    let End::Unreachable { reason } = &end else { panic!("{end:?}") };
    assert!(reason.contains("not with SSH: \"220 mail?[2J\""), "{reason}");
    let dir = tempfile::tempdir().expect("a directory");
    let (end, _) = ask(
        &doors_to(&dir, talker(b"SSH-2.0-x\r\n\0\0garbage", false).await),
        "true",
        Duration::from_secs(20),
    )
    .await;
    assert!(matches!(&end, End::Unreachable { .. }), "{end:?}");
}
