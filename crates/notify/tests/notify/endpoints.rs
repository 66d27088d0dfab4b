//! One notice, and endpoints in every state.

use crate::hook::{Does, Hook};
use crate::office::{Place, SECRET, hook, pace, run, run_on};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use breakglass_incident::Delivery::{GivenUp, Sent, Waiting};
use breakglass_notify::Pace;
use breakglass_triage::Health;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notice_is_signed_and_leads_to_the_page_and_opens_nothing() {
    let receiver = Hook::start(&[Does::Says(204)]);
    let place = Place::webhook(&receiver.url());
    let running = run(&place);
    let incident = running.opens("devvm").await;
    let got = receiver.wait(1).remove(0);
    assert_eq!(got.path, "/hook");

    let signed = format!("{}.{}.{}", got.header("webhook-id"), got.header("webhook-timestamp"), got.body);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(signed.as_bytes());
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    assert_eq!(got.header("webhook-signature"), signature);
    assert_eq!(got.header("idempotency-key"), got.header("webhook-id"));

    let letter: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(letter["id"], got.header("webhook-id"));
    assert_eq!(letter["event"], "target-down");
    assert_eq!(letter["title"], "devvm stopped answering");
    assert_eq!(letter["link"], format!("https://breakglass.example.org/incidents/{incident}"));
    let keys: Vec<&String> = letter.as_object().unwrap().keys().collect();
    let all = ["at", "event", "fleet", "id", "incident", "link", "targets", "text", "title", "urgency"];
    assert_eq!(keys, all, "nothing else travels");

    let told = running.wait_told("oncall", 1).await;
    assert_eq!(told, [(Sent, 1, "devvm stopped answering".to_owned())]);
    let view = running.desk.journal.view(incident).await;
    assert!(view.rows.iter().any(|row| row.sentences[0].starts_with("Told oncall: devvm stopped")));
    assert_eq!(running.shown("oncall").unwrap().0, Health::Good);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_with_a_fault_is_tried_again_with_the_same_key() {
    let does = [Does::Says(500), Does::Closes, Does::Says(503), Does::ClosesAfterHeaders];
    let receiver = Hook::start(&does);
    let place = Place::webhook(&receiver.url());
    let running = run(&place);
    running.press().await;
    // That it took the request is all that is asked of it; the body of its answer is nobody's business.
    let told = running.wait_told("oncall", 2).await;
    assert_eq!((told[0].0, told[0].1), (Waiting, 3));
    assert_eq!((told[1].0, told[1].1), (Sent, 4));
    assert!(told[0].2.contains("a fault of its own (503)"), "{told:?}");
    let got = receiver.got();
    assert_eq!(got.len(), 4);
    assert!(got.iter().all(|one| one.header("webhook-id") == got[0].header("webhook-id")));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_hangs_holds_up_nobody_and_is_said() {
    let (hangs, well) = (Hook::start(&[Does::Hangs]), Hook::start(&[Does::Says(200)]));
    let place = Place::new(&(hook("stuck", &hangs.url()) + &hook("well", &well.url())));
    let running = run(&place);
    let began = Instant::now();
    for _ in 0..20 {
        running.press().await;
    }
    // The journal goes on while the endpoint is silent for longer than this all took.
    well.wait(20);
    assert!(began.elapsed() < Duration::from_secs(30));
    let told = running.wait_told("stuck", 1).await;
    assert_eq!((told[0].0, told[0].1), (Waiting, 3));
    assert!(told[0].2.contains("no answer came within 1.5 s"), "{told:?}");
    let (health, sentence) = running.shown("stuck").unwrap();
    assert_eq!(health, Health::Degraded);
    assert!(sentence.contains("20 notices wait"), "{sentence}");
    hangs.then(Does::Says(200));
    let told = running.wait_told("stuck", 21).await;
    assert_eq!(told.iter().filter(|one| one.0 == Sent).count(), 20);
    assert_eq!(running.shown("stuck").unwrap().0, Health::Good);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_asks_for_a_pause_gets_it() {
    let receiver = Hook::start(&[Does::AsksForPause(1), Does::Says(200)]);
    let place = Place::webhook(&receiver.url());
    let running = run(&place);
    running.press().await;
    receiver.wait(1);
    // Another notice is no reason to break the pause.
    running.press().await;
    let got = receiver.wait(3);
    assert!(got[1].at.duration_since(got[0].at) >= Duration::from_secs(1));
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nothing_but_a_person_can_mend_is_not_tried_again() {
    let elsewhere = Hook::start(&[Does::Says(200)]);
    for does in [Does::Says(400), Does::Says(401), Does::Says(404), Does::SendsTo(elsewhere.port())] {
        let receiver = Hook::start(&[does, Does::Says(200)]);
        let place = Place::webhook(&receiver.url());
        let running = run(&place);
        running.press().await;
        let told = running.wait_told("oncall", 1).await;
        assert_eq!((told[0].0, told[0].1), (GivenUp, 1), "{does:?}");
        assert_eq!(running.shown("oncall").unwrap().0, Health::Degraded);
        // The next one is another matter.
        running.press().await;
        assert_eq!(running.wait_told("oncall", 2).await[1].0, Sent);
        running.end().await;
    }
    assert!(elsewhere.got().is_empty(), "a signature followed a redirect");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_not_there_yet_gets_it_when_it_is() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let place = Place::webhook(&format!("http://{address}/hook"));
    let running = run(&place);
    running.press().await;
    let told = running.wait_told("oncall", 1).await;
    assert!(told[0].0 == Waiting && told[0].2.contains("cannot be reached"), "{told:?}");
    let receiver = Hook::on(TcpListener::bind(address).unwrap(), &[Does::Says(200)]);
    receiver.wait(1);
    assert_eq!(running.wait_told("oncall", 2).await[1].0, Sent);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_is_said_and_shown_to_nobody() {
    let receiver = Hook::start(&[Does::Says(200)]);
    let place = Place::webhook(&receiver.url());
    std::fs::remove_file(place.file("secret")).unwrap();
    let running = run(&place);
    running.press().await;
    let told = running.wait_told("oncall", 1).await;
    assert!(told[0].0 == Waiting && told[0].2.contains("secret cannot be read"), "{told:?}");
    assert!(receiver.got().is_empty(), "nothing goes out unsigned");
    // It is read anew for each try.
    std::fs::write(place.file("secret"), format!("{SECRET}\n")).unwrap();
    assert_eq!(running.wait_told("oncall", 2).await[1].0, Sent);
    let events = serde_json::to_string(&running.events().await).unwrap();
    assert!(!events.contains(SECRET) && !receiver.got()[0].body.contains(SECRET));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_at_a_dead_endpoint_is_bounded() {
    let receiver = Hook::start(&[Does::Hangs]);
    let place = Place::webhook(&receiver.url());
    let running = run_on(place.desk(), Pace { attempt: Duration::from_secs(60), ..pace() });
    for _ in 0..400 {
        running.press().await;
    }
    // 256 wait for the postman and 64 in the line to him.
    let told = running.wait_told("oncall", 1).await;
    assert!(told[0].0 == GivenUp && told[0].2.contains("too many notices wait"), "{told:?}");
    let told = running.wait_told("oncall", 400 - 256 - 64).await;
    assert!(told.iter().all(|one| one.0 == GivenUp) && told.len() <= 400 - 256 - 63, "{}", told.len());
    running.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_receiver_is_told_what_it_asked_for() {
    let (all, downs) = (Hook::start(&[Does::Says(200)]), Hook::start(&[Does::Says(200)]));
    let ntfy = format!(
        "[[notify.ntfy]]\nname = \"phone\"\nserver = \"http://127.0.0.1:{}\"\ntopic = \"alarms\"\n\
         token_file = \"DIR/secret\"\nabout = [\"target-down\"]\n",
        downs.port()
    );
    let place = Place::new(&(hook("oncall", &all.url()) + &ntfy));
    let running = run(&place);
    running.press().await;
    all.wait(1);
    running.opens("webvm").await;
    let got = downs.wait(1).remove(0);
    let sent: Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!((got.path.as_str(), &sent["topic"], &sent["priority"]), ("/", &"alarms".into(), &5.into()));
    assert_eq!(sent["title"], "home: webvm stopped answering");
    assert!(sent["click"].as_str().unwrap().starts_with("https://breakglass.example.org/incidents/"));
    assert_eq!(got.header("authorization"), format!("Bearer {SECRET}"));
    assert_eq!(sent["sequence_id"], got.header("x-sequence-id"));
    assert_eq!(all.wait(2).len(), 2);
    assert_eq!(running.wait_told("phone", 1).await.len(), 1);
    running.end().await;
}
