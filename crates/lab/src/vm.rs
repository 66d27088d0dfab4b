//! One VM of the lab: what a test can see of it and do to it, without any of the code under test.
//!
//! It looks through ways of its own (a second monitor, a control line on the second serial port, stock `ssh`), so that
//! what breakglass says can be held against what is.

use crate::banner::{self, Banner};
use crate::hypervisor::{Hypervisor, free_port, make_key};
use crate::process::{self, Finished};
use crate::qemu::Machine;
use crate::{Image, VmOptions};
use anyhow::{Context as _, Result, bail};
use breakglass_protocol::ProcessIdentity;
use breakglass_qmp::{Client, Deadlined};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The program that the launcher becomes.
pub(crate) const QEMU: &str = "/usr/bin/qemu-system-x86_64";
const DISK_SIZE: &str = "64m";

/// One VM. Its files lie in the lab's directory under its number: `102.console`, `102.pid`, …
#[derive(Debug)]
pub struct Vm {
    number: u32,
    name: String,
    memory_mib: u32,
    directory: PathBuf,
    ssh_port: u16,
    refusing_port: u16,
    host_key: PathBuf,
    repair_key: PathBuf,
    guard: PathBuf,
    guard_file: PathBuf,
    asked: AtomicU64,
}

impl Vm {
    /// Writes the VM's disk, initramfs and launcher; starts nothing.
    pub(crate) fn prepare(hypervisor: &Hypervisor, image: &Image, options: &VmOptions) -> Result<Self> {
        let directory = hypervisor.directory.clone();
        let number = options.number;
        let vm = Self {
            number,
            name: options.name.clone(),
            memory_mib: options.memory_mib,
            ssh_port: free_port()?,
            refusing_port: free_port()?,
            host_key: make_key(&directory, &format!("host_key_{number}"))?,
            repair_key: hypervisor.repair_key.clone(),
            guard: hypervisor.guard.clone(),
            guard_file: hypervisor.guard_file(),
            asked: AtomicU64::new(0),
            directory,
        };
        vm.make_disk()?;
        let individual = crate::guest::Individual {
            name: &vm.name,
            host_key: &vm.host_key,
            authorized: &vm.repair_key.with_extension("pub"),
            guard: &vm.guard,
        };
        individual.write(&image.initramfs, &vm.file("initramfs"))?;
        let machine = Machine {
            name: &vm.name,
            number,
            directory: &vm.directory,
            kernel: &image.kernel,
            memory_mib: vm.memory_mib,
            ssh_port: vm.ssh_port,
            refusing_port: vm.refusing_port,
            idle: options.idle,
        };
        std::fs::write(vm.file("launch"), launcher(&machine, &vm.file("starts")))?;
        Ok(vm)
    }

    /// Its number in the hypervisor.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Its name, also that of its component in the fleet file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The memory that the guest has, in MiB.
    #[must_use]
    pub const fn memory_mib(&self) -> u32 {
        self.memory_mib
    }

    /// The port of the loopback that leads to the guest's sshd.
    #[must_use]
    pub const fn ssh_port(&self) -> u16 {
        self.ssh_port
    }

    /// The port of the loopback that leads to a port of the guest on which nothing listens.
    #[must_use]
    pub const fn refusing_port(&self) -> u16 {
        self.refusing_port
    }

    /// The guest's host key; the public half lies beside it.
    #[must_use]
    pub fn host_key(&self) -> &Path {
        &self.host_key
    }

    /// A file of this VM: `console`, `pid`, `qmp`, `lab.qmp`, `lock`, `log`, `launch`, `starts`, `raw`.
    #[must_use]
    pub fn file(&self, suffix: &str) -> PathBuf {
        self.directory.join(format!("{}.{suffix}", self.number))
    }

    /// What the guest has written to its serial console, all boots together.
    #[must_use]
    pub fn console(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(self.file("console")).unwrap_or_default()).into_owned()
    }

    /// The QEMU process, where one runs.
    #[must_use]
    pub fn process(&self) -> Option<ProcessIdentity> {
        self.starts().into_iter().rev().find(|process| process::alive(*process))
    }

    /// Every QEMU that was ever started for this VM, oldest first, counted by the launcher itself.
    #[must_use]
    pub fn starts(&self) -> Vec<ProcessIdentity> {
        let text = std::fs::read_to_string(self.file("starts")).unwrap_or_default();
        text.lines()
            .filter_map(|line| {
                let (pid, start_ticks) = line.split_once(' ')?;
                Some(ProcessIdentity { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? })
            })
            .collect()
    }

    /// The lab's own monitor; the guard has another.
    ///
    /// # Errors
    /// No QEMU, or it does not answer within `deadline`.
    pub fn monitor(&self, deadline: Duration) -> Result<Client<Deadlined>> {
        Ok(Client::open(&self.file("lab.qmp"), Instant::now() + deadline)?)
    }

    /// Starts QEMU without the guard, for what is tested below the guard, and returns at once.
    ///
    /// # Errors
    /// One runs already, or it cannot be started.
    pub fn launch(&self) -> Result<()> {
        if let Some(process) = self.process() {
            bail!("VM {} runs already as process {}", self.number, process.pid);
        }
        let before = self.starts().len();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.file("log"))?;
        let mut command = process::command("/bin/sh", &[&self.file("launch").to_string_lossy()]);
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        command.stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn()?;
        // A QEMU that a guard kills later has to be reaped by whoever started it.
        std::thread::spawn(move || child.wait());
        let until = Instant::now() + Duration::from_secs(10);
        while self.starts().len() == before || self.monitor(Duration::from_secs(1)).is_err() {
            if Instant::now() > until {
                let said = std::fs::read_to_string(self.file("log")).unwrap_or_default();
                bail!("QEMU does not start; it said: {said}");
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Lets the guard start the VM, as an operator on the hypervisor would.
    ///
    /// # Errors
    /// The guard did not do it; its answer is in the error.
    pub fn start(&self) -> Result<Finished> {
        let file = self.guard_file.to_string_lossy();
        let mut command = process::command(
            &self.guard.to_string_lossy(),
            &["power", "--config", &file, "--label", "lab-console"],
        );
        command.env("SSH_ORIGINAL_COMMAND", self.request("start"));
        process::must(command, Duration::from_secs(60))
    }

    /// A verb as the guard wants to hear it: with the VM's name where the guard has several VMs.
    #[must_use]
    pub fn request(&self, verb: &str) -> String {
        let several =
            std::fs::read_to_string(&self.guard_file).is_ok_and(|text| text.contains("power.machines"));
        if several { format!("{verb} {}", self.name) } else { verb.to_owned() }
    }

    /// Kills QEMU, takes away what a wedge left on the disk, launches it anew and waits until it serves.
    ///
    /// # Errors
    /// It cannot be killed or does not come up.
    pub fn renew(&self) -> Result<Duration> {
        let begun = Instant::now();
        self.kill()?;
        let _ = std::fs::remove_file(self.file("lock"));
        self.make_disk()?;
        self.launch()?;
        self.await_banner(Duration::from_secs(60))?;
        Ok(begun.elapsed())
    }

    /// Kills QEMU, if it runs.
    ///
    /// # Errors
    /// It does not end.
    pub fn kill(&self) -> Result<()> {
        self.starts().into_iter().try_for_each(process::end)
    }

    /// Asks the guest's sshd for its banner.
    #[must_use]
    pub fn banner(&self, deadline: Duration) -> Banner {
        banner::ask(self.ssh_port, deadline)
    }

    /// Waits until the guest's sshd shows its banner and returns how long that took.
    ///
    /// # Errors
    /// It does not within `deadline`; the end of the console is in the error.
    pub fn await_banner(&self, deadline: Duration) -> Result<Duration> {
        let begun = Instant::now();
        loop {
            let left = deadline.saturating_sub(begun.elapsed());
            if left.is_zero() {
                let console = self.console();
                let tail: Vec<&str> = console.lines().rev().take(8).collect();
                let tail: Vec<&str> = tail.into_iter().rev().collect();
                bail!(
                    "no SSH banner from {} in {deadline:?}; its console ends: {}",
                    self.name,
                    tail.join("\n")
                );
            }
            // User-mode networking accepts for the guest and drops what it cannot deliver, so ask again and again; but
            // each time with some patience, or the half-asked would pile up in a guest that is only slow.
            if matches!(self.banner(left.min(Duration::from_secs(1))), Banner::Shown(_)) {
                return Ok(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a shell command as root in the guest over the control line, which no wedge of the network or sshd touches.
    ///
    /// # Errors
    /// The guest does not answer within `deadline`.
    pub fn inside(&self, command: &str, deadline: Duration) -> Result<Finished> {
        if command.contains('\n') {
            bail!("the control line takes one line at a time");
        }
        let id = format!("q{}-{}", std::process::id(), self.asked.fetch_add(1, Ordering::Relaxed));
        let begun = Instant::now();
        let mut stream = self.control_line()?;
        writeln!(stream, "{id} {command}")?;
        let marker = format!("\u{1}{id} ");
        let mut received = Vec::new();
        let mut chunk = [0; 4096];
        loop {
            let text = String::from_utf8_lossy(&received).into_owned();
            if let Some((output, rest)) = text.split_once(&marker)
                && let Some((code, _)) = rest.split_once('\n')
            {
                // What an earlier command, whose caller gave up, still had to say stands before its own marker.
                let output = output
                    .rsplit_once('\u{1}')
                    .map_or(output, |(_, own)| own.split_once('\n').map_or("", |(_, own)| own));
                return Ok(Finished {
                    code: code.trim().parse().ok(),
                    stdout: output.to_owned(),
                    stderr: String::new(),
                    took: begun.elapsed(),
                });
            }
            let left = deadline.saturating_sub(begun.elapsed());
            if left.is_zero() {
                bail!("{} did not answer `{command}` on its control line within {deadline:?}", self.name);
            }
            stream.set_read_timeout(Some(left))?;
            match stream.read(&mut chunk) {
                Ok(0) => bail!("the control line of {} closed: its QEMU ended", self.name),
                Ok(length) => received.extend_from_slice(chunk.get(..length).unwrap_or_default()),
                Err(error)
                    if matches!(
                        error.kind(),
                        std::io::ErrorKind::WouldBlock
                            | std::io::ErrorKind::TimedOut
                            | std::io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn control_line(&self) -> Result<UnixStream> {
        UnixStream::connect(self.file("control"))
            .with_context(|| format!("{} has no control line: its QEMU does not run", self.name))
    }

    /// Logs in as the recovery user with stock `ssh` and runs a command.
    ///
    /// # Errors
    /// `ssh` does not end within `deadline`. That it was refused is its exit code 255.
    pub fn login(&self, remote: &str, deadline: Duration) -> Result<Finished> {
        let known = self.file("known_hosts");
        let public = std::fs::read_to_string(self.host_key.with_extension("pub"))?;
        std::fs::write(&known, format!("[127.0.0.1]:{} {public}", self.ssh_port))?;
        process::run(stock_ssh(&self.repair_key, &known, "breakglass", self.ssh_port, remote), deadline)
    }

    /// Writes a fresh file system; whatever a wedge did to the old one is gone.
    fn make_disk(&self) -> Result<()> {
        let disk = self.file("raw");
        let _ = std::fs::remove_file(&disk);
        let path = disk.to_string_lossy();
        let arguments = [
            "-q",
            "-F",
            "-t",
            "ext4",
            "-m",
            "0",
            "-b",
            "4096",
            "-E",
            "lazy_itable_init=0,lazy_journal_init=0",
            &path,
            DISK_SIZE,
        ];
        process::must(process::command("mke2fs", &arguments), Duration::from_secs(30))?;
        Ok(())
    }
}

/// Stock `ssh` with nothing of the caller's own configuration.
pub(crate) fn stock_ssh(
    key: &Path,
    known: &Path,
    user: &str,
    port: u16,
    remote: &str,
) -> std::process::Command {
    let (key, port) = (key.to_string_lossy(), port.to_string());
    let known = format!("UserKnownHostsFile={}", known.display());
    let options =
        ["BatchMode=yes", "StrictHostKeyChecking=yes", "IdentitiesOnly=yes", "IdentityAgent=none", &known];
    let mut arguments = vec!["-F", "none", "-q", "-T", "-i", &key, "-p", &port];
    for option in options {
        arguments.extend(["-o", option]);
    }
    let destination = format!("{user}@127.0.0.1");
    // Without `--` ssh would take a request that begins with a dash for an option of its own.
    arguments.extend(["--", destination.as_str(), remote]);
    process::command("ssh", &arguments)
}

/// A script that notes its own pid and start time and becomes QEMU, so that starts are counted where they happen.
fn launcher(machine: &Machine<'_>, starts: &Path) -> String {
    let quoted: Vec<String> =
        machine.arguments().iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    format!(
        "#!/bin/sh\necho \"$$ $(cut -d' ' -f22 /proc/$$/stat)\" >> '{}'\nexec {QEMU} {}\n",
        starts.display(),
        quoted.join(" ")
    )
}
