//! A part of a line that has to go, and what ends it should it reach beyond what is held.

/// What ends a secret that goes on past the bytes that are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// A blank or a quote.
    Word,
    /// This quote.
    Quote(u8),
    /// The end of the line.
    Line,
    /// The end of a private key, lines below perhaps.
    Pem,
}

/// A part of a line that has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) kind: &'static str,
    pub(crate) stop: Stop,
}

impl Span {
    /// A span that ends with its word.
    pub(crate) fn word(start: usize, end: usize, kind: &'static str) -> Self {
        Self { start, end, kind, stop: Stop::Word }
    }
}
