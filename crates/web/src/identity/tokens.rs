//! The token file: `name:sha256` in hexadecimal. Only hashes are kept, so that reading the file gives nobody a token.
//!
//! A token is 32 random bytes, not a word that somebody chose: a plain digest is enough for it.

use super::file::FromLines;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The names and digests of all tokens.
#[derive(Default)]
pub(super) struct Tokens {
    lines: Vec<(String, [u8; 32])>,
}

impl FromLines for Tokens {
    fn take(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let digest = parse(rest).ok_or("the rest is not a SHA-256 in 64 hexadecimal digits")?;
        self.lines.push((name.to_owned(), digest));
        Ok(())
    }
}

impl Tokens {
    /// Whose token this is. All lines are compared, each in constant time.
    pub(super) fn name_of(&self, token: &str) -> Option<String> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for (name, held) in &self.lines {
            if bool::from(held.ct_eq(&digest)) {
                found = Some(name);
            }
        }
        found.cloned()
    }
}

impl Tokens {
    /// All names, in the file's order.
    pub(super) fn names(&self) -> Vec<String> {
        self.lines.iter().map(|(name, _)| name.clone()).collect()
    }
}

fn parse(text: &str) -> Option<[u8; 32]> {
    if text.len() != 64 {
        return None;
    }
    let mut digest = [0; 32];
    for (to, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *to = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_name_of_a_token_and_of_nothing_else() {
        let mut tokens = Tokens::default();
        // printf %s s3cret | sha256sum
        let digest = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";
        assert_eq!(tokens.take("deploy", digest), Ok(()));
        assert_eq!(tokens.name_of("s3cret").as_deref(), Some("deploy"));
        assert_eq!(tokens.name_of(digest), None, "the hash itself opens nothing");
        assert_eq!(tokens.name_of(""), None);
        assert!(tokens.take("short", "abcd").is_err());
    }
}
