//! Streams: replay, live, coming back after a lost line, and what many clients cost.

use crate::support::{Request, Server, Who, find, unchunked};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

/// A stream that is read piece by piece.
struct Stream {
    socket: TcpStream,
    bytes: Vec<u8>,
}

impl Stream {
    async fn open(server: &Server, request: Request) -> Self {
        Self { socket: request.open(server.address).await, bytes: Vec::new() }
    }

    fn text(&self) -> String {
        let head = find(&self.bytes, b"\r\n\r\n").map_or(0, |end| end + 4);
        String::from_utf8_lossy(&unchunked(self.bytes.get(head..).unwrap())).into_owned()
    }

    async fn until(&mut self, what: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(5);
        let mut chunk = [0; 64 * 1024];
        loop {
            let text = self.text();
            if text.contains(what) {
                return text;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, self.socket.read(&mut chunk)).await {
                Ok(Ok(read)) if read > 0 => self.bytes.extend_from_slice(chunk.get(..read).unwrap()),
                other => panic!("{what:?} did not come ({other:?}) after {text}"),
            }
        }
    }
}

fn ids(text: &str) -> Vec<u64> {
    text.lines().filter_map(|line| line.strip_prefix("id: ")).map(|id| id.parse().unwrap()).collect()
}

#[tokio::test]
async fn programs_get_everything_once_and_in_order_and_come_back_where_they_were() {
    let server = Server::start().await;
    let id = server.incident().await;
    for n in 0..600 {
        server.note(id, &format!("before {n}.")).await;
    }
    let path = format!("/api/v1/incidents/{id}/events");
    let mut stream = Stream::open(&server, Request::get(&path).by(&Who::token())).await;
    stream.until("before 599.").await;
    let other =
        server.desk.journal.open_incident("pve", "another one", breakglass_incident::Actor::Watch).await.0;
    server.note(other, "not for here").await;
    let last = server.note(id, "live.").await;
    let text = stream.until("live.").await;
    let seen = ids(&text);
    assert_eq!(seen.len(), 602, "opened, 600 before, one live");
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]), "once and in order");
    assert!(!text.contains("not for here"));

    server.note(id, "missed.").await;
    let back = Request::get(&path).header("last-event-id", &last.to_string()).by(&Who::token());
    let mut stream = Stream::open(&server, back).await;
    let text = stream.until("missed.").await;
    assert!(!text.contains("live.") && ids(&text).len() == 1, "{text}");

    let json =
        Request::get(&format!("{path}?after={last}")).header("accept", "application/json").by(&Who::token());
    let answer = server.send(json).await;
    let value: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(value["events"].as_array().unwrap().len(), 1, "{}", answer.body);
}

#[tokio::test]
async fn pages_get_rows_output_and_word_of_a_new_state() {
    let server = Server::start().await;
    let id = server.incident().await;
    let mara = server.log_in("mara", "correct horse").await;
    let seq = server.note(id, "already on the page").await;
    let request = Request::get(&format!("/incidents/{id}/live?after={seq}")).by(&mara);
    let mut stream = Stream::open(&server, request).await;
    stream.until("retry:").await;
    server.note(id, "hello <b>").await;
    let text = stream.until("event: row").await;
    let text = if text.contains("hello") { text } else { stream.until("hello").await };
    assert!(text.contains("&lt;b&gt;") && !text.contains("already on the page"), "{text}");
    let live =
        serde_json::json!({ "live": "output", "command": 7, "text": "line one\u{1b}[2J\n" }).to_string();
    server.desk.journal.live(Some(id), live.into_bytes().into());
    let text = stream.until("event: output").await;
    let text = if text.contains("line one") { text } else { stream.until("line one").await };
    assert!(!text.contains("[2J"), "{text}");
    let mut view = server.desk.board.target("devvm").unwrap();
    view.health = breakglass_triage::Health::Down;
    server.desk.board.place(view);
    stream.until("event: state").await;
}

#[tokio::test]
async fn a_stream_ends_when_the_server_goes_down() {
    let server = Server::start().await;
    let id = server.incident().await;
    let mut stream =
        Stream::open(&server, Request::get(&format!("/api/v1/incidents/{id}/events")).by(&Who::token()))
            .await;
    stream.until("it does not answer").await;
    let began = Instant::now();
    assert!(server.end().await);
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(2), stream.socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "the client is told by the end of the stream");
}

#[tokio::test]
async fn a_stream_ends_soon_after_its_readers_log_in_and_no_other_does() {
    let server = Server::start().await;
    let id = server.incident().await;
    let mara = server.log_in("mara", "correct horse").await;
    let path = format!("/api/v1/incidents/{id}/events");
    let mut hers = Stream::open(&server, Request::get(&path).by(&mara)).await;
    let mut other = Stream::open(&server, Request::get(&path).by(&Who::token())).await;
    hers.until("it does not answer").await;
    assert_eq!(server.post("/logout", &mara, "").await.status, 303);
    let mut rest = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(30), hers.socket.read_to_end(&mut rest)).await;
    assert!(ended.is_ok(), "who has logged out reads on");
    server.note(id, "still here").await;
    other.until("still here").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_clients_get_one_event_soon() {
    let server = Server::start().await;
    let id = server.incident().await;
    let mut streams = Vec::new();
    for _ in 0..300 {
        let request = Request::get(&format!("/api/v1/incidents/{id}/events")).by(&Who::token());
        let mut stream = Stream::open(&server, request).await;
        stream.until("it does not answer").await;
        streams.push(stream);
    }
    let began = Instant::now();
    server.note(id, "for everyone").await;
    for stream in &mut streams {
        stream.until("for everyone").await;
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
