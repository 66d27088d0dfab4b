//! Asking an SSH server for its banner, the one sign of life that user-mode networking cannot imitate.

use std::io::{ErrorKind, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What came of asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Banner {
    /// The server said who it is, after so long.
    Shown(Duration),
    /// The connection was accepted and then ended without a word.
    Closed,
    /// The connection was accepted and nothing came before the deadline.
    Silent,
    /// Nothing accepts the connection.
    Refused,
}

/// Asks the server at a port of the loopback.
pub(crate) fn ask(port: u16, deadline: Duration) -> Banner {
    let begun = Instant::now();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, deadline) else { return Banner::Refused };
    let mut received = Vec::new();
    let mut chunk = [0; 256];
    loop {
        let left = deadline.saturating_sub(begun.elapsed());
        if left.is_zero() || stream.set_read_timeout(Some(left)).is_err() {
            return Banner::Silent;
        }
        match stream.read(&mut chunk) {
            Ok(0) => return Banner::Closed,
            Ok(length) => received.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Banner::Silent;
            }
            Err(_) => return Banner::Closed,
        }
        if received.starts_with(b"SSH-2.0-") {
            return Banner::Shown(begun.elapsed());
        }
    }
}
