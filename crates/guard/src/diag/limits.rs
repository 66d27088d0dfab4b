//! How often a key may look in a minute, and how many of its looks may run at a time.
//!
//! Both live in files on the tmpfs of `state_dir`: the one under a lock for the moment of counting, the others as locks
//! that the kernel takes back when their holder is gone, however it went. Where that directory takes no files, a look goes
//! on without these bounds and says so: they spare the host, they are no wall.

use super::policy::Limits;
use breakglass_protocol::{Refusal, Rule};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::Path;

const MINUTE: u64 = 60_000;
/// How often the lock of the counter is tried; it is held for microseconds.
const TRIES: u32 = 200;

/// A place among the looks of one key that run at a time; given back when it is dropped or its process ends.
#[derive(Debug)]
pub(crate) struct Place {
    _held: Option<File>,
    /// Why nothing was bounded.
    pub(crate) unbounded: Option<String>,
}

/// Counts this look and takes a place.
///
/// # Errors
/// A refusal: too often, or too many at a time.
pub(crate) fn take(state_dir: &Path, user: &str, key: &str, limits: &Limits) -> Result<Place, Refusal> {
    // A label may have any printable bytes; as digits it is a file name.
    let name: String = key.bytes().map(|byte| format!("{byte:02x}")).collect();
    let directory = state_dir.join("looks").join(user);
    let bounded = (|| {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
        Ok((slot(&directory, &name, limits.at_a_time)?, count(&directory, &name, limits.per_minute)?))
    })();
    match bounded {
        Ok((None, _)) => Err(Refusal {
            rule: Rule::Concurrency,
            reason: format!("{} looks of this key run already", limits.at_a_time),
            hint: "ask again when one of them has ended".to_owned(),
        }),
        Ok((_, Some(seconds))) => Err(Refusal {
            rule: Rule::Rate,
            reason: format!("this key has looked {} times in the last minute", limits.per_minute),
            hint: format!("ask again in {seconds} s"),
        }),
        Ok((held, None)) => Ok(Place { _held: held, unbounded: None }),
        Err(error) => {
            let error: io::Error = error;
            let unbounded = format!("no limits are kept: {}: {error}", directory.display());
            Ok(Place { _held: None, unbounded: Some(unbounded) })
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// The first place that nobody holds.
fn slot(directory: &Path, name: &str, most: u32) -> io::Result<Option<File>> {
    for number in 0..most {
        let file = open(&directory.join(format!("{name}.{number}")))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(Some(file)),
            Err(rustix::io::Errno::WOULDBLOCK) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(None)
}

/// Adds this look to those of the last minute; where there is no room, after how many seconds there is.
fn count(directory: &Path, name: &str, most: u32) -> io::Result<Option<u64>> {
    let file = open(&directory.join(name))?;
    let mut tries = 0;
    while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
        tries += 1;
        if tries >= TRIES || error != rustix::io::Errno::WOULDBLOCK {
            return Err(error.into());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    let most = most as usize;
    let mut bytes = vec![0; file.metadata()?.len().min(8 * most as u64) as usize];
    file.read_exact_at(&mut bytes, 0)?;
    let now = since_boot();
    // A moment that is yet to come is from before the last boot.
    let recent = |moment: &u64| *moment <= now && now - moment < MINUTE;
    let moments = bytes.as_chunks::<8>().0.iter().map(|bytes| u64::from_le_bytes(*bytes));
    let mut moments: Vec<u64> = moments.filter(recent).collect();
    if moments.len() >= most {
        let oldest = moments.iter().min().copied().unwrap_or(now);
        return Ok(Some((oldest + MINUTE).saturating_sub(now).div_ceil(1000).max(1)));
    }
    moments.push(now);
    let bytes: Vec<u8> = moments.iter().flat_map(|moment| moment.to_le_bytes()).collect();
    file.set_len(bytes.len() as u64)?;
    file.write_all_at(&bytes, 0)?;
    Ok(None)
}

/// Milliseconds that nobody can set back, sleep included.
fn since_boot() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    seconds.unwrap_or(0).saturating_mul(1000).saturating_add(nanos.unwrap_or(0) / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(per_minute: u32, at_a_time: u32) -> Limits {
        Limits { per_minute, at_a_time, ..Limits::default() }
    }

    #[test]
    fn the_one_too_many_is_refused_and_another_key_is_not() {
        let scratch = tempfile::tempdir().unwrap();
        for _ in 0..3 {
            assert!(take(scratch.path(), "diag", "a/../b", &limits(3, 2)).unwrap().unbounded.is_none());
        }
        let refusal = take(scratch.path(), "diag", "a/../b", &limits(3, 2)).unwrap_err();
        assert_eq!(refusal.rule, Rule::Rate);
        assert!(take(scratch.path(), "diag", "c", &limits(3, 2)).is_ok());
    }

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let scratch = tempfile::tempdir().unwrap();
        let held: Vec<Place> =
            (0..2).map(|_| take(scratch.path(), "diag", "a", &limits(100, 2)).unwrap()).collect();
        assert_eq!(take(scratch.path(), "diag", "a", &limits(100, 2)).unwrap_err().rule, Rule::Concurrency);
        drop(held);
        assert!(take(scratch.path(), "diag", "a", &limits(100, 2)).is_ok());
    }

    #[test]
    fn moments_before_a_boot_do_not_count() {
        let scratch = tempfile::tempdir().unwrap();
        let counter = scratch.path().join("61");
        fs::write(&counter, u64::MAX.to_le_bytes().repeat(5)).unwrap();
        assert_eq!(count(scratch.path(), "61", 5).unwrap(), None);
        assert_eq!(fs::metadata(counter).unwrap().len(), 8);
    }

    #[test]
    fn where_nothing_can_be_counted_it_says_so() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("looks"), "a file").unwrap();
        let place = take(scratch.path(), "diag", "a", &limits(1, 1)).unwrap();
        assert!(place.unbounded.unwrap().contains("no limits are kept"));
    }
}
