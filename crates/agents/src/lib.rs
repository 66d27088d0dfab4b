//! Engines.
#![forbid(unsafe_code)]
