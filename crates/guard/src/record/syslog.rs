//! One datagram to the local syslog socket, never waiting for it.

use rustix::net::{AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Facility authpriv (10), severity warning (4).
const PRIORITY: u32 = 10 * 8 + 4;

/// Sends a line; whether something took it.
pub(super) fn send_to(path: &str, line: &str) -> bool {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let Ok(socket) = socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None) else {
        return false;
    };
    let Ok(address) = SocketAddrUnix::new(path) else {
        return false;
    };
    let message = format!("<{PRIORITY}>breakglass-guard[{}]: {line}", std::process::id());
    connect(&socket, &address).is_ok()
        && rustix::net::send(&socket, message.as_bytes(), SendFlags::NOSIGNAL | SendFlags::DONTWAIT).is_ok()
}

/// As [`send_to`], to where syslog listens.
pub(super) fn send(line: &str) -> bool {
    send_to("/dev/log", line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    #[test]
    fn arrives_whole_or_says_that_nobody_listens() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("log");
        let text = path.to_str().unwrap();
        assert!(!send_to(text, "x"));
        let listener = UnixDatagram::bind(&path).unwrap();
        assert!(send_to(text, "{\"a\":1}"));
        let mut buffer = [0; 200];
        let length = listener.recv(&mut buffer).unwrap();
        let got = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(got.starts_with("<84>breakglass-guard[") && got.ends_with("]: {\"a\":1}"), "{got}");
    }
}
