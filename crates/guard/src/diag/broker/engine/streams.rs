//! A container's log as the engine sends it: two streams in one.

use crate::diag::native::sink::{Flow, Sink};

/// A log's two streams, taken apart: before each piece its stream and its length.
#[derive(Default)]
pub(super) struct Split {
    held: Vec<u8>,
}

impl Split {
    pub(super) fn take(&mut self, piece: &[u8], out: &mut dyn Sink, complain: &mut dyn FnMut(&str)) -> Flow {
        self.held.extend_from_slice(piece);
        while let Some([stream, _, _, _, a, b, c, d]) = self.held.first_chunk::<8>().copied() {
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            let Some(bytes) = self.held.get(8..8 + length) else {
                // A piece that long is no log's; what has come of it is not held for ever.
                return if self.held.len() > 4 << 20 { Flow::Enough } else { Flow::More };
            };
            if stream == 2 {
                complain(String::from_utf8_lossy(bytes).trim_end_matches('\n'));
            } else if out.push(bytes) == Flow::Enough {
                return Flow::Enough;
            }
            self.held.drain(..8 + length);
        }
        Flow::More
    }
}
