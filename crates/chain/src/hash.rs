//! The one hash of all chains: SHA-256, shown as 64 lower-case hexadecimal digits.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::fmt;
use std::str::FromStr;

/// A SHA-256 value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

/// What the first link of a chain has as its `prev`: all zero.
pub const GENESIS: Hash = Hash([0; 32]);

/// The text is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a hash: 64 hexadecimal digits")]
pub struct ParseHashError {
    /// What was read instead, escaped and cut.
    pub text: String,
}

impl Hash {
    /// From the raw bytes, as a database keeps them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The hash of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> Hash {
    Hash(Sha256::digest(bytes).into())
}

/// The hash of a link that consists of fields: each goes in behind its length (eight bytes, big end first), so that no two lists of
/// fields give the same bytes, and `prev` goes in before them.
#[must_use]
pub fn link(prev: &Hash, fields: &[&[u8]]) -> Hash {
    let mut hasher = Hasher::new();
    hasher.update(&prev.0);
    for field in fields {
        hasher.update(&u64::try_from(field.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(field);
    }
    hasher.finish()
}

/// A hash that is computed piece by piece, for what is too large to hold.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// With nothing hashed yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that was added.
    #[must_use]
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // By hand: every line of a chain is rendered with one, and the general way costs as much as the hashing.
        let digit = |value: u8| if value < 10 { b'0' + value } else { b'a' + (value - 10) };
        let mut text = [0; 64];
        for (pair, byte) in text.chunks_exact_mut(2).zip(self.0) {
            pair.copy_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = ParseHashError;

    fn from_str(text: &str) -> Result<Self, ParseHashError> {
        let mut bytes = [0; 32];
        let pairs = text.as_bytes().chunks_exact(2);
        let whole = text.len() == 64 && bytes.iter_mut().zip(pairs).all(|(byte, pair)| read_pair(pair, byte));
        whole.then_some(Self(bytes)).ok_or_else(|| ParseHashError {
            text: text.chars().take(80).collect::<String>().escape_debug().to_string(),
        })
    }
}

fn read_pair(pair: &[u8], byte: &mut u8) -> bool {
    let digit =
        |at: usize| pair.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    match (digit(0), digit(1)) {
        (Some(high), Some(low)) => {
            *byte = high << 4 | low;
            true
        }
        _ => false,
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        std::borrow::Cow::<str>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_plain_sha256() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest(b"abc").to_string(), known);
        assert_eq!(known.parse::<Hash>(), Ok(digest(b"abc")));
        let mut pieces = Hasher::new();
        pieces.update(b"a");
        pieces.update(b"bc");
        assert_eq!(pieces.finish(), digest(b"abc"));
    }

    #[test]
    fn refuses_what_is_no_hash() {
        let long = "0".repeat(65);
        let odd = format!("{}g", "0".repeat(63));
        let wide = "é".repeat(32);
        for text in ["", "00", long.as_str(), odd.as_str(), wide.as_str(), "+0"] {
            assert!(text.parse::<Hash>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_byte_that_moves_from_one_field_to_the_next_changes_the_link() {
        assert_ne!(link(&GENESIS, &[b"ab", b"c"]), link(&GENESIS, &[b"a", b"bc"]));
        assert_ne!(link(&GENESIS, &[b"a"]), link(&GENESIS, &[b"a", b""]));
        assert_ne!(link(&GENESIS, &[b"a"]), link(&digest(b""), &[b"a"]));
    }
}
