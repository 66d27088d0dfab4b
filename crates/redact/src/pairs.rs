//! A set of pairs of letters that lets nearly every word pass before a table is searched.

/// Pairs of bytes, hashed; case is nothing.
#[derive(Debug)]
pub(crate) struct Pairs([u64; 16]);

impl Pairs {
    /// None.
    pub(crate) const NONE: Self = Self([0; 16]);

    /// The set with one more pair.
    pub(crate) const fn with(mut self, first: u8, second: u8) -> Self {
        let bit = slot(first, second);
        #[expect(clippy::indexing_slicing, reason = "a slot is below 1024; evaluated by the compiler")]
        {
            self.0[bit / 64] |= 1 << (bit % 64);
        }
        self
    }

    /// Whether a pair may be in it.
    pub(crate) fn may_have(&self, first: u8, second: u8) -> bool {
        let bit = slot(first, second);
        self.0.get(bit / 64).is_some_and(|word| word >> (bit % 64) & 1 == 1)
    }
}

const fn slot(first: u8, second: u8) -> usize {
    (((first | 0x20) as usize * 37) ^ ((second | 0x20) as usize * 5)) & 1023
}
