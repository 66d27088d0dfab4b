//! What a crash may cost: nothing, and at most a second copy with the same key.

use crate::hook::{Does, Hook};
use crate::office::{Place, hook, pace, run, run_on};
use breakglass_incident::Delivery::{GivenUp, Sent};
use breakglass_incident::{Actor, EventBody, Proof, Trial};
use breakglass_journal::{Journal, Limits};
use breakglass_notify::Pace;
use breakglass_triage::Health;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_between_the_telling_and_the_event_gives_a_copy_with_the_same_key() {
    // It has taken the request and its answer never comes: the crash falls between the two.
    let receiver = Hook::start(&[Does::Hangs]);
    let place = Place::webhook(&receiver.url());
    let slow = Pace { attempt: Duration::from_secs(60), ..pace() };
    let running = run_on(place.desk(), slow);
    running.press().await;
    let first = receiver.wait(1).remove(0);
    running.end().await;

    receiver.then(Does::Says(200));
    let running = run(&place);
    let second = receiver.wait(2).remove(1);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    assert_eq!(first.body, second.body);
    assert_eq!(running.wait_told("oncall", 1).await[0].0, Sent);
    running.end().await;

    // And never again.
    let running = run(&place);
    running.press().await;
    let third = receiver.wait(3).remove(2);
    assert_ne!(third.header("webhook-id"), first.header("webhook-id"));
    assert_eq!(running.wait_told("oncall", 2).await.len(), 2);
    assert_eq!(receiver.got().len(), 3);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_while_nobody_told_is_told_once_to_each() {
    let (there, late) = (Hook::start(&[Does::Says(200)]), Hook::start(&[Does::Hangs]));
    let place = Place::new(&(hook("there", &there.url()) + &hook("late", &late.url())));
    let running = run(&place);
    // A target that is down, and whose incident goes on.
    let incident = running.opens("devvm").await;
    running.wait_told("there", 1).await;
    late.wait(1);
    running.end().await;

    late.then(Does::Says(200));
    let running = run(&place);
    let told = running.wait_told("late", 1).await;
    assert_eq!(told.last().unwrap().0, Sent);
    // The first look of the new run finds it down still, which is no news, and then well, which is.
    running.observe("devvm", Some(incident), Health::Down).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(there.got().len(), 1);
    running.observe("devvm", Some(incident), Health::Good).await;
    let got = there.wait(2);
    assert!(got[1].body.contains("devvm answers again"), "{}", got[1].body);
    running.wait_told("there", 2).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_new_is_not_told_what_was_before_it_came() {
    let receiver = Hook::start(&[Does::Says(200)]);
    let place = Place::new("");
    let desk = place.desk();
    let press = |name: &str| EventBody::VerbPressed {
        target: name.to_owned(),
        verb: breakglass_protocol::Verb::Reset,
        seen: None,
        shown: String::new(),
        door: "x".to_owned(),
    };
    desk.journal.append(None, Actor::Server, press("devvm")).await;
    desk.journal.close(Duration::from_secs(10)).await;
    drop(desk);
    tokio::time::sleep(Duration::from_millis(60)).await;

    let mut with = place;
    with.add(&hook("oncall", &receiver.url()));
    let strict = Pace { recent: Duration::from_millis(50), ..pace() };
    let running = run_on(with.desk(), strict);
    running.press().await;
    let got = receiver.wait(1);
    assert!(got[0].body.contains("cycle devvm"), "{}", got[0].body);
    running.wait_told("oncall", 1).await;
    running.end().await;

    // One that it knows of and that came while no server told anybody is told, however it is treated otherwise.
    let desk = with.desk();
    desk.journal.append(None, Actor::Server, press("webvm")).await;
    desk.journal.close(Duration::from_secs(10)).await;
    drop(desk);
    tokio::time::sleep(Duration::from_millis(60)).await;
    let running = run_on(with.desk(), strict);
    assert!(receiver.wait(2)[1].body.contains("reset webvm"));
    running.wait_told("oncall", 2).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_is_not_told_and_is_said_not_to_be() {
    let receiver = Hook::start(&[Does::Says(200)]);
    let place = Place::webhook(&receiver.url());
    let running = run(&place);
    running.press().await;
    running.wait_told("oncall", 1).await;
    running.end().await;

    // Two hours later by the clock of the next run, with a press of today's in between that nobody told.
    let desk = place.desk();
    let body = EventBody::VerbPressed {
        target: "webvm".to_owned(),
        verb: breakglass_protocol::Verb::Reset,
        seen: None,
        shown: String::new(),
        door: "x".to_owned(),
    };
    desk.journal.append(None, Actor::Server, body).await;
    desk.journal.close(Duration::from_secs(10)).await;
    drop(desk);
    let mut desk = place.desk();
    desk.clock = || breakglass_e2e::stage::now().plus_millis(2 * 3_600_000);
    let running = run_on(desk, pace());
    let told = running.wait_told("oncall", 2).await;
    assert!(told[1].0 == GivenUp && told[1].2.contains("no server ran for too long"), "{told:?}");
    assert_eq!(receiver.got().len(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_keeps_nothing_is_told_and_holds_nothing_up_and_so_is_that_it_keeps_again() {
    let receiver = Hook::start(&[Does::Says(200)]);
    let place = Place::webhook(&receiver.url());
    let mut desk = place.desk();
    // Where the directory should be there is a file.
    let dir = place.path().join("elsewhere");
    std::fs::write(&dir, "").unwrap();
    desk.journal = Journal::begin(&dir, breakglass_e2e::stage::now, Limits::default()).unwrap();
    let running = run_on(desk, pace());
    assert!(receiver.wait(1)[0].body.contains("journal-not-keeping"));
    running.press().await;
    let got = receiver.wait(2);
    assert!(
        got[1].body.contains("verb-pressed"),
        "a press is told although nothing keeps it: {}",
        got[1].body
    );
    running.wait_told("oncall", 2).await;

    std::fs::remove_file(&dir).unwrap();
    std::fs::create_dir(&dir).unwrap();
    assert!(receiver.wait(3)[2].body.contains("journal-keeping-again"));
    running.wait_told("oncall", 3).await;
    let desk = running.desk.clone();
    running.end().await;
    drop(desk);

    // What was held is on the disk, and with it who was told: the next run tells nobody again.
    let mut desk = place.desk();
    desk.journal = Journal::open(&dir, breakglass_e2e::stage::now).unwrap();
    let running = run_on(desk, pace());
    assert_eq!(running.told("oncall").await.len(), 3);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.got().len(), 3);
    running.end().await;
}

fn verified(proven: bool) -> EventBody {
    let seen = if proven { "" } else { "a shell answered: it was run" };
    let trial =
        Trial { what: "a plain shell command is refused".to_owned(), held: proven, seen: seen.to_owned() };
    let next = if proven { "" } else { "Put the forced command back" }.to_owned();
    let door =
        Proof { door: "devvm-power".to_owned(), kind: "power".to_owned(), proven, trials: vec![trial], next };
    EventBody::Verified { target: "devvm".to_owned(), doors: vec![door], millis: 80 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_canary_goes_out_once_over_a_restart_and_so_does_its_recovery() {
    let (there, other) = (Hook::start(&[Does::Says(200)]), Hook::start(&[Does::Says(200)]));
    let only_down = hook("other", &other.url()) + "about = [\"target-down\"]\n";
    let place = Place::new(&(hook("there", &there.url()) + &only_down));
    let running = run(&place);
    running.desk.journal.append(None, Actor::Server, verified(false)).await;
    running.wait_told("there", 1).await;
    running.desk.journal.append(None, Actor::Server, verified(false)).await;
    running.end().await;

    let running = run(&place);
    running.desk.journal.append(None, Actor::Server, verified(false)).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    let failed = there.got();
    assert_eq!(failed.len(), 1);
    for wanted in [
        "\"canary-failed\"",
        "A way into devvm does not hold",
        "a shell answered",
        "Put the forced command back",
        "/targets/devvm",
    ] {
        assert!(failed[0].body.contains(wanted), "{wanted}: {}", failed[0].body);
    }
    running.desk.journal.append(None, Actor::Server, verified(true)).await;
    running.desk.journal.append(None, Actor::Server, verified(true)).await;
    let got = there.wait(2);
    assert!(got[1].body.contains("\"canary-proven\""), "{}", got[1].body);
    running.wait_told("there", 2).await;
    assert!(other.got().is_empty(), "it asked for something else");
    running.end().await;
}
