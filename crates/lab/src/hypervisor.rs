//! The hypervisor side: a real `sshd` on the loopback whose only key is forced into the guard, and the guard's file.
//!
//! Everything it names lies in the lab's own root-owned directory. It does not start VMs; the guard does that.

use crate::process;
use crate::site::Site;
use crate::vm::Vm;
use anyhow::{Context as _, Result, bail};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

/// How patient the guard of a lab is, in seconds; the defaults are the guard's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) grace: u64,
    pub(crate) stop_grace: u64,
    pub(crate) kill_wait: u64,
    pub(crate) forensics: u64,
}

/// The running hypervisor side.
#[derive(Debug)]
pub(crate) struct Hypervisor {
    pub(crate) directory: PathBuf,
    pub(crate) ssh_port: u16,
    /// The key that is forced into the guard.
    pub(crate) power_key: PathBuf,
    /// The key that logs into the guests.
    pub(crate) repair_key: PathBuf,
    pub(crate) host_key: PathBuf,
    pub(crate) guard: PathBuf,
    sshd: Option<Child>,
}

/// The label of the power key, which the guard writes into its record.
pub(crate) const KEY_LABEL: &str = "lab-power";

impl Hypervisor {
    /// Keys and files, but no `sshd` yet: the VMs need the keys before the guard's file can name the VMs.
    pub(crate) fn prepare(site: &Site, guard: &Path) -> Result<Self> {
        let directory = site.directory().to_path_buf();
        // A copy: the forced command must name a program that only root can replace.
        let own_guard = directory.join("breakglass-guard");
        std::fs::copy(guard, &own_guard)
            .with_context(|| format!("cannot copy the guard {}", guard.display()))?;
        std::fs::set_permissions(&own_guard, std::fs::Permissions::from_mode(0o755))?;
        let hypervisor = Self {
            ssh_port: free_port()?,
            power_key: make_key(&directory, "power_key")?,
            repair_key: make_key(&directory, "repair_key")?,
            host_key: make_key(&directory, "hypervisor_host_key")?,
            guard: own_guard,
            sshd: None,
            directory,
        };
        Ok(hypervisor)
    }

    pub(crate) fn guard_file(&self) -> PathBuf {
        self.directory.join("guard.toml")
    }

    /// Writes the guard's file and opens the door.
    pub(crate) fn open(&mut self, vms: &[Vm], patience: Patience) -> Result<()> {
        std::fs::write(self.guard_file(), self.guard_toml(vms, patience)?)?;
        let public = std::fs::read_to_string(self.power_key.with_extension("pub"))?;
        let line = format!(
            "restrict,command=\"{} power --config {} --label {KEY_LABEL}\" {public}",
            self.guard.display(),
            self.guard_file().display()
        );
        let authorized = self.directory.join("authorized_keys");
        std::fs::write(&authorized, line)?;
        let configuration = self.directory.join("sshd_config");
        std::fs::write(&configuration, self.sshd_config(&authorized))?;
        std::fs::create_dir_all("/run/sshd").context("sshd wants its empty directory /run/sshd")?;
        let log = std::fs::File::create(self.directory.join("sshd.log"))?;
        let mut command =
            process::command("/usr/sbin/sshd", &["-D", "-e", "-f", &configuration.to_string_lossy()]);
        command.stdout(log.try_clone()?).stderr(log);
        self.sshd =
            Some(command.spawn().context("cannot start sshd; `cargo xtask setup` installs openssh-server")?);
        let until = std::time::Instant::now() + Duration::from_secs(5);
        while !matches!(crate::banner::ask(self.ssh_port, Duration::from_secs(1)), crate::Banner::Shown(_)) {
            if std::time::Instant::now() > until {
                let said = std::fs::read_to_string(self.directory.join("sshd.log")).unwrap_or_default();
                bail!("the hypervisor's sshd does not answer; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn guard_toml(&self, vms: &[Vm], patience: Patience) -> Result<String> {
        let mut text = String::new();
        let at = |name: &str| self.directory.join(name).to_string_lossy().into_owned();
        writeln!(text, "state_dir = {:?}\n\n[record]\ndir = {:?}\n", at("guard-state"), at("record"))?;
        writeln!(text, "[power]\nbackend = \"qmp\"")?;
        let Patience { grace, stop_grace, kill_wait, forensics } = patience;
        writeln!(
            text,
            "grace_seconds = {grace}\nstop_grace_seconds = {stop_grace}\nkill_wait_seconds = {kill_wait}"
        )?;
        if let [vm] = vms {
            writeln!(text, "vm = {}\nname = {:?}\n\n[power.qmp]", vm.number(), vm.name())?;
            write_machine(&mut text, vm)?;
        } else {
            for vm in vms {
                writeln!(text, "\n[[power.machines]]\nvm = {}\nname = {:?}", vm.number(), vm.name())?;
                writeln!(text, "\n[power.machines.qmp]")?;
                write_machine(&mut text, vm)?;
            }
        }
        writeln!(text, "\n[power.forensics]\ndir = {:?}\ndeadline_seconds = {forensics}", at("forensics"))?;
        Ok(text)
    }

    fn sshd_config(&self, authorized: &Path) -> String {
        // sshd takes an account whose password field begins with `!` for locked, unless PAM decides; a cloud image's
        // root is like that.
        let locked = std::fs::read_to_string("/etc/shadow")
            .is_ok_and(|shadow| shadow.lines().any(|line| line.starts_with("root:!")));
        format!(
            "Port {}\nListenAddress 127.0.0.1\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM {}\n\
             PermitRootLogin forced-commands-only\nAllowUsers root\nAuthenticationMethods publickey\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nStrictModes yes\nUseDNS no\nPrintMotd no\n\
             PrintLastLog no\nX11Forwarding no\nAllowTcpForwarding no\nAllowAgentForwarding no\nMaxStartups 200\n\
             LogLevel INFO\nSetEnv HOME={}\n",
            self.ssh_port,
            self.host_key.display(),
            authorized.display(),
            if locked { "yes" } else { "no" },
            // The start-up files of this machine's root (a version manager's, say) are not the lab's: the shell that sshd
            // starts looks for them in an empty place, as the recovery account of a real hypervisor has none.
            self.directory.join("home").display(),
        )
    }
}

impl Hypervisor {
    /// The process that listens at the door.
    pub(crate) fn sshd_pid(&self) -> Option<u32> {
        self.sshd.as_ref().map(Child::id)
    }
}

impl Drop for Hypervisor {
    fn drop(&mut self) {
        if let Some(sshd) = &mut self.sshd {
            // Only fails where it has ended already.
            let _ = sshd.kill();
            let _ = sshd.wait();
        }
    }
}

fn write_machine(text: &mut String, vm: &Vm) -> Result<()> {
    for (key, suffix) in [
        ("socket", "qmp"),
        ("pid_file", "pid"),
        ("console", "console"),
        ("lock_file", "lock"),
        ("log", "log"),
    ] {
        writeln!(text, "{key} = {:?}", vm.file(suffix).to_string_lossy())?;
    }
    writeln!(text, "command = [\"/bin/sh\", {:?}]", vm.file("launch").to_string_lossy())?;
    writeln!(text, "executable = {:?}", crate::vm::QEMU)?;
    Ok(())
}

/// A fresh ed25519 key without a passphrase; the public half lies beside it.
pub(crate) fn make_key(directory: &Path, name: &str) -> Result<PathBuf> {
    let path = directory.join(name);
    let arguments = ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", &path.to_string_lossy()];
    process::must(process::command("ssh-keygen", &arguments), Duration::from_secs(20))?;
    Ok(path)
}

/// `SHA256:…` of a key, as OpenSSH prints it.
pub(crate) fn fingerprint(key: &Path) -> Result<String> {
    let public = key.with_extension("pub");
    let answer = process::must(
        process::command("ssh-keygen", &["-l", "-f", &public.to_string_lossy()]),
        Duration::from_secs(20),
    )?;
    let word = answer.stdout.split_whitespace().find(|word| word.starts_with("SHA256:"));
    word.map(str::to_owned)
        .with_context(|| format!("ssh-keygen shows no fingerprint for {}", public.display()))
}

/// A port of the loopback that nobody has right now and that the kernel gives to nobody by itself: below the range from
/// which outgoing connections take theirs (32768 by default), so that it is still free when a VM is started anew.
///
/// # Errors
/// All ten thousand that it tries are taken.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    const FIRST: u16 = 20_000;
    const COUNT: u16 = 10_000;
    let own = u16::try_from(std::process::id() % 97).unwrap_or(0) * 101;
    for _ in 0..COUNT {
        let port = FIRST + own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % COUNT;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port of the loopback between {FIRST} and {} is free", FIRST + COUNT)
}

/// A `known_hosts` file that holds the hypervisor's key and nothing else.
pub(crate) fn stock_keys(hypervisor: &Hypervisor) -> Result<PathBuf> {
    let path = hypervisor.directory.join("hypervisor_known_hosts");
    if !path.exists() {
        let public = std::fs::read_to_string(hypervisor.host_key.with_extension("pub"))?;
        std::fs::write(&path, format!("[127.0.0.1]:{} {public}", hypervisor.ssh_port))?;
    }
    Ok(path)
}
