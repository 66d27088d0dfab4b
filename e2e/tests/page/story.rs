//! The pages as text, in the order in which a screen reader tells them: they have to read as a story.

use breakglass_e2e::http;
use breakglass_e2e::stage::Stage;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A page as a text browser shows it.
fn read(stage: &Stage, cookies: &str, path: &str) -> String {
    let answer =
        http::request(stage.address, "GET", path, &[("Cookie", cookies)], None, Duration::from_secs(20))
            .unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut browser = Command::new("w3m")
        .args(["-dump", "-T", "text/html", "-I", "UTF-8", "-O", "UTF-8", "-cols", "100"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("w3m is installed by `cargo xtask setup`");
    browser.stdin.take().unwrap().write_all(answer.body.as_bytes()).unwrap();
    String::from_utf8(browser.wait_with_output().unwrap().stdout).unwrap()
}

/// Checks that the page says these things, one after the other.
fn says(page: &str, words: &[&str]) {
    let flat = page.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut rest = flat.as_str();
    for word in words {
        let Some((_, after)) = rest.split_once(word) else { panic!("{word:?} does not follow in\n{page}") };
        rest = after;
    }
}

#[test]
fn an_incident_reads_as_a_story() {
    let stage = Stage::raise(0).unwrap();
    let cookies = stage.cookies().unwrap();
    let page = read(&stage, &cookies, &format!("/incidents/{}", stage.stalled));
    says(
        &page,
        &[
            "Skip to content",
            "Fleet",
            "Incidents",
            // How it is, and where.
            "Not serving",
            "devvm",
            "VM 102 on pve",
            "Guest writes",
            "QEMU",
            "running",
            // What somebody is asked first of all.
            "Waits for your yes or no",
            "Allow this once",
            "Refuse",
            // What it is, why, and what to do; then what that costs, and only then the button.
            "Block-path stall",
            "Guest writes are flat",
            "Recommended",
            "Cycle devvm.",
            "This is wrong if",
            "This ends QEMU process 41873 and starts a new one",
            "is lost",
            "Lock",
            "none",
            "Cycle devvm now",
            "Look again",
            "Power",
            "Reset",
            "Stop",
            "Start",
            // What has happened, oldest first, and where to add to it.
            "What happened",
            "stopped serving",
            "Observed:",
            "I was restoring a big backup",
            "cat /proc/pressure/io",
            "exit 0",
            "A command on devvm",
            "A note",
            "This page depends on",
        ],
    );
    assert!(page.contains("<b>not bold</b>"), "markup in a note is text:\n{page}");
}

#[test]
fn a_verb_under_way_and_its_end_read_as_a_story_too() {
    let stage = Stage::raise(0).unwrap();
    let cookies = stage.cookies().unwrap();
    let working = read(&stage, &cookies, &format!("/incidents/{}", stage.working));
    says(
        &working,
        &[
            "Cycling gitvm, by mara",
            "gitvm",
            "Accepted by the guard",
            "QEMU process killed",
            "Start a new QEMU process",
            "It completes by itself",
            "What happened",
        ],
    );
    let back = read(&stage, &cookies, &format!("/incidents/{}", stage.recovered));
    says(
        &back,
        &[
            "Answering",
            "mailvm",
            "mailvm is back",
            "Was away",
            "Close the incident",
            "What happened",
            "VM 104 runs as process 52207",
        ],
    );
    let board = read(&stage, &cookies, "/");
    says(
        &board,
        &[
            "3 targets need you",
            "Not serving",
            "devvm",
            "Open incident",
            "What this page depends on right now",
        ],
    );
    let login = read(&stage, "", "/login");
    says(&login, &["Who are you?", "Name", "Password", "Log in", "Other ways in"]);
}
