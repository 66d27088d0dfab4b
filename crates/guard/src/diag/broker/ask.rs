//! The door's end: hands the request over as it came and passes on what comes back, under the door's own bounds.

use super::frames::{self, HEADER, Kind};
use crate::diag::client::{Client, Reading, timeout};
use crate::diag::native::sink::Flow;
use crate::diag::plan::{Plan, Privilege};
use crate::diag::policy::DiagPolicy;
use crate::diag::run::{End, Gone, Why, Wiring, place};
use breakglass_protocol::{Refusal, Rule};
use rustix::event::{PollFd, PollFlags, poll};
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

/// A little more than the broker gives itself, so that its word for the end arrives.
const GRACE: Duration = Duration::from_secs(1);

/// Why a plan cannot be carried out here, where it needs a broker and there is none. What the host lacks is not missed.
pub(in crate::diag) fn missing(plan: &Plan, diag: &DiagPolicy) -> Option<Refusal> {
    let (program, privilege) = super::privileged(plan)?;
    let is_here = diag
        .broker
        .as_deref()
        .is_some_and(|socket| std::fs::metadata(socket).is_ok_and(|it| it.file_type().is_socket()));
    let engines = ["/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"];
    let host_has_it = place(program).is_some()
        || (privilege == Privilege::ContainerEngine
            && engines.iter().any(|socket| Path::new(socket).exists()));
    (!is_here && host_has_it).then(|| Refusal {
        rule: Rule::NoBroker,
        reason: format!("`{}` only answers to root, and the broker is not installed here", program.name),
        hint: "root installs it: `breakglass-guard install diag --with-broker`".to_owned(),
    })
}

/// Asks the broker.
pub(in crate::diag) fn ask(socket: &Path, request: &[u8], wiring: &mut Wiring<'_>) -> End {
    let said =
        |error: std::io::Error| End::NotStarted(format!("the broker at {}: {error}", socket.display()));
    let mut stream = match UnixStream::connect(socket) {
        Ok(stream) => stream,
        // Without a broker only what the host lacks comes this far.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return End::NotHere,
        Err(error) => return said(error),
    };
    let length = u32::try_from(request.len()).unwrap_or(u32::MAX).to_le_bytes();
    if let Err(error) = stream.write_all(&[&length, request].concat()) {
        return said(error);
    }
    let mut held = Vec::new();
    let mut chunk = vec![0; 64 * 1024];
    loop {
        while let Some((kind, bytes)) = frame(&mut held) {
            let sink = match kind {
                Kind::Answer => &mut *wiring.answer,
                Kind::Errors => &mut *wiring.complaints,
                Kind::End => {
                    let end = frames::read(&String::from_utf8_lossy(&bytes));
                    return end
                        .unwrap_or_else(|| End::NotStarted("the broker's answer makes no sense".into()));
                }
            };
            if sink.push(&bytes) == Flow::Enough {
                return stopped(wiring.client);
            }
        }
        if Instant::now() >= wiring.client.deadline() + GRACE {
            return End::Ended(
                Why::Deadline,
                Gone::NotSeen("the broker was told by the end of its line".into()),
            );
        }
        if wait(&stream, wiring.client) {
            wiring.client.is_gone();
            return stopped(wiring.client);
        }
        match stream.read(&mut chunk) {
            Ok(length) if length > 0 => held.extend_from_slice(chunk.get(..length).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => return End::NotStarted("the broker ended without an answer; its log says why".to_owned()),
        }
    }
}

/// Waits for the broker; whether nobody reads any more, or the time is over.
fn wait(stream: &UnixStream, client: &Client) -> bool {
    let stdout = std::io::stdout();
    loop {
        let left = (client.deadline() + GRACE).saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(&stdout, PollFlags::empty()), PollFd::new(stream, PollFlags::IN)];
        match poll(&mut watched, Some(&timeout(left))) {
            Err(rustix::io::Errno::INTR) => {}
            Ok(0) => return true,
            _ => {
                let [stdout, _] = &watched;
                return stdout.revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL);
            }
        }
    }
}

/// Why no more is passed on; the broker learns of it by the end of its line.
fn stopped(client: &Client) -> End {
    let told = || Gone::NotSeen("the broker was told by the end of its line".to_owned());
    match client.reading() {
        Reading::Yes => End::Enough,
        Reading::Full => End::Ended(Why::TooMuch, told()),
        Reading::Gone => End::Ended(Why::NobodyReads, told()),
        Reading::TooSlow => End::Ended(Why::Deadline, told()),
    }
}

/// Takes one whole frame.
fn frame(held: &mut Vec<u8>) -> Option<(Kind, Vec<u8>)> {
    let Some((kind, length)) = frames::read_header(*held.first_chunk::<HEADER>()?) else {
        // Not the broker's language: what follows cannot be told apart.
        let nonsense = std::mem::take(held);
        return Some((Kind::End, nonsense));
    };
    let bytes = held.get(HEADER..HEADER + length)?.to_vec();
    held.drain(..HEADER + length);
    Some((kind, bytes))
}
