//! From a list of places to one TCP connection with an SSH server behind it.
//!
//! The places are tried in order, each next one beside the others after a short wait or at once when one fails
//! (RFC 8305's happy eyeballs). The race is not won by being connected but by a banner: some networks accept for hosts
//! that are dead. Names come last and are resolved only when their turn comes, so that a dead resolver costs nothing
//! while an address works.

use crate::end::Stage;
use crate::probe::{begins_banner, first_line};
use crate::route::Place;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What a place does that takes a connection and drops it without a banner.
pub(crate) const DROPPED: &str =
    "accepts connections and closes them at once: no SSH server behind it, or it throttles us";

/// Connects to whichever place shows an SSH banner first. The caller bounds the time. `stage` is told when a
/// connection stands and only the banner is missing.
pub(crate) async fn connect(
    places: &[Place],
    stagger: Duration,
    stage: &watch::Sender<Stage>,
) -> Result<(TcpStream, SocketAddr), String> {
    let mut faults = Vec::new();
    let mut waiting = places.iter();
    let mut attempts = FuturesUnordered::new();
    loop {
        if attempts.is_empty() {
            match waiting.next() {
                Some(place) => attempts.push(attempt(place, stage)),
                None => return Err(faults.join("; ")),
            }
        }
        tokio::select! {
            Some(outcome) = attempts.next() => match outcome {
                Ok(connected) => return Ok(connected),
                Err(fault) => {
                    faults.push(fault);
                    attempts.extend(waiting.next().map(|place| attempt(place, stage)));
                }
            },
            () = tokio::time::sleep(stagger), if waiting.len() > 0 => {
                attempts.extend(waiting.next().map(|place| attempt(place, stage)));
            }
        }
    }
}

async fn attempt(place: &Place, stage: &watch::Sender<Stage>) -> Result<(TcpStream, SocketAddr), String> {
    let addresses = match place.ip() {
        Some(ip) => vec![SocketAddr::new(ip, place.port)],
        None => tokio::net::lookup_host((place.host.as_str(), place.port))
            .await
            .map_err(|error| {
                format!("{place} can't be resolved ({error}); an address would need no resolver")
            })?
            .collect(),
    };
    let mut fault = format!("{place} resolves to nothing");
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stage.send_if_modified(|stage| {
                    *stage == Stage::Connect && {
                        *stage = Stage::Banner;
                        true
                    }
                });
                match wait_for_banner(&stream).await {
                    Ok(()) => return Ok((stream, address)),
                    Err(why) => fault = format!("{place} {why}"),
                }
            }
            Err(error) => fault = format!("{place} {}", in_words(&error)),
        }
    }
    Err(fault)
}

/// Waits until the first bytes are there and looks at them without taking them.
async fn wait_for_banner(stream: &TcpStream) -> Result<(), String> {
    let mut head = [0_u8; 64];
    loop {
        let count = stream.peek(&mut head).await.map_err(|error| in_words(&error))?;
        let bytes = head.get(..count).unwrap_or_default();
        if count == 0 {
            return Err(DROPPED.to_owned());
        }
        if !begins_banner(bytes) {
            return Err(format!("answers, but not with SSH: \"{}\"", first_line(bytes)));
        }
        if count >= 4 {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// What a failed connection means, for somebody who does not know the names of errors.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            "refuses connections: its kernel answers, no SSH server does".to_owned()
        }
        io::ErrorKind::HostUnreachable => "can't be reached: nothing answers there".to_owned(),
        io::ErrorKind::NetworkUnreachable => "can't be reached: no network leads there".to_owned(),
        io::ErrorKind::ConnectionReset => "breaks the connection off".to_owned(),
        io::ErrorKind::TimedOut => "does not answer".to_owned(),
        _ => format!("fails: {error}"),
    }
}
