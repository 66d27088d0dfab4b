//! Where chunks begin and end changes nothing, and what was redacted once has nothing left to redact.

use crate::rows;
use breakglass_redact::{Shape, Stream, text};

const SHAPES: [Shape; 4] = [Shape::Text, Shape::Arguments, Shape::JsonLines, Shape::Properties];

fn in_chunks(shape: Shape, bytes: &[u8], sizes: &mut dyn FnMut() -> usize) -> Vec<u8> {
    let (mut stream, mut out, mut left) = (Stream::new(shape), Vec::new(), bytes);
    while !left.is_empty() {
        let (piece, tail) = left.split_at(sizes().clamp(1, left.len()));
        stream.push(piece, &mut out);
        left = tail;
    }
    stream.finish(&mut out).expect("lines always read");
    out
}

fn whole(shape: Shape, bytes: &[u8]) -> Vec<u8> {
    in_chunks(shape, bytes, &mut || usize::MAX)
}

#[test]
fn redacts_nothing_more_the_second_time() {
    for row in rows::all() {
        for shape in SHAPES {
            let once = whole(shape, &row.line);
            let twice = whole(shape, &once);
            assert_eq!(
                once.escape_ascii().to_string(),
                twice.escape_ascii().to_string(),
                "{} as {shape:?}",
                row.id
            );
        }
    }
}

#[test]
fn other_lines_between_those_of_a_key_are_read_as_without_it() {
    let lines = b"-----BEGIN PRIVATE KEY-----\nsmtp_password:\n    - BGCANARY x\na: b\n";
    let once = text(lines);
    assert!(!rows::contains(&once, b"BGCANARY"), "{}", once.escape_ascii());
    assert!(once.ends_with(b"a: b\n"), "{}", once.escape_ascii());
    assert_eq!(text(&once), once);
}

#[test]
fn cuts_every_row_at_every_place_without_a_difference() {
    for row in rows::all().into_iter().filter(|row| row.line.len() < 2000) {
        for shape in SHAPES {
            let expected = whole(shape, &row.line);
            for cut in 1..row.line.len() {
                let mut first = Some(cut);
                let shown = in_chunks(shape, &row.line, &mut || first.take().unwrap_or(usize::MAX));
                assert_eq!(
                    shown.escape_ascii().to_string(),
                    expected.escape_ascii().to_string(),
                    "{} at {cut} as {shape:?}",
                    row.id
                );
            }
        }
    }
}

/// A small generator, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % bound
    }
}

#[test]
fn mixes_of_rows_and_escapes_are_chunk_independent_and_idempotent() {
    let rows: Vec<_> = rows::all().into_iter().filter(|row| row.line.len() < 2000).collect();
    let mut random = Random(20_261_122);
    let between: [&[u8]; 8] =
        [b"\n", b" ", b"", b"\x1b[31m", b"\x1b]0;title\x07", b"\t", b"\x08", b"\xc2\x9b1m"];
    for _ in 0..400 {
        let mut mix = Vec::new();
        for _ in 0..random.below(6) + 1 {
            let line = &rows[random.below(rows.len())].line;
            let from = random.below(line.len().max(1));
            let start = if random.below(3) == 0 { from } else { 0 };
            mix.extend_from_slice(&line[start..]);
            mix.extend_from_slice(between[random.below(between.len())]);
        }
        for shape in SHAPES {
            let once = whole(shape, &mix);
            let cut = in_chunks(shape, &mix, &mut || random.below(40) + 1);
            assert_eq!(
                once.escape_ascii().to_string(),
                cut.escape_ascii().to_string(),
                "{shape:?}: {}",
                mix.escape_ascii()
            );
            let twice = whole(shape, &once);
            assert_eq!(
                once.escape_ascii().to_string(),
                twice.escape_ascii().to_string(),
                "{shape:?}: {}",
                mix.escape_ascii()
            );
        }
    }
}

#[test]
fn a_line_of_ten_megabytes_passes_and_its_secrets_do_not() {
    let mut line = Vec::new();
    let mut secrets = Vec::new();
    while line.len() < 10_000_000 {
        line.extend(std::iter::repeat_n(b'.', 9_973));
        line.extend_from_slice(b" lorem ipsum ");
        let secret = format!("Tr0ub4dor{}x", line.len());
        line.extend_from_slice(format!("password={secret} ").as_bytes());
        secrets.push(secret);
    }
    let (mut stream, mut out, mut most) = (Stream::new(Shape::Text), Vec::new(), 0);
    for piece in line.chunks(65_536) {
        let before = out.len();
        stream.push(piece, &mut out);
        most = most.max(out.len() - before);
    }
    // What is held is bounded: it comes out while the line still goes on.
    assert!(out.len() > line.len() / 2, "{} bytes came out before the end", out.len());
    assert!(most < 1_000_000, "{most} bytes came out at once");
    stream.finish(&mut out).expect("lines always read");
    let shown = String::from_utf8(out).expect("UTF-8");
    assert!(secrets.iter().all(|secret| !shown.contains(secret.as_str())));
    assert_eq!(shown.matches("[removed by guard: password]").count(), secrets.len());
    assert_eq!(text(shown.as_bytes()), shown.as_bytes());
    assert_eq!(in_chunks(Shape::Text, &line, &mut || 4_099), shown.as_bytes());
}

#[test]
fn a_secret_longer_than_any_window_is_dropped_to_its_end() {
    let mut line = b"token=".to_vec();
    line.extend(std::iter::repeat_n(b"aB3xY9", 100_000).flatten());
    line.extend_from_slice(b" user=ops");
    assert_eq!(text(&line), b"token=[removed by guard: token] user=ops");
}

#[test]
fn a_private_key_in_one_long_line_is_dropped_to_its_end() {
    let mut line = b"{\"key\":\"-----BEGIN PRIVATE KEY-----\\n".to_vec();
    line.extend(std::iter::repeat_n(b"QUJDREVG", 60_000).flatten());
    line.extend_from_slice(b"\\n-----END PRIVATE KEY-----\\n\",\"x\":1}");
    let shown = text(&line);
    assert!(shown.len() < 200, "{}", shown.escape_ascii());
    assert!(shown.ends_with(b"\"x\":1}"), "{}", shown.escape_ascii());
}
