//! A host of the test's own: private copies of what install writes to, mounted over the real ones in a mount namespace,
//! and a network namespace with nothing but its loopback, so that its sshd may have port 22.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

const GUARD: &str = env!("CARGO_BIN_EXE_breakglass-guard");
pub(crate) const INSTALLED: &str = "/usr/local/lib/breakglass/breakglass-guard";
pub(crate) const USER: &str = "breakglass-diag";

/// What is private to the host.
const PRIVATE: [&str; 6] = ["etc", "usr/local/lib", "var/lib", "var/log", "run", "root"];

/// What the host's own tools keep as they work, and what nobody calls a trace of the door: copies of the last state,
/// a lock, and who came when.
const TOOLS_OWN: [&str; 9] = [
    "etc/passwd-",
    "etc/shadow-",
    "etc/group-",
    "etc/gshadow-",
    "etc/.pwd.lock",
    "var/log/lastlog",
    "var/log/wtmp",
    "var/log/btmp",
    "var/log/faillog",
];

/// Accounts have numbers, which all namespaces share: while one host's account is taken away, no other host may have a
/// process of that number, since `userdel` looks at all processes and the guard ends those that are in the way.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

pub(crate) struct Host {
    _alone: MutexGuard<'static, ()>,
    scratch: tempfile::TempDir,
    /// Holds the namespaces.
    holder: Child,
    sshd: Option<Child>,
}

pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Every file of the private directories: kind, mode, owner, content.
pub(crate) type Tree = BTreeMap<String, String>;

impl Host {
    pub(crate) fn new() -> Self {
        assert!(
            rustix::process::geteuid().is_root(),
            "this test needs root, for its namespaces and accounts"
        );
        let alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
        let scratch = tempfile::Builder::new().prefix("bgi").tempdir().unwrap();
        let at = |name: &str| scratch.path().join(name.replace('/', "-"));
        // The guard may have been built below one of the directories that are hidden now.
        let guard = scratch.path().join("guard");
        fs::write(&guard, "").unwrap();
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut script = format!("set -e\nip link set lo up\nmount --bind {GUARD} {}\n", guard.display());
        for name in PRIVATE {
            let own = at(name);
            if name == "etc" {
                run(Command::new("cp").args(["-a", "/etc"]).arg(&own));
            } else {
                fs::create_dir(&own).unwrap();
            }
            script.push_str(&format!("mount --bind {} /{name}\n", own.display()));
        }
        script.push_str("echo ready\nexec sleep infinity\n");
        let etc = at("etc");
        fs::write(
            etc.join("ssh/sshd_config"),
            "Include /etc/ssh/sshd_config.d/*.conf\nUsePAM no\nListenAddress 127.0.0.1\nAcceptEnv LANG LC_*\nPrintMotd no\n\
             Subsystem sftp internal-sftp\n",
        )
        .unwrap();
        for key in fs::read_dir(etc.join("ssh")).unwrap().flatten() {
            if key.file_name().to_string_lossy().starts_with("ssh_host_") {
                fs::remove_file(key.path()).unwrap();
            }
        }
        keygen(&etc.join("ssh/ssh_host_ed25519_key"), "host");
        keygen(&scratch.path().join("agent"), "an agent");
        keygen(&scratch.path().join("other"), "other");
        for directory in ["ssh/sshd_config.d", "tmpfiles.d", "security/limits.d", "systemd/system"] {
            let place = etc.join(directory);
            fs::create_dir_all(&place).unwrap();
            if directory == "ssh/sshd_config.d" {
                fs::write(place.join("50-site.conf"), "PasswordAuthentication yes\n").unwrap();
            }
        }
        let mut holder = Command::new("unshare")
            .args(["--mount", "--net", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "the namespaces could not be made");
        Self { _alone: alone, scratch, holder, sshd: None }
    }

    /// A file of the host's, as it lies outside of the namespace.
    pub(crate) fn outside(&self, path: &str) -> PathBuf {
        for name in PRIVATE {
            if let Some(rest) = path.strip_prefix(&format!("/{name}/")) {
                return self.scratch.path().join(name.replace('/', "-")).join(rest);
            }
        }
        panic!("{path} is not private to the host");
    }

    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// The guard that was built, before it is installed.
    pub(crate) fn guard(&self) -> String {
        self.scratch("guard").display().to_string()
    }

    pub(crate) fn key(&self) -> String {
        self.scratch("agent.pub").display().to_string()
    }

    /// A command inside of the host.
    pub(crate) fn inside(&self, words: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["-t", &self.holder.id().to_string(), "-m", "-n", "--"])
            .args(words)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn ask(&self, words: &[&str]) -> Said {
        said(&mut self.inside(words))
    }

    /// A line of shell inside of the host, which has to succeed.
    pub(crate) fn sh(&self, line: &str) -> String {
        let said = self.ask(&["sh", "-c", line]);
        assert_eq!(said.code, 0, "{line}: {}{}", said.out, said.err);
        said.out
    }

    pub(crate) fn install(&self, more: &[&str]) -> Said {
        let key = self.key();
        self.ask(&[&[&self.guard(), "install", "diag", "--key", &key], more].concat())
    }

    pub(crate) fn installed(&self, more: &[&str]) -> String {
        let said = self.install(more);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.out
    }

    pub(crate) fn uninstalled(&self) -> String {
        let said = self.ask(&[&self.guard(), "uninstall", "diag"]);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
        said.out
    }

    /// Whether sshd would start with its configuration as it stands.
    pub(crate) fn sshd_is_sound(&self) -> Result<(), String> {
        let said = self.ask(&["sh", "-c", "mkdir -p /run/sshd && /usr/sbin/sshd -t"]);
        if said.code == 0 { Ok(()) } else { Err(said.err) }
    }

    /// Starts sshd on port 22 of the host's own loopback.
    pub(crate) fn up(&mut self) {
        fs::create_dir_all(self.outside("/run/sshd")).unwrap();
        let mut sshd = self.inside(&["/usr/sbin/sshd", "-D", "-E", "/var/log/sshd.log"]);
        self.sshd = Some(sshd.spawn().unwrap());
        let begun = Instant::now();
        while !self.outside("/run/sshd.pid").exists()
            || self.ask(&["sh", "-c", "ss -ltn | grep -q :22"]).code != 0
        {
            assert!(begun.elapsed() < Duration::from_secs(20), "sshd does not listen: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.outside("/var/log/sshd.log")).unwrap_or_default()
    }

    /// The client as its printed configuration makes it, with further words before the host's name.
    pub(crate) fn ssh(&self, options: &[&str], request: &[&str]) -> Said {
        let identity = format!("IdentityFile={}", self.scratch("agent").display());
        let user = format!("User={USER}");
        let mut words =
            vec!["ssh", "-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no"];
        words.extend([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        words.extend(["-o", &identity, "-o", &user]);
        words.extend(options);
        words.push("127.0.0.1");
        words.extend(request);
        self.ask(&words)
    }

    /// All that is private to the host.
    pub(crate) fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        for name in PRIVATE {
            let root = self.scratch.path().join(name.replace('/', "-"));
            list(&root, name, &mut tree);
        }
        for own in TOOLS_OWN {
            tree.remove(own);
        }
        // What this test itself and its sshd leave.
        tree.retain(|path, _| !path.starts_with("run/sshd") && path != "var/log/sshd.log");
        tree
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        if let Some(mut sshd) = self.sshd.take() {
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn list(path: &Path, name: &str, tree: &mut Tree) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let mut line = format!("{:o} {}:{}", metadata.mode(), metadata.uid(), metadata.gid());
    if metadata.is_symlink() {
        line.push_str(&format!(" -> {}", fs::read_link(path).unwrap().display()));
    } else if metadata.is_file() {
        let content = fs::read(path).unwrap();
        line.push_str(&format!(" {} {}", content.len(), breakglass_chain::digest(&content)));
    } else if metadata.is_dir() {
        for entry in fs::read_dir(path).unwrap().flatten() {
            let below = format!("{name}/{}", entry.file_name().to_string_lossy());
            list(&entry.path(), &below, tree);
        }
    }
    tree.insert(name.to_owned(), line);
}

/// What differs between two trees, for a person.
pub(crate) fn difference(before: &Tree, after: &Tree) -> Vec<String> {
    let mut lines = Vec::new();
    for (path, line) in before {
        match after.get(path) {
            None => lines.push(format!("gone: {path}")),
            Some(now) if now != line => lines.push(format!("{path}: {line} became {now}")),
            Some(_) => {}
        }
    }
    lines.extend(after.keys().filter(|path| !before.contains_key(*path)).map(|path| format!("new: {path}")));
    lines
}

pub(crate) fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

fn run(command: &mut Command) {
    assert!(command.status().unwrap().success(), "{command:?}");
}

fn keygen(path: &Path, comment: &str) {
    run(Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", comment, "-f"]).arg(path));
}
