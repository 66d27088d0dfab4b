//! Whether a directory's disk takes writes now, found out by a child: a thread that hangs with a disk keeps its whole process from
//! ending, and whoever waits for it. The child is left behind instead, and ends when the disk answers. See ADR-0019.

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

/// The hidden subcommand that a child runs.
pub(crate) const WORD: &str = "disk-probe";
/// How often it is looked whether the child has ended.
const LOOK: Duration = Duration::from_millis(5);

/// Whether a file can be made there; `None` where the disk does not answer in time.
pub(crate) fn takes_writes(dir: &Path, deadline: Duration) -> Option<bool> {
    // Without a child there is no safe way to ask: then the disk is left alone.
    let own = std::env::current_exe().ok()?;
    let mut command = Command::new(own);
    // Nothing that its caller waits for may stay open in it.
    command
        .arg(WORD)
        .arg(dir)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
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
