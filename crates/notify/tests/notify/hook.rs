//! A receiver of webhooks on loopback: real HTTP over a real socket, and what real endpoints do when they are not well.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What it does with the next request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Does {
    /// Answers with this status.
    Says(u16),
    /// Answers 429 and asks to be left alone for so many seconds.
    AsksForPause(u64),
    /// Sends elsewhere, to this port.
    SendsTo(u16),
    /// Reads the request and never says a word.
    Hangs,
    /// Reads the request and closes.
    Closes,
    /// Sends the headers of a good answer with a body to come, and closes.
    ClosesAfterHeaders,
}

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Got {
    pub(crate) at: Instant,
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: String,
}

impl Got {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// The receiver; it ends with the test's process.
#[derive(Clone)]
pub(crate) struct Hook {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    next: VecDeque<Does>,
    then: Does,
    got: Vec<Got>,
}

impl Hook {
    /// One that does these things in turn, and the last of them for ever.
    pub(crate) fn start(does: &[Does]) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), does)
    }

    pub(crate) fn on(listener: TcpListener, does: &[Does]) -> Self {
        let then = *does.last().unwrap();
        let state = State { next: does.iter().copied().collect(), then, got: Vec::new() };
        let hook = Self { address: listener.local_addr().unwrap(), state: Arc::new(Mutex::new(state)) };
        let serving = hook.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                std::thread::spawn(move || serving.answer(stream));
            }
        });
        hook
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// From now on it does this.
    pub(crate) fn then(&self, does: Does) {
        let mut state = self.state.lock().unwrap();
        state.next.clear();
        state.then = does;
    }

    pub(crate) fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    /// Waits until it got so many requests.
    pub(crate) fn wait(&self, count: usize) -> Vec<Got> {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let got = self.got();
            if got.len() >= count {
                return got;
            }
            assert!(Instant::now() < deadline, "never {count} requests: {got:#?}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let Some(got) = read(&mut reader) else { return };
        let does = {
            let mut state = self.state.lock().unwrap();
            state.got.push(got);
            let then = state.then;
            state.next.pop_front().unwrap_or(then)
        };
        let mut stream = reader.into_inner();
        let head = match does {
            Does::Says(status) => format!("{status} Said\r\ncontent-length: 0\r\n"),
            Does::AsksForPause(seconds) => {
                format!("429 Too Many Requests\r\nretry-after: {seconds}\r\ncontent-length: 0\r\n")
            }
            Does::SendsTo(port) => {
                format!("307 Elsewhere\r\nlocation: http://127.0.0.1:{port}/\r\ncontent-length: 0\r\n")
            }
            Does::Hangs => {
                // Until the other end goes.
                let _ = stream.read(&mut [0]);
                return;
            }
            Does::Closes => return,
            Does::ClosesAfterHeaders => "200 OK\r\ncontent-length: 100\r\n".to_owned(),
        };
        let _ = stream.write_all(format!("HTTP/1.1 {head}\r\n").as_bytes());
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> Option<Got> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Got { at: Instant::now(), path, headers, body: String::from_utf8_lossy(&body).into_owned() })
}
