//! `breakglass-guard capture keep`: writes the parts to `dir/VM/ID/` as they come, on a disk that may be full or hang.
//!
//! It makes room first, the oldest captures of this VM going, and never takes the file system below its floor. It
//! reads parts and knows nothing of what is in them.

use crate::forensics::{Captured, Plan};
use crate::sorted::sort;
use breakglass_protocol::{PartOutcome, exit};
use rustix::fs::{Mode, OFlags, statvfs};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File};
use std::io::{self, BufRead, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The word after `capture`, and the child's name.
pub(crate) const NAME: &str = "keep";
/// The longest head of a part or plan.
const HEAD_LIMIT: u64 = 4 << 20;
/// The largest part.
const PART_LIMIT: u64 = 16 << 20;
/// What a capture is reckoned to need before its parts are known.
const ROOM: u64 = 4 << 20;

/// What stands before a part's bytes.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    part: String,
    outcome: PartOutcome,
    millis: u64,
    media: String,
    length: u64,
}

/// What the child reads first.
pub(crate) fn opening(plan: &Plan) -> Vec<u8> {
    let mut line = serde_json::to_vec(plan).unwrap_or_default();
    line.push(b'\n');
    line
}

/// A part as the child reads it.
pub(crate) fn frame(captured: &Captured) -> Vec<u8> {
    let head = Head {
        part: captured.part.clone(),
        outcome: captured.outcome,
        millis: captured.millis,
        media: captured.media.clone(),
        length: captured.bytes.len() as u64,
    };
    let mut frame = serde_json::to_vec(&head).unwrap_or_default();
    frame.push(b'\n');
    frame.extend_from_slice(&captured.bytes);
    frame
}

/// Keeps what comes on stdin. Its output is the directory, or the reason why there is none.
pub(super) fn run() -> u8 {
    let kept = keep(&mut io::stdin().lock());
    let mut sheet = super::Sheet::new();
    match kept {
        Ok(directory) => {
            sheet.line(directory.display());
            exit::DONE
        }
        Err(error) => {
            sheet.line(error);
            exit::INTERNAL
        }
    }
}

fn keep(input: &mut impl BufRead) -> io::Result<PathBuf> {
    let plan: Plan = read_json(input)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let machine = plan.dir.join(plan.vm_name.as_str());
    DirBuilder::new().recursive(true).mode(0o700).create(&machine)?;
    make_room(&machine, &plan)?;
    let directory = make_directory(&machine, &plan.id())?;
    let mut index = File::from(create(&directory.join("parts.jsonl"))?);
    let mut refused = None;
    while let Some(head) = read_json::<Head>(input)? {
        let mut bytes = Vec::new();
        input.by_ref().take(head.length.min(PART_LIMIT)).read_to_end(&mut bytes)?;
        if bytes.len() as u64 != head.length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // One part that does not fit leaves room for a smaller one.
        match keep_part(&directory, &head, &bytes, plan.limits.free_floor_bytes) {
            Ok(()) => index.write_all(&[&serde_json::to_vec(&head)?[..], b"\n"].concat())?,
            Err(error) => {
                refused = Some(io::Error::new(error.kind(), format!("part {}: {error}", head.part)))
            }
        }
    }
    index.sync_all()?;
    File::open(&directory)?.sync_all()?;
    refused.map_or(Ok(directory), Err)
}

fn keep_part(directory: &Path, head: &Head, bytes: &[u8], floor: u64) -> io::Result<()> {
    above_floor(directory, floor, head.length)?;
    let extension = match head.media.as_str() {
        "application/json" => "json",
        "image/png" => "png",
        _ => "txt",
    };
    let safe = |c: char| if c.is_ascii_lowercase() || c == '-' { c } else { '_' };
    let name: String = head.part.chars().take(40).map(safe).collect();
    let mut file = File::from(create(&directory.join(format!("{name}.{extension}")))?);
    file.write_all(bytes)?;
    file.sync_all()
}

fn create(path: &Path) -> io::Result<rustix::fd::OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?)
}

/// The capture's own directory: an operation that captures twice gets two.
fn make_directory(machine: &Path, id: &str) -> io::Result<PathBuf> {
    let mut directory = machine.join(id);
    for again in 2..100 {
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                directory = machine.join(format!("{id}.{again}"));
            }
            other => return other.map(|()| directory),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Refuses what would leave less than the floor free.
fn above_floor(path: &Path, floor: u64, more: u64) -> io::Result<()> {
    let seen = statvfs(path)?;
    let free = seen.f_bavail.saturating_mul(seen.f_frsize);
    if free < floor.saturating_add(more) {
        let said = format!("only {} MiB are free and {} MiB stay free always", free >> 20, floor >> 20);
        return Err(io::Error::new(io::ErrorKind::StorageFull, said));
    }
    Ok(())
}

/// Takes the oldest captures away until one more fits the limits of number and size.
fn make_room(machine: &Path, plan: &Plan) -> io::Result<()> {
    let mut captures: Vec<(SystemTime, PathBuf, u64)> = std::fs::read_dir(machine)?
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| {
            let changed = entry.metadata().and_then(|seen| seen.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
            (changed, entry.path(), size_of(&entry.path()))
        })
        .collect();
    sort(&mut captures);
    let mut total: u64 = captures.iter().map(|(_, _, size)| size).sum();
    let mut number = captures.len();
    let most = usize::try_from(plan.limits.keep_count).unwrap_or(usize::MAX).saturating_sub(1);
    for (_, path, size) in captures {
        if number <= most && total.saturating_add(ROOM) <= plan.limits.keep_bytes {
            break;
        }
        // Another capture may be making room at the same time.
        match std::fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        number -= 1;
        total = total.saturating_sub(size);
    }
    above_floor(machine, plan.limits.free_floor_bytes, 0)
}

fn size_of(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|seen| seen.len()).sum()
}

/// One line of JSON; `None` at the end of input.
fn read_json<T: serde::de::DeserializeOwned>(input: &mut impl BufRead) -> io::Result<Option<T>> {
    let mut line = Vec::new();
    if input.by_ref().take(HEAD_LIMIT).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    Ok(Some(serde_json::from_slice(&line)?))
}

#[cfg(test)]
mod tests;
