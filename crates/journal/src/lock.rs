//! One process writes a journal: a lock on a file beside it, given back by the kernel however the process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

/// A holder that has just ended may leave the lock behind for a moment: a child that it was about to start has a copy of
/// every open file until the child becomes its program.
const LETTING_GO: Duration = Duration::from_millis(500);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The lock, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Lock {
    _file: File,
}

pub(crate) enum LockFailure {
    /// Somebody else has it: what that one wrote into the file, a process id.
    Held(String),
    Io(std::io::Error),
}

impl Lock {
    pub(crate) fn take(path: &Path) -> Result<Self, LockFailure> {
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(path).map_err(LockFailure::Io)?;
        let until = Instant::now() + LETTING_GO;
        let taken = loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(LOOK_AGAIN),
                taken => break taken,
            }
        };
        match taken {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _unknown = file.take(32).read_to_string(&mut holder);
                return Err(LockFailure::Held(holder.trim().to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(LockFailure::Io(error)),
        }
        // Who holds it is a courtesy to the reader of an error; a full disk may refuse it.
        let _courtesy = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
