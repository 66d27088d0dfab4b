//! Lines of any length out of a process, in bounded memory: a line that is too long is passed over and counted, never lost in
//! silence and never kept.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};

/// One line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A whole one, without its end.
    Whole(Vec<u8>),
    /// One that was too long, by its length.
    TooLong(usize),
}

/// Lines of a reader.
pub(super) struct Lines<R> {
    from: BufReader<R>,
    limit: usize,
    /// Kept here, so that a reading that is dropped half way loses nothing.
    line: Vec<u8>,
    length: usize,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(from: R, limit: usize) -> Self {
        Self { from: BufReader::with_capacity(64 * 1024, from), limit, line: Vec::new(), length: 0 }
    }

    /// The next one; `None` at the end. What follows the last line feed is a line too.
    pub(super) async fn next(&mut self) -> std::io::Result<Option<Line>> {
        loop {
            let read = self.from.fill_buf().await?;
            if read.is_empty() {
                return Ok((self.length > 0).then(|| self.take()));
            }
            let end = read.iter().position(|&byte| byte == b'\n');
            let piece = read.get(..end.unwrap_or(read.len())).unwrap_or_default();
            self.length += piece.len();
            if self.length <= self.limit {
                self.line.extend_from_slice(piece);
            } else {
                self.line = Vec::new();
            }
            let used = piece.len() + usize::from(end.is_some());
            self.from.consume(used);
            if end.is_some() && self.length > 0 {
                return Ok(Some(self.take()));
            }
        }
    }

    fn take(&mut self) -> Line {
        let length = std::mem::take(&mut self.length);
        let line = std::mem::take(&mut self.line);
        if length > self.limit { Line::TooLong(length) } else { Line::Whole(line) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn long_lines_are_counted_and_the_others_come_whole() {
        let text = format!("one\n\n{}\ntwo ü\nthree", "x".repeat(1 << 20));
        let mut lines = Lines::new(text.as_bytes(), 1000);
        let mut seen = Vec::new();
        while let Some(line) = lines.next().await.unwrap() {
            seen.push(line);
        }
        let whole = |text: &str| Line::Whole(text.as_bytes().to_vec());
        assert_eq!(seen, [whole("one"), Line::TooLong(1 << 20), whole("two ü"), whole("three")]);
    }
}
