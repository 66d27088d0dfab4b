//! As much of HTTP/1.1 as it takes to ask a container engine over its socket: GET, one after the other on one connection,
//! answers of a known length, in chunks, or to the end of the line.

use crate::diag::native::sink::Flow;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// Bytes of a document that is held whole.
const DOCUMENT: usize = 16 << 20;
/// Bytes before the body.
const HEAD: usize = 64 * 1024;

/// One connection to an engine.
pub(super) struct Conversation<'a> {
    stream: &'a UnixStream,
    held: Vec<u8>,
}

/// Where a body ends.
enum Body {
    Length(u64),
    Chunks,
    ToTheEnd,
}

/// The beginning of an answer.
pub(super) struct Head {
    pub(super) status: u16,
    body: Body,
}

impl<'a> Conversation<'a> {
    pub(super) fn new(stream: &'a UnixStream) -> Self {
        Self { stream, held: Vec::new() }
    }

    /// Asks; the path holds no byte that is not its own (see [`encoded`]).
    pub(super) fn get(&mut self, path: &str) -> io::Result<Head> {
        let mut stream = self.stream;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\n\r\n").as_bytes())?;
        let end = loop {
            if let Some(at) = self.held.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            if self.held.len() > HEAD || !self.more()? {
                return Err(nonsense());
            }
        };
        let head = String::from_utf8_lossy(self.held.get(..end).unwrap_or_default()).to_ascii_lowercase();
        self.held.drain(..end + 4);
        let mut lines = head.split("\r\n");
        let status =
            lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(nonsense)?;
        let mut body = Body::ToTheEnd;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            match (name.trim(), value.trim()) {
                ("transfer-encoding", "chunked") => body = Body::Chunks,
                ("content-length", length) => body = Body::Length(length.parse().map_err(|_| nonsense())?),
                _ => {}
            }
        }
        Ok(Head { status, body })
    }

    /// Hands on the body as it comes. Where that is enough, the rest is left and the connection with it.
    pub(super) fn body(&mut self, head: &Head, take: &mut dyn FnMut(&[u8]) -> Flow) -> io::Result<()> {
        match head.body {
            Body::Length(length) => self.pass(length, take).map(|_| ()),
            Body::ToTheEnd => {
                while !self.held.is_empty() || self.more()? {
                    if take(&std::mem::take(&mut self.held)) == Flow::Enough {
                        break;
                    }
                }
                Ok(())
            }
            Body::Chunks => loop {
                let size = self.line()?;
                let size = size.split(';').next().unwrap_or_default().trim();
                let size = u64::from_str_radix(size, 16).map_err(|_| nonsense())?;
                if self.pass(size, take)? == Flow::Enough {
                    return Ok(());
                }
                // After each chunk an empty line; after the last one trailers, of which engines send none.
                self.line()?;
                if size == 0 {
                    return Ok(());
                }
            },
        }
    }

    /// The body as one document.
    pub(super) fn document(&mut self, path: &str) -> io::Result<(u16, serde_json::Value)> {
        let head = self.get(path)?;
        let mut bytes = Vec::new();
        self.body(&head, &mut |piece| {
            bytes.extend_from_slice(piece);
            if bytes.len() > DOCUMENT { Flow::Enough } else { Flow::More }
        })?;
        let value = serde_json::from_slice(&bytes).map_err(|_| nonsense())?;
        Ok((head.status, value))
    }

    fn pass(&mut self, mut left: u64, take: &mut dyn FnMut(&[u8]) -> Flow) -> io::Result<Flow> {
        while left > 0 {
            if self.held.is_empty() && !self.more()? {
                return Err(nonsense());
            }
            let length = usize::try_from(left).map_or(self.held.len(), |left| left.min(self.held.len()));
            let piece: Vec<u8> = self.held.drain(..length).collect();
            left -= length as u64;
            if take(&piece) == Flow::Enough {
                return Ok(Flow::Enough);
            }
        }
        Ok(Flow::More)
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = self.held.windows(2).position(|window| window == b"\r\n") {
                let line: Vec<u8> = self.held.drain(..at + 2).collect();
                return Ok(String::from_utf8_lossy(line.get(..at).unwrap_or_default()).into_owned());
            }
            if self.held.len() > HEAD || !self.more()? {
                return Err(nonsense());
            }
        }
    }

    fn more(&mut self) -> io::Result<bool> {
        let mut chunk = [0; 16 * 1024];
        let mut stream = self.stream;
        let length = stream.read(&mut chunk)?;
        self.held.extend_from_slice(chunk.get(..length).unwrap_or_default());
        Ok(length > 0)
    }
}

fn nonsense() -> io::Error {
    io::Error::other("it answers in a way that makes no sense")
}

/// A part of a path or of a query: every byte that could end it is written as its number.
pub(super) fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(answer: &str) -> io::Result<(u16, String)> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        theirs.write_all(answer.as_bytes()).unwrap();
        theirs.shutdown(std::net::Shutdown::Write).unwrap();
        let mut conversation = Conversation::new(&ours);
        let head = conversation.get("/x")?;
        let mut text = Vec::new();
        conversation.body(&head, &mut |piece| {
            text.extend_from_slice(piece);
            Flow::More
        })?;
        Ok((head.status, String::from_utf8(text).unwrap()))
    }

    #[test]
    fn reads_each_kind_of_body() {
        let ok = "HTTP/1.1 200 OK\r\n";
        for (answer, text) in [
            (format!("{ok}Content-Length: 5\r\n\r\nhello"), "hello"),
            (format!("{ok}transfer-encoding: Chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n"), "hello"),
            (format!("{ok}Connection: close\r\n\r\nhello"), "hello"),
            (format!("{ok}Content-Length: 0\r\n\r\n"), ""),
        ] {
            assert_eq!(heard(&answer).unwrap(), (200, text.to_owned()));
        }
    }

    #[test]
    fn what_is_torn_or_no_answer_is_an_error() {
        for answer in [
            "",
            "HTTP/1.1 200 OK\r\n",
            "nonsense\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel",
        ] {
            assert!(heard(answer).is_err(), "{answer}");
        }
    }

    #[test]
    fn nothing_leaves_its_part_of_a_path() {
        assert_eq!(encoded("a/../b?c=d&e f\r\n"), "a%2F..%2Fb%3Fc%3Dd%26e%20f%0D%0A");
    }
}
