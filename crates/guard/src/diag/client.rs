//! The way to whoever asked: bounded in bytes and in time, and never waited for longer than the look may last.
//!
//! Both outputs share one bound. A client that reads no more, or is gone, is found out here and by the one who polls;
//! it ends the look, and nothing else.

use super::broker::{Kind, header};
use super::native::sink::{Flow, Sink};
use crate::report;
use breakglass_protocol::{Line, render_line};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::cell::{Cell, RefCell};
use std::os::fd::{AsFd, BorrowedFd};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What a pipe takes without making its writer wait, once it says that it takes something.
const PIECE: usize = 4096;

/// Which of the two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    Answer,
    Errors,
}

/// In which of its languages the guard answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// Bytes as they come, for a person.
    Plain,
    /// JSON lines, for a program.
    Json,
    /// Frames, for the door whose broker this is.
    Frames,
}

/// How the client takes what it is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// It reads.
    Yes,
    /// It was sent all that a look may send.
    Full,
    /// It is gone.
    Gone,
    /// It did not read until the look's time was over.
    TooSlow,
}

/// Whoever asked.
pub(crate) struct Client {
    speech: Speech,
    deadline: Instant,
    left: Cell<u64>,
    reading: Cell<Reading>,
    /// Bytes of a character that is not whole yet, for each output; machine output is text.
    halves: [RefCell<Vec<u8>>; 2],
}

impl Client {
    pub(crate) fn new(speech: Speech, deadline: Instant, most: u64) -> Rc<Self> {
        let halves = [RefCell::default(), RefCell::default()];
        Rc::new(Self { speech, deadline, left: Cell::new(most), reading: Cell::new(Reading::Yes), halves })
    }

    pub(crate) fn reading(&self) -> Reading {
        self.reading.get()
    }

    pub(crate) const fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whoever polls has seen that nobody reads any more.
    pub(crate) fn is_gone(&self) {
        self.reading.set(Reading::Gone);
    }

    /// A line of machine output.
    pub(crate) fn line(&self, line: &Line) {
        if self.speech == Speech::Json {
            self.write(Output::Answer, format!("{}\n", render_line(line)).as_bytes());
        }
    }

    /// Sends bytes of a look's output, as far as the bound allows.
    pub(crate) fn send(&self, output: Output, bytes: &[u8]) -> Flow {
        let left = self.left.get();
        let room = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
        let (taken, over) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        self.left.set(left.saturating_sub(taken.len() as u64));
        if !taken.is_empty() && self.reading.get() == Reading::Yes {
            match self.speech {
                Speech::Json => self.text(output, taken, false),
                Speech::Plain => self.write(output, taken),
                Speech::Frames => self.frame(kind(output), taken),
            }
        }
        if !over.is_empty() && self.reading.get() == Reading::Yes {
            self.reading.set(Reading::Full);
        }
        self.flow()
    }

    /// What was held back of an output.
    pub(crate) fn flush(&self, output: Output) {
        if self.speech == Speech::Json && self.reading.get() != Reading::Gone {
            self.text(output, &[], true);
        }
    }

    /// A sentence of the guard's own on the error output; it stands outside the bound.
    pub(crate) fn say(&self, message: &str) {
        match self.speech {
            Speech::Json => {
                let text = format!("breakglass-guard: {message}\n");
                self.line(&Line::Output { stream: stream(Output::Errors).to_owned(), text });
            }
            Speech::Frames => self.frame(Kind::Errors, format!("{message}\n").as_bytes()),
            Speech::Plain if self.reading.get() != Reading::Gone => report::warn(message),
            Speech::Plain => {}
        }
    }

    /// Frames for a door.
    pub(crate) fn frame(&self, kind: Kind, bytes: &[u8]) {
        for piece in bytes.chunks(64 * 1024) {
            self.write(Output::Answer, &header(kind, piece.len()));
            self.write(Output::Answer, piece);
        }
    }

    fn flow(&self) -> Flow {
        if self.reading.get() == Reading::Yes { Flow::More } else { Flow::Enough }
    }

    fn text(&self, output: Output, bytes: &[u8], last: bool) {
        let [answer, errors] = &self.halves;
        let mut held = if output == Output::Answer { answer } else { errors }.borrow_mut();
        held.extend_from_slice(bytes);
        let whole = if last { held.len() } else { whole_characters(&held) };
        for piece in held.get(..whole).unwrap_or_default().chunks(32 * 1024) {
            let text = String::from_utf8_lossy(piece).into_owned();
            self.line(&Line::Output { stream: stream(output).to_owned(), text });
        }
        held.drain(..whole);
    }

    /// Writes piece by piece, waiting for each no longer than the look may last.
    fn write(&self, output: Output, bytes: &[u8]) {
        let (out, errors) = (std::io::stdout(), std::io::stderr());
        let fd: BorrowedFd<'_> = if output == Output::Answer { out.as_fd() } else { errors.as_fd() };
        let mut rest = bytes;
        while !rest.is_empty() {
            if !writable(fd, self.deadline) {
                self.reading.set(Reading::TooSlow);
                return;
            }
            match rustix::io::write(fd, rest.get(..PIECE).unwrap_or(rest)) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(rustix::io::Errno::INTR | rustix::io::Errno::AGAIN) => {}
                Err(_) => {
                    self.reading.set(Reading::Gone);
                    return;
                }
            }
        }
    }
}

/// Bytes up to the end of the last whole character.
pub(crate) fn whole_characters(bytes: &[u8]) -> usize {
    let tail = bytes.len().saturating_sub(3);
    let start = bytes.iter().skip(tail).position(|byte| *byte >= 0xc0).map(|at| tail + at);
    match start.and_then(|at| bytes.get(at..).map(|rest| (at, rest))) {
        Some((at, rest)) => match std::str::from_utf8(rest) {
            Err(error) if error.error_len().is_none() => at,
            _ => bytes.len(),
        },
        None => bytes.len(),
    }
}

const fn kind(output: Output) -> Kind {
    match output {
        Output::Answer => Kind::Answer,
        Output::Errors => Kind::Errors,
    }
}

const fn stream(output: Output) -> &'static str {
    match output {
        Output::Answer => "stdout",
        Output::Errors => "stderr",
    }
}

/// Time left, as poll takes it.
pub(crate) fn timeout(left: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    }
}

fn writable(fd: BorrowedFd<'_>, deadline: Instant) -> bool {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(&timeout(left))) {
            Ok(0) => return false,
            Err(rustix::io::Errno::INTR) => {}
            // An end that hung up is found out by the write.
            Ok(_) | Err(_) => return true,
        }
    }
}

/// The last station of a chain.
pub(crate) struct ToClient {
    client: Rc<Client>,
    output: Output,
}

impl ToClient {
    pub(crate) fn boxed(client: &Rc<Client>, output: Output) -> Box<dyn Sink> {
        Box::new(Self { client: Rc::clone(client), output })
    }
}

impl Sink for ToClient {
    fn push(&mut self, bytes: &[u8]) -> Flow {
        self.client.send(self.output, bytes)
    }

    fn end(&mut self) -> Option<u8> {
        self.client.flush(self.output);
        None
    }

    fn complain(&mut self, message: &str) {
        self.client.say(message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_is_never_cut() {
        for (bytes, whole) in [
            (&b"abc"[..], 3),
            (b"", 0),
            (b"a\xc3", 1),
            (b"a\xc3\xa4", 3),
            (b"\xe2\x82", 0),
            (b"x\xf0\x9f\x98", 1),
            (b"x\xf0\x9f\x98\x80", 5),
            (b"\xff\xfe", 2),
        ] {
            assert_eq!(whole_characters(bytes), whole, "{bytes:?}");
        }
    }
}
