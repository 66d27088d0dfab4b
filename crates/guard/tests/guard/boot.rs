//! Guests of a few bytes: a boot sector that writes to its disk for ever, one that panics, one that does nothing.

use std::fs;
use std::path::Path;

/// Writes sector 2 of its disk again and again: `int 13h`, function 3, in a loop.
pub(crate) const WRITES: &[u8] = &[
    0xB8, 0x01, 0x03, 0xB9, 0x02, 0x00, 0xBA, 0x80, 0x00, 0x31, 0xDB, 0x8E, 0xC3, 0xBB, 0x00, 0x7C, 0xCD,
    0x13, 0xEB, 0xEC,
];
/// Tells the device pvpanic at port 505h that the kernel panicked, then halts.
pub(crate) const PANICS: &[u8] = &[0xBA, 0x05, 0x05, 0xB0, 0x01, 0xEE, 0xF4, 0xEB, 0xFD];
/// Halts for ever.
pub(crate) const IDLES: &[u8] = &[0xF4, 0xEB, 0xFD];

/// Makes a disk of a mebibyte that boots this.
pub(crate) fn disk(path: &Path, code: &[u8]) {
    let mut sector = code.to_vec();
    sector.resize(510, 0);
    sector.extend([0x55, 0xAA]);
    sector.resize(1 << 20, 0);
    fs::write(path, sector).unwrap();
}
