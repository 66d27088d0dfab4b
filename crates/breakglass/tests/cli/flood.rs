//! A flood of bad log-ins against the real server: the owner gets in meanwhile, and the server does not swell.
//!
//! The flood comes from 200 addresses of the loopback network, a thousand attempts a second, half of them on the
//! owner's name. By default it lasts eight seconds; with `BREAKGLASS_FULL=1` a minute.

use crate::site::{command, free_port, with_input};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpSocket;
use tokio::sync::Semaphore;

const ADDRESSES: u8 = 200;
const A_SECOND: u64 = 1000;
const OWNER: &str = "mara";
const PASSWORD: &str = "correct horse battery";
/// What the issue promises.
const KNOWN_WITHIN: Duration = Duration::from_secs(5);
const NEW_WITHIN: Duration = Duration::from_secs(60);
/// What the server may grow by while the flood goes on and on: allocators round up, nothing more.
const GROWTH_KIB: u64 = 16 * 1024;

struct Serving {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Serving {
    fn begin() -> Self {
        let dir = TempDir::new().unwrap();
        let at = |name: &str| dir.path().join(name);
        let made = with_input(&["password", OWNER], &format!("{PASSWORD}\n"));
        std::fs::write(at("users"), made.out).unwrap();
        let port = free_port();
        let text = format!(
            "[fleet]\nname = \"flooded\"\nstate_dir = \"{dir}/state\"\n\
             [web]\nlisten = [\"127.0.0.1:{port}\"]\npassword_file = \"{dir}/users\"\nsecure_cookies = false\n",
            dir = dir.path().display()
        );
        std::fs::write(at("fleet.toml"), text).unwrap();
        let log = std::fs::File::create(at("log")).unwrap();
        let mut serve = command(&["serve"]);
        serve.env("BREAKGLASS_FLEET", at("fleet.toml")).stdout(Stdio::null()).stderr(log);
        Self { child: serve.spawn().unwrap(), port, _dir: dir }
    }

    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One attempt: the status, the cookies that were set, and for how long to wait where that was said.
async fn attempt(
    port: u16,
    from: Ipv4Addr,
    name: &str,
    password: &str,
    cookie: &str,
) -> Option<(u16, String, u64)> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.set_reuseaddr(true).ok()?;
    socket.bind((from, 0).into()).ok()?;
    let mut stream = socket.connect((Ipv4Addr::LOCALHOST, port).into()).await.ok()?;
    let body = format!("name={name}&password={}", password.replace(' ', "+"));
    let head = format!(
        "POST /login HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncookie: {cookie}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await.ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.ok()?;
    let text = String::from_utf8_lossy(&answer);
    let lines = || text.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once(": "));
    let named = |wanted: &'static str| lines().filter(move |(name, _)| name.eq_ignore_ascii_case(wanted));
    let cookies: Vec<&str> = named("set-cookie").filter_map(|(_, value)| value.split(';').next()).collect();
    let wait = named("retry-after").find_map(|(_, seconds)| seconds.parse().ok()).unwrap_or(1);
    Some((text.split(' ').nth(1)?.parse().ok()?, cookies.join("; "), wait))
}

/// Tries until in, as a person does who waits for as long as they are told.
async fn log_in(port: u16, from: Ipv4Addr, cookie: &str) -> (Duration, String) {
    let began = Instant::now();
    loop {
        match attempt(port, from, OWNER, PASSWORD, cookie).await {
            Some((303, cookies, _)) => return (began.elapsed(), cookies),
            Some((_, _, wait)) => tokio::time::sleep(Duration::from_secs(wait)).await,
            None => tokio::time::sleep(Duration::from_millis(200)).await,
        }
        assert!(began.elapsed() < NEW_WITHIN * 2, "the owner never got in from {from}");
    }
}

#[derive(Default)]
struct Flood {
    over: AtomicBool,
    sent: AtomicU64,
    looked_at: AtomicU64,
    turned_away: AtomicU64,
    unanswered: AtomicU64,
    wrong: AtomicU64,
}

/// One of the addresses, on its share of the schedule; a late one makes up for it, and none waits for an answer.
async fn flood_from(flood: Arc<Flood>, places: Arc<Semaphore>, port: u16, last: u8) {
    let every = Duration::from_secs(1) * u32::from(ADDRESSES) / u32::try_from(A_SECOND).unwrap();
    let began = tokio::time::Instant::now();
    let mut number = 0_u32;
    while !flood.over.load(Ordering::Relaxed) {
        tokio::time::sleep_until(began + every * number).await;
        number += 1;
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let flood = Arc::clone(&flood);
        tokio::spawn(async move {
            let other = format!("{last}-{number}");
            let name = if number.is_multiple_of(2) { OWNER } else { &other };
            let from = Ipv4Addr::new(127, 0, 0, last + 10);
            let attempt = attempt(port, from, name, "guess", "");
            let answer = tokio::time::timeout(Duration::from_secs(15), attempt).await;
            flood.sent.fetch_add(1, Ordering::Relaxed);
            match answer {
                Ok(Some((401, ..))) => flood.looked_at.fetch_add(1, Ordering::Relaxed),
                Ok(Some((429 | 503, ..))) => flood.turned_away.fetch_add(1, Ordering::Relaxed),
                Ok(Some(_)) => flood.wrong.fetch_add(1, Ordering::Relaxed),
                _ => flood.unanswered.fetch_add(1, Ordering::Relaxed),
            };
            drop(place);
        });
    }
}

#[test]
fn the_owner_logs_in_while_a_thousand_bad_log_ins_a_second_come_from_two_hundred_addresses() {
    let seconds = if std::env::var_os("BREAKGLASS_FULL").is_some() { 60 } else { 8 };
    let serving = Serving::begin();
    let port = serving.port;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let home = Ipv4Addr::new(127, 0, 0, 5);
        while tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let (_, known) = log_in(port, home, "").await;
        let before = serving.resident_kib();
        let flood = Arc::new(Flood::default());
        // As many at once as one process may hold open; answers that wait do not slow the flood down.
        let places = Arc::new(Semaphore::new(800));
        for last in 0..ADDRESSES {
            tokio::spawn(flood_from(Arc::clone(&flood), Arc::clone(&places), port, last));
        }
        let began = Instant::now();
        let mut resident = Vec::new();
        let new = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds / 2)).await;
            // Another browser of hers, from an address that has never been here, next door to all the others.
            log_in(port, Ipv4Addr::new(127, 0, 0, 250), "").await.0
        });
        let mut slowest = Duration::ZERO;
        while began.elapsed() < Duration::from_secs(seconds) {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let (took, _) = log_in(port, home, &known).await;
            slowest = slowest.max(took);
            resident.push(serving.resident_kib());
        }
        let took_new = new.await.unwrap();
        flood.over.store(true, Ordering::Relaxed);
        let sent = flood.sent.load(Ordering::Relaxed);
        let (third, last) = (resident.len() / 3, resident.last().copied().unwrap());
        let early = resident.iter().take(third.max(1)).max().copied().unwrap();
        let late = resident.iter().skip(resident.len() - third.max(1)).max().copied().unwrap();
        println!(
            "{sent} attempts in {:.1} s, {} looked at, {} turned away, {} unanswered; known device at most {slowest:?}, new device \
             {took_new:?}; {before} KiB before, {early} KiB early, {late} KiB late, {last} KiB at the end",
            began.elapsed().as_secs_f64(),
            flood.looked_at.load(Ordering::Relaxed),
            flood.turned_away.load(Ordering::Relaxed),
            flood.unanswered.load(Ordering::Relaxed),
        );
        assert_eq!(flood.wrong.load(Ordering::Relaxed), 0, "a bad log-in got another answer");
        assert!(slowest < KNOWN_WITHIN, "from a known device it took {slowest:?}");
        assert!(took_new < NEW_WITHIN, "from a new device it took {took_new:?}");
        assert!(late < early + GROWTH_KIB, "it grew from {early} to {late} KiB: {resident:?}");
        assert!(late < before + 6 * GROWTH_KIB, "it swelled from {before} to {late} KiB: {resident:?}");
        // Beside a build this machine sends what it can; less than this would be no flood.
        assert!(sent > seconds * A_SECOND / 10, "only {sent} attempts were made");
        assert!(Path::new(&format!("/proc/{}", serving.child.id())).exists());
    });
}
