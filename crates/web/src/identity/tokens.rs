//! The token file: `name:sha256` in hexadecimal, and behind it `:agent` where the token is an outside agent's, or `:metrics` where it
//! opens `/metrics` alone. Only hashes are kept, so that reading the file gives nobody a token.
//!
//! A token is 32 random bytes, not a word that somebody chose: a plain digest is enough for it.

use super::file::FromLines;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What a token opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opens {
    /// What the role of its name may.
    ByRole,
    /// The tools of outside agents, and nothing else.
    AgentTools,
    /// The metrics, and nothing else.
    Metrics,
}

/// Who showed a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) name: String,
    pub(super) opens: Opens,
}

struct Line {
    holder: Holder,
    digest: [u8; 32],
}

/// The names and digests of all tokens.
#[derive(Default)]
pub(super) struct Tokens {
    lines: Vec<Line>,
}

impl FromLines for Tokens {
    fn take(&mut self, name: &str, rest: &str) -> Result<(), String> {
        let (digest, opens) = match rest.split_once(':') {
            Some((digest, "agent")) => (digest, Opens::AgentTools),
            Some((digest, "metrics")) => (digest, Opens::Metrics),
            Some(_) => {
                return Err("what stands behind the second colon is neither `agent` nor `metrics`".to_owned());
            }
            None => (rest, Opens::ByRole),
        };
        let digest = parse(digest).ok_or("the rest is not a SHA-256 in 64 hexadecimal digits")?;
        self.lines.push(Line { holder: Holder { name: name.to_owned(), opens }, digest });
        Ok(())
    }
}

impl Tokens {
    /// Whose token this is. All lines are compared, each in constant time.
    pub(super) fn holder_of(&self, token: &str) -> Option<Holder> {
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let mut found = None;
        for line in &self.lines {
            if bool::from(line.digest.ct_eq(&digest)) {
                found = Some(&line.holder);
            }
        }
        found.cloned()
    }
}

impl Tokens {
    /// All names, in the file's order.
    pub(super) fn names(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.holder.name.clone()).collect()
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
        let holder = |name: &str, opens| Some(Holder { name: name.to_owned(), opens });
        assert_eq!(tokens.holder_of("s3cret"), holder("deploy", Opens::ByRole));
        assert_eq!(tokens.holder_of(digest), None, "the hash itself opens nothing");
        assert_eq!(tokens.holder_of(""), None);
        assert!(tokens.take("short", "abcd").is_err());
        let mut agents = Tokens::default();
        assert_eq!(agents.take("laptop", &format!("{digest}:agent")), Ok(()));
        assert_eq!(agents.holder_of("s3cret"), holder("laptop", Opens::AgentTools));
        let mut scrapers = Tokens::default();
        assert_eq!(scrapers.take("prometheus", &format!("{digest}:metrics")), Ok(()));
        assert_eq!(scrapers.holder_of("s3cret"), holder("prometheus", Opens::Metrics));
        // A word that is not known must not fall back to the token that may do more.
        assert!(agents.take("laptop", &format!("{digest}:agnet")).is_err());
        assert!(agents.take("laptop", &format!("{digest}:")).is_err());
    }
}
