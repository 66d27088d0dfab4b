//! From text to a fleet.

use crate::{Fleet, Invalid};
use std::path::Path;

impl Fleet {
    /// Parses the text of a fleet file; `path` is only for messages.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn parse(_text: &str, path: &Path) -> Result<Self, Invalid> {
        Err(Invalid::new(path, Vec::new(), false))
    }
}
