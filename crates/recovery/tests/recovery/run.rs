//! Commands through the repair door.

use crate::site::{Site, alice, all, wait_for};
use breakglass_incident::{EventBody, IncidentId};
use breakglass_recovery::{Run, RunError, run, run_to_end};
use std::time::{Duration, Instant};

fn command(line: &str) -> Run {
    Run { target: "devvm".into(), command: line.into(), incident: None, deadline: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn output_comes_live_and_becomes_one_event() {
    let site = Site::new();
    let desk = site.desk();
    let mut tail = desk.journal.subscribe();
    let id =
        run(&desk, alice(), command("echo one; sleep 0.3; echo two; echo three >&2; exit 3")).await.unwrap();
    let mut live = Vec::new();
    let end = loop {
        let frame = tail.next().await.unwrap();
        if let Some(event) = frame.event() {
            if let EventBody::CommandFinished { .. } = event.body {
                break event;
            }
            continue;
        }
        let json: serde_json::Value = serde_json::from_slice(&frame.json).unwrap();
        if json["live"] == "output" {
            assert_eq!(json["command"], id.0);
            live.push(json["text"].as_str().unwrap().to_owned());
        }
    };
    assert!(live.len() >= 2, "it came in pieces: {live:?}");
    let EventBody::CommandFinished { command, exit, output, rest, .. } = end.body.clone() else { panic!() };
    assert_eq!((command, exit, rest), (id, Some(3), None));
    assert_eq!(live.concat(), output);
    assert!(output.contains("one\n") && output.contains("two\n") && output.contains("three\n"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_output_is_kept_whole_beside_its_head() {
    let site = Site::new();
    let desk = site.desk();
    let end = run_to_end(&desk, alice(), command("head -c 300000 /dev/zero | tr '\\0' x")).await.unwrap();
    assert_eq!(end.exit, Some(0));
    assert_eq!(end.output.len(), 16 << 10);
    let whole = end.rest.unwrap();
    assert_eq!(whole.bytes, 300_000);
    assert_eq!(desk.journal.artifact(&whole.sha256).await.unwrap(), vec![b'x'; 300_000]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadline_ends_it_and_says_what_is_known() {
    let site = Site::new();
    let desk = site.desk();
    let began = Instant::now();
    let wanted = Run { deadline: Some(Duration::from_millis(1_500)), ..command("sleep 20") };
    let end = run_to_end(&desk, alice(), wanted).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(end.exit, None);
    assert!(end.message.contains("out of time"), "{}", end.message);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_where_there_is_no_door_or_no_command() {
    let site = Site::new();
    let desk = site.desk();
    let elsewhere = Run { target: "pve".into(), ..command("true") };
    assert!(matches!(run(&desk, alice(), elsewhere).await, Err(RunError::NoDoor { .. })));
    for empty in ["  ", "true\0"] {
        assert!(matches!(run(&desk, alice(), command(empty)).await, Err(RunError::Command { .. })));
    }
    // It would be written into an incident that is yet to come.
    let nowhere = Run { incident: Some(IncidentId(7)), ..command("true") };
    assert!(matches!(run(&desk, alice(), nowhere).await, Err(RunError::NoIncident { .. })));
    assert_eq!(all(&desk).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_when_the_client_goes() {
    let site = Site::new();
    let desk = site.desk();
    let gone = tokio::time::timeout(
        Duration::from_millis(100),
        run_to_end(&desk, alice(), command("sleep 0.5; echo late")),
    );
    assert!(gone.await.is_err());
    let end = wait_for(&desk, "the end", |body| matches!(body, EventBody::CommandFinished { .. })).await;
    let EventBody::CommandFinished { output, .. } = end.body else { panic!() };
    assert_eq!(output, "late\n");
}
