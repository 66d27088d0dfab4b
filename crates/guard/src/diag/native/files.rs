//! From an operand to the redacted bytes of a file: the one way in which a reader comes by content.

use super::ends::Extent;
use super::glob;
use super::sink::{Filter, Flow, Sink};
use crate::diag::denied::no_unit_of_store;
use crate::diag::places::{Last, Opened, Places, Trouble};
use crate::diag::plan::{Operand, Parsed};
use crate::sorted::sort;
use breakglass_redact::{Shape, Stream};
use rustix::io::Errno;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};

/// What a request that was refused ends with.
pub(crate) const REFUSED: u8 = 77;

/// Matches of one pattern at most.
const MOST_MATCHES: usize = 1000;

const CHUNK: usize = 64 * 1024;
/// How far a last line is looked for.
const FARTHEST_BACK: u64 = 9 * 1024 * 1024;
/// What the redactor sees before the part that is shown, so that it knows whether it is inside of something.
const CONTEXT: u64 = 64 * 1024;

/// A run of one reader.
pub(crate) struct Run<'run> {
    pub(crate) parsed: &'run Parsed,
    pub(crate) places: Places<'run>,
    pub(crate) sink: Watched<'run>,
    errors: &'run mut dyn FnMut(&str),
    pub(crate) code: u8,
}

/// Remembers that nothing more is wanted.
pub(crate) struct Watched<'run> {
    inner: &'run mut dyn Sink,
    pub(crate) enough: bool,
}

impl Sink for Watched<'_> {
    fn push(&mut self, bytes: &[u8]) -> Flow {
        if !bytes.is_empty() && self.inner.push(bytes) == Flow::Enough {
            self.enough = true;
        }
        if self.enough { Flow::Enough } else { Flow::More }
    }

    fn end(&mut self) -> Option<u8> {
        None
    }

    fn complain(&mut self, message: &str) {
        self.inner.complain(message);
    }
}

impl<'run> Run<'run> {
    pub(crate) fn new(
        parsed: &'run Parsed,
        places: Places<'run>,
        sink: &'run mut dyn Sink,
        errors: &'run mut dyn FnMut(&str),
    ) -> Self {
        Self { parsed, places, sink: Watched { inner: sink, enough: false }, errors, code: 0 }
    }

    /// Says something on the error output and remembers the exit code.
    pub(crate) fn complain(&mut self, message: &str, code: u8) {
        (self.errors)(&format!("{}: {message}", self.parsed.command));
        self.code = self.code.max(code);
    }

    /// Says why a file is not shown; a refusal of this door outweighs every other code.
    pub(crate) fn trouble(&mut self, what: &str, trouble: Trouble, code: u8) {
        self.complain(
            &format!("{what}: {}", trouble.text()),
            if trouble.rule().is_some() { REFUSED } else { code },
        );
    }

    /// Says so in GNU's words where a path that was typed cannot be opened.
    pub(crate) fn cannot(&mut self, path: &[u8], trouble: Trouble) {
        let name = shown(path);
        let (what, code) = match self.parsed.command {
            "head" | "tail" => (format!("cannot open '{name}' for reading"), 1),
            "ls" => (format!("cannot access '{name}'"), 2),
            "stat" => (format!("cannot statx '{name}'"), 1),
            "find" => (format!("\u{2018}{name}\u{2019}"), 1),
            "grep" => (name, 2),
            _ => (name, 1),
        };
        if self.parsed.has("--no-messages") && trouble.rule().is_none() {
            self.code = self.code.max(code);
        } else {
            self.trouble(&what, trouble, code);
        }
    }

    /// The paths that operands name; patterns matched, sorted, each to be judged as if it had been typed.
    pub(crate) fn paths(&mut self, operands: &[Operand]) -> Vec<Vec<u8>> {
        let mut paths = Vec::new();
        for operand in operands {
            if operand.glob {
                self.expand(operand.text.as_bytes(), &mut paths);
            } else {
                paths.push(operand.text.as_bytes().to_vec());
            }
        }
        paths
    }

    fn expand(&mut self, text: &[u8], paths: &mut Vec<Vec<u8>>) {
        let Some(slash) = text.iter().rposition(|byte| *byte == b'/') else { return };
        let (head, name) =
            (text.get(..=slash).unwrap_or_default(), text.get(slash + 1..).unwrap_or_default());
        // Only the store of Nix, whose names nobody can type, has patterns before the last component.
        let store = b"/nix/store/";
        let mut heads = vec![head.to_vec()];
        let mut above = false;
        if let Some(below) = head.strip_prefix(store)
            && let Some((first, rest)) =
                below.iter().position(|byte| *byte == b'/').map(|at| below.split_at(at))
            && glob::is_pattern(first)
        {
            above = true;
            heads = self.matching(store, first);
            heads.iter_mut().for_each(|head| head.extend_from_slice(rest));
        }
        let mut found = Vec::new();
        for head in heads {
            if glob::is_pattern(name) {
                found.extend(self.matching(&head, name));
            } else {
                found.push([head.as_slice(), name].concat());
            }
        }
        // A pattern says little about what it matches (`*[-unit-]*` is anything), so each match is judged as if typed.
        let all = found.len();
        found.retain(|path| !no_unit_of_store(self.places.policy, path));
        if found.len() < all {
            let refused = Trouble::Denied("of the store only units are shown");
            self.trouble(&shown(text), refused, REFUSED);
        } else if found.is_empty() {
            found.push(text.to_vec());
        }
        if found.len() > MOST_MATCHES {
            found.truncate(MOST_MATCHES);
            self.complain(&format!("only the first {MOST_MATCHES} matches are read"), 1);
        }
        if above && found.len() > 1 {
            // Of several objects those count that have such a file, as a shell has it.
            let missing = |path: &[u8]| {
                let opened = self.places.open(path, Last::Followed);
                matches!(opened, Err(Trouble::Failed(Errno::NOENT | Errno::NOTDIR)))
            };
            let there: Vec<_> = found.iter().filter(|path| !missing(path)).cloned().collect();
            if !there.is_empty() {
                found = there;
            }
        }
        paths.extend(found);
    }

    fn matching(&mut self, directory: &[u8], pattern: &[u8]) -> Vec<Vec<u8>> {
        let entries = self.places.open(directory, Last::Followed).and_then(|opened| opened.entries());
        let Ok((entries, _)) = entries else { return Vec::new() };
        let hidden = pattern.first() == Some(&b'.');
        let mut found: Vec<Vec<u8>> = entries
            .into_iter()
            .filter(|entry| hidden || entry.name.first() != Some(&b'.'))
            .filter(|entry| glob::matches(pattern, &entry.name, false))
            .map(|entry| [directory, entry.name.as_slice()].concat())
            .collect();
        sort(&mut found);
        found
    }

    /// Feeds the content of what was opened to a filter, redacted, from where its end is near if only that matters.
    ///
    /// # Errors
    /// Why it cannot be read, or no further.
    pub(crate) fn content(
        &mut self,
        opened: &Opened,
        filter: &mut dyn Filter,
        end: Option<Extent>,
    ) -> Result<(), Trouble> {
        let mut file = self.places.read(opened)?;
        if let Some(extent) = end
            && opened.stat.stx_size > 0
        {
            let start = near_end(&mut file, opened.stat.stx_size, extent).map_err(|error| failed(&error))?;
            file.seek(SeekFrom::Start(start)).map_err(|error| failed(&error))?;
        }
        self.feed(&mut file, shape(opened.path()), filter)
    }

    /// Feeds whatever a source gives to a filter, redacted.
    ///
    /// # Errors
    /// Why it cannot be read any further.
    pub(crate) fn feed(
        &mut self,
        source: &mut dyn Read,
        shape: Shape,
        filter: &mut dyn Filter,
    ) -> Result<(), Trouble> {
        let mut stream = (!self.places.policy.redaction_off).then(|| Stream::new(shape));
        let mut chunk = vec![0; CHUNK];
        let mut out = Vec::new();
        loop {
            let count = match source.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(&error)),
            };
            let bytes = chunk.get(..count).unwrap_or_default();
            let flow = match &mut stream {
                Some(stream) => {
                    out.clear();
                    stream.push(bytes, &mut out);
                    if out.is_empty() { Flow::More } else { filter.feed(&out, &mut self.sink) }
                }
                None => filter.feed(bytes, &mut self.sink),
            };
            if flow == Flow::Enough {
                return Ok(());
            }
        }
        if let Some(stream) = stream {
            out.clear();
            if let Err(unreadable) = stream.finish(&mut out) {
                self.complain(&unreadable.reason, REFUSED);
                return Ok(());
            }
            let _ = filter.feed(&out, &mut self.sink);
        }
        Ok(())
    }
}

/// How the content of a file is redacted.
fn shape(path: &[u8]) -> Shape {
    if path.starts_with(b"/proc/") && path.ends_with(b"/cmdline") && path != b"/proc/cmdline" {
        Shape::Arguments
    } else {
        Shape::Text
    }
}

pub(crate) fn failed(error: &std::io::Error) -> Trouble {
    Trouble::Failed(rustix::io::Errno::from_io_error(error).unwrap_or(rustix::io::Errno::IO))
}

/// Where to begin for the last lines or bytes: far enough before them for the redactor, and at the beginning of a line.
fn near_end(file: &mut File, size: u64, extent: Extent) -> std::io::Result<u64> {
    let mut start = size;
    let (mut lines, mut chunk) = (0, vec![0; CHUNK]);
    while start > 0 && size - start < FARTHEST_BACK {
        if (extent.lines && lines > extent.count) || (!extent.lines && size - start >= extent.count) {
            break;
        }
        let length = start.min(CHUNK as u64);
        start -= length;
        file.seek(SeekFrom::Start(start))?;
        let part = chunk.get_mut(..usize::try_from(length).unwrap_or(0)).unwrap_or_default();
        file.read_exact(part)?;
        lines += part.iter().filter(|byte| **byte == b'\n').count() as u64;
    }
    start = start.saturating_sub(CONTEXT);
    file.seek(SeekFrom::Start(start))?;
    if start == 0 {
        return Ok(0);
    }
    let count = file.read(&mut chunk)?;
    let line = chunk.get(..count).and_then(|part| super::lines::find_byte(part, b'\n'));
    Ok(start + line.map_or(0, |at| at as u64 + 1))
}

/// A name as it may be printed: control bytes as octal, so that no name moves a cursor or pretends to be a line.
pub(crate) fn harmless(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut before = 0;
    for byte in name {
        // The second byte of U+0080 to U+009F, which terminals obey too.
        let high = before == 0xc2 && (0x80..0xa0).contains(byte);
        if high {
            out.pop();
            out.extend_from_slice(b"\\302");
        }
        if byte.is_ascii_control() || high {
            out.extend_from_slice(format!("\\{byte:03o}").as_bytes());
        } else {
            out.push(*byte);
        }
        before = *byte;
    }
    out
}

/// The same as text, for messages.
pub(crate) fn shown(name: &[u8]) -> String {
    String::from_utf8_lossy(&harmless(name)).into_owned()
}
