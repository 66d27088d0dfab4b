//! A real file system in a file, which can be filled and frozen, and always thaws.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Whether this is root, which may mount; says so where it isn't.
pub(crate) fn may_mount(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("{test}: left out, mounting needs root");
    }
    root
}

/// A mounted ext4 of 16 MiB.
pub(crate) struct Disk {
    pub(crate) mount: PathBuf,
    dir: tempfile::TempDir,
    other_hand: Option<Child>,
}

fn run(program: &str, arguments: &[&str]) {
    let done = Command::new(program).args(arguments).stdout(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&done.stderr));
}

impl Disk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let image = dir.path().join("image");
        std::fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        let mount = dir.path().join("mount");
        std::fs::create_dir(&mount).unwrap();
        run("mount", &["-o", "loop", image.to_str().unwrap(), mount.to_str().unwrap()]);
        Self { mount, dir, other_hand: None }
    }

    pub(crate) fn name(&self) -> &str {
        self.mount.to_str().unwrap()
    }

    /// From here on every writer waits in the kernel. Should this process be killed, another thaws it.
    pub(crate) fn freeze(&mut self) {
        let thaw = format!("sleep 40; fsfreeze -u {}", self.name());
        self.other_hand =
            Some(Command::new("/bin/sh").args(["-c", &thaw]).stderr(Stdio::null()).spawn().unwrap());
        run("fsfreeze", &["-f", self.name()]);
    }

    pub(crate) fn thaw(&mut self) {
        if let Some(mut hand) = self.other_hand.take() {
            run("fsfreeze", &["-u", self.name()]);
            hand.kill().unwrap();
            hand.wait().unwrap();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let name = self.name().to_owned();
        if let Some(mut hand) = self.other_hand.take() {
            let _ = Command::new("fsfreeze").args(["-u", &name]).status();
            let _ = hand.kill();
            let _ = hand.wait();
        }
        for _ in 0..50 {
            // Those who waited need a moment to let go.
            let done = Command::new("umount").arg(&name).stderr(Stdio::null()).status();
            if done.is_ok_and(|status| status.success()) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = Command::new("umount").args(["-l", &name]).status();
        let _ = self.dir.path();
    }
}
