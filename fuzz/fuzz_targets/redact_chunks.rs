//! Where chunks begin and end changes nothing. The first byte chooses the shape, the next eight the chunks.
#![no_main]

use breakglass_redact::{Shape, Stream, Unreadable};
use libfuzzer_sys::fuzz_target;

const SHAPES: [Shape; 4] = [Shape::Text, Shape::Arguments, Shape::JsonLines, Shape::Properties];

fn redact(shape: Shape, bytes: &[u8], sizes: &[u8]) -> Result<Vec<u8>, Unreadable> {
    let (mut stream, mut out, mut left) = (Stream::new(shape), Vec::new(), bytes);
    let mut sizes = sizes.iter().cycle();
    while !left.is_empty() {
        let size = sizes.next().map_or(left.len(), |size| usize::from(*size) + 1);
        let (piece, tail) = left.split_at(size.min(left.len()));
        stream.push(piece, &mut out);
        left = tail;
    }
    stream.finish(&mut out).map(|()| out)
}

fuzz_target!(|input: &[u8]| {
    let Some(([first, sizes @ ..], text)) = input.split_first_chunk::<9>() else { return };
    let shape = SHAPES[usize::from(*first) % SHAPES.len()];
    assert_eq!(redact(shape, text, sizes), redact(shape, text, &[]), "{shape:?}");
});
