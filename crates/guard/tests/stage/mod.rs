//! A whole root file system that a test may fill with secrets: the host's own, under an overlay in a mount namespace of
//! its own (and a network namespace), so that `/etc/shadow` can be anything and the host never sees it. What the host's users
//! keep (logs, homes, served files) is not on it: a test that searches there finds what it put there. It is gone when the test is,
//! however that ends.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

pub(crate) struct Stage {
    holder: Child,
    _scratch: tempfile::TempDir,
}

/// Ends when the test lets go of its input. `$1` is the scratch directory.
const BUILD: &str = "set -e; mount -t tmpfs none $1; cd $1; mkdir upper work root; \
     mount -t overlay overlay -o lowerdir=/,upperdir=upper,workdir=work root; \
     for d in var/log srv home; do rm -rf root/$d; mkdir root/$d; done; \
     for d in proc sys dev; do mount --rbind /$d root/$d; done; \
     for d in run tmp var/tmp; do mount -t tmpfs -o mode=1777 none root/$d; done; chmod 755 root/run; \
     ip link set lo up || true; cd root; echo ready; exec chroot . /bin/cat";

impl Stage {
    /// Nothing where only root could build it.
    pub(crate) fn new() -> Option<Self> {
        let scratch = tempfile::Builder::new().prefix("bgs").tempdir().unwrap();
        let mut holder = Command::new("/usr/bin/unshare")
            .args(["--mount", "--net", "--propagation", "private", "/bin/sh", "-c", BUILD, "sh"])
            .arg(scratch.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.trim() != "ready" {
            let _ = holder.wait();
            println!("skipped: only root builds a root file system of its own");
            return None;
        }
        let stage = Self { holder, _scratch: scratch };
        // The holder says so just before it goes into the new root.
        while !fs::read_link(stage.proc().join("exe")).is_ok_and(|exe| exe.ends_with("cat")) {
            std::thread::yield_now();
        }
        Some(stage)
    }

    pub(crate) fn proc(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}", self.holder.id()))
    }

    /// How a path of the stage is called from outside. Links on the way are followed here, within the stage: the kernel
    /// would take an absolute one (`/var/run`) from the host's own root.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        let root = self.proc().join("root");
        let mut todo: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut here = PathBuf::new();
        while let Some(step) = todo.pop() {
            match step.as_str() {
                "" | "." => {}
                ".." => {
                    here.pop();
                }
                step => match fs::read_link(root.join(&here).join(step)) {
                    Ok(link) if !todo.is_empty() && !here.starts_with("proc") => {
                        let link = link.to_string_lossy().into_owned();
                        if link.starts_with('/') {
                            here = PathBuf::new();
                        }
                        todo.extend(link.split('/').rev().map(str::to_owned));
                    }
                    _ => here.push(step),
                },
            }
        }
        root.join(here)
    }

    /// Writes a file that anybody may read, with all directories before it.
    pub(crate) fn write(&self, path: &str, text: &[u8]) {
        let at = self.at(path);
        self.directories(at.parent().unwrap());
        if fs::symlink_metadata(&at).is_ok_and(|it| it.is_symlink()) {
            fs::remove_file(&at).unwrap();
        }
        fs::write(&at, text).unwrap_or_else(|error| panic!("{path}: {error}"));
        fs::set_permissions(&at, fs::Permissions::from_mode(0o644)).unwrap();
    }

    /// Puts a program there. The file is written by a child: while this process has it open for writing, the fork of another
    /// test has it open too, and whoever starts the program is told that it is busy.
    pub(crate) fn program(&self, path: &str, bytes: &[u8]) {
        let text = format!("{path}.text");
        self.write(&text, bytes);
        let copied = Command::new("cp").arg("-f").arg(self.at(&text)).arg(self.at(path)).status().unwrap();
        assert!(copied.success(), "{path}");
        fs::remove_file(self.at(&text)).unwrap();
        fs::set_permissions(self.at(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn directories(&self, at: &Path) {
        if fs::symlink_metadata(at).is_err() {
            self.directories(at.parent().unwrap());
            fs::create_dir(at).unwrap_or_else(|error| panic!("{}: {error}", at.display()));
        }
        if fs::metadata(at).is_ok_and(|it| it.is_dir() && it.permissions().mode() & 0o5 != 0o5) {
            fs::set_permissions(at, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// A command on the stage; `nobody` as an account without any right.
    pub(crate) fn command(&self, nobody: bool, program: &str) -> Command {
        let mut command = Command::new("/usr/bin/nsenter");
        command.arg("-t").arg(self.holder.id().to_string()).args(["-m", "-n", "-r", "-w", "--"]);
        if nobody {
            command.args(["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        command.arg(program).stdin(Stdio::null());
        command
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
