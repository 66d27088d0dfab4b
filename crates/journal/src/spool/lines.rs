//! Reading a spool for taking in: verified from its first line, from a known line on, some at a time.

use crate::SpoolIntake;
use breakglass_chain::{Damage, Hash, LINE_LIMIT, Tip, Verify, digest};
use breakglass_incident::Event;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Seek as _};
use std::ops::ControlFlow;
use std::path::Path;

/// A spool of more bytes than this is no spool.
const LARGEST: u64 = 256 << 20;

/// One event of a spool, and where the chain stands with it.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) tip: Tip,
    pub(crate) event: Event,
}

/// What a spool is known by: the hash of its first line. `None` where it has no whole line yet.
pub(crate) fn name(path: &Path) -> Result<Option<Hash>, SpoolIntake> {
    let Some(file) = open(path)? else { return Ok(None) };
    let mut reader = BufReader::new(file);
    Ok(next(&mut reader)?.map(|line| digest(&line)))
}

/// Visits the events after `from`, oldest first, of a spool whose chain holds and contains `from`, until `visit` says that it is
/// enough. Lines that a crash tore are passed over, as the chain accounts for them; one that is being written right now is left
/// for the next time.
pub(crate) fn walk(
    path: &Path,
    from: Option<Tip>,
    mut visit: impl FnMut(Line) -> Result<ControlFlow<()>, SpoolIntake>,
) -> Result<(), SpoolIntake> {
    let Some(mut file) = open(path)? else { return Ok(()) };
    let verify = Verify { expected: from, ..Verify::default() };
    let sound = match verify.lines(BufReader::new(&file)) {
        Ok(head) => head.seq,
        Err(broken) if broken.what == Damage::TornLastLine => broken.sound.seq,
        Err(broken) => {
            let why = format!(
                "does not hold ({}: {}): it was changed after it was written",
                broken.what, broken.detail
            );
            return Err(SpoolIntake::Damaged { line: broken.line, why });
        }
    };
    let after = from.map_or(0, |tip| tip.seq);
    if sound < after {
        let why = format!("is the last, and {after} were there before: its end was cut off");
        return Err(SpoolIntake::Damaged { line: sound, why });
    }
    file.rewind()?;
    let mut reader = BufReader::new(&file);
    while let Some(line) = next(&mut reader)? {
        // What does not read as a link is a torn line, or the chain would not hold.
        let Some(tip) = Tip::of_line(&line) else { continue };
        if tip.seq > sound {
            break;
        }
        if tip.seq <= after || is_gap(&line) {
            continue;
        }
        let event = serde_json::from_slice::<Event>(&line).map_err(|error| SpoolIntake::NotNow {
            why: format!(
                "line {} of the spool is no event that this version knows ({error}); run the newer one",
                tip.seq
            ),
        })?;
        if visit(Line { tip, event })?.is_break() {
            break;
        }
    }
    Ok(())
}

/// The next `most` events after `from`, as [`walk`] finds them.
pub(crate) fn read_from(path: &Path, from: Option<Tip>, most: usize) -> Result<Vec<Line>, SpoolIntake> {
    let mut lines = Vec::new();
    walk(path, from, |line| {
        lines.push(line);
        Ok(if lines.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    Ok(lines)
}

fn is_gap(line: &[u8]) -> bool {
    serde_json::from_slice::<breakglass_chain::Gap>(line).is_ok()
}

fn open(path: &Path) -> Result<Option<File>, SpoolIntake> {
    // A link or a pipe that somebody put there is not followed.
    let meta = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    if !meta.is_file() {
        return Err(SpoolIntake::Damaged { line: 0, why: "is none: it is no regular file".to_owned() });
    }
    if meta.len() > LARGEST {
        return Err(SpoolIntake::Damaged {
            line: 0,
            why: format!("is not read: the file has {} bytes", meta.len()),
        });
    }
    Ok(Some(File::open(path)?))
}

/// The next whole line, without its end.
fn next(reader: &mut impl BufRead) -> std::io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    reader.take(LINE_LIMIT as u64 + 1).read_until(b'\n', &mut line)?;
    Ok((line.pop() == Some(b'\n')).then_some(line))
}
