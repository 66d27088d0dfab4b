//! Looking at a port without logging in: is there an SSH server, is there a kernel?
//!
//! A connection that is accepted proves nothing (user-mode networking and load balancers accept for dead guests), so
//! only bytes that begin an SSH banner count. Nothing is sent.

use std::io;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a port did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Banner {
    /// An SSH banner came.
    Banner {
        /// From the first packet to the banner, in milliseconds.
        millis: u64,
        /// The banner's line, at most 255 bytes, anything unprintable replaced.
        text: String,
    },
    /// The connection was accepted, and no SSH banner came before the deadline, or something that is none.
    NoBanner,
    /// Refused, or accepted and closed without a word: a kernel answers, an SSH server does not.
    Closed,
    /// Nothing answered before the deadline, or the network said that there is no way.
    Silent,
}

/// The longest banner line that RFC 4253 allows.
const BANNER_LIMIT: usize = 255;

/// Connects to `addr` (an address, or a name) and waits for an SSH banner, `deadline` for both together.
pub async fn ssh_banner(addr: &str, port: u16, deadline: Duration) -> Banner {
    let started = Instant::now();
    let mut stream = match timeout(deadline, TcpStream::connect((addr, port))).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return not_connected(&error),
        Err(_) => return Banner::Silent,
    };
    let mut line = Vec::with_capacity(BANNER_LIMIT);
    let read = async {
        loop {
            let mut byte = [0_u8; 64];
            match stream.read(&mut byte).await {
                Ok(0) | Err(_) => return false,
                Ok(count) => line.extend_from_slice(byte.get(..count).unwrap_or_default()),
            }
            if line.contains(&b'\n') || line.len() >= BANNER_LIMIT || !begins_banner(&line) {
                return true;
            }
        }
    };
    match timeout(deadline.saturating_sub(started.elapsed()), read).await {
        Ok(true) if begins_banner(&line) => {
            let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            Banner::Banner { millis, text: first_line(&line) }
        }
        Ok(false) if line.is_empty() => Banner::Closed,
        Ok(_) | Err(_) => Banner::NoBanner,
    }
}

/// Connects to `addr` (`address:port`) where nothing listens: [`Banner::Closed`] proves that the kernel there answers.
/// Forwarded ports accept before they ask the machine behind them and close when it refuses, so a connection that is
/// closed at once counts as refused. [`Banner::NoBanner`] means that it stayed open: something listens after all, or a
/// forwarder waits for a machine that does not answer.
pub async fn refusing_port(addr: &str, deadline: Duration) -> Banner {
    let until = Instant::now() + deadline;
    let mut stream = match timeout(deadline, TcpStream::connect(addr)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return not_connected(&error),
        Err(_) => return Banner::Silent,
    };
    match timeout(until.saturating_duration_since(Instant::now()), stream.read(&mut [0; 1])).await {
        Ok(Ok(0) | Err(_)) => Banner::Closed,
        Ok(Ok(_)) | Err(_) => Banner::NoBanner,
    }
}

fn not_connected(error: &io::Error) -> Banner {
    match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Banner::Closed,
        _ => Banner::Silent,
    }
}

/// Whether these bytes are the beginning of an SSH banner, as far as they go.
pub(crate) fn begins_banner(bytes: &[u8]) -> bool {
    const START: &[u8] = b"SSH-";
    bytes.iter().zip(START).all(|(byte, start)| byte == start)
}

/// The first line of what came, fit for a person's terminal.
pub(crate) fn first_line(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| matches!(byte, b'\r' | b'\n')).next().unwrap_or_default();
    let line = line.get(..BANNER_LIMIT).unwrap_or(line);
    line.iter()
        .map(|byte| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_a_banner_from_other_bytes() {
        for (bytes, expected) in
            [(&b""[..], true), (b"S", true), (b"SSH-2.0-x", true), (b"HTTP/1.1", false), (b"SSX", false)]
        {
            assert_eq!(begins_banner(bytes), expected, "{bytes:?}");
        }
        assert_eq!(first_line(b"SSH-2.0-a\x1b[31m\r\nrest"), "SSH-2.0-a?[31m");
    }
}
