//! A command through the repair door of a real VM, whose key is forced into the guard's harness.

use crate::scripted_model::{Act, ScriptedModel};
use breakglass_e2e::night::{Night, brisk};
use breakglass_e2e::person::Person;
use breakglass_e2e::server::PERSON;
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
    let mut night = Night::begin(&brisk()).unwrap();
    every_door_is_proven(&night);
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
    a_stopped_turn_takes_its_command_with_it(&mut night, incident);
}

/// The built guard at both ends: what must work does, and what must be refused is.
fn every_door_is_proven(night: &Night) {
    let (code, out, err) = night.server.cli(&["verify", "--json"]).unwrap();
    assert_eq!(code, Some(0), "{out}{err}");
    let found: Value = serde_json::from_str(out.lines().next().unwrap()).unwrap();
    assert_eq!(found["proven"], true, "{found:#}");
    let kinds: Vec<&str> =
        found["doors"].as_array().unwrap().iter().map(|door| door["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["power", "repair"], "{found:#}");
}

/// An agent's command is stopped with its turn: the turn at once, the command as the host's guard has seen it.
fn a_stopped_turn_takes_its_command_with_it(night: &mut Night, incident: u64) {
    let command =
        json!({ "command": "echo begun; sleep 4545; echo never", "deadline_seconds": 300 }).to_string();
    let model = ScriptedModel::start(vec![Act::Say("I wait long.", vec![("repair", command)])]);
    night.server.kill();
    let agent = format!(
        "\n[agent]\nkinds = [\"api\"]\n[agent.api]\ndialect = \"anthropic\"\nendpoint = \"{}\"\nmodel = \"scripted\"\n",
        model.url()
    );
    let fleet = std::fs::read_to_string(&night.server.fleet).unwrap();
    std::fs::write(&night.server.fleet, fleet + &agent).unwrap();
    night.server.run().unwrap();
    let person = Person::log_in(night.server.address, PERSON.0, PERSON.1).unwrap();
    let heard = person.listen(incident, 0).unwrap();
    let wait = |what: &str, kind: &str, wanted: &dyn Fn(&Value) -> bool| {
        let begun = Instant::now();
        loop {
            let events = heard.so_far();
            let of_kind = events.iter().filter(|event| event["body"]["kind"] == kind);
            if let Some(found) = of_kind.into_iter().find(|event| wanted(&event["body"])) {
                return found.clone();
            }
            assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}; {events:#?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let turn = person.ask(incident, "wait").unwrap();
    let started = wait("the command", "command-started", &|body| {
        body["command"].as_str().unwrap().contains("sleep 4545")
    });
    let runs = || {
        let seen = night.vm().unwrap().login("ps | grep -c '[s]leep 4545'", Duration::from_secs(20)).unwrap();
        seen.stdout.trim().parse::<usize>().unwrap()
    };
    let begun = Instant::now();
    while runs() == 0 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the command never ran");
        std::thread::sleep(Duration::from_millis(200));
    }
    let told = Instant::now();
    person.post(&format!("/api/v1/incidents/{incident}/turns/stop"), &json!({})).unwrap();
    let end = wait("the turn's end", "turn-ended", &|body| body["turn"] == turn);
    assert_eq!(end["body"]["how"], "stopped");
    // A second is what is promised; the rest is for a machine that has none.
    assert!(told.elapsed() < Duration::from_secs(3), "{:?}", told.elapsed());
    let ended =
        &wait("the command's end", "command-finished", &|body| body["command"] == started["seq"])["body"];
    let message = ended["message"].as_str().unwrap();
    assert!(message.contains("told to stop; the command and all that it started were ended"), "{message}");
    assert!(ended["exit"].is_null() && ended["output"] == "begun\n", "{ended}");
    assert_eq!(runs(), 0, "it is gone from the VM");
    let answered = wait("the call's answer", "tool-answered", &|body| body["turn"] == turn);
    assert_eq!(answered["body"]["outcome"], "failed", "{answered}");
    let notes = heard.so_far();
    let notes: Vec<&str> = notes.iter().filter_map(|event| event["body"]["text"].as_str()).collect();
    assert!(notes.iter().any(|note| note.contains("Stops, with its turn, the command")), "{notes:?}");
    assert!(!notes.iter().any(|note| note.contains("NOT seen to stop")), "{notes:?}");
}
