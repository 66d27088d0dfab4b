//! `breakglass verify` without a server: a line a door, an exit code, a spool; and what is found at a door that is not as it should be.

use crate::site::Site;
use serde_json::Value;
use std::net::TcpListener;
use std::time::{Duration, Instant};

const DIAG: &str = "[[secret]]\nname = \"diag-key\"\nfile = \"DIR/diag-key\"\n[[door]]\nname = \"devvm-diag\"\nkind = \"diag\"\nto = \"devvm\"\nuser = \"root\"\nkey = \"diag-key\"\n";

#[test]
fn all_doors_are_proven_a_line_each_and_the_spool_keeps_it() {
    let site = Site::with_lines(DIAG);
    site.set("guarded", "");
    let first = site.call(&["verify"]);
    assert_eq!(first.code, 0, "{first:?}");
    assert!(
        first.out.contains("3 of 3 doors proven") && first.out.contains("note: first contact"),
        "{}",
        first.out
    );
    let again = site.call(&["verify", "devvm"]);
    assert_eq!(again.code, 0, "{again:?}");
    assert_eq!(again.out.lines().count(), 4, "{}", again.out);
    let power = again.out.lines().find(|line| line.contains("devvm-power")).unwrap();
    assert!(power.contains("proven") && power.contains("a plain shell command is refused"), "{power}");
    let json: Value = serde_json::from_str(&site.call(&["verify", "--json"]).out).unwrap();
    assert_eq!((&json["target"], &json["proven"]), (&"devvm".into(), &true.into()), "{json:#}");
    assert_eq!(json["doors"].as_array().unwrap().len(), 3);
    let spool = std::fs::read_to_string(site.state().join("spool/spool.jsonl")).unwrap();
    let kinds: Vec<Value> = spool
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["body"]["kind"].clone())
        .collect();
    assert_eq!(kinds.iter().filter(|kind| **kind == "verified").count(), 3, "{kinds:?}");
    let unknown = site.call(&["verify", "nobody"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("these have one: devvm"), "{}", unknown.err);
}

#[test]
fn what_does_not_hold_is_named_with_what_to_do_and_a_silent_host_ends_at_the_deadline() {
    // Somebody listens and never speaks: a machine that thrashes looks like that.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let more = format!(
        "[[component]]\nname = \"silent\"\nkind = \"host\"\naddresses = [\"127.0.0.1:{port}\"]\n[[door]]\nname = \"silent-diag\"\n\
         kind = \"diag\"\nto = \"silent\"\nuser = \"root\"\nkey = \"diag-key\"\n"
    );
    let site = Site::with_lines(&format!("{DIAG}{more}"));
    let began = Instant::now();
    let out = site.call(&["verify", "--deadline", "6"]);
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    assert_eq!(out.code, 1, "{out:?}");
    for wanted in [
        "2 of 4 doors proven",
        "not so: a command outside the grammar is refused: a shell answered: it was run",
        "next: Whoever has key diag-key is not held to this door",
        "not so: a new connection opens: ",
        "next: Something at silent hangs",
    ] {
        assert!(out.out.contains(wanted), "{wanted}: {}", out.out);
    }
    assert!(!out.out.contains('\u{1b}'));
}
