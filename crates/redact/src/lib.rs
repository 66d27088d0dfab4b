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
mod judge;
mod keys;
mod line;
mod lines;
mod looks;
mod marker;
mod options;
mod pairs;
mod scan;
mod separators;
mod shapes;
mod span;
mod strip;
mod urls;
mod values;
mod words;

use lines::Lines;

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

/// Redacts a stream as it comes; where chunks begin and end changes nothing.
#[derive(Debug)]
pub struct Stream {
    lines: Lines,
}

impl Stream {
    /// A stream of this shape.
    #[must_use]
    pub fn new(shape: Shape) -> Self {
        Self { lines: Lines::new(shape == Shape::Arguments) }
    }

    /// Takes the next bytes and appends what is safe to show by now.
    pub fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        self.lines.push(bytes, out);
    }

    /// Takes the end of the text and appends the rest.
    ///
    /// # Errors
    /// `Unreadable` where a document that is masked by structure does not parse.
    pub fn finish(mut self, out: &mut Vec<u8>) -> Result<(), Unreadable> {
        self.lines.finish(out);
        Ok(())
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
