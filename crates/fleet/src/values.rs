//! The small forms that a text in the file may have: names, addresses, durations, times of day, host keys.
//!
//! Each function takes the text and gives the value, or says in a sentence what is wrong with it. None of them knows
//! where in the file the text stands.

use crate::HostKeyPolicy;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// Host and port of an address from the file; the port is `default_port` where the address has none. The host comes
/// without brackets: `[2001:db8::1]:2202` gives `("2001:db8::1", 2202)`. Nothing is resolved.
#[must_use]
pub fn split_address(address: &str, default_port: u16) -> (String, u16) {
    let (host, port) = host_and_port(address);
    (host.to_owned(), port.and_then(|port| port.parse().ok()).unwrap_or(default_port))
}

fn host_and_port(address: &str) -> (&str, Option<&str>) {
    if address.parse::<Ipv6Addr>().is_ok() {
        return (address, None);
    }
    if let Some((host, after)) = address.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        return (host, after.strip_prefix(':'));
    }
    match address.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (address, None),
    }
}
