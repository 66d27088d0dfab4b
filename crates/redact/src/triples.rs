//! A set of three letters in a row that lets nearly every word pass before a table is searched.

use crate::bytes::at;

/// Added to three letters, it takes their case away.
const SMALL: u32 = 0x0020_2020;

/// Three bytes in a row; NUL past the end.
pub(crate) fn three(bytes: &[u8], start: usize) -> u32 {
    match bytes.get(start..) {
        Some([first, second, third, ..]) => packed(*first, *second, *third),
        _ => packed(at(bytes, start), at(bytes, start.saturating_add(1)), 0),
    }
}

const fn packed(first: u8, second: u8, third: u8) -> u32 {
    first as u32 | (second as u32) << 8 | (third as u32) << 16
}

/// Threes of bytes, hashed; it may say yes to others, too.
#[derive(Debug)]
pub(crate) struct Triples([u64; 64]);

impl Triples {
    /// None.
    pub(crate) const NONE: Self = Self([0; 64]);

    /// The set with one more, whatever its case if `any_case`.
    pub(crate) const fn with(mut self, first: u8, second: u8, third: u8, any_case: bool) -> Self {
        let three = packed(first, second, third);
        let bit = slot(if any_case { three | SMALL } else { three });
        #[expect(clippy::indexing_slicing, reason = "a slot is below 4096; evaluated by the compiler")]
        {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
        self
    }

    /// The set with the beginning of a word. Of two bytes it is one with whatever may follow them.
    pub(crate) const fn with_beginning(mut self, word: &[u8], any_case: bool) -> Self {
        #[expect(
            clippy::indexing_slicing,
            reason = "evaluated by the compiler, which refuses to step outside"
        )]
        if word.len() > 2 {
            self.with(word[0], word[1], word[2], any_case)
        } else {
            let mut third = 0u8;
            while third < 127 {
                self = self.with(word[0], word[1], third, any_case);
                third += 1;
            }
            self
        }
    }

    /// Whether three bytes may be in it, which was made for their case.
    pub(crate) fn may_have(&self, three: u32) -> bool {
        let bit = slot(three);
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }

    /// The same for a set that was made for any case.
    pub(crate) fn may_have_of_any_case(&self, three: u32) -> bool {
        self.may_have(three | SMALL)
    }
}

const fn slot(three: u32) -> usize {
    (three.wrapping_mul(0x9e37_79b1) >> 20) as usize
}
