//! Whole paths of a notice: a target that stops answering, the built server, real receivers, and a server that is killed.

use crate::disks::get;
use crate::hook::{Does, Got, Hook};
use crate::serve::{Serving, healthy, serve, wait_until};
use crate::site::Site;
use serde_json::Value;
use std::time::Duration;

/// A site whose file names this receiver.
fn site(hook: &Hook) -> Site {
    let lines = format!(
        "[notify]\npage = \"http://127.0.0.1:1\"\n[[notify.webhook]]\nname = \"oncall\"\nurl = \"{}\"\nsecret_file = \"DIR/power-key\"\n",
        hook.url()
    );
    Site::with_lines(&lines)
}

fn started(site: &Site) -> Serving {
    let serving = serve(site);
    wait_until("an answer", Duration::from_secs(20), || healthy(site.web));
    serving
}

fn of(got: &[Got], event: &str) -> Vec<Value> {
    let all = got.iter().map(|one| serde_json::from_str::<Value>(&one.body).unwrap());
    all.filter(|letter| letter["event"] == event).collect()
}

/// Waits until the server has seen every target and hypervisor to be well.
fn all_well(site: &Site, token: &str) {
    wait_until("a first look", Duration::from_secs(30), || {
        let told: Value = serde_json::from_str(&get(site, token, "/api/v1/targets")).unwrap();
        let targets = told["targets"].as_array().unwrap();
        !targets.is_empty() && targets.iter().all(|target| target["health"] == "good")
    });
}

fn journal(site: &Site) -> String {
    site.call(&["journal", "tail", "--json"]).out
}

#[test]
fn a_target_that_stops_answering_is_told_and_so_is_that_it_is_back() {
    let hook = Hook::start(&[Does::Says(200)]);
    let site = site(&hook);
    let token = site.with_token();
    let serving = started(&site);
    all_well(&site, &token);
    site.set("wedge", "stall");
    let got = hook.wait(1);
    let down = of(&got, "target-down");
    assert_eq!(down[0]["targets"][0], "devvm");
    let incident = down[0]["incident"].as_u64().unwrap();
    assert_eq!(down[0]["link"], format!("http://127.0.0.1:1/incidents/{incident}"));
    site.set("wedge", "");
    let got = hook.wait(2);
    assert_eq!(of(&got, "target-back").len(), 1, "{got:#?}");
    wait_until("the journal to say so", Duration::from_secs(30), || {
        journal(&site).matches("\"how\":\"sent\"").count() == 2
    });
    let story = site.call(&["incident", "export", &incident.to_string()]).out;
    assert!(story.contains("Told oncall: devvm stopped answering."), "{story}");
    drop(serving);
    assert_eq!(site.call(&["journal", "verify"]).code, 0);
}

#[test]
fn a_server_that_is_killed_before_it_could_tell_tells_after_its_restart_and_only_once() {
    let hook = Hook::start(&[Does::Hangs]);
    let site = site(&hook);
    let serving = started(&site);
    site.set("wedge", "stall");
    let first = hook.wait(1).remove(0);
    // SIGKILL, while the receiver has the request and the server has no answer.
    drop(serving);
    hook.then(Does::Says(200));
    let serving = started(&site);
    let second = hook.wait(2).remove(1);
    assert_eq!(first.header("webhook-id"), second.header("webhook-id"));
    wait_until("the journal to say so", Duration::from_secs(30), || {
        journal(&site).contains("\"how\":\"sent\"")
    });
    drop(serving);

    // The target is down still, and everybody knows.
    let serving = started(&site);
    wait_until("a third start", Duration::from_secs(30), || {
        journal(&site).matches("server-started").count() == 3
    });
    std::thread::sleep(Duration::from_secs(10));
    assert_eq!(of(&hook.got(), "target-down").len(), 2, "{:#?}", hook.got());
    site.set("wedge", "");
    assert_eq!(of(&hook.wait(3), "target-back").len(), 1);
    drop(serving);
}

#[test]
fn a_hypervisor_that_dies_is_one_incident_and_one_notice() {
    let hook = Hook::start(&[Does::Says(200)]);
    let site = site(&hook);
    let token = site.with_token();
    let serving = started(&site);
    all_well(&site, &token);
    site.hypervisor_dies();
    let down = of(&hook.wait(1), "target-down");
    assert_eq!(down[0]["targets"].as_array().unwrap(), &["pve"]);
    // Time enough for the guest to be looked at, confirmed and gathered twice over.
    std::thread::sleep(Duration::from_secs(14));
    assert_eq!(hook.got().len(), 1, "{:#?}", hook.got());
    let told = journal(&site);
    assert_eq!(told.matches("incident-opened").count(), 1, "{told}");
    drop(serving);
}

#[test]
fn a_dead_receiver_is_said_and_holds_nothing_up() {
    let hook = Hook::start(&[Does::Hangs]);
    let site = site(&hook);
    let token = site.with_token();
    let serving = started(&site);
    site.set("wedge", "stall");
    hook.wait(1);
    let shown = || get(&site, &token, "/api/v1/dependencies");
    wait_until("the page to say so", Duration::from_secs(60), || {
        let shown = shown();
        shown.contains("receiver oncall") && shown.contains("no answer came within 10 s")
    });
    // The server ends in order at once, whatever hangs.
    let pid = serving.0.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut serving = serving;
    assert!(serving.0.wait().unwrap().success());
}

#[test]
fn a_trial_notice_says_who_took_it() {
    let (well, bad) = (Hook::start(&[Does::Says(200)]), Hook::start(&[Does::Says(403)]));
    let more = format!(
        "[notify]\npage = \"http://127.0.0.1:1\"\n[[notify.webhook]]\nname = \"well\"\nurl = \"{}\"\nsecret_file = \"DIR/power-key\"\n\
         [[notify.webhook]]\nname = \"bad\"\nurl = \"{}\"\nsecret_file = \"DIR/power-key\"\n",
        well.url(),
        bad.url()
    );
    let site = Site::with_lines(&more);
    let told = site.call(&["notify"]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.out.contains("well (webhook): took it."), "{told:?}");
    assert!(
        told.out.contains("bad (webhook): was not told: 127.0.0.1 does not accept who we are (403)"),
        "{told:?}"
    );
    assert_eq!(of(&well.got(), "trial").len(), 1);
    assert_eq!(site.call(&["notify", "well"]).code, 0);
    let unknown = site.call(&["notify", "nobody"]);
    assert!(unknown.code == 2 && unknown.err.contains("there are: well, bad"), "{unknown:?}");
    assert!(site.call(&["check"]).out.contains("told elsewhere: well (webhook), bad (webhook)"));
}
