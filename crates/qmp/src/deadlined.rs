//! A Unix socket with one absolute deadline over everything: connecting, each write and each read.
//!
//! A timeout for each read alone would never end a conversation with a QEMU that sends an event every second.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// A connected Unix socket that fails with [`io::ErrorKind::TimedOut`] once its deadline has passed.
#[derive(Debug)]
pub struct Deadlined {
    stream: UnixStream,
    deadline: Instant,
}

impl Deadlined {
    /// Connects to the socket at `path`. While QEMU serves another client the connect itself waits; the deadline
    /// covers that too.
    ///
    /// # Errors
    /// What the operating system says, [`io::ErrorKind::TimedOut`] where the deadline passed first.
    pub fn connect(path: &Path, deadline: Instant) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        // Linux applies the send timeout of a Unix socket to connect() as well.
        set_socket_timeout(&socket, Timeout::Send, Some(remaining(deadline)?))?;
        connect(&socket, &SocketAddrUnix::new(path)?).map_err(|errno| as_timeout(errno.into()))?;
        Ok(Self { stream: UnixStream::from(socket), deadline })
    }

    /// Moves the deadline, for what is asked from here on.
    pub const fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }
}

impl Read for Deadlined {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(remaining(self.deadline)?))?;
        self.stream.read(buffer).map_err(as_timeout)
    }
}

impl Write for Deadlined {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(remaining(self.deadline)?))?;
        self.stream.write(bytes).map_err(as_timeout)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is left, never zero: a socket option of zero would mean "wait for ever".
fn remaining(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    Ok(left.max(Duration::from_millis(1)))
}

fn as_timeout(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::WouldBlock { io::ErrorKind::TimedOut.into() } else { error }
}
