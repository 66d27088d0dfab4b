//! The guest's kernel and the part of its initramfs that all VMs share, built from Debian packages and cached.
//!
//! The kernel, busybox and sudo come from packages that are fetched and unpacked, never installed; `sshd` and the
//! libraries are this machine's own, from its packages. What differs from VM to VM (name, keys, guard) is appended
//! later, by `guest`. Nothing in here is secret.

use crate::cpio::Cpio;
use crate::{packages, process};
use anyhow::{Context as _, Result, bail};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

const PACKAGES: [&str; 3] = ["linux-image-*-cloud-amd64", "busybox-static", "sudo"];
const SSHD: &str = "/usr/sbin/sshd";
/// Loaded in this order by the guest; each one's `.modinfo` says what it depends on. ext4 is built in.
const MODULES: [&str; 11] = [
    "drivers/virtio/virtio_ring.ko",
    "drivers/virtio/virtio.ko",
    "drivers/virtio/virtio_pci_modern_dev.ko",
    "drivers/virtio/virtio_pci_legacy_dev.ko",
    "drivers/virtio/virtio_pci.ko",
    "drivers/block/virtio_blk.ko",
    "net/core/failover.ko",
    "drivers/net/net_failover.ko",
    "drivers/net/virtio_net.ko",
    "drivers/input/evdev.ko",
    "drivers/acpi/button.ko",
];
/// Path in the guest, permissions, content.
const FILES: [(&str, u32, &str); 18] = [
    ("etc/inittab", 0o644, include_str!("../guest/inittab")),
    ("lab/boot", 0o755, include_str!("../guest/boot")),
    ("lab/workload", 0o755, include_str!("../guest/workload")),
    ("lab/control", 0o755, include_str!("../guest/control")),
    ("lab/powerdown", 0o755, include_str!("../guest/powerdown")),
    ("lab/memory-hog", 0o755, include_str!("../guest/memory-hog")),
    ("lab/runaway", 0o755, include_str!("../guest/runaway")),
    ("lab/busy-loop", 0o755, include_str!("../guest/busy-loop")),
    ("etc/acpi/PWRF/00000080", 0o755, "#!/bin/sh\nexec /lab/powerdown\n"),
    ("etc/passwd", 0o644, include_str!("../guest/passwd")),
    ("etc/group", 0o644, "root:x:0:\ntty:x:5:\nbreakglass:x:1000:\nnogroup:x:65534:\n"),
    // `*` and not `!`: no password opens the account, and sshd does not take it for locked either.
    (
        "etc/shadow",
        0o600,
        "root:*:19000:0:99999:7:::\nsshd:*:19000:0:99999:7:::\nbreakglass:*:19000:0:99999:7:::\n",
    ),
    ("etc/nsswitch.conf", 0o644, "passwd: files\ngroup: files\nshadow: files\nhosts: files\n"),
    ("etc/hosts", 0o644, "127.0.0.1 localhost\n"),
    (
        "etc/sudoers",
        0o440,
        "Defaults !syslog\nroot ALL=(ALL:ALL) ALL\nbreakglass ALL=(ALL:ALL) NOPASSWD: ALL\n",
    ),
    ("etc/pam.d/sudo", 0o644, include_str!("../guest/pam")),
    ("etc/pam.d/other", 0o644, include_str!("../guest/pam")),
    ("etc/ssh/sshd_config", 0o644, include_str!("../guest/sshd_config")),
];

/// What QEMU boots, but for the part that belongs to one VM.
#[derive(Debug, Clone)]
pub struct Image {
    /// The kernel.
    pub kernel: PathBuf,
    /// The shared part of the initramfs, a cpio archive that another may follow.
    pub initramfs: PathBuf,
}

impl Image {
    /// The image under `lab_dir`, built anew where its inputs have changed. `refresh` fetches the packages again.
    ///
    /// # Errors
    /// A package cannot be fetched, or the machine lacks what the image takes from it.
    pub fn ensure(lab_dir: &Path, refresh: bool) -> Result<Self> {
        let cache = lab_dir.join("packages");
        if refresh {
            packages::refresh(&cache)?;
        }
        let (tree, names) = packages::unpack(&cache, &PACKAGES)?;
        let sources = Sources::find(&tree)?;
        let recipe = sources.recipe(&names)?;
        let directory = lab_dir.join("image");
        let image = Self { kernel: directory.join("vmlinuz"), initramfs: directory.join("initramfs.cpio") };
        let stamp = directory.join("recipe");
        let fresh = std::fs::read_to_string(&stamp).is_ok_and(|have| have == recipe);
        if fresh && image.kernel.is_file() && image.initramfs.is_file() {
            return Ok(image);
        }
        std::fs::create_dir_all(&directory)?;
        // The stamp goes first and comes last, so that a build that was cut short is never taken for whole.
        let _ = std::fs::remove_file(&stamp);
        std::fs::copy(&sources.kernel, &image.kernel)?;
        std::fs::write(&image.initramfs, sources.initramfs()?)?;
        std::fs::write(&stamp, recipe)?;
        Ok(image)
    }
}

/// A file of this machine or of the unpacked packages, and where it goes in the guest.
#[derive(Debug)]
struct Taken {
    from: PathBuf,
    to: String,
    permissions: u32,
}

#[derive(Debug)]
struct Sources {
    kernel: PathBuf,
    busybox: PathBuf,
    modules: Vec<Taken>,
    programs: Vec<Taken>,
}

impl Sources {
    fn find(tree: &Path) -> Result<Self> {
        let kernel = only(&tree.join("boot"), "vmlinuz-")?;
        let release = kernel
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("vmlinuz-"))
            .context("the kernel's file name is not UTF-8")?
            .to_owned();
        let modules_from = tree.join("lib/modules").join(&release).join("kernel");
        let modules = MODULES
            .iter()
            .map(|module| Taken {
                from: modules_from.join(module),
                to: format!("lib/modules/{}", module.rsplit('/').next().unwrap_or(module)),
                permissions: 0o644,
            })
            .collect();
        let busybox = [tree.join("bin/busybox"), tree.join("usr/bin/busybox")]
            .into_iter()
            .find(|path| path.is_file())
            .context("the package busybox-static holds no busybox")?;
        Ok(Self { kernel, busybox, modules, programs: programs(tree)? })
    }

    /// Everything that the initramfs is made of, in words: the same words, the same image.
    fn recipe(&self, packages: &[String]) -> Result<String> {
        let mut recipe = packages.join("\n");
        for taken in self.modules.iter().chain(&self.programs) {
            let metadata = std::fs::metadata(&taken.from)
                .with_context(|| format!("the guest's {} is missing", taken.from.display()))?;
            write!(recipe, "\n{} {:o} {} {}", taken.to, taken.permissions, metadata.len(), metadata.mtime())?;
        }
        for (path, permissions, content) in FILES {
            write!(recipe, "\n{path} {permissions:o}\n{content}")?;
        }
        Ok(recipe)
    }

    fn initramfs(&self) -> Result<Vec<u8>> {
        let mut archive = Cpio::default();
        for directory in
            ["proc", "sys", "dev", "run", "data", "root", "mnt", "usr/bin", "usr/sbin", "sbin", "var/log"]
        {
            archive.directory(directory, 0o755, 0);
        }
        archive.directory("tmp", 0o1777, 0);
        // The kernel opens the console before anything has mounted /dev.
        archive.device("dev/console", 0o600, 5, 1);
        archive.file("bin/busybox", 0o755, 0, &read(&self.busybox)?);
        let applets = process::must(
            process::command(&self.busybox.to_string_lossy(), &["--list"]),
            Duration::from_secs(10),
        )?;
        for applet in applets.stdout.lines().filter(|applet| *applet != "busybox") {
            archive.link(&format!("bin/{applet}"), "busybox");
        }
        archive.link("init", "bin/busybox");
        let mut list = String::new();
        for module in &self.modules {
            archive.file(&module.to, module.permissions, 0, &read(&module.from)?);
            writeln!(list, "/{}", module.to)?;
        }
        archive.file("lab/modules", 0o644, 0, list.as_bytes());
        for program in &self.programs {
            archive.file(&program.to, program.permissions, 0, &read(&program.from)?);
        }
        for (path, permissions, content) in FILES {
            archive.file(path, permissions, 0, content.as_bytes());
        }
        Ok(archive.finish())
    }
}

/// sshd, sudo and PAM's module that permits, with every library that they load.
fn programs(tree: &Path) -> Result<Vec<Taken>> {
    if !Path::new(SSHD).is_file() {
        bail!("{SSHD} is missing; `cargo xtask setup` installs openssh-server");
    }
    let sudo_libraries = ["usr/libexec/sudo", "usr/lib/sudo"]
        .into_iter()
        .find(|path| tree.join(path).is_dir())
        .context("the package sudo holds no plugins")?;
    let permit =
        ["/usr/lib/x86_64-linux-gnu/security/pam_permit.so", "/lib/x86_64-linux-gnu/security/pam_permit.so"]
            .into_iter()
            .find(|path| Path::new(path).is_file())
            .context("pam_permit.so is missing; it belongs to the package libpam-modules")?;
    let mut taken = vec![
        Taken { from: SSHD.into(), to: "usr/sbin/sshd".into(), permissions: 0o755 },
        Taken { from: tree.join("usr/bin/sudo"), to: "usr/bin/sudo".into(), permissions: 0o4755 },
        Taken {
            from: permit.into(),
            to: "lib/x86_64-linux-gnu/security/pam_permit.so".into(),
            permissions: 0o644,
        },
    ];
    // From OpenSSH 9.8 on the listener starts a second program for each session.
    let session = Path::new("/usr/lib/openssh/sshd-session");
    if session.is_file() {
        taken.push(Taken {
            from: session.into(),
            to: "usr/lib/openssh/sshd-session".into(),
            permissions: 0o755,
        });
    }
    taken.push(Taken {
        from: tree.join(sudo_libraries).join("sudoers.so"),
        to: format!("{sudo_libraries}/sudoers.so"),
        permissions: 0o644,
    });
    let own = tree.join(sudo_libraries);
    let mut libraries = BTreeSet::new();
    for program in &taken {
        libraries.extend(libraries_of(&program.from, &own)?);
    }
    for library in libraries {
        let path = Path::new(&library);
        let to = match path.strip_prefix(&own) {
            Ok(name) => format!("{sudo_libraries}/{}", name.display()),
            Err(_) => library.trim_start_matches('/').to_owned(),
        };
        taken.push(Taken { from: path.to_path_buf(), to, permissions: 0o755 });
    }
    Ok(taken)
}

/// Paths of the libraries that a program loads, as the dynamic linker finds them.
fn libraries_of(program: &Path, also_in: &Path) -> Result<Vec<String>> {
    let mut command = process::command("ldd", &[&program.to_string_lossy()]);
    command.env("LD_LIBRARY_PATH", also_in);
    let answer = process::must(command, Duration::from_secs(20))?;
    let mut found = Vec::new();
    for line in answer.stdout.lines() {
        if line.contains("not found") {
            bail!("{} needs a library that this machine lacks: {}", program.display(), line.trim());
        }
        let path = line.split_whitespace().find(|word| word.starts_with('/'));
        found.extend(path.map(str::to_owned));
    }
    Ok(found)
}

/// The one file in `directory` whose name begins so.
fn only(directory: &Path, prefix: &str) -> Result<PathBuf> {
    std::fs::read_dir(directory)
        .with_context(|| format!("cannot read {}", directory.display()))?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
        .with_context(|| format!("{} holds no {prefix}…", directory.display()))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}
