//! Where a model answers: an address, the dialect it speaks, and how patient we are with it.

use crate::KeySource;
use hyper::Uri;
use std::fmt;
use std::time::Duration;

/// The protocol that an endpoint speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Anthropic Messages.
    Anthropic,
    /// OpenAI chat completions, which most local servers speak too.
    OpenAi,
}

/// How long each part of a request may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// To connect, and to agree on encryption.
    pub connect: Duration,
    /// From the request to the first byte of an answer. A local model may read the whole context before it says a word.
    pub answer: Duration,
    /// Between two bytes of an answer.
    pub silence: Duration,
    /// How often one request is asked again.
    pub retries: u32,
    /// The first pause before it is; each later one is twice as long.
    pub pause: Duration,
    /// The longest pause. An endpoint that asks for a longer one ends the turn, with a sentence that says so.
    pub longest_pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_secs(90),
            silence: Duration::from_secs(45),
            retries: 3,
            pause: Duration::from_millis(500),
            longest_pause: Duration::from_secs(20),
        }
    }
}

/// A model's endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    base: Uri,
    /// The protocol.
    pub dialect: Dialect,
    /// The model's name there.
    pub model: String,
    /// The key.
    pub key: KeySource,
    /// Deadlines and retries.
    pub patience: Patience,
    /// How many bytes of conversation a request may carry; older answers of tools are left out first.
    pub context_bytes: usize,
}

/// Why an address is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{address}` is no address of a model's endpoint: it has to be like https://api.example.net or http://127.0.0.1:8080/v1"
)]
pub struct BadEndpoint {
    address: String,
}

impl Endpoint {
    /// An endpoint at `address`, with everything else as it is by default.
    ///
    /// # Errors
    /// [`BadEndpoint`] where it is neither http nor https, names no host, or carries a name and password.
    pub fn new(address: &str, dialect: Dialect, model: &str, key: KeySource) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint { address: address.to_owned() };
        let base: Uri = address.trim_end_matches('/').parse().map_err(|_| bad())?;
        let schemed = matches!(base.scheme_str(), Some("http" | "https"));
        let plain = base.authority().is_some_and(|authority| !authority.as_str().contains('@'));
        if !schemed || !plain || base.query().is_some() {
            return Err(bad());
        }
        let patience = Patience::default();
        Ok(Self { base, dialect, model: model.to_owned(), key, patience, context_bytes: 400_000 })
    }

    /// The address that a conversation is posted to.
    pub(crate) fn conversation(&self) -> Result<Uri, BadEndpoint> {
        let last = match self.dialect {
            Dialect::Anthropic => "/messages",
            Dialect::OpenAi => "/chat/completions",
        };
        let path = self.base.path().trim_end_matches('/');
        // A bare host gets the version that both dialects are at; a path is taken as it is written.
        let version = if path.is_empty() { "/v1" } else { "" };
        self.at(&format!("{path}{version}{last}"))
    }

    /// The same host, another path.
    pub(crate) fn at(&self, path: &str) -> Result<Uri, BadEndpoint> {
        let mut parts = self.base.clone().into_parts();
        let bad = || BadEndpoint { address: format!("{self}{path}") };
        parts.path_and_query = Some(path.parse().map_err(|_| bad())?);
        Uri::from_parts(parts).map_err(|_| bad())
    }

    /// Whether it is reached through TLS.
    pub(crate) fn encrypted(&self) -> bool {
        self.base.scheme_str() == Some("https")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = self.base.scheme_str().unwrap_or_default();
        write!(f, "{scheme}://{}", self.base.authority().map_or("", |authority| authority.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_host_gets_a_version_and_a_path_is_kept() {
        for (address, dialect, wanted) in [
            ("https://api.example.net", Dialect::Anthropic, "https://api.example.net/v1/messages"),
            ("https://api.example.net/", Dialect::OpenAi, "https://api.example.net/v1/chat/completions"),
            ("http://127.0.0.1:8080/v1", Dialect::OpenAi, "http://127.0.0.1:8080/v1/chat/completions"),
            ("http://[::1]:1/x/v2/", Dialect::Anthropic, "http://[::1]:1/x/v2/messages"),
        ] {
            let endpoint = Endpoint::new(address, dialect, "m", KeySource::None).unwrap();
            assert_eq!(endpoint.conversation().unwrap().to_string(), wanted);
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_with_an_example() {
        for address in ["", "127.0.0.1:80", "ftp://a", "https://", "https://a:b@c", "http://a/?key=1"] {
            let error = Endpoint::new(address, Dialect::OpenAi, "m", KeySource::None).unwrap_err();
            assert!(error.to_string().contains("http://127.0.0.1:8080/v1"), "{address}: {error}");
        }
    }
}
