//! The one process that touches the record's disk: a fork of the guard, so that a write that hangs in the kernel
//! hangs there alone and the guard goes on, reports and exits.
//!
//! The fork holds nothing of its parent but one end of a socket pair: not the session's output (sshd would wait for
//! it), no lock but the record's own. It ends when its parent does.

use super::{Durable, Place, append};
use crate::power::proc_file;
use crate::sys::{self, Forked, Standard};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use rustix::process::{Pid, Signal, kill_process};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

/// The parent's end of the conversation.
pub(super) struct Keeper {
    socket: OwnedFd,
    pid: u32,
}

/// Why a line did not reach the disk.
pub(super) enum Failure {
    /// The disk said no.
    Refused(String),
    /// The disk said nothing in time.
    Late,
}

/// Longest message either way; an entry has about a kilobyte at most.
const MESSAGE: usize = 4 * 1024;

impl Keeper {
    /// Splits the writer off, with its first line in hand: that is one message less, and nobody waits for it to begin.
    pub(super) fn start(place: &Place, first: &str, durable: Durable) -> Result<Self, String> {
        let (ours, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(|error| format!("no socket pair for its writer: {error}"))?;
        match sys::fork() {
            Ok(Forked::Parent(pid)) => Ok(Self { socket: ours, pid }),
            Ok(Forked::Child) => serve(&theirs, place, first, durable),
            Err(error) => Err(format!("no process for its writer: {error}")),
        }
    }

    /// Hands over a further line.
    pub(super) fn hand_over(&self, line: &str, durable: Durable) -> Result<(), Failure> {
        let mark = if durable == Durable::Yes { b'D' } else { b'N' };
        let message: Vec<u8> = std::iter::once(mark).chain(line.bytes()).collect();
        send(&self.socket, &message, SendFlags::NOSIGNAL | SendFlags::DONTWAIT).map(drop).map_err(gone)
    }

    /// Waits for what became of the line that it has, no longer than `patience`.
    pub(super) fn answer(&self, patience: Duration) -> Result<(), Failure> {
        let timeout = rustix::time::Timespec::try_from(patience).ok();
        let ready = poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], timeout.as_ref()).map_err(gone)?;
        if ready == 0 {
            return Err(Failure::Late);
        }
        let mut answer = [0; MESSAGE];
        let (length, _) = recv(&self.socket, &mut answer[..], RecvFlags::empty()).map_err(gone)?;
        match answer.get(..length) {
            Some(b"kept") => Ok(()),
            Some([]) | None => Err(Failure::Refused("its writer died".to_owned())),
            Some(why) => Err(Failure::Refused(String::from_utf8_lossy(why).into_owned())),
        }
    }

    /// Leaves a writer behind that hangs. It is killed, so that it writes nothing late once the disk goes on; while
    /// it cannot die, a marker tells the next guard not to wait for the same disk again.
    pub(super) fn abandon(self, place: &Place) {
        if let Some(stat) = proc_file::stat(self.pid) {
            let marker = format!("{} {}\n", self.pid, stat.start_ticks);
            let _ = std::fs::create_dir_all(&place.state);
            let _ = std::fs::write(marker_path(place), marker);
        }
        if let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) {
            // The child is not reaped before this, so the number is still its own.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn gone(error: rustix::io::Errno) -> Failure {
    Failure::Refused(format!("its writer is gone: {error}"))
}

fn marker_path(place: &Place) -> PathBuf {
    place.state.join("stuck")
}

/// The writer of an earlier guard that still hangs, if there is one.
pub(super) fn stuck(place: &Place) -> Option<u32> {
    let marker = marker_path(place);
    let text = std::fs::read_to_string(&marker).ok()?;
    let (pid, ticks) = text.trim().split_once(' ')?;
    let pid = pid.parse().ok()?;
    let hangs = proc_file::stat(pid)
        .is_some_and(|stat| Some(stat.start_ticks) == ticks.parse().ok() && !stat.is_gone());
    if hangs {
        return Some(pid);
    }
    let _ = std::fs::remove_file(marker);
    None
}

/// The child's whole life.
fn serve(socket: &OwnedFd, place: &Place, first: &str, durable: Durable) -> ! {
    // Standard input is /dev/null in every guard that keeps a record.
    for standard in [Standard::Output, Standard::Error] {
        let _ = sys::replace_standard(std::io::stdin().as_fd(), standard);
    }
    sys::close_all_above_standard_but(socket.as_fd());
    append_and_tell(socket, place, first, durable);
    let mut buffer = [0; MESSAGE];
    loop {
        let length = match recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) if length > 0 => length,
            Err(rustix::io::Errno::INTR) => continue,
            _ => sys::leave(0),
        };
        let Some((mark, line)) = buffer.get(..length).and_then(<[u8]>::split_first) else {
            sys::leave(0);
        };
        let durable = if *mark == b'D' { Durable::Yes } else { Durable::No };
        append_and_tell(socket, place, &String::from_utf8_lossy(line), durable);
    }
}

fn append_and_tell(socket: &OwnedFd, place: &Place, line: &str, durable: Durable) {
    let answer = match append::append(place, line, durable) {
        Ok(()) => "kept".to_owned(),
        Err(why) => why,
    };
    if send(socket, answer.as_bytes(), SendFlags::NOSIGNAL).is_err() {
        sys::leave(0);
    }
}
