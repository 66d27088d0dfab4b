//! Without a server, through real sshds: look, press, run, triage; and what the spool holds of it.

use crate::site::Site;
use serde_json::Value;

#[test]
fn status_looks_at_every_target() {
    let site = Site::new();
    let seen = site.call(&["status"]);
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.out.contains("devvm") && seen.out.contains("well"), "{}", seen.out);
    let json: Value = serde_json::from_str(&site.call(&["status", "devvm", "--json"]).out).unwrap();
    assert_eq!((json["name"].as_str(), json["health"].as_str()), (Some("devvm"), Some("good")));
    let unknown = site.call(&["status", "nobody"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("it has: devvm"), "{}", unknown.err);
    site.set("state", "paused");
    assert_eq!(site.call(&["status"]).code, 1);
}

#[test]
fn a_cycle_tells_its_steps_and_leaves_a_chain_behind() {
    let site = Site::new();
    let pressed = site.call(&["power", "devvm", "cycle"]);
    assert_eq!(pressed.code, 0, "{pressed:?}");
    for step in ["step forensics-begun", "step process-gone", "step process-started", "It answers again"] {
        assert!(pressed.out.contains(step), "{step} in {}", pressed.out);
    }
    let spool = std::fs::read_to_string(site.state().join("spool/spool.jsonl")).unwrap();
    let lines: Vec<Value> = spool.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seq_of =
        |kind: &str| lines.iter().find(|line| line["body"]["kind"] == kind).map(|line| line["seq"].clone());
    let accepted = lines.iter().find(|line| line["body"]["kind"] == "verb-accepted").unwrap();
    assert_eq!(
        accepted["body"]["press"],
        seq_of("verb-pressed").unwrap(),
        "a press is named by its own number"
    );
    assert!(seq_of("verb-finished").is_some() && seq_of("incident-closed").is_some(), "{spool}");
    let before = lines.len();

    let json = site.call(&["power", "devvm", "reset", "--json", "--no-wait"]);
    assert_eq!(json.code, 0, "{json:?}");
    assert!(json.out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{}", json.out);
    let spool = std::fs::read_to_string(site.state().join("spool/spool.jsonl")).unwrap();
    assert!(spool.lines().count() > before, "the next command goes on in the same chain");
}

#[test]
fn exit_codes_are_the_guards() {
    let site = Site::new();
    site.set("mode", "busy");
    let busy = site.call(&["power", "devvm", "stop"]);
    assert_eq!(busy.code, 75, "{busy:?}");
    assert!(busy.err.contains("alice"), "{}", busy.err);
    site.set("mode", "refused");
    let refused = site.call(&["power", "devvm", "cycle"]);
    assert_eq!(refused.code, 77, "{refused:?}");
    assert!(refused.err.contains("unsafe-state"), "{}", refused.err);
    site.set("mode", "");
    let seen = site.call(&["power", "devvm", "status"]);
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.out.contains("devvm (102): running"), "{}", seen.out);
    let json: Value =
        serde_json::from_str(site.call(&["power", "devvm", "status", "--json"]).out.trim()).unwrap();
    assert_eq!(json["vm_id"], 102);
}

#[test]
fn a_command_passes_its_output_and_exit_code_through() {
    let site = Site::new();
    let ran = site.call(&["run", "devvm", "--", "echo", "out;", "echo", "err", ">&2;", "exit", "7"]);
    assert_eq!((ran.code, ran.out.as_str()), (7, "out\n"), "{ran:?}");
    assert!(ran.err.contains("err"), "{}", ran.err);
    let long = site.call(&["run", "devvm", "--", "head -c 3000000 /dev/zero | tr '\\0' y"]);
    assert_eq!((long.code, long.out.len()), (0, 3_000_000), "all of it, whatever the journal keeps");
    let late = site.call(&["run", "devvm", "--deadline", "1", "--", "sleep 20"]);
    assert_eq!(late.code, 75, "{late:?}");
    assert!(late.err.contains("out of time"), "{}", late.err);
}

#[test]
fn triage_is_one_object_for_a_script() {
    let site = Site::new();
    let result: Value = serde_json::from_str(&site.call(&["triage", "devvm", "--json"]).out).unwrap();
    assert!(result["wedge"].is_null(), "{result:#}");
    site.set("state", "paused");
    let paused = site.call(&["triage", "devvm"]);
    assert_eq!(paused.code, 1, "{paused:?}");
    assert!(
        paused.out.contains("Paused") && paused.out.contains("breakglass power devvm start"),
        "{}",
        paused.out
    );
}

#[test]
fn a_host_key_that_is_trusted_needs_no_accepting() {
    let site = Site::new();
    assert_eq!(site.call(&["status"]).code, 0);
    let accepted = site.call(&["accept-host-key", "pve"]);
    assert_eq!(accepted.code, 0, "{accepted:?}");
    assert!(accepted.out.contains("nothing to accept"), "{}", accepted.out);
    assert_eq!(site.call(&["accept-host-key", "nobody"]).code, 2);
}
