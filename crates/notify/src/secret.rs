//! A secret in a file: read anew for every try, used once, never shown. One that was changed is used from the next try on.

use std::fmt;
use std::io::Read as _;
use std::path::Path;
use zeroize::Zeroizing;

/// A secret is a line; something larger is another file.
const LIMIT: u64 = 16 * 1024;

/// The first line of a file.
pub(crate) struct Secret(Zeroizing<String>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

impl Secret {
    /// Reads it, on a thread where a disk that hangs holds up nobody.
    ///
    /// # Errors
    /// A sentence fragment that names the file and never its content.
    pub(crate) async fn read(path: &Path) -> Result<Self, String> {
        let path = path.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let shown = path.display();
            let unreadable = |error: std::io::Error| format!("{shown} cannot be read: {error}");
            let file = std::fs::File::open(&path).map_err(unreadable)?;
            if !file.metadata().map_err(unreadable)?.is_file() {
                return Err(format!("{shown} is no file"));
            }
            let mut text = Zeroizing::new(String::new());
            file.take(LIMIT).read_to_string(&mut text).map_err(unreadable)?;
            let line = text.lines().next().unwrap_or_default().trim();
            if line.is_empty() || line.chars().any(char::is_control) {
                return Err(format!("{shown} has no secret in its first line"));
            }
            Ok(Self(Zeroizing::new(line.to_owned())))
        });
        read.await.unwrap_or_else(|error| Err(error.to_string()))
    }

    /// The secret itself, for the one place that needs it.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}
