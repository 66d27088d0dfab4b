//! What a server on this machine says of itself to anybody: whether its journal keeps what happens. No log-in is needed for it.
//!
//! A server that is not there, or speaks TLS only, tells nothing here; the commands work without it.

use serde_json::Value;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

/// A server on the same machine answers at once, or is of no help.
const PATIENCE: Duration = Duration::from_secs(1);
/// Far more than `/healthz` ever says.
const LONGEST: u64 = 4096;

/// One sentence for each server that says that it does not keep what happens. Blocks, a second each at most.
pub(crate) fn not_keeping(listens: &[SocketAddr]) -> Vec<String> {
    listens.iter().filter_map(|address| health(*address).and_then(|health| told(*address, &health))).collect()
}

fn told(address: SocketAddr, health: &Value) -> Option<String> {
    if health.get("journal_keeps")?.as_bool()? {
        return None;
    }
    let since = health.get("not_keeping_since").and_then(Value::as_str).unwrap_or("an unknown time");
    let events = health.get("events_not_kept").and_then(Value::as_u64).unwrap_or_default();
    let sentence = format!(
        "the server at {address} does not keep what happens: since {since}, {events} events so far. Its page says why. Doors and \
         buttons work; what is held in memory is written when its disk takes it"
    );
    Some(crate::colour::harmless(&sentence))
}

fn health(address: SocketAddr) -> Option<Value> {
    let reached = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        IpAddr::V6(ip) if ip.is_unspecified() => SocketAddr::new(Ipv6Addr::LOCALHOST.into(), address.port()),
        _ => address,
    };
    let mut stream = TcpStream::connect_timeout(&reached, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    let request = format!(
        "GET /healthz HTTP/1.1\r\nHost: {address}\r\nAccept: application/json\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    // What came before an error or the limit may be whole.
    let _read = stream.take(LONGEST).read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text.split_once("\r\n\r\n")?;
    serde_json::from_str(body.trim()).ok()
}
