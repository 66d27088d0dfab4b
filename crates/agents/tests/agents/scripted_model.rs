//! A model's endpoint for tests alone: no model, a script. It speaks the streaming protocols of both dialects as their
//! documentation describes them, misbehaves where it is told to, and keeps every request that it received.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does with one request.
#[derive(Debug, Clone)]
pub(crate) enum Act {
    /// A message with this text, and these calls (name, arguments as they are written).
    Say(&'static str, Vec<(&'static str, String)>),
    /// The same, one byte at a time.
    Dribble(&'static str),
    /// A status with headers and a body.
    Status(u16, &'static str, &'static str),
    /// Half a message, then an error in the stream.
    ErrorMidStream,
    /// Half a message, then nothing more, and the connection stays open.
    Hang,
    /// The request is taken and nothing comes.
    Silence,
    /// Bytes that are no HTTP.
    Garbage,
    /// A stream whose events are no JSON.
    GarbageEvents,
    /// Headers, then the end.
    CloseAfterHeaders,
}

/// Heads and bodies.
type Received = Mutex<Vec<(String, Vec<u8>)>>;
/// What to do with a request.
type Script = dyn Fn(&[u8]) -> Act + Send + Sync;

/// The endpoint. It ends with the test's process.
pub(crate) struct ScriptedModel {
    pub(crate) address: SocketAddr,
    requests: Arc<Received>,
}

impl ScriptedModel {
    /// Plays the acts in order; the last one for ever.
    pub(crate) fn start(acts: Vec<Act>) -> Self {
        let next = AtomicUsize::new(0);
        Self::playing(move |_| {
            let act = acts.get(next.fetch_add(1, Ordering::Relaxed)).or(acts.last());
            act.cloned().unwrap_or(Act::CloseAfterHeaders)
        })
    }

    /// Does what `script` says to each request's body.
    pub(crate) fn playing(script: impl Fn(&[u8]) -> Act + Send + Sync + 'static) -> Self {
        let script: Arc<Script> = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests: Arc<Received> = Arc::default();
        let kept = Arc::clone(&requests);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (script, kept) = (Arc::clone(&script), Arc::clone(&kept));
                std::thread::spawn(move || serve(stream, &*script, &kept));
            }
        });
        Self { address, requests }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Heads and bodies of the conversations received so far.
    pub(crate) fn requests(&self) -> Vec<(String, Vec<u8>)> {
        self.requests.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, script: &Script, kept: &Received) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut out = stream;
    let mut head = String::new();
    while reader.read_line(&mut head).ok()? > 2 {}
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    if head.starts_with("HEAD") || body.is_empty() {
        return out.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok();
    }
    let openai = head.starts_with("POST /v1/chat/completions");
    let act = {
        let mut kept = kept.lock().unwrap();
        let act = script(&body);
        kept.push((head, body));
        act
    };
    let begin = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n";
    match act {
        Act::Say(text, calls) => {
            out.write_all(begin).ok()?;
            out.write_all(message(openai, text, &calls).as_bytes()).ok()
        }
        Act::Dribble(text) => {
            out.set_nodelay(true).ok()?;
            for byte in begin.iter().chain(message(openai, text, &[]).as_bytes()) {
                out.write_all(&[*byte]).ok()?;
            }
            Some(())
        }
        Act::Status(code, headers, body) => {
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {code} No\r\n{headers}content-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            out.write_all(text.as_bytes()).ok()
        }
        Act::ErrorMidStream | Act::Hang => {
            out.write_all(begin).ok()?;
            let whole = message(openai, "half of it", &[]);
            let half =
                whole.find("half of it").map(|at| at + whole.get(at..).unwrap().find("\n\n").unwrap() + 2)?;
            out.write_all(whole.get(..half)?.as_bytes()).ok()?;
            if matches!(act, Act::Hang) {
                wait(&mut reader);
                return None;
            }
            let error =
                json!({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}});
            out.write_all(format!("event: error\ndata: {error}\n\n").as_bytes()).ok()
        }
        Act::Silence => {
            wait(&mut reader);
            None
        }
        Act::Garbage => out.write_all(&[0x16, 0x03, 0xff, b'\n', 0, 1, 2, 3, b'\r', b'\n']).ok(),
        Act::GarbageEvents => {
            out.write_all(begin).ok()?;
            out.write_all(b"data: <html>\n\n").ok()
        }
        Act::CloseAfterHeaders => out.write_all(begin).ok(),
    }
}

/// Until the other side goes, or nobody cares any more.
fn wait(reader: &mut BufReader<TcpStream>) {
    let _ = reader.get_ref().set_read_timeout(Some(Duration::from_secs(60)));
    let _ = reader.read(&mut [0]);
}

fn message(openai: bool, text: &str, calls: &[(&str, String)]) -> String {
    if openai { openai_message(text, calls) } else { anthropic_message(text, calls) }
}

fn anthropic_message(text: &str, calls: &[(&str, String)]) -> String {
    let mut events = vec![
        json!({"type": "message_start", "message": {"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
            "content": [], "stop_reason": null, "stop_sequence": null, "usage": {"input_tokens": 12, "output_tokens": 1}}}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "ping"}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        json!({"type": "content_block_stop", "index": 0}),
    ];
    for (at, (name, arguments)) in calls.iter().enumerate() {
        let id = format!("toolu_{at}_{:08x}", rand::random::<u32>());
        let index = at + 1;
        events.push(json!({"type": "content_block_start", "index": index,
            "content_block": {"type": "tool_use", "id": id, "name": name, "input": {}}}));
        for piece in pieces(arguments) {
            events.push(json!({"type": "content_block_delta", "index": index,
                "delta": {"type": "input_json_delta", "partial_json": piece}}));
        }
        events.push(json!({"type": "content_block_stop", "index": index}));
    }
    let reason = if calls.is_empty() { "end_turn" } else { "tool_use" };
    events.push(json!({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": null},
        "usage": {"output_tokens": 20}}));
    events.push(json!({"type": "message_stop"}));
    let each = events.iter().map(|event| {
        format!("event: {}\ndata: {event}\n\n", event.get("type").and_then(Value::as_str).unwrap_or_default())
    });
    each.collect()
}

fn openai_message(text: &str, calls: &[(&str, String)]) -> String {
    let chunk = |delta: Value, reason: Option<&str>| {
        json!({"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "scripted",
            "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
    };
    let mut events =
        vec![chunk(json!({"role": "assistant", "content": ""}), None), chunk(json!({"content": text}), None)];
    for (at, (name, arguments)) in calls.iter().enumerate() {
        events.push(chunk(
            json!({"tool_calls": [{"index": at, "id": format!("call_{at}"), "type": "function",
            "function": {"name": name, "arguments": ""}}]}),
            None,
        ));
        for piece in pieces(arguments) {
            let delta = json!({"tool_calls": [{"index": at, "function": {"arguments": piece}}]});
            events.push(chunk(delta, None));
        }
    }
    let reason = if calls.is_empty() { "stop" } else { "tool_calls" };
    events.push(chunk(json!({}), Some(reason)));
    events.push(json!({"choices": [], "usage": {"prompt_tokens": 12, "completion_tokens": 20}}));
    let each: String = events.iter().map(|event| format!("data: {event}\n\n")).collect();
    each + "data: [DONE]\n\n"
}

/// Arguments come in pieces; large ones in large pieces.
fn pieces(text: &str) -> Vec<String> {
    let characters: Vec<char> = text.chars().collect();
    let size = (characters.len() / 5).max(3);
    characters.chunks(size).map(|piece| piece.iter().collect()).collect()
}
