//! Whether a directory's disk takes writes now, found out by a child: a thread that hangs with a disk keeps its whole process from
//! ending, and whoever waits for it. The child is left behind instead, and ends when the disk answers. See ADR-0019.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The hidden subcommand that a child runs.
pub(crate) const WORD: &str = "disk-probe";
/// How often it is looked whether the child has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A child of this very program that does its work on a directory, and may hang with its disk: nothing that the caller waits for is
/// open in it. `None` where this program does not find itself.
pub(crate) fn child(word: &str, dir: &Path) -> Option<Command> {
    let mut command = Command::new(std::env::current_exe().ok()?);
    command.arg(word).arg(dir).current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Some(command)
}

/// Whether a file can be made there; `None` where the disk does not answer in time.
pub(crate) fn takes_writes(dir: &Path, deadline: Duration) -> Option<bool> {
    // Without a child there is no safe way to ask: then the disk is left alone.
    let mut command = child(WORD, dir)?;
    let mut child = command.spawn().ok()?;
    let began = Instant::now();
    while began.elapsed() < deadline {
        if let Some(ended) = child.try_wait().ok()? {
            return Some(ended.success());
        }
        std::thread::sleep(LOOK);
    }
    None
}

/// The child's work.
pub(crate) fn run(dir: &Path) -> ExitCode {
    let probe = dir.join(format!(".probe-{}", std::process::id()));
    let made = std::fs::create_dir_all(dir).and_then(|()| std::fs::File::create(&probe));
    let gone = made.and_then(|file| file.sync_all()).and_then(|()| std::fs::remove_file(&probe));
    if gone.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
