//! Appends one line to the chained file, taking in first what the ring has kept meanwhile.
//!
//! Runs in the keeper's process only: any call here may hang with the disk.

use super::{Durable, Place, ring};
use breakglass_chain::{Gap, SealError, Tip, digest};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};

/// How much of the file's end is read to find where the chain stands: a line has a kilobyte at most.
const TAIL: usize = 4 * 1024;
/// How much where that was not enough, or where lines of the ring may stand in the file already.
const LONG_TAIL: usize = 128 * 1024;

/// Appends the line. On failure the file is as it was, but for what a crash may tear.
pub(super) fn append(place: &Place, line: &str, durable: Durable) -> Result<(), String> {
    let (mut file, length) = open_locked(place)?;
    let said =
        |what: &str, error: std::io::Error| format!("{} cannot be {what}: {error}", place.file.display());
    let taken = ring::take(&place.state);
    let mut tail = read_tail(&file, length, TAIL).map_err(|error| said("read", error))?;
    if !taken.lines.is_empty() || !has_whole_line(&tail) {
        tail = read_tail(&file, length, LONG_TAIL).map_err(|error| said("read", error))?;
    }

    let mut sealing = Sealing::after(&tail, line);
    sealing.compare_with_remembered(place);
    sealing.take_in(&taken, &tail)?;
    sealing.seal(line)?;

    if let Err(error) = file.write_all(sealing.bytes.as_bytes()) {
        // A disk that filled up half way: what was written of the line goes again, where the file allows it.
        let _ = file.set_len(length);
        return Err(said("written", error));
    }
    if durable == Durable::Yes || !taken.lines.is_empty() {
        file.sync_data().map_err(|error| said("made durable", error))?;
    }
    remember(place, sealing.tip);
    taken.forget();
    Ok(())
}

/// The file and how long it is, which stays so while it is locked.
fn open_locked(place: &Place) -> Result<(File, u64), String> {
    let flags = OFlags::RDWR
        | OFlags::APPEND
        | OFlags::CREATE
        | OFlags::CLOEXEC
        | OFlags::NOFOLLOW
        | OFlags::NONBLOCK;
    let mode = Mode::RUSR | Mode::WUSR;
    let said = |error: std::io::Error| format!("{} cannot be opened: {error}", place.file.display());
    let file = match open(&place.file, flags, mode) {
        Err(rustix::io::Errno::NOENT) => {
            if let Some(directory) = place.file.parent() {
                std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(said)?;
            }
            open(&place.file, flags, mode)
        }
        other => other,
    };
    let file = File::from(file.map_err(|error| said(error.into()))?);
    flock(&file, FlockOperation::LockExclusive).map_err(|error| said(error.into()))?;
    let metadata = file.metadata().map_err(said)?;
    if !metadata.is_file() {
        return Err(format!("{} is no regular file", place.file.display()));
    }
    Ok((file, metadata.len()))
}

fn read_tail(file: &File, length: u64, at_most: usize) -> std::io::Result<Vec<u8>> {
    let wanted = usize::try_from(length).map_or(at_most, |length| length.min(at_most));
    let mut tail = vec![0; wanted];
    file.read_exact_at(&mut tail, length - wanted as u64)?;
    Ok(tail)
}

/// Whether the last whole line stands in the tail with the line feed before it, or is the first of the file.
fn has_whole_line(tail: &[u8]) -> bool {
    tail.len() < TAIL || tail.iter().filter(|byte| **byte == b'\n').count() >= 2
}

/// Keeps where the chain stands, in place: the number is padded, so that the text always has the same length.
fn remember(place: &Place, tip: Tip) {
    let path = place.state.join("head");
    let open = || File::options().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = open().or_else(|_| std::fs::create_dir_all(&place.state).and_then(|()| open()));
    let _ = file.and_then(|mut file| file.write_all(format!("{:020}:{}\n", tip.seq, tip.hash).as_bytes()));
}

/// Lines about to be written, and where the chain stands after them.
struct Sealing<'line> {
    tip: Tip,
    bytes: String,
    /// The entry at hand, whose time the gaps before it have.
    line: &'line str,
}

impl<'line> Sealing<'line> {
    /// Finds the end of the chain in the file's tail.
    fn after(tail: &[u8], line: &'line str) -> Self {
        let (whole, fragment) = match tail.iter().rposition(|byte| *byte == b'\n') {
            Some(end) => tail.split_at(end + 1),
            None => (&[][..], tail),
        };
        let mut sealing = Self { tip: tip_of(whole), bytes: String::new(), line };
        if !fragment.is_empty() {
            sealing.bytes.push('\n');
            let gap = Gap::torn(time_of(line), fragment);
            // A gap renders as an object without the chain's own fields, so sealing it cannot fail.
            let _ = sealing.push(&gap);
        }
        sealing
    }

    /// A head that was remembered since the host booted must still be in the file; where it is not, the chain says so.
    fn compare_with_remembered(&mut self, place: &Place) {
        let Ok(text) = std::fs::read_to_string(place.state.join("head")) else {
            return;
        };
        let Ok(remembered) = text.parse::<Tip>() else {
            return;
        };
        let cut = remembered.seq > self.tip.seq
            || (remembered.seq == self.tip.seq && remembered.hash != self.tip.hash);
        if cut {
            let reason = format!(
                "the file ended with {} and the guard remembers {remembered}: it was cut or edited",
                self.tip
            );
            let missing = remembered.seq.saturating_sub(self.tip.seq);
            let _ = self.push(&Gap::lost(time_of(self.line), None, missing, reason));
        }
    }

    /// The lines of the ring behind a gap, but for those that reached the file late after all.
    fn take_in(&mut self, taken: &ring::Taken, tail: &[u8]) -> Result<(), String> {
        if taken.lines.is_empty() {
            return Ok(());
        }
        let tail = String::from_utf8_lossy(tail);
        let stands = |line: &str| {
            line.strip_suffix('}').is_some_and(|open| tail.contains(&format!("{open},\"seq\":")))
        };
        let lines: Vec<&String> = taken.lines.iter().filter(|line| !stands(line)).collect();
        let Some(first) = lines.first() else {
            return Ok(());
        };
        let reason =
            format!("the disk took no lines; {} of them were kept in the ring and follow", lines.len());
        self.push(&Gap::lost(time_of(self.line), Some(time_of(first)), taken.dropped, reason))?;
        lines.into_iter().try_for_each(|line| self.seal(line))
    }

    /// A rendered entry, of whatever version of the guard.
    fn seal(&mut self, line: &str) -> Result<(), String> {
        let sealed = self.tip.seal_rendered(line.to_owned());
        self.add(sealed)
    }

    fn push(&mut self, gap: &Gap) -> Result<(), String> {
        let sealed = self.tip.seal(gap);
        self.add(sealed)
    }

    fn add(&mut self, sealed: Result<(String, Tip), SealError>) -> Result<(), String> {
        let (line, tip) = sealed.map_err(|error| error.to_string())?;
        self.bytes.push_str(&line);
        self.bytes.push('\n');
        self.tip = tip;
        Ok(())
    }
}

/// Where the whole lines of the tail leave the chain. A last line that is no sealed line was not written by us: the
/// chain goes on behind its bytes, and `record verify` stops at it.
fn tip_of(whole: &[u8]) -> Tip {
    let mut lines = whole.rsplit(|byte| *byte == b'\n').skip(1);
    let Some(last) = lines.next() else {
        return Tip::EMPTY;
    };
    Tip::of_line(last).unwrap_or_else(|| {
        let seq = lines.find_map(Tip::of_line).map_or(0, |tip| tip.seq);
        Tip { seq: seq.saturating_add(1), hash: digest(last) }
    })
}

fn time_of(line: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Timed {
        time: String,
    }
    serde_json::from_str::<Timed>(line).map(|timed| timed.time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use breakglass_chain::verify_lines;
    use std::fs;
    use std::path::Path;

    fn place(scratch: &Path) -> Place {
        Place { file: scratch.join("log/guard.jsonl"), state: scratch.join("state") }
    }

    fn line(number: u32) -> String {
        let entry = super::super::Entry {
            time: breakglass_protocol::Timestamp::from_unix_millis(i64::from(number)),
            user: "root".to_owned(),
            key: "phone".to_owned(),
            source: "192.0.2.2".to_owned(),
            request: format!("r{number}"),
            decision: super::super::Word::Allow,
            rule: None,
            operation: None,
            outcome: None,
            exit: None,
        };
        serde_json::to_string(&entry).unwrap()
    }

    fn check(place: &Place) -> breakglass_chain::Head {
        verify_lines(fs::read(&place.file).unwrap().as_slice()).unwrap()
    }

    #[test]
    fn grows_a_chain_that_verifies() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        for number in 0..5 {
            append(&place, &line(number), Durable::No).unwrap();
        }
        assert_eq!(check(&place).seq, 5);
    }

    #[test]
    fn goes_on_behind_a_torn_line_and_a_ring() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        append(&place, &line(1), Durable::Yes).unwrap();
        File::options().append(true).open(&place.file).unwrap().write_all(b"{\"time\":\"20").unwrap();
        ring::add(&place.state, &line(2)).unwrap();
        ring::add(&place.state, &line(3)).unwrap();
        append(&place, &line(4), Durable::No).unwrap();
        let text = fs::read_to_string(&place.file).unwrap();
        let order: Vec<usize> = (1..=4).map(|n| text.find(&format!("\"r{n}\"")).unwrap()).collect();
        assert!(order.is_sorted(), "{text}");
        assert_eq!((check(&place).gaps, check(&place).missing), (2, 1));
        append(&place, &line(5), Durable::No).unwrap();
        assert_eq!(check(&place).gaps, 2, "the ring is taken in once");
    }

    #[test]
    fn a_late_line_is_not_taken_in_twice() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        append(&place, &line(1), Durable::No).unwrap();
        ring::add(&place.state, &line(1)).unwrap();
        append(&place, &line(2), Durable::No).unwrap();
        assert_eq!((check(&place).lines, check(&place).gaps), (2, 0));
    }

    #[test]
    fn a_cut_since_boot_is_marked_and_an_edit_stays_visible() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        for number in 0..3 {
            append(&place, &line(number), Durable::No).unwrap();
        }
        let text = fs::read_to_string(&place.file).unwrap();
        let cut: String = text.lines().take(2).map(|line| format!("{line}\n")).collect();
        fs::write(&place.file, cut).unwrap();
        append(&place, &line(9), Durable::No).unwrap();
        assert_eq!((check(&place).gaps, check(&place).missing), (1, 1));

        let edited = fs::read_to_string(&place.file).unwrap().replacen("r0", "r7", 1);
        fs::write(&place.file, edited).unwrap();
        append(&place, &line(10), Durable::No).unwrap();
        assert!(verify_lines(fs::read(&place.file).unwrap().as_slice()).is_err());
    }

    #[test]
    fn refuses_a_record_that_is_a_link_or_no_file() {
        let scratch = tempfile::tempdir().unwrap();
        let place = place(scratch.path());
        fs::create_dir(scratch.path().join("log")).unwrap();
        std::os::unix::fs::symlink(scratch.path().join("elsewhere"), &place.file).unwrap();
        assert!(append(&place, &line(1), Durable::No).is_err());
        assert!(!scratch.path().join("elsewhere").exists());
    }
}
