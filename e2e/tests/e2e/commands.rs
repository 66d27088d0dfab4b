//! A command through the repair door of a real VM, whose key is forced into the guard's harness.

use breakglass_e2e::night::{Night, brisk};
use breakglass_protocol::Timestamp;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Runs a command and waits for its end.
fn run(night: &Night, command: &str, seconds: u64) -> Value {
    let body = json!({ "command": command, "wait": true, "deadline_seconds": seconds });
    night.server.send("/api/v1/targets/devvm/commands", &body).unwrap().json().unwrap()
}

#[test]
fn runs_ahead_of_everything_ends_at_its_deadline_can_be_stopped_and_stands_in_the_hosts_own_record() {
    let night = Night::begin(&brisk()).unwrap();
    let end = run(&night, "echo out; echo err >&2; sudo -n id -u; exit 7", 20);
    assert_eq!(
        (&end["exit"], &end["message"]),
        (&7.into(), &"the command ended with 7; it ran at the usual priority, which only root raises".into()),
        "{end}"
    );
    let output = end["output"].as_str().unwrap();
    assert!(output.contains("out\n") && output.contains("err\n") && output.contains("0\n"), "{output}");

    // Its deadline is kept at the host, and its end was seen there: a key without the harness can't have that over sshd.
    let end = run(&night, "echo before; sleep 4242", 6);
    assert!(end["exit"].is_null() && end["output"] == "before\n", "{end}");
    let message = end["message"].as_str().unwrap();
    assert!(message.contains("out of time") && message.contains("that was seen"), "{message}");

    // One that runs is stopped from another connection.
    let opened =
        night.server.send("/api/v1/incidents", &json!({ "target": "devvm", "reason": "test" })).unwrap();
    let incident = opened.json().unwrap()["incident"].as_u64().unwrap();
    let began =
        night.server.send("/api/v1/targets/devvm/commands", &json!({ "command": "sleep 4343" })).unwrap();
    let command = began.json().unwrap()["command"].as_u64().unwrap();
    let path = format!("/api/v1/incidents/{incident}/commands/{command}/stop");
    let since = Instant::now();
    let said = loop {
        let answer = night.server.send(&path, &json!({})).unwrap();
        if answer.status == 200 {
            break answer.json().unwrap()["said"].as_str().unwrap().to_owned();
        }
        // It can be stopped once the host's guard has said that it began.
        assert!(answer.status == 409 && since.elapsed() < Duration::from_secs(20), "{}", answer.status);
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(said.contains("was told to stop, and its guard has ended"), "{said}");
    let left =
        night.vm().unwrap().login("ps | grep -c '[s]leep 4[23]4[23]'", Duration::from_secs(20)).unwrap();
    assert_eq!(left.stdout.trim(), "0", "{}", left.stderr);
    let export = night.server.read(&format!("/api/v1/incidents/{incident}/export/markdown")).unwrap();
    let text = &export.body;
    assert!(text.contains("told to stop; the command and all that it started were ended"), "{text}");

    // And the host itself remembers.
    let record = night.vm().unwrap().login(
        "cat /var/log/breakglass/guard-breakglass.jsonl; breakglass-guard record verify /var/log/breakglass/guard-breakglass.jsonl",
        Duration::from_secs(20),
    );
    let record = record.unwrap().stdout;
    assert!(
        record.contains("sleep 4343") && record.contains("\"exit\":7") && record.contains("repair-key"),
        "{record}"
    );
    let times = record.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    assert!(
        times.filter_map(|line| line["time"].as_str()?.parse::<Timestamp>().ok()).count() >= 6,
        "{record}"
    );
}
