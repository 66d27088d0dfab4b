//! Events on their way: to the first client, to one that attaches late, to a thousand at once.
//!
//! The clients are this process; the server is another. For the fan-out a bare loopback writer in this process sends the
//! same bytes to as many sockets, so that the row says what of the time is the machine's.

use crate::measure::{Samples, resident_mib};
use crate::server::{Folder, add_notes, quiet_fleet};
use crate::table::Table;
use anyhow::{Context as _, Result, bail};
use breakglass_e2e::server::Server;
use serde_json::json;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

const CLIENTS: usize = 1000;
/// A crowd: more than any fleet has on-call people, and what a page shared by mistake would bring.
const CROWD: usize = 10_000;
const ROUNDS: usize = 10;

/// All rows about events.
pub(crate) fn rows(table: &mut Table) -> Result<()> {
    let folder = Folder::make()?;
    let state = folder.0.join("state");
    let mut server = Server::start(&folder.0, &state, &quiet_fleet(&state))?;
    let opened =
        server.send("/api/v1/incidents", &json!({ "target": "devvm", "reason": "bench" }))?.json()?;
    let id = opened
        .get("incident")
        .and_then(serde_json::Value::as_u64)
        .with_context(|| format!("no incident: {opened}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(first_event(table, &server, id))?;
    add_notes(&server, id, 10_000)?;
    let pid = server.pid().context("a running server")?;
    runtime.block_on(replay(table, &server, id))?;
    table.at_most("server: resident with a 10,000-event incident", resident_mib(pid)?, "MiB", "VmRSS", 20.0);
    // A server of its own, last: what a thousand clients leave behind in the allocator is no part of the row above.
    server.kill();
    server.run()?;
    runtime.block_on(fan_out(table, &server, id))?;
    server.kill();
    server.run()?;
    runtime.block_on(crowd(table, &server, id))
}

/// Opens the incident's stream after event `after` and skips the answer's head.
pub(crate) async fn attach(
    address: SocketAddr,
    token: &str,
    id: u64,
    after: &str,
) -> Result<BufReader<TcpStream>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let head = format!(
        "GET /api/v1/incidents/{id}/events HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Accept: text/event-stream\r\nLast-Event-ID: {after}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut reader = BufReader::with_capacity(2048, stream);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    if !line.contains("200") {
        let mut rest = vec![0; 500];
        let read = reader.read(&mut rest).await?;
        bail!("{line}{}", String::from_utf8_lossy(rest.get(..read).unwrap_or_default()));
    }
    while reader.read_line(&mut line).await? > 2 {
        line.clear();
    }
    Ok(reader)
}

/// Reads all that comes, and keeps nothing of it.
pub(crate) async fn drained(mut client: BufReader<TcpStream>) {
    let mut bytes = vec![0; 4096];
    while client.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
}

/// Reads until a line has `word`.
async fn until(reader: &mut BufReader<TcpStream>, word: &str) -> Result<()> {
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line).await? == 0 {
            bail!("the stream ended");
        }
        if line.contains(word) {
            return Ok(());
        }
    }
}

/// One connection that posts notes; each returns when the server has answered, which it does once the note is durable.
struct Poster {
    reader: BufReader<TcpStream>,
    head: String,
}

impl Poster {
    async fn connect(server: &Server, id: u64) -> Result<Self> {
        let stream = TcpStream::connect(server.address).await?;
        stream.set_nodelay(true)?;
        let head = format!(
            "POST /api/v1/incidents/{id}/notes HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n",
            server.address, server.token
        );
        Ok(Self { reader: BufReader::new(stream), head })
    }

    async fn send(&mut self, text: &str) -> Result<()> {
        let body = json!({ "text": text }).to_string();
        let request = format!("{}Content-Length: {}\r\n\r\n{body}", self.head, body.len());
        self.reader.get_mut().write_all(request.as_bytes()).await?;
        Ok(())
    }

    async fn answered(&mut self) -> Result<()> {
        let mut length = 0;
        let mut line = String::new();
        loop {
            line.clear();
            if self.reader.read_line(&mut line).await? == 0 {
                bail!("the server hung up");
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        self.reader.read_exact(&mut vec![0; length]).await?;
        Ok(())
    }
}

async fn first_event(table: &mut Table, server: &Server, id: u64) -> Result<()> {
    let mut client = attach(server.address, &server.token, id, "0").await?;
    let mut poster = Poster::connect(server, id).await?;
    let mut samples = Samples::default();
    for round in 0..200 {
        let word = format!("first-{round}-");
        let begun = Instant::now();
        poster.send(&word).await?;
        until(&mut client, &word).await?;
        samples.push(begun.elapsed());
        poster.answered().await?;
    }
    table.at_most(
        "message to first event, durable",
        samples.median().as_secs_f64() * 1000.0,
        "ms",
        &samples.words(),
        1.0,
    );
    Ok(())
}

async fn replay(table: &mut Table, server: &Server, id: u64) -> Result<()> {
    let mut poster = Poster::connect(server, id).await?;
    poster.send("the-very-last-note").await?;
    poster.answered().await?;
    let mut samples = Samples::default();
    for _ in 0..10 {
        let begun = Instant::now();
        let mut client = attach(server.address, &server.token, id, "0").await?;
        until(&mut client, "the-very-last-note").await?;
        samples.push(begun.elapsed());
    }
    table.at_most(
        "attach and replay of 10,000 events",
        samples.median().as_secs_f64() * 1000.0,
        "ms",
        &samples.words(),
        15.0,
    );
    Ok(())
}

/// The number of the newest event of an incident.
async fn newest(server: &Server, id: u64) -> Result<String> {
    // A word of its own each time: an earlier one would be found first.
    let word = format!("the-newest-note-of-{:?}-", server.pid());
    let mut poster = Poster::connect(server, id).await?;
    poster.send(&word).await?;
    poster.answered().await?;
    let mut client = attach(server.address, &server.token, id, "0").await?;
    let (mut line, mut newest) = (String::new(), String::new());
    while !line.contains(&word) {
        line.clear();
        if client.read_line(&mut line).await? == 0 {
            bail!("the stream ended");
        }
        if let Some(number) = line.strip_prefix("id: ") {
            newest = number.trim().to_owned();
        }
    }
    Ok(newest)
}

async fn fan_out(table: &mut Table, server: &Server, id: u64) -> Result<()> {
    let (ours, held) = attached(server, id, CLIENTS, ROUNDS).await?;
    let floor = bare_fan_out().await?;
    let beside = format!(
        "ours: {}; a bare loop to as many sockets: p99 {:.1} ms",
        ours.words(),
        floor.percentile(0.99).as_secs_f64() * 1000.0
    );
    table.at_most("fan-out to 1,000 clients, p99", millis(&ours), "ms", &beside, 20.0);
    table.at_most("memory of an attached client", held, "KiB", "growth of VmRSS over 1,000 of them", 16.0);
    Ok(())
}

/// Ten times as many: each may cost no more than one of a thousand.
async fn crowd(table: &mut Table, server: &Server, id: u64) -> Result<()> {
    let (ours, held) = attached(server, id, CROWD, 3).await?;
    let beside = format!("ours: {}; ten times the row above", ours.words());
    table.at_most("fan-out to 10,000 clients, p99", millis(&ours), "ms", &beside, 200.0);
    table.at_most("memory of one of 10,000 clients", held, "KiB", "growth of VmRSS over all of them", 16.0);
    Ok(())
}

fn millis(samples: &Samples) -> f64 {
    samples.percentile(0.99).as_secs_f64() * 1000.0
}

/// Attaches so many clients and sends them events: how long each took to arrive, and what a client holds in KiB.
async fn attached(server: &Server, id: u64, count: usize, rounds: usize) -> Result<(Samples, f64)> {
    let pid = server.pid().context("a running server")?;
    let newest = newest(server, id).await?;
    let before = resident_mib(pid)?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel::<Instant>();
    let mut clients = Vec::new();
    for _ in 0..count {
        // From the newest event on: what happened before is not to be replayed to each.
        let mut client = attach(server.address, &server.token, id, &newest).await?;
        let arrived = arrived.clone();
        clients.push(tokio::spawn(async move {
            while until(&mut client, "fan-out-").await.is_ok() {
                let _ = arrived.send(Instant::now());
            }
        }));
    }
    let held = (resident_mib(pid)? - before) * 1024.0 / f64::from(u32::try_from(count)?);
    let mut poster = Poster::connect(server, id).await?;
    let mut ours = Samples::default();
    for round in 0..rounds {
        // Between events clients are quiet, as they are in life; before the first it lets their coming end.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let begun = Instant::now();
        poster.send(&format!("fan-out-{round}")).await?;
        poster.answered().await?;
        collect(&mut arrivals, begun, count, &mut ours).await?;
    }
    clients.iter().for_each(tokio::task::JoinHandle::abort);
    Ok((ours, held))
}

async fn collect(
    arrivals: &mut mpsc::UnboundedReceiver<Instant>,
    begun: Instant,
    count: usize,
    samples: &mut Samples,
) -> Result<()> {
    for _ in 0..count {
        let at = tokio::time::timeout(Duration::from_secs(10), arrivals.recv())
            .await
            .context("a client got nothing")?;
        samples.push(at.context("no client left")?.saturating_duration_since(begun));
    }
    Ok(())
}

/// The same with nothing but a loop over sockets.
async fn bare_fan_out() -> Result<Samples> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (arrived, mut arrivals) = mpsc::unbounded_channel::<Instant>();
    let mut writers = Vec::new();
    for _ in 0..CLIENTS {
        let client = TcpStream::connect(address).await?;
        writers.push(listener.accept().await?.0);
        let (arrived, mut reader) = (arrived.clone(), BufReader::with_capacity(2048, client));
        tokio::spawn(async move {
            while until(&mut reader, "fan-out-").await.is_ok() {
                let _ = arrived.send(Instant::now());
            }
        });
    }
    let line = format!("id: 1\ndata: {{\"text\":\"fan-out-{}\"}}\n\n", "x".repeat(120));
    let mut samples = Samples::default();
    for _ in 0..ROUNDS {
        let begun = Instant::now();
        for writer in &mut writers {
            writer.write_all(line.as_bytes()).await?;
        }
        collect(&mut arrivals, begun, CLIENTS, &mut samples).await?;
    }
    Ok(samples)
}
