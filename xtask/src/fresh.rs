//! Both README commands in a root that was just made: Debian's smallest system, a C compiler, cargo, and a clean clone.
//!
//! A machine that already has what a test needs proves nothing about its set-up step. The new root shares this machine's
//! kernel, network, toolchain and cargo's downloads, and nothing else; it goes away at the end, also when the run fails.

use crate::run::{command, root, run};
use anyhow::{Context as _, Result, bail, ensure};
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where the clone lies in the new root.
const HOME: &str = "/src";
/// How long the demo may take to install, build, boot and print its address.
const DEMO: Duration = Duration::from_secs(45 * 60);

/// Runs `cargo xtask demo` until it has printed its address and answered there, then `cargo xtask test`.
pub(crate) fn fresh() -> Result<()> {
    ensure!(crate::setup::is_root(), "only root can make a root; become root and run it again");
    crate::setup::install_one("debootstrap", "makes the fresh root")?;
    let scratch = tempfile::Builder::new().prefix("breakglass-fresh-").tempdir_in("/var/tmp")?;
    let fresh = Fresh { root: scratch.path().to_owned() };
    fresh.bootstrap()?;
    fresh.clone_repository()?;
    fresh.demo()?;
    run("cargo xtask test, in the fresh root", fresh.inside(&["cargo", "xtask", "test"]))?;
    eprintln!("xtask: both README commands pass in a fresh root");
    Ok(())
}

struct Fresh {
    root: PathBuf,
}

impl Fresh {
    fn bootstrap(&self) -> Result<()> {
        let sources = Sources::of_this_machine()?;
        let root = self.root.to_string_lossy().into_owned();
        let packages = "--include=ca-certificates,gcc,git,libc6-dev";
        let arguments = ["--variant=minbase", packages, &sources.suite, &root, &sources.mirror];
        let mut make = command("debootstrap", &arguments);
        make.stdout(Stdio::null());
        run("debootstrap", make)?;
        // How this machine reaches its packages is part of the machine, as its network is.
        for place in [
            "etc/apt/sources.list",
            "etc/apt/sources.list.d",
            "etc/apt/apt.conf.d",
            "etc/apt/auth.conf.d",
            "etc/npmrc",
            "etc/pip.conf",
            "usr/local/share/ca-certificates",
            "root/.npmrc",
        ] {
            let from = Path::new("/").join(place);
            let to = self.root.join(place);
            if from.exists() {
                let _ = if to.is_dir() { std::fs::remove_dir_all(&to) } else { std::fs::remove_file(&to) };
                run(place, command("cp", &["-a", &from.to_string_lossy(), &to.to_string_lossy()]))?;
            }
        }
        for keys in ["usr/share/keyrings", "etc/resolv.conf", "etc/hosts"] {
            let from = Path::new("/").join(keys);
            let to = self.root.join(keys);
            if from.is_dir() {
                let inside = format!("{}/.", from.display());
                run(keys, command("cp", &["-an", &inside, &to.to_string_lossy()]))?;
            } else if from.exists() {
                let _ = std::fs::copy(&from, &to);
            }
        }
        // Into the one file that all of them read.
        run("certificates", command("chroot", &[&root, "update-ca-certificates"]))
    }

    fn clone_repository(&self) -> Result<()> {
        let from = root();
        let to = self.root.join(HOME.trim_start_matches('/'));
        let words = ["clone", "--quiet", "--no-hardlinks", &from.to_string_lossy(), &to.to_string_lossy()];
        run("a clean clone", command("git", &words))
    }

    /// A command in the new root, in mount and process namespaces of its own. Ends with everything that it started: the
    /// shell that starts it is the first process there, and takes the ended ones in as a machine's first process does.
    fn inside(&self, words: &[&str]) -> Command {
        let home = home();
        let root = self.root.display();
        let toolchain = |name: &str, variable: &str| {
            std::env::var_os(variable).map_or_else(|| home.join(name), PathBuf::from)
        };
        let (cargo, rustup) = (toolchain(".cargo", "CARGO_HOME"), toolchain(".rustup", "RUSTUP_HOME"));
        let script = format!(
            "set -e
            mount --bind {root} {root}
            for d in proc sys dev run tmp root/.cargo root/.rustup; do mkdir -p {root}/$d; done
            mount -t proc proc {root}/proc; mount --rbind /sys {root}/sys; mount --rbind /dev {root}/dev
            mount -t tmpfs -o mode=755 tmpfs {root}/run
            mount --bind {cargo} {root}/root/.cargo; mount --bind {rustup} {root}/root/.rustup
            mount --make-rslave {root}/sys; mount --make-rslave {root}/dev
            cd {root}; mkdir -p .machine; pivot_root . .machine; umount -l /.machine
            code=0; /bin/sh -c 'cd {HOME} && exec \"$@\"' fresh \"$@\" || code=$?
            exit $code",
            cargo = cargo.display(),
            rustup = rustup.display(),
        );
        let mut inside = Command::new("unshare");
        inside.args(["--mount", "--pid", "--fork", "--kill-child", "sh", "-c", &script, "fresh"]).args(words);
        let kept = ["RUSTUP_TOOLCHAIN", "SSL_CERT_FILE"].map(|name| (name, std::env::var_os(name)));
        inside.env_clear().env("HOME", "/root").env("LANG", "C.UTF-8").stdin(Stdio::null());
        inside.env("PATH", "/root/.cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        for (name, value) in kept {
            if let Some(value) = value {
                inside.env(name, value);
            }
        }
        inside
    }

    /// The demo as a newcomer runs it: until the address is printed, then a look at it, then Ctrl-C.
    fn demo(&self) -> Result<()> {
        eprintln!("xtask: cargo xtask demo, in the fresh root");
        let begun = Instant::now();
        let mut demo = self.inside(&["cargo", "xtask", "demo"]);
        demo.stdout(Stdio::piped()).process_group(0);
        let mut demo = Running(demo.spawn().context("starting the demo")?);
        let out = demo.0.stdout.take().context("the demo has no output")?;
        let (send, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                eprintln!("  {line}");
                if send.send(line).is_err() {
                    return;
                }
            }
        });
        let address = loop {
            let left = DEMO.saturating_sub(begun.elapsed());
            let line = lines.recv_timeout(left).context("the demo ended or printed no address in time")?;
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.split(['/', ' ']).next().unwrap_or_default().to_owned();
            }
        };
        let page = crate::run::page(&address)?;
        ensure!(page.contains("password"), "{address} shows no log-in:\n{page}");
        eprintln!("xtask: the demo answers at {address} after {:.0} s", begun.elapsed().as_secs_f64());
        demo.interrupt()
    }
}

/// A child that is not left behind.
struct Running(Child);

impl Running {
    /// Ctrl-C, and the wait for the end of everything.
    fn interrupt(&mut self) -> Result<()> {
        let group = format!("-{}", self.0.id());
        run("Ctrl-C", command("kill", &["-INT", "--", &group]))?;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            if self.0.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        bail!("the demo still runs a minute after Ctrl-C")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn home() -> PathBuf {
    std::env::var_os("HOME").map_or_else(|| PathBuf::from("/root"), PathBuf::from)
}

/// Where this machine gets its Debian packages from.
struct Sources {
    mirror: String,
    suite: String,
}

impl Sources {
    /// Reads apt's own lists, in either of their two forms.
    fn of_this_machine() -> Result<Self> {
        let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
        let more = std::fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten();
        files.extend(more.map(|entry| entry.path()));
        files.sort_by_key(|path| path.extension() != Some(OsStr::new("sources")));
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            if !text.contains("debian-archive-keyring") && !text.lines().any(|line| line.starts_with("deb "))
            {
                continue;
            }
            let after = |key: &str| {
                let line = text.lines().find_map(|line| line.strip_prefix(key))?;
                line.split_whitespace().next().map(str::to_owned)
            };
            if let (Some(mirror), Some(suite)) = (after("URIs:"), after("Suites:")) {
                return Ok(Self { mirror, suite });
            }
            let classic = text.lines().find_map(|line| {
                let mut words =
                    line.strip_prefix("deb ")?.split_whitespace().filter(|word| !word.starts_with('['));
                Some(Self { mirror: words.next()?.to_owned(), suite: words.next()?.to_owned() })
            });
            if let Some(sources) = classic {
                return Ok(sources);
            }
        }
        bail!("apt's lists name no mirror: is this a Debian machine?")
    }
}
