//! Server-sent events, as far as models' endpoints use them: the data of each event, however its bytes are cut up.
//!
//! Both dialects repeat the event's kind inside its data, so the field `event` is not looked at.

/// One event is not longer. The longest are calls of tools with large arguments, of which each piece is its own event.
const LIMIT: usize = 8 * 1024 * 1024;

/// An event that is longer than any event should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLong;

/// What arrived and is not yet a whole event.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Bytes of a line that is not whole.
    line: Vec<u8>,
    /// Whether the last byte was a carriage return, so that a line feed after it ends no second line.
    after_return: bool,
    data: Option<Vec<u8>>,
    ready: std::collections::VecDeque<String>,
}

impl Events {
    /// Takes bytes in.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        for &byte in bytes {
            let feed_of_return = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            match byte {
                _ if feed_of_return => {}
                b'\n' | b'\r' => self.end_line(),
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.as_ref().map_or(0, Vec::len) > LIMIT {
                return Err(TooLong);
            }
        }
        Ok(())
    }

    /// The data of the next whole event.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.ready.pop_front()
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            if let Some(data) = self.data.take() {
                self.ready.push_back(String::from_utf8_lossy(&data).into_owned());
            }
            return;
        }
        let Some(value) = line.strip_prefix(b"data:") else { return };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &mut self.data {
            Some(data) => {
                data.push(b'\n');
                data.extend_from_slice(value);
            }
            None => self.data = Some(value.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let stream =
            "event: a\ndata: {\"x\":1}\n\n: ping\n\r\ndata:two\r\ndata: lines ü\r\n\r\ndata: \n\nid: 4\n\n";
        let wanted = ["{\"x\":1}", "two\nlines ü", ""];
        for size in 1..stream.len() {
            let mut events = Events::default();
            let mut seen = Vec::new();
            for piece in stream.as_bytes().chunks(size) {
                events.push(piece).unwrap();
                seen.extend(std::iter::from_fn(|| events.pop()));
            }
            assert_eq!(seen, wanted, "cut into pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_not_kept() {
        let mut events = Events::default();
        let block = vec![b'x'; 1 << 20];
        assert_eq!((0..20).find_map(|_| events.push(&block).err()), Some(TooLong));
    }
}
