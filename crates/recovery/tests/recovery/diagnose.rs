//! Looks through a read-only door.

use crate::site::{Site, alice, all};
use breakglass_incident::EventBody;
use breakglass_recovery::{Answer, Look, RunError, diagnose, diagnose_many, looks_at};
use tokio::sync::mpsc;

fn look(request: &str) -> Look {
    Look { request: request.to_owned(), incident: None, deadline: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_is_journaled_with_its_door_and_its_end() {
    let site = Site::new();
    let desk = site.desk();
    let end = diagnose(&desk, alice(), "devvm", look("echo seen; exit 3"), None).await.unwrap();
    assert_eq!((end.exit, end.output.as_str()), (Some(3), "seen\n"));
    let started = all(&desk).await.into_iter().find_map(|event| match event.body {
        EventBody::CommandStarted { door, command, .. } => Some((door, command)),
        _ => None,
    });
    assert_eq!(started, Some(("devvm-diag".to_owned(), "echo seen; exit 3".to_owned())));
    let looks = looks_at(&desk, "devvm", 5).await;
    assert_eq!(looks.len(), 1);
    assert_eq!(looks.first().unwrap().ended.as_ref(), Some(&end));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_wrong_far_end_lets_through_is_not_kept() {
    let site = Site::new();
    let desk = site.desk();
    let shown = "echo 'password = hunter2-BGCANARY-x9K2'";
    let end = diagnose(&desk, alice(), "devvm", look(shown), None).await.unwrap();
    assert!(!end.output.contains("BGCANARY"), "{}", end.output);
    assert!(end.output.contains("[removed by guard:"), "{}", end.output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_sent_where_there_is_no_door() {
    let site = Site::new();
    let desk = site.desk();
    let ended = diagnose(&desk, alice(), "pve", look("uptime"), None).await;
    assert_eq!(ended, Err(RunError::NoDiagDoor { host: "pve".to_owned() }));
    assert_eq!(all(&desk).await.len(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_each_answers_for_itself() {
    let site = Site::new();
    let desk = site.desk();
    let (sender, mut comes) = mpsc::channel(1);
    let hosts = ["devvm".to_owned(), "pve".to_owned()];
    let wanted = look("echo here");
    let asker = alice();
    let asking = diagnose_many(&desk, &asker, &hosts, &wanted, sender);
    let reading = async {
        let mut answers: Vec<Answer> = Vec::new();
        while let Some(answer) = comes.recv().await {
            answers.push(answer);
        }
        answers.sort_by(|one, other| one.host.cmp(&other.host));
        answers
    };
    let ((), answers) = tokio::join!(asking, reading);
    let seen: Vec<_> = answers.iter().map(|answer| (answer.host.as_str(), answer.ended.is_ok())).collect();
    assert_eq!(seen, [("devvm", true), ("pve", false)]);
}
