//! What the command line does without a server is in the server's journal afterwards: once, whole, marked as late.

use crate::serve::{healthy, serve, wait_until};
use crate::site::{Site, command};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

fn events(site: &Site) -> Vec<Value> {
    let told = site.call(&["journal", "tail", "-n", "1000", "--json"]).out;
    told.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The lines of the spool from which events came, in the order of the journal.
fn taken(site: &Site) -> Vec<String> {
    let late = events(site).into_iter().filter(|event| event["actor"]["is"] == "spool");
    late.map(|event| event["actor"]["who"]["line"].as_str().unwrap().to_owned()).collect()
}

fn spooled(site: &Site) -> usize {
    std::fs::read_to_string(site.state().join("spool/spool.jsonl")).unwrap_or_default().lines().count()
}

fn all_is_taken_in_once(site: &Site) {
    wait_until("all lines of the spool are in the journal", SOON, || taken(site).len() >= spooled(site));
    let lines = taken(site);
    assert_eq!(lines.iter().collect::<BTreeSet<_>>().len(), lines.len(), "none twice: {lines:?}");
    assert_eq!(lines.len(), spooled(site));
}

#[test]
fn two_command_lines_at_once_and_a_server_that_is_killed_again_and_again() {
    let site = Site::new();
    let pressed = site.call(&["power", "devvm", "cycle"]);
    assert_eq!(pressed.code, 0, "{pressed:?}");
    // Killed wherever it is in taking in, and beside it two more command lines.
    let both: Vec<_> = ["one", "two"]
        .map(|word| {
            let mut command = command(&["run", "devvm", "--", "echo", word]);
            command.env("BREAKGLASS_FLEET", site.fleet()).spawn().unwrap()
        })
        .into();
    for round in 0..6 {
        let killed = serve(&site);
        wait_until("an answer", SOON, || healthy(site.web));
        std::thread::sleep(Duration::from_millis(round * 13));
        drop(killed);
    }
    for mut one in both {
        one.wait().unwrap();
    }
    let serving = serve(&site);
    all_is_taken_in_once(&site);

    let told = events(&site);
    let late = |kind: &str| {
        told.iter().find(|event| event["body"]["kind"] == kind && event["actor"]["is"] == "spool").unwrap()
    };
    let (press, accepted) = (late("verb-pressed"), late("verb-accepted"));
    assert_eq!(accepted["body"]["press"], press["seq"], "numbers are the journal's own");
    assert!(press["at"].as_str().unwrap() < press["actor"]["who"]["taken_in"].as_str().unwrap(), "{press}");
    let incident = press["incident"].to_string();
    let shown = site.call(&["incident", "show", &incident]).out;
    assert!(shown.contains("(taken in late)") && shown.contains("It answers again"), "{shown}");

    // While the server runs, too.
    let before = spooled(&site);
    assert_eq!(site.call(&["power", "devvm", "reset", "--no-wait"]).code, 0);
    assert!(spooled(&site) > before);
    all_is_taken_in_once(&site);
    drop(serving);
    assert_eq!(site.call(&["journal", "verify"]).code, 0);
}

#[test]
fn a_forged_spool_is_set_aside_and_told_and_the_next_one_is_taken_in() {
    let site = Site::new();
    assert_eq!(site.call(&["power", "devvm", "cycle"]).code, 0);
    let spool = site.state().join("spool/spool.jsonl");
    let text = std::fs::read_to_string(&spool).unwrap();
    std::fs::write(&spool, text.replacen("\"verb\":\"cycle\"", "\"verb\":\"reset\"", 1)).unwrap();
    let serving = serve(&site);
    wait_until("it is told", SOON, || {
        events(&site).iter().any(|event| event["body"]["kind"] == "spool-set-aside")
    });
    assert!(taken(&site).is_empty(), "not a line of it is believed");
    assert!(!spool.exists());
    let told = site.call(&["journal", "tail"]).out;
    assert!(told.contains("was not taken in") && told.contains("set-aside"), "{told}");
    assert_eq!(site.call(&["power", "devvm", "reset", "--no-wait"]).code, 0);
    all_is_taken_in_once(&site);
    drop(serving);
}
