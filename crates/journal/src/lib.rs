//! The append-only, hash-chained record of everything, with a live tail and artifacts.
