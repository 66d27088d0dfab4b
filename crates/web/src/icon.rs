//! The mark as a picture of dots, for home screens that take no vectors: drawn from the same corners as `mark.svg`, so that
//! no binary file has to be kept beside it.

use flate2::write::ZlibEncoder;
use flate2::{Compression, Crc};
use std::io::Write as _;

/// The corners of the two shapes, on a field of 20 by 20.
const SHAPES: [&[(f32, f32)]; 2] = [
    &[(2.0, 2.0), (11.5, 2.0), (8.0, 10.0), (11.0, 18.0), (2.0, 18.0)],
    &[(14.0, 2.0), (18.0, 2.0), (18.0, 18.0), (13.5, 18.0), (10.5, 10.0)],
];
const GROUND: [f32; 3] = [10.0, 15.0, 17.0];
const INK: [f32; 3] = [232.0, 238.0, 237.0];
/// The mark fills so much of the side: a mask may cut the rest.
const FILLS: f32 = 0.6;
/// Each dot is looked at in so many places each way, so that slanted edges are smooth.
const SAMPLES: u8 = 3;

/// A square PNG with sides of so many dots.
pub(crate) fn png(side: u16) -> Vec<u8> {
    let mut rows = Vec::new();
    for y in 0..side {
        rows.push(0);
        for x in 0..side {
            let ink = covered(x, y, side);
            for (ground, over) in GROUND.into_iter().zip(INK) {
                rows.push(byte(ground + (over - ground) * ink));
            }
        }
    }
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = u32::from(side).to_be_bytes();
    chunk(&mut out, b"IHDR", &[&side[..], &side[..], &[8, 2, 0, 0, 0]].concat());
    let mut squeezer = ZlibEncoder::new(Vec::new(), Compression::best());
    let squeezed = squeezer.write_all(&rows).and_then(|()| squeezer.finish());
    chunk(&mut out, b"IDAT", &squeezed.unwrap_or_default());
    chunk(&mut out, b"IEND", &[]);
    out
}

/// How much of a dot the mark covers, from 0 to 1.
fn covered(x: u16, y: u16, side: u16) -> f32 {
    let scale = 20.0 / (f32::from(side) * FILLS);
    let margin = f32::from(side) * (1.0 - FILLS) / 2.0;
    let place = |dot: u16, sample: u8| {
        (f32::from(dot) + (f32::from(sample) + 0.5) / f32::from(SAMPLES) - margin) * scale
    };
    let mut hits = 0.0;
    for (a, b) in (0..SAMPLES).flat_map(|a| (0..SAMPLES).map(move |b| (a, b))) {
        let at = (place(x, a), place(y, b));
        if SHAPES.iter().any(|shape| inside(shape, at)) {
            hits += 1.0;
        }
    }
    hits / f32::from(SAMPLES).powi(2)
}

/// Whether a ray from the point to the right crosses the outline an odd number of times.
fn inside(shape: &[(f32, f32)], (x, y): (f32, f32)) -> bool {
    let next = shape.iter().cycle().skip(1);
    let crossings = shape
        .iter()
        .zip(next)
        .filter(|((ax, ay), (bx, by))| (*ay > y) != (*by > y) && x < (bx - ax) * (y - ay) / (by - ay) + ax);
    crossings.count() % 2 == 1
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what fits just before"
)]
fn byte(value: f32) -> u8 {
    value.round().clamp(0.0, 255.0) as u8
}

fn chunk(out: &mut Vec<u8>, kind: &[u8; 4], data: &[u8]) {
    let mut crc = Crc::new();
    crc.update(kind);
    crc.update(data);
    out.extend(u32::try_from(data.len()).unwrap_or(0).to_be_bytes());
    out.extend(kind);
    out.extend(data);
    out.extend(crc.sum().to_be_bytes());
}
