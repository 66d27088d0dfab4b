//! Hash-chained lines: link, mark a gap, verify. The guard's record, the journal and its spool share it.
//!
//! # The format
//!
//! A chain is a text file of JSON objects, one a line, each line ended by one line feed (0x0A) and appended whole:
//!
//! ```text
//! {"time":"2026-11-22T03:08:40.125Z","request":"status","decision":"allow","seq":7,"prev":"9f86d0…64 hex digits"}
//! ```
//!
//! - The fields of the entry come first, in the order in which its type declares them. `seq` and `prev` come last and
//!   are put there by [`Tip::seal`]; an entry must not have fields of these names itself.
//! - `seq` counts lines from 1 without a hole.
//! - The hash of a line is the SHA-256 of its bytes as they stand in the file, without the line feed. Nothing is
//!   parsed and rendered again to compute it, so `sha256sum` can check a chain too.
//! - `prev` is the hash of the line before, in lower-case hexadecimal; in the first line it is [`GENESIS`].
//! - A line whose `type` is `gap` marks what could not be kept ([`Gap`]). It is a legal link, and it is counted.
//! - A line that a crash tore (the file ends without a line feed) stays where it is: the next writer ends it with a
//!   line feed and seals a gap whose `torn` is the hash of the torn bytes and whose `prev` is that of the last whole line. So the
//!   file only ever grows, and can be append-only for the file system too. [`Resume`] does this.
//!
//! What follows the newest line is not protected by any later `prev`: cutting the tail off, or editing the last line, is
//! noticed only against a [`Tip`] that was exported before (`42:9f86d0…`). Whoever can rewrite the whole file and every exported
//! tip can forge all of it; the chain makes tampering show, it does not prevent it.
//!
//! This crate opens no files, takes no locks and reads no clock.
#![forbid(unsafe_code)]

mod hash;
mod line;
mod verify;

pub use hash::{GENESIS, Hash, Hasher, ParseHashError, digest, link};
pub use line::{Gap, ParseTipError, Resume, SealError, Tip, seal_line};
pub use verify::{Broken, Damage, Head, LINE_LIMIT, Verify, verify_lines};
