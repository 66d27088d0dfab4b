//! The keyholder's loop: many askers, one thread, nothing that an asker sends or leaves out can stop it.

use super::agent::{self, MESSAGE_LIMIT};
use super::load::Key;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::sockopt::socket_peercred;
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::{Duration, Instant};

/// More askers than this at a time: the one that was quiet longest has to go.
const ASKERS: usize = 256;
/// An asker that began a message has this long to end it.
const MESSAGE_TIME: Duration = Duration::from_secs(10);

struct Asker {
    stream: UnixStream,
    input: Vec<u8>,
    output: Vec<u8>,
    heard: Instant,
}

/// Serves until the parent is gone (`lifeline` breaks) or the socket fails.
pub(super) fn serve(keys: &[Key], listener: &UnixListener, lifeline: Option<&dyn AsFd>) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let mut askers: Vec<Asker> = Vec::new();
    loop {
        let mut fds = vec![PollFd::new(listener, PollFlags::IN)];
        for asker in &askers {
            let wanted = if asker.output.is_empty() { PollFlags::IN } else { PollFlags::OUT };
            fds.push(PollFd::new(&asker.stream, wanted));
        }
        if let Some(lifeline) = &lifeline {
            fds.push(PollFd::from_borrowed_fd(lifeline.as_fd(), PollFlags::empty()));
        }
        let second = rustix::event::Timespec { tv_sec: 1, tv_nsec: 0 };
        match poll(&mut fds, Some(&second)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let happened: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if lifeline.is_some() && happened.last() == Some(&true) {
            return Ok(());
        }
        let mut happened_to = happened.iter().skip(1);
        askers.retain_mut(|asker| {
            let happened = happened_to.next() == Some(&true);
            let stalled =
                !(asker.input.is_empty() && asker.output.is_empty()) && asker.heard.elapsed() > MESSAGE_TIME;
            if happened { asker.attend(keys).is_ok() } else { !stalled }
        });
        if happened.first() == Some(&true) {
            take_in(listener, &mut askers)?;
        }
    }
}

fn take_in(listener: &UnixListener, askers: &mut Vec<Asker>) -> io::Result<()> {
    loop {
        let stream = match listener.accept() {
            Ok((stream, _)) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => {
                continue;
            }
            // Out of file descriptors: serve those who are here; poll comes back to this.
            Err(error) if matches!(error.raw_os_error(), Some(libc::EMFILE | libc::ENFILE)) => {
                forget_quietest(askers);
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let ours = socket_peercred(&stream).is_ok_and(|peer| peer.uid == rustix::process::geteuid());
        if !ours || stream.set_nonblocking(true).is_err() {
            continue;
        }
        if askers.len() >= ASKERS {
            forget_quietest(askers);
        }
        askers.push(Asker { stream, input: Vec::new(), output: Vec::new(), heard: Instant::now() });
    }
}

fn forget_quietest(askers: &mut Vec<Asker>) {
    if let Some((index, _)) = askers.iter().enumerate().min_by_key(|(_, asker)| asker.heard) {
        askers.swap_remove(index);
    }
}

impl Asker {
    /// Reads what is there, answers what is whole, writes what can be written. An error ends this asker alone.
    fn attend(&mut self, keys: &[Key]) -> Result<(), ()> {
        self.heard = Instant::now();
        if self.output.is_empty() {
            let mut piece = [0; 4096];
            match self.stream.read(&mut piece) {
                Ok(0) => return Err(()),
                Ok(count) => self.input.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(_) => return Err(()),
            }
            while let Some((message, length)) = agent::frame(&self.input)? {
                let answer = agent::answer(keys, message);
                agent::put(&mut self.output, &answer).ok_or(())?;
                self.input.drain(..length);
            }
            if self.input.len() > MESSAGE_LIMIT + 4 {
                return Err(());
            }
        }
        while !self.output.is_empty() {
            match self.stream.write(&self.output) {
                Ok(0) => return Err(()),
                Ok(count) => drop(self.output.drain(..count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(()),
            }
        }
        Ok(())
    }
}
