//! A program that attacks, put behind the walls or run as it is, by root or by nobody.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

/// Who attacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Root,
    Nobody,
}

const NOBODY: u32 = 65534;

impl Who {
    /// All that this test can be: only root can be both.
    pub(super) fn all() -> Vec<Self> {
        if rustix::process::getuid().is_root() {
            return vec![Self::Root, Self::Nobody];
        }
        println!("not root: the attacks of root are left out");
        vec![Self::Nobody]
    }

    pub(super) fn command(self, program: &Path) -> Command {
        let mut command = if self == Self::Nobody && rustix::process::getuid().is_root() {
            let mut command = Command::new("/usr/bin/setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.stdin(Stdio::null()).current_dir("/");
        command
    }
}

/// The program that attacks, compiled once.
pub(super) fn attack_program() -> &'static [u8] {
    static BUILT: OnceLock<Vec<u8>> = OnceLock::new();
    BUILT.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let built = directory.path().join("attack");
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/walls/attack.c");
        assert!(Command::new("cc").args(["-O1", "-o"]).arg(&built).arg(source).status().unwrap().success());
        fs::read(built).unwrap()
    })
}

/// A directory with guard, attack and a victim that belong to who attacks.
pub(super) struct Ground {
    directory: tempfile::TempDir,
    pub(super) who: Who,
}

impl Ground {
    pub(super) fn new(who: Who) -> Self {
        let directory = tempfile::Builder::new().prefix("bgw").tempdir().unwrap();
        let ground = Self { directory, who };
        let text = ground.path("text");
        fs::write(&text, attack_program()).unwrap();
        for (from, to) in
            [(text.clone(), ground.attack()), (env!("CARGO_BIN_EXE_breakglass-guard").into(), ground.guard())]
        {
            // By a child: a fork of another test would hold open what this process writes, and it could not be started.
            assert!(Command::new("cp").arg(from).arg(to).status().unwrap().success());
        }
        fs::remove_file(text).unwrap();
        ground.renew();
        for path in [ground.path(""), ground.guard(), ground.attack()] {
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        ground
    }

    /// Puts the victim back as it was, and takes away what an attack made.
    pub(super) fn renew(&self) {
        let kept = [self.guard(), self.attack()];
        for entry in fs::read_dir(self.directory.path()).unwrap().flatten() {
            let path = entry.path();
            if !kept.contains(&path) && path.is_dir() {
                fs::remove_dir(path).unwrap();
            } else if !kept.contains(&path) {
                fs::remove_file(path).unwrap();
            }
        }
        fs::write(self.victim(), "text of the victim").unwrap();
        fs::set_permissions(self.victim(), fs::Permissions::from_mode(0o600)).unwrap();
        if self.who == Who::Nobody && rustix::process::getuid().is_root() {
            chown(self.directory.path(), Some(NOBODY), Some(NOBODY)).unwrap();
            chown(self.victim(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(super) fn guard(&self) -> PathBuf {
        self.path("guard")
    }

    pub(super) fn attack(&self) -> PathBuf {
        self.path("attack")
    }

    pub(super) fn victim(&self) -> PathBuf {
        self.path("victim")
    }

    /// What the victim and its directory look like: any harm shows here.
    pub(super) fn picture(&self) -> String {
        let mut names: Vec<String> = fs::read_dir(self.directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        let metadata = fs::metadata(self.victim()).unwrap();
        let text = fs::read_to_string(self.victim()).unwrap();
        let (mode, changed) = (metadata.permissions().mode(), metadata.modified().unwrap());
        format!("{names:?} {text:?} {mode:o} {changed:?}")
    }

    /// The attack, as it is.
    pub(super) fn without(&self, words: &[&str]) -> Tried {
        let mut command = self.who.command(&self.attack());
        Tried::from(command.args(words).output().unwrap())
    }

    /// A guard that puts what follows behind the walls.
    pub(super) fn behind(&self, options: &[&str]) -> Command {
        let mut command = self.who.command(&self.guard());
        command.arg("behind-walls").args(options).arg("attack").arg(self.attack());
        command
    }

    pub(super) fn attack_behind(&self, options: &[&str], words: &[&str]) -> Tried {
        Tried::from(self.behind(options).args(words).output().unwrap())
    }
}

/// How an attack went.
#[derive(Debug)]
pub(super) struct Tried {
    /// The number of the error; 0 where it did its harm. Of a signal, as a shell counts it.
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl From<Output> for Tried {
    fn from(output: Output) -> Self {
        use std::os::unix::process::ExitStatusExt as _;
        let signal = output.status.signal().map(|signal| 128 + signal);
        let tried = Self {
            code: output.status.code().or(signal).unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        assert_ne!(tried.code, 99, "{}", tried.stderr);
        tried
    }
}
