//! The key of a model's endpoint: where it lies, read anew for each turn, and never shown.
//!
//! It is read by the server and used there alone; an agent process is given a word that is good for one turn and one
//! listener, never the key (`claude/relay.rs`).

use std::fmt;
use std::path::PathBuf;
use zeroize::Zeroizing;

/// A key file is a line; something larger is another file.
const LIMIT: u64 = 16 * 1024;

/// Where a key is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A local endpoint that asks for none.
    None,
    /// The first line of a file.
    File(PathBuf),
    /// An environment variable of the server, by its name.
    Variable(String),
}

/// A key, read.
#[derive(Clone)]
pub(crate) struct Key(Zeroizing<String>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

impl KeySource {
    /// Reads it. `None` where the endpoint needs none.
    ///
    /// # Errors
    /// A sentence that names the place and never the content.
    pub(crate) fn read(&self) -> Result<Option<Key>, String> {
        match self {
            Self::None => Ok(None),
            Self::File(path) => {
                let meta = std::fs::metadata(path)
                    .map_err(|error| format!("the key file {} cannot be read: {error}", path.display()))?;
                if !meta.is_file() || meta.len() > LIMIT {
                    return Err(format!("{} is no key file: it has to be one short line", path.display()));
                }
                let text = std::fs::read_to_string(path)
                    .map(Zeroizing::new)
                    .map_err(|error| format!("the key file {} cannot be read: {error}", path.display()))?;
                Key::parse(&text)
                    .map(Some)
                    .ok_or_else(|| format!("the key file {} has no key in its first line", path.display()))
            }
            Self::Variable(name) => {
                let text = std::env::var(name).map(Zeroizing::new);
                let text =
                    text.map_err(|_| format!("the environment variable {name} with the key is not set"))?;
                Key::parse(&text)
                    .map(Some)
                    .ok_or_else(|| format!("the environment variable {name} holds no key"))
            }
        }
    }
}

impl Key {
    /// Visible ASCII, as a header takes it.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.trim();
        let fits = !line.is_empty() && line.bytes().all(|byte| byte.is_ascii_graphic());
        fits.then(|| Self(Zeroizing::new(line.to_owned())))
    }

    /// The key itself, for the one header that carries it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// Takes the key out of a text that came from outside: some endpoints quote it when they refuse it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        text.replace(self.reveal(), "[key]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_one_line_and_shows_it_to_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        std::fs::write(&path, "sk-test-1\nanother line\n").unwrap();
        let key = KeySource::File(path.clone()).read().unwrap().unwrap();
        assert_eq!(key.reveal(), "sk-test-1");
        assert!(!format!("{key:?}").contains("sk-test"));
        assert_eq!(key.scrub("bad key sk-test-1!"), "bad key [key]!");
        std::fs::write(&path, "\n").unwrap();
        let sentence = KeySource::File(path.clone()).read().unwrap_err();
        assert!(sentence.contains("no key in its first line"), "{sentence}");
        let sentence = KeySource::File(directory.path().into()).read().unwrap_err();
        assert!(sentence.contains("no key file"), "{sentence}");
        let sentence = KeySource::Variable("BREAKGLASS_NOT_SET".into()).read().unwrap_err();
        assert!(sentence.contains("BREAKGLASS_NOT_SET"), "{sentence}");
        assert!(KeySource::None.read().unwrap().is_none());
    }
}
