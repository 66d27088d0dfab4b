//! The metrics as a monitoring system reads them: strictly.

use crate::support::{METRICS_TOKEN, Server, TOKEN, Who};
use breakglass_incident::{Actor, EventBody};
use breakglass_protocol::{Outcome, Verb};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// A scrape: series to value.
type Scrape = BTreeMap<String, f64>;

fn name_is_fine(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// The labels of a series, `name="value",…`: each name fine and once, each value escaped as it must be.
fn labels_are_fine(mut labels: &str) {
    let mut names = BTreeSet::new();
    while !labels.is_empty() {
        let (name, rest) = labels.split_once("=\"").unwrap();
        assert!(name_is_fine(name) && names.insert(name), "{labels}");
        let mut end = None;
        let mut escaped = false;
        for (place, c) in rest.char_indices() {
            match (escaped, c) {
                (true, '\\' | '"' | 'n') => escaped = false,
                (true, _) => panic!("no such escape: {labels}"),
                (false, '\\') => escaped = true,
                (false, '"') => {
                    end = Some(place);
                    break;
                }
                (false, _) => {}
            }
        }
        let rest = &rest[end.unwrap() + 1..];
        labels = rest.strip_prefix(',').unwrap_or(rest);
    }
}

/// Reads the text format 0.0.4 and refuses whatever is doubtful: a family in two pieces, a series twice, a sample without
/// its type, a name or a value that is none.
fn read(text: &str) -> Scrape {
    assert!(text.ends_with('\n'));
    let (mut scrape, mut families) = (Scrape::new(), BTreeSet::new());
    let mut family: Option<(String, String)> = None;
    let mut help: Option<&str> = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, says) = rest.split_once(' ').unwrap();
            assert!(name_is_fine(name) && !says.is_empty() && families.insert(name.to_owned()), "{line}");
            help = Some(name);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(help, Some(name), "{line}");
            assert!(["counter", "gauge"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = Some((name.to_owned(), kind.to_owned()));
        } else {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = match series.split_once('{') {
                Some((name, labels)) => (name, labels.strip_suffix('}').unwrap()),
                None => (series, ""),
            };
            let (of, kind) = family.as_ref().unwrap();
            assert_eq!(name, of, "{line}");
            labels_are_fine(labels);
            let value: f64 = value.parse().unwrap();
            assert!(value.is_finite() && (kind == "gauge" || value >= 0.0), "{line}");
            assert!(scrape.insert(series.to_owned(), value).is_none(), "twice: {line}");
        }
    }
    scrape
}

async fn scrape(server: &Server) -> Scrape {
    let metrics = Who { bearer: Some(METRICS_TOKEN.to_owned()), ..Who::default() };
    let answer = server.get("/metrics", &metrics).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    read(&answer.body)
}

async fn until(server: &Server, what: &str, holds: impl Fn(&Scrape) -> bool) -> Scrape {
    let patience = Instant::now() + Duration::from_secs(15);
    loop {
        let scrape = scrape(server).await;
        if holds(&scrape) {
            return scrape;
        }
        assert!(Instant::now() < patience, "never: {what}: {scrape:#?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn the_text_is_strictly_what_prometheus_reads_and_tells_of_everything() {
    let server = Server::start().await;
    let first = until(&server, "the disk was looked at", |scrape| {
        scrape.get("breakglass_state_disk_answers") == Some(&1.0)
    })
    .await;
    for series in [
        "breakglass_build_info{version=\"0.1.0\"}",
        "breakglass_targets{health=\"unknown\"}",
        "breakglass_target_health{target=\"devvm\",health=\"unknown\"}",
        "breakglass_target_in_maintenance{target=\"devvm\"}",
        "breakglass_incidents_open",
        "breakglass_door_warm{door=\"devvm-power\",kind=\"power\"}",
        "breakglass_door_connections{door=\"devvm-diag\",kind=\"diag\"}",
        "breakglass_door_host_key_changed{door=\"devvm-repair\",kind=\"repair\"}",
        "breakglass_verbs_finished_total{verb=\"cycle\",outcome=\"done\"}",
        "breakglass_verbs_finished_total{verb=\"reset\",outcome=\"timed-out\"}",
        "breakglass_verbs_running",
        "breakglass_commands_finished_total{outcome=\"no-exit\"}",
        "breakglass_turns_running",
        "breakglass_turns_ended_total{outcome=\"interrupted\"}",
        "breakglass_approvals_waiting",
        "breakglass_journal_keeps",
        "breakglass_journal_sequence",
        "breakglass_journal_durable_sequence",
        "breakglass_journal_events_not_kept",
        "breakglass_state_disk_available_bytes",
        "breakglass_streams_attached{reader=\"page\"}",
        "breakglass_logins_total{outcome=\"throttled\"}",
        "breakglass_login_lanes{which=\"closed\"}",
        "breakglass_http_requests_total{status=\"2xx\"}",
        "breakglass_dependency_up{dependency=\"journal\"}",
        "process_start_time_seconds",
        "process_resident_memory_bytes",
        "process_cpu_seconds_total",
        "process_threads",
        "process_open_fds",
    ] {
        assert!(first.contains_key(series), "{series} is missing in {first:#?}");
    }
    assert!(first["process_resident_memory_bytes"] > 1e6 && first["process_threads"] >= 2.0, "{first:#?}");
    assert!(first["process_open_fds"] > 5.0 && first["process_start_time_seconds"] > 1.7e9, "{first:#?}");
}

#[tokio::test]
async fn counts_rise_with_what_happens_and_no_words_of_others_become_labels() {
    let server = Server::start().await;
    let before = scrape(&server).await;
    let incident = server.incident().await;
    let finished = |outcome| EventBody::VerbFinished {
        press: None,
        target: "devvm\"} 1\n".to_owned(),
        verb: Verb::Cycle,
        operation: None,
        outcome,
        message: "made up".to_owned(),
        refusal: None,
        status: None,
    };
    for outcome in [Outcome::Done, Outcome::Done, Outcome::Busy] {
        server.desk.journal.append(Some(incident), Actor::Server, finished(outcome)).await;
    }
    let done = "breakglass_verbs_finished_total{verb=\"cycle\",outcome=\"done\"}";
    let after = until(&server, "two cycles are counted", |scrape| scrape[done] == 2.0).await;
    assert_eq!(after["breakglass_verbs_finished_total{verb=\"cycle\",outcome=\"busy\"}"], 1.0);
    assert!(after["breakglass_journal_sequence"] >= before["breakglass_journal_sequence"] + 4.0);

    // A hundred names that nobody has are one count, and a lane each; the series stay as many as they were.
    for number in 0..5 {
        server.post("/login", &Who::default(), &format!("name=x{number}%22%7d&password=wrong")).await;
    }
    let after = scrape(&server).await;
    assert_eq!(after["breakglass_logins_total{outcome=\"wrong\"}"], 5.0);
    assert_eq!(after["breakglass_login_lanes{which=\"all\"}"], 5.0);
    let names =
        |scrape: &Scrape| scrape.keys().filter(|key| !key.contains("_disk_")).cloned().collect::<Vec<_>>();
    assert_eq!(names(&before), names(&after));

    let stream = crate::support::Request::get("/live").by(&server.log_in("mara", "correct horse").await);
    let attached = stream.open(server.address).await;
    let pages = "breakglass_streams_attached{reader=\"page\"}";
    until(&server, "a page is attached", |scrape| scrape[pages] == 1.0).await;
    drop(attached);
    server.incident().await;
    until(&server, "it is gone", |scrape| scrape[pages] == 0.0).await;
}

#[tokio::test]
async fn a_metrics_token_opens_nothing_else_and_others_open_them_too() {
    let server = Server::start().await;
    assert_eq!(server.get("/metrics", &Who::default()).await.status, 401);
    assert_eq!(server.get("/metrics", &Who::bearer("wrong")).await.status, 401);
    assert_eq!(server.get("/metrics", &Who::agent()).await.status, 403);
    assert_eq!(server.get("/metrics", &Who::bearer(TOKEN)).await.status, 200);
    let refused = server.get("/api/v1/targets", &Who::bearer(METRICS_TOKEN)).await;
    assert_eq!(refused.status, 403);
    assert!(refused.body.contains("opens /metrics and nothing else"), "{}", refused.body);
}

#[tokio::test]
async fn a_door_that_is_not_proven_shows_with_when_it_last_was() {
    let server = Server::start().await;
    let before = scrape(&server).await;
    assert!(!before.keys().any(|series| series.starts_with("breakglass_door_proven")), "{before:#?}");
    let door = |proven: bool| breakglass_incident::Proof {
        door: "devvm-power".to_owned(),
        kind: "power".to_owned(),
        proven,
        trials: Vec::new(),
        next: "Look".to_owned(),
    };
    let (now, hour) = (crate::support::now(), 3_600_000);
    let ago = |hours: i64| breakglass_protocol::Timestamp::from_unix_millis(now.unix_millis() - hours * hour);
    let proven = "breakglass_door_proven{door=\"devvm-power\",kind=\"power\"}";
    let at = "breakglass_door_proven_timestamp_seconds{door=\"devvm-power\",kind=\"power\"}";
    server.desk.board.show_proofs(ago(13), &[door(true)]);
    let old = scrape(&server).await;
    assert_eq!(old.get(proven), Some(&0.0), "older than two periods of six hours");
    server.desk.board.show_proofs(ago(2), &[door(true)]);
    assert_eq!(scrape(&server).await.get(proven), Some(&1.0));
    server.desk.board.show_proofs(ago(1), &[door(false)]);
    let failed = scrape(&server).await;
    assert_eq!(failed.get(proven), Some(&0.0));
    assert_eq!(failed.get(at), Some(&(ago(2).unix_millis() as f64 / 1000.0)));
}
