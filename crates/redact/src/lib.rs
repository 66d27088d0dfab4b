//! Takes secrets and terminal escapes out of text, and puts a typed marker (`[removed by guard: private-key]`) where each
//! secret stood, so that a reader never takes the marker for content.
//!
//! It knows structure first, keys second, shapes third and entropy last. It cannot know a password that has neither a
//! key beside it nor a shape of its own, and does not claim to.
#![forbid(unsafe_code)]

mod blocks;
mod bytes;
mod entropy;
mod headers;
mod journal;
mod json;
mod judge;
mod keys;
mod line;
mod lines;
mod looks;
mod marker;
mod masks;
mod options;
mod pairs;
mod properties;
mod quiet;
mod rows;
mod scalars;
mod scan;
mod separators;
mod shapes;
mod span;
mod strip;
mod triples;
mod urls;
mod values;
mod words;
mod yaml;

use journal::Journal;
use lines::Lines;
use masks::Masks;
use properties::Properties;
use rows::{Held, Rows};

/// What kind of text comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Lines for a person.
    Text,
    /// Arguments of a process, each ended by a NUL byte, as `/proc/PID/cmdline` has them; NUL comes out as a blank.
    Arguments,
    /// One JSON object a line, such as a journal's.
    JsonLines,
    /// `Name=value` lines of `systemctl show`: properties that hold environments or credentials are dropped.
    Properties,
    /// One JSON document that describes containers (`docker inspect`): masked by structure.
    ContainerJson,
    /// One JSON document of a Kubernetes object or list.
    KubernetesJson,
    /// The same as YAML.
    KubernetesYaml,
}

/// A document that had to be masked by its structure and cannot be read; nothing of it was passed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What was wrong with it, without any of its content.
    pub reason: String,
}

/// A larger document is not read.
const LARGEST: usize = 4 * 1024 * 1024;

/// Redacts a stream as it comes; where chunks begin and end changes nothing.
#[derive(Debug)]
pub struct Stream {
    reader: Reader,
}

#[derive(Debug)]
enum Reader {
    Lines(Box<Lines>),
    Rows(Held, Box<dyn Rows>),
    Document { shape: Shape, held: Vec<u8>, too_large: bool },
}

impl Stream {
    /// A stream of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        let reader = match shape {
            Shape::Text | Shape::Arguments => Reader::Lines(Box::new(Lines::new(shape == Shape::Arguments))),
            Shape::JsonLines => Reader::Rows(Held::default(), Box::new(Journal::default())),
            Shape::Properties => Reader::Rows(Held::default(), Box::new(Properties::default())),
            Shape::ContainerJson | Shape::KubernetesJson | Shape::KubernetesYaml => {
                Reader::Document { shape, held: Vec::new(), too_large: false }
            }
        };
        Self { reader }
    }

    /// Takes the next bytes and appends what is safe to show by now: of a document, nothing before it is whole.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match &mut self.reader {
            Reader::Lines(lines) => lines.push(bytes, out),
            Reader::Rows(held, rows) => held.push(bytes, rows.as_mut(), out),
            Reader::Document { held, too_large, .. } => {
                *too_large |= bytes.len() > LARGEST.saturating_sub(held.len());
                if *too_large {
                    *held = Vec::new();
                } else {
                    held.extend_from_slice(bytes);
                }
            }
        }
    }

    /// Takes the end of the text and appends the rest.
    ///
    /// # Errors
    /// `Unreadable` where a document that is masked by structure does not parse or has more than 4 MiB.
    pub fn finish(self, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        match self.reader {
            Reader::Lines(mut lines) => lines.finish(out),
            Reader::Rows(mut held, mut rows) => held.finish(rows.as_mut(), out),
            Reader::Document { too_large: true, .. } => {
                return Err(Unreadable { reason: "the document has more than 4 MiB".to_owned() });
            }
            Reader::Document { shape, held, .. } => {
                let mark = out.len();
                if let Err(wrong) = document(shape, &held, out) {
                    out.truncate(mark);
                    return Err(Unreadable { reason: wrong.to_owned() });
                }
            }
        }
        Ok(())
    }
}

fn document(shape: Shape, held: &[u8], out: &mut Vec<u8>) -> Result<(), json::Wrong> {
    if held.iter().all(u8::is_ascii_whitespace) {
        out.extend_from_slice(held);
        return Ok(());
    }
    std::str::from_utf8(held).map_err(|_| "the document is not UTF-8")?;
    match shape {
        Shape::KubernetesYaml => yaml::documents(held, out),
        _ => json::document(held, &mut Masks::new(shape == Shape::KubernetesJson), out),
    }
}

/// Redacts one whole text of lines.
#[must_use]
pub fn text(bytes: &[u8]) -> Vec<u8> {
    let mut stream = Stream::new(Shape::Text);
    let mut out = Vec::with_capacity(bytes.len());
    stream.push(bytes, &mut out);
    // Lines have no structure that could fail to parse.
    let _ = stream.finish(&mut out);
    out
}
