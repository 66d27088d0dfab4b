//! Small things that all of these tests need. No mocks: directories, mounts and child processes.

use breakglass_incident::{Actor, Event, EventBody};
use breakglass_journal::{Journal, Limits};
use breakglass_protocol::Timestamp;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap())
}

pub(crate) fn mara() -> Actor {
    Actor::Human("mara".to_owned())
}

pub(crate) fn note(text: impl Into<String>) -> EventBody {
    EventBody::Note { text: text.into() }
}

pub(crate) fn text(event: &Event) -> String {
    match &event.body {
        EventBody::Note { text } => text.clone(),
        other => format!("<{}>", other.kind()),
    }
}

pub(crate) fn open(dir: &Path) -> Journal {
    Journal::open(dir, now).unwrap()
}

pub(crate) fn impatient() -> Limits {
    Limits {
        append_deadline: Duration::from_millis(300),
        read_deadline: Duration::from_millis(300),
        artifact_deadline: Duration::from_millis(300),
        ..Limits::default()
    }
}

pub(crate) async fn close(journal: Journal) {
    assert!(
        journal.close(Duration::from_secs(5)).await,
        "the writer ends when nothing is wrong with the disk"
    );
}

/// A file system of its own, taken down however the test ends.
pub(crate) struct Mount {
    at: TempDir,
    image: Option<PathBuf>,
    frozen: bool,
}

impl Mount {
    /// Memory that is full after so many KiB.
    pub(crate) fn tmpfs(kib: u32) -> Self {
        let at = tempfile::tempdir().unwrap();
        run("mount", &["-t", "tmpfs", "-o", &format!("size={kib}k"), "none", at.path().to_str().unwrap()]);
        Self { at, image: None, frozen: false }
    }

    /// A file system in a file, which can be frozen: whoever writes to it then hangs in the kernel.
    pub(crate) fn in_a_file() -> Self {
        let at = tempfile::tempdir().unwrap();
        let image = at.path().with_extension("img");
        std::fs::File::create(&image).unwrap().set_len(24 << 20).unwrap();
        run("mkfs.ext4", &["-q", image.to_str().unwrap()]);
        run("mount", &["-o", "loop", image.to_str().unwrap(), at.path().to_str().unwrap()]);
        Self { at, image: Some(image), frozen: false }
    }

    pub(crate) fn path(&self) -> &Path {
        self.at.path()
    }

    pub(crate) fn freeze(&mut self) {
        run("fsfreeze", &["-f", self.at.path().to_str().unwrap()]);
        self.frozen = true;
    }

    pub(crate) fn thaw(&mut self) {
        run("fsfreeze", &["-u", self.at.path().to_str().unwrap()]);
        self.frozen = false;
    }

    pub(crate) fn read_write(&self) {
        run("mount", &["-o", "remount,rw", self.at.path().to_str().unwrap()]);
    }

    pub(crate) fn read_only(&self) {
        run("mount", &["-o", "remount,ro", self.at.path().to_str().unwrap()]);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let path = self.at.path().to_owned();
        if self.frozen {
            let _thawed = Command::new("fsfreeze").arg("-u").arg(&path).status();
        }
        // A test that failed may still hold files open: detach now, the kernel tidies up after the last.
        let _gone = Command::new("umount").arg("-l").arg(&path).status();
        if let Some(image) = &self.image {
            let _gone = std::fs::remove_file(image);
        }
    }
}

fn run(program: &str, arguments: &[&str]) {
    let status = Command::new(program).args(arguments).status();
    let fine = status.as_ref().is_ok_and(std::process::ExitStatus::success);
    assert!(
        fine,
        "{program} {arguments:?}: {status:?} (this test mounts file systems and has to run as root)"
    );
}

/// Waits for something that comes by itself, and fails after five seconds.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came about: {what}");
}
