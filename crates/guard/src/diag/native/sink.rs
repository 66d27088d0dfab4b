//! Where bytes go: a chain of sinks, each of which takes bytes, does its part and hands the rest on. One process, no
//! thread, no whole file in memory.

use breakglass_redact::{Shape, Stream};

/// Whether more bytes are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    More,
    /// Nothing that comes can change the answer any more (`head` has its lines): the source may stop. It is still
    /// to call `end`.
    Enough,
}

/// One station of the way from a source to the client.
pub(crate) trait Sink {
    /// Takes the next bytes; where one call ends and the next begins means nothing.
    fn push(&mut self, bytes: &[u8]) -> Flow;
    /// The text is over: everything held back goes on, and the stations behind end as well. The exit code is that of
    /// the last station that has one, as a shell's pipeline; the output itself has none.
    fn end(&mut self) -> Option<u8>;
    /// A line for the error output, without line break.
    fn complain(&mut self, message: &str);
}

/// What a filter does; [`Stage`] puts it into a chain.
pub(crate) trait Filter {
    fn feed(&mut self, bytes: &[u8], next: &mut dyn Sink) -> Flow;
    /// The text is over; the exit code of this filter.
    fn finish(&mut self, next: &mut dyn Sink) -> u8;
}

/// A filter and what comes after it.
pub(crate) struct Stage {
    filter: Box<dyn Filter>,
    next: Box<dyn Sink>,
}

impl Stage {
    pub(crate) fn boxed(filter: Box<dyn Filter>, next: Box<dyn Sink>) -> Box<dyn Sink> {
        Box::new(Self { filter, next })
    }
}

impl Sink for Stage {
    fn push(&mut self, bytes: &[u8]) -> Flow {
        self.filter.feed(bytes, &mut *self.next)
    }

    fn end(&mut self) -> Option<u8> {
        let own = self.filter.finish(&mut *self.next);
        self.next.end().or(Some(own))
    }

    fn complain(&mut self, message: &str) {
        self.next.complain(message);
    }
}

/// What a document that cannot be masked ends with: as every refusal.
const UNREADABLE: u8 = 77;

/// Redacts what passes. It stands before the filters, so that none of them can ask after a secret byte by byte, and
/// again behind them, since they may put together what was apart.
pub(crate) struct Redact {
    stream: Option<Stream>,
    out: Vec<u8>,
    next: Box<dyn Sink>,
}

impl Redact {
    pub(crate) fn boxed(shape: Shape, next: Box<dyn Sink>) -> Box<dyn Sink> {
        Box::new(Self { stream: Some(Stream::new(shape)), out: Vec::new(), next })
    }
}

impl Sink for Redact {
    fn push(&mut self, bytes: &[u8]) -> Flow {
        let Some(stream) = &mut self.stream else { return Flow::Enough };
        self.out.clear();
        stream.push(bytes, &mut self.out);
        if self.out.is_empty() { Flow::More } else { self.next.push(&self.out) }
    }

    fn end(&mut self) -> Option<u8> {
        let stream = self.stream.take()?;
        self.out.clear();
        match stream.finish(&mut self.out) {
            Ok(()) => {
                let _ = self.next.push(&self.out);
                self.next.end()
            }
            Err(unreadable) => {
                self.next.complain(&unreadable.reason);
                let _ = self.next.end();
                Some(UNREADABLE)
            }
        }
    }

    fn complain(&mut self, message: &str) {
        self.next.complain(message);
    }
}
