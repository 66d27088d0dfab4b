//! The engine `api` in both dialects: a whole turn, and every way in which an endpoint can fail.

use crate::scripted_model::{Act, ScriptedModel};
use crate::stand::{Happened, Outcome, brief, endpoint, run};
use breakglass_agents::{ApiEngine, Dialect, KeySource};
use breakglass_recovery::turn::{Engine as _, Says, TurnEnd};
use serde_json::{Value, json};
use std::time::Duration;

const BOTH: [Dialect; 2] = [Dialect::Anthropic, Dialect::OpenAi];

async fn play(dialect: Dialect, acts: Vec<Act>) -> (Outcome, ScriptedModel) {
    let model = ScriptedModel::start(acts);
    let engine = ApiEngine::new("api", endpoint(&model.url(), dialect));
    (run(&engine, brief("make room")).await, model)
}

fn look() -> Act {
    Act::Say("I look first.", vec![("diag", json!({"command": "df -h /"}).to_string())])
}

fn done() -> Act {
    Act::Say("The disk has room again.", vec![])
}

#[tokio::test]
async fn a_turn_looks_repairs_and_reports() {
    for dialect in BOTH {
        let repair = Act::Say("", vec![("repair", json!({"command": "rm /var/tmp/ü"}).to_string())]);
        let (outcome, model) = play(dialect, vec![look(), repair, done()]).await;
        assert_eq!(outcome.end, TurnEnd::Finished { said: "The disk has room again.".into() }, "{dialect:?}");
        let wanted = [
            ("diag".to_owned(), json!({"command": "df -h /"})),
            ("repair".to_owned(), json!({"command": "rm /var/tmp/ü"})),
        ];
        assert_eq!(outcome.calls, wanted);
        assert_eq!(outcome.said(), ["I look first.", "The disk has room again."]);
        let said = outcome.place(|h| matches!(h, Happened::Said(Says::TextDone(_)))).unwrap();
        let called = outcome.place(|h| matches!(h, Happened::Called(..))).unwrap();
        assert!(said < called, "{:?}", outcome.log);
        assert!(outcome.log.contains(&Happened::Said(Says::Used { input: 12, output: 20 })));
        let requests = model.requests();
        assert_eq!(requests.len(), 3);
        let last = String::from_utf8(requests[2].1.clone()).unwrap();
        for wanted in ["our rules", "triage: the disk is full", "make room", "earlier answer", "97% used"] {
            assert!(last.contains(wanted), "{dialect:?} lacks {wanted}: {last}");
        }
        eprintln!("{dialect:?}: first request {} bytes", requests[0].1.len());
    }
}

#[tokio::test]
async fn arguments_that_are_no_json_reach_the_judge_as_they_are() {
    for dialect in BOTH {
        let broken = Act::Say("", vec![("repair", "{\"command\": ".to_owned()), ("format", String::new())]);
        let (outcome, model) = play(dialect, vec![broken, done()]).await;
        let wanted =
            [("repair".to_owned(), Value::String("{\"command\": ".into())), ("format".to_owned(), json!({}))];
        assert_eq!(outcome.calls, wanted, "{dialect:?}");
        assert!(String::from_utf8_lossy(&model.requests()[1].1).contains("there is no such tool"));
    }
}

#[tokio::test]
async fn a_large_argument_arrives_whole_and_goes_back_shortened() {
    for dialect in BOTH {
        let large = json!({"command": "x".repeat(5 << 20)});
        let (outcome, model) =
            play(dialect, vec![Act::Say("", vec![("repair", large.to_string())]), done()]).await;
        assert!(outcome.calls == [("repair".to_owned(), large)], "{dialect:?}");
        let second = String::from_utf8(model.requests()[1].1.clone()).unwrap();
        assert!(second.len() < 20_000 && second.contains("bytes of this were left out"), "{}", second.len());
    }
}

#[tokio::test]
async fn what_passes_is_asked_again_and_what_is_slow_is_waited_for() {
    for dialect in BOTH {
        for fault in [
            Act::Status(429, "retry-after: 1\r\n", "{\"error\": {\"message\": \"slow down\"}}"),
            Act::Status(500, "", "oops"),
            Act::Status(529, "", ""),
            Act::ErrorMidStream,
            Act::CloseAfterHeaders,
            Act::Garbage,
            Act::GarbageEvents,
            Act::Hang,
            Act::Silence,
        ] {
            let (outcome, model) = play(dialect, vec![fault.clone(), done()]).await;
            assert!(matches!(outcome.end, TurnEnd::Finished { .. }), "{fault:?}: {:?}", outcome.end);
            assert!(outcome.notes().contains("Asking again"), "{fault:?}: {}", outcome.notes());
            assert_eq!(model.requests().len(), 2, "{fault:?}");
        }
        let (outcome, _model) = play(dialect, vec![Act::Dribble("slowly")]).await;
        assert_eq!(outcome.end, TurnEnd::Finished { said: "slowly".into() });
    }
}

#[tokio::test]
async fn what_lasts_ends_with_a_sentence_that_helps() {
    for dialect in BOTH {
        for (fault, asked, wanted) in [
            (
                Act::Status(401, "", "{\"error\": {\"message\": \"invalid x-api-key\"}}"),
                1,
                "refuses the key (401)",
            ),
            (Act::Status(404, "", ""), 1, "knows neither this address nor the model"),
            (Act::Status(302, "location: http://a/\r\n", ""), 1, "sends elsewhere"),
            (Act::Status(400, "", "{\"error\": \"bad\"}"), 1, "refuses the request as it is (400): “bad”"),
            (Act::Status(429, "retry-after: 3600\r\n", ""), 1, "wants to be left alone for 3600 s"),
            (Act::Status(500, "", "oops"), 3, "a fault of its own (500): “oops” (tried 3 times)"),
            (Act::ErrorMidStream, 3, "“Overloaded” (tried 3 times)"),
            (Act::CloseAfterHeaders, 3, "closed the connection in the middle"),
            (Act::Garbage, 3, "broke off before it answered"),
            (Act::GarbageEvents, 3, "no JSON"),
            (Act::Hang, 3, "went silent in the middle of its answer"),
            (Act::Silence, 3, "did not answer within"),
        ] {
            let (outcome, model) = play(dialect, vec![fault.clone()]).await;
            assert!(outcome.sentence().contains(wanted), "{fault:?}: {}", outcome.sentence());
            assert_eq!(model.requests().len(), asked, "{fault:?}");
            let other = !matches!(fault, Act::Status(400, ..));
            assert!(matches!(outcome.end, TurnEnd::Failed { retry_other, .. } if retry_other == other));
            if matches!(fault, Act::Hang | Act::ErrorMidStream) {
                assert_eq!(outcome.said(), vec!["half of it"; 3], "what was read stays");
            }
        }
    }
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_named() {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let engine = ApiEngine::new("api", endpoint(&format!("http://{address}"), Dialect::OpenAi));
    let outcome = run(&engine, brief("help")).await;
    let wanted = format!("http://{address} cannot be reached");
    assert!(outcome.sentence().contains(&wanted), "{}", outcome.sentence());
}

#[tokio::test]
async fn stopped_is_stopped_and_late_is_out_of_time() {
    let model = ScriptedModel::start(vec![Act::Silence]);
    let mut slow = endpoint(&model.url(), Dialect::Anthropic);
    slow.patience.answer = Duration::from_secs(600);
    let engine = ApiEngine::new("api", slow);
    let told = brief("help");
    let stop = told.stop.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        stop.cancel();
    });
    assert_eq!(run(&engine, told).await.end, TurnEnd::Stopped);
    let mut late = brief("help");
    late.wall_clock = Duration::from_millis(100);
    assert_eq!(run(&engine, late).await.end, TurnEnd::OutOfTime);
}

#[tokio::test]
async fn the_key_goes_into_its_header_and_nowhere_else() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("key");
    std::fs::write(&file, "sk-planted-0001\n").unwrap();
    for (dialect, header) in [
        (Dialect::Anthropic, "x-api-key: sk-planted-0001"),
        (Dialect::OpenAi, "authorization: Bearer sk-planted-0001"),
    ] {
        let quoting = Act::Status(401, "", "{\"error\": {\"message\": \"wrong key sk-planted-0001\"}}");
        let model = ScriptedModel::start(vec![quoting]);
        let mut with_key = endpoint(&model.url(), dialect);
        with_key.key = KeySource::File(file.clone());
        let engine = ApiEngine::new("api", with_key);
        engine.ready().await.unwrap();
        let outcome = run(&engine, brief("help")).await;
        assert!(outcome.sentence().contains("wrong key [key]"), "{}", outcome.sentence());
        assert!(!format!("{engine:?} {:?}", outcome.log).contains("planted"));
        assert!(model.requests()[0].0.contains(header), "{}", model.requests()[0].0);
    }
    std::fs::remove_file(&file).unwrap();
    let mut without = endpoint("http://127.0.0.1:9", Dialect::OpenAi);
    without.key = KeySource::File(file);
    assert!(ApiEngine::new("api", without).ready().await.unwrap_err().contains("cannot be read"));
}
