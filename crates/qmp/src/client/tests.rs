//! Conversations with a scripted peer: what it says is given, what we said is kept.

use super::*;
use crate::{Disk, IoLimits};
use std::collections::VecDeque;
use std::io;

const HELLO: &str = r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}"#;

/// Hands out its script piece by piece; an empty piece is a timeout. Then end of file.
struct Peer {
    script: VecDeque<Vec<u8>>,
    heard: Vec<u8>,
}

impl Peer {
    fn new<I: IntoIterator<Item = B>, B: Into<Vec<u8>>>(pieces: I) -> Self {
        Self { script: pieces.into_iter().map(Into::into).collect(), heard: Vec::new() }
    }
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(mut piece) = self.script.pop_front() else { return Ok(0) };
        if piece.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let length = piece.len().min(buffer.len());
        buffer[..length].copy_from_slice(&piece[..length]);
        if piece.len() > length {
            self.script.push_front(piece.split_off(length));
        }
        Ok(length)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.heard.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A client past negotiation, whose peer goes on with `pieces`.
fn connected(pieces: &[&str]) -> Client<Peer> {
    let opening = format!("{HELLO}\r\n{{\"return\": {{}}, \"id\": 1}}\r\n");
    let all = std::iter::once(opening.as_str()).chain(pieces.iter().copied());
    Client::connect(Peer::new(all)).unwrap()
}

#[test]
fn a_qemu_that_greets_twice_is_led_out_of_negotiation_twice() {
    let twice = format!("{HELLO}\r\n{HELLO}\r\n{{\"return\": {{}}, \"id\": 1}}\r\n");
    let late = r#"{"id": 2, "error": {"class": "CommandNotFound", "desc": "Capabilities negotiation is already complete, command 'qmp_capabilities' ignored"}}"#;
    let status = r#"{"return": {"status": "running", "running": true, "singlestep": false}, "id": 3}"#;
    let mut client = Client::connect(Peer::new([twice, format!("{late}\r\n{status}\r\n")])).unwrap();
    assert!(client.query_status().unwrap().running);
    let heard = String::from_utf8(client.stream.heard).unwrap();
    let asked: Vec<&str> = heard.lines().collect();
    assert_eq!(
        asked,
        [
            r#"{"execute":"qmp_capabilities","id":1}"#,
            r#"{"execute":"qmp_capabilities","id":2}"#,
            r#"{"execute":"query-status","id":3}"#
        ]
    );
}

#[test]
fn greets_and_negotiates() {
    let client = connected(&[]);
    assert_eq!(client.greeting(), &Greeting { major: 7, minor: 2, micro: 22, package: "Debian".to_owned() });
    assert_eq!(client.stream.heard, b"{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
}

#[test]
fn an_answer_split_anywhere_is_put_together() {
    let answer = "{\"return\": {\"running\": true, \"status\": \"running\"}, \"id\": 2}\r\n";
    for at in 1..answer.len() {
        let (head, tail) = answer.split_at(at);
        let status = connected(&[head, tail]).query_status().unwrap();
        assert!(status.running && status.status == "running", "split at {at}");
    }
}

#[test]
fn events_are_set_aside_up_to_a_bound() {
    let mut flood: String = (0..EVENTS_KEPT + 6)
        .map(|n| format!("{{\"event\": \"E{n}\", \"data\": {{\"n\": {n}}}}}\n"))
        .collect();
    flood.push_str("{\"return\": {}, \"id\": 2}\n");
    let mut client = connected(&[&flood]);
    client.cont().unwrap();
    assert_eq!(client.events_lost(), 6);
    let events = client.take_events();
    assert_eq!((events.len(), events[0].name.as_str()), (EVENTS_KEPT, "E6"));
    assert_eq!(events[0].data, json!({ "n": 6 }));
}

#[test]
fn a_huge_event_keeps_only_its_name() {
    let huge = format!("{{\"event\": \"BIG\", \"data\": {{\"x\": \"{}\"}}}}\n", "y".repeat(EVENT_DATA_LIMIT));
    let mut client = connected(&[&huge]);
    assert_eq!(client.next_event().unwrap(), Event { name: "BIG".to_owned(), data: Value::Null });
}

#[test]
fn a_late_answer_is_not_taken_for_the_next_one() {
    let mut client = connected(&[
        "",
        "{\"return\": [], \"id\": 2}\n",
        "{\"return\": {\"running\": false, \"status\": \"paused\"}, \"id\": 3}\n",
    ]);
    assert!(client.query_jobs().unwrap_err().is_timeout());
    assert_eq!(client.query_status().unwrap().status, "paused");
}

#[test]
fn a_timeout_in_the_middle_of_a_line_loses_nothing() {
    let mut client = connected(&["{\"return\": [], ", "", "\"id\": 3}\n"]);
    assert!(client.query_jobs().unwrap_err().is_timeout());
    assert_eq!(client.query_jobs().unwrap(), []);
}

#[test]
fn what_qemu_refuses_is_told_in_its_words() {
    let mut client = connected(&[
        "{\"id\": 2, \"error\": {\"class\": \"GenericError\", \"desc\": \"There is no console to take a screendump from\"}}\n",
    ]);
    let error = client.screendump(std::path::Path::new("/x.png"), "png").unwrap_err();
    assert_eq!(
        error.to_string(),
        "QEMU refused screendump: There is no console to take a screendump from (GenericError)"
    );
}

#[test]
fn every_bad_end_has_its_name() {
    let endless = "x".repeat(LINE_LIMIT + 20 * 1024);
    let deep = format!("{}\n", "[".repeat(100_000));
    for (piece, expected) in [
        ("not json\n", "Garbage"),
        ("\u{1b}[31m\n", "Garbage"),
        ("[1]\n", "Garbage"),
        ("{}\n", "Garbage"),
        ("{\"id\": 2, \"return\": \"no list\"}\n", "Garbage"),
        ("{\"id\": 2, \"error\": {\"class\": \"CommandNotFound\", \"desc\": \"no\"}}\n", "Refused"),
        (endless.as_str(), "Garbage"),
        (deep.as_str(), "Garbage"),
        ("", "TimedOut"),
        ("{\"return\"", "Closed"),
    ] {
        let error = format!("{:?}", connected(&[piece]).query_jobs().unwrap_err());
        assert!(error.starts_with(expected), "{:.40}: {:.120}", piece, error);
    }
}

#[test]
fn what_does_not_greet_is_no_monitor() {
    for hello in ["SSH-2.0-OpenSSH_9.2\r\n", "{\"QMP\": {}}\n", "{}\n"] {
        assert!(matches!(Client::connect(Peer::new([hello])), Err(QmpError::Garbage { .. })), "{hello}");
    }
    assert!(matches!(Client::connect(Peer::new([""])), Err(QmpError::TimedOut { .. })));
    assert!(matches!(Client::connect(Peer::new::<_, &str>([])), Err(QmpError::Closed { .. })));
}

#[test]
fn a_quit_whose_answer_is_lost_counts_as_asked() {
    connected(&[]).quit().unwrap();
}

#[test]
fn disks_are_named_by_the_best_name() {
    let mut client = connected(&[
        "{\"return\": [{\"device\": \"\", \"node-name\": \"n\", \"qdev\": \"/machine/d0\", \"stats\": {\"wr_operations\": 3, ",
        "\"failed_wr_operations\": 1, \"failed_rd_operations\": 2, \"idle_time_ns\": 5, \"account_failed\": true}}], \"id\": 2}\n",
    ]);
    let disks = client.query_blockstats().unwrap();
    assert_eq!(
        (disks[0].name(), disks[0].stats.wr_operations, disks[0].stats.failed()),
        ("/machine/d0", 3, 3)
    );
}

#[test]
fn a_throttle_names_all_its_limits() {
    let mut client = connected(&["{\"return\": {}, \"id\": 2}\n"]);
    let limits = IoLimits { bytes_per_second: 1, ..IoLimits::default() };
    client.block_set_io_throttle(Disk::Device("disk0"), limits).unwrap();
    let said = String::from_utf8(client.stream.heard).unwrap();
    let request: Value = serde_json::from_str(said.lines().nth(1).unwrap()).unwrap();
    assert_eq!(
        request["arguments"],
        json!({"id": "disk0", "bps": 1, "bps_rd": 0, "bps_wr": 0, "iops": 0, "iops_rd": 0, "iops_wr": 0})
    );
}

#[test]
fn what_was_sent_ahead_is_answered_in_order_and_given_up_by_anything_else() {
    let mut client = connected(&[
        "{\"return\": {\"running\": true, \"status\": \"running\"}, \"id\": 2}\r\n{\"error\": {\"class\": \"GenericError\", ",
        "\"desc\": \"no\"}, \"id\": 3}\r\n{\"return\": [], \"id\": 4}\r\n{\"return\": {\"x\": 1}, \"id\": 5}\r\n",
    ]);
    client.send_ahead(&["query-status", "query-blockstats", "query-jobs"]).unwrap();
    let sent = String::from_utf8(client.stream.heard.clone()).unwrap();
    assert_eq!(sent.lines().count(), 4, "{sent}");
    assert_eq!(client.query_status().unwrap().status, "running");
    assert!(matches!(client.query_blockstats(), Err(QmpError::Refused { .. })));
    // The answer to `query-jobs`, which nobody wants any more, is not taken for this one's.
    assert_eq!(client.execute::<Value>("query-x").unwrap(), json!({ "x": 1 }));
    assert_eq!(String::from_utf8_lossy(&client.stream.heard).matches("query-jobs").count(), 1);
}
