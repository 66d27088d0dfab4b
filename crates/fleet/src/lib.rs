//! fleet.toml, parsed into a validated model with errors that point into the file.
