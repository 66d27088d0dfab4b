//! Which trees a program is granted. A positive list, so that what nobody thought of stays hidden: programs and their
//! libraries, the few files of `/etc` that every program reads, `/proc`, `/sys`, and what a command of this name needs.
//!
//! No denied place lies in the list (a test compares it with the patterns). Paths among the arguments are granted too,
//! if they are not denied: directories to be listed, files to be read.

use super::landlock::{DEVICE, EXECUTE, LIST, READ, WRITE};
use crate::diag::denied::{denied, holds_denied, wildcard};
use crate::diag::plan::{Privilege, Program};
use crate::diag::policy::DiagPolicy;
use std::path::Path;

/// One tree.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grant<'a> {
    pub(super) path: &'a Path,
    pub(super) access: u64,
    /// Follow a link at the end and judge where it leads; else a link is no tree.
    pub(super) through_links: bool,
}

/// What stays hidden in granted trees.
pub(super) struct Hidden<'a> {
    /// Whether this place is.
    pub(super) is: &'a dyn Fn(&[u8]) -> bool,
    /// Whether some place beneath is.
    pub(super) holds: &'a dyn Fn(&[u8]) -> bool,
}

/// Programs and libraries: read and executed.
const PROGRAMS: &str = "/usr/bin /usr/sbin /usr/lib /usr/lib32 /usr/lib64 /usr/libexec /usr/local/bin /usr/local/sbin \
     /usr/local/lib /bin /sbin /lib /lib32 /lib64 /nix/store";

/// Read by any program.
const EVERYBODY: &str = "/usr/share /usr/local/share /etc/ld.so.cache /etc/ld.so.preload /etc/passwd /etc/group \
     /etc/nsswitch.conf /etc/localtime /etc/timezone /etc/hosts /etc/resolv.conf /etc/host.conf /etc/gai.conf \
     /etc/services /etc/protocols /etc/networks /etc/os-release /etc/machine-id /etc/hostname /etc/locale.conf \
     /etc/fstab /etc/iproute2 /etc/ssl/openssl.cnf /run/utmp /proc /dev/zero /dev/urandom /sys/block /sys/bus \
     /sys/class /sys/dev /sys/devices /sys/module /sys/fs/cgroup /sys/kernel/mm";

/// Links under `/etc` and `/run` lead where a distribution keeps the file itself.
const SELDOM: &[(&str, &str)] = &[
    ("systemctl journalctl", "/var/log/journal /run/log/journal /var/lib/systemd/catalog"),
    (
        "systemctl loginctl resolvectl networkctl hostnamectl timedatectl who",
        "/etc/systemd/system /etc/systemd/system.control /run/systemd/system /run/systemd/system.control \
         /run/systemd/generator /run/systemd/generator.early /run/systemd/generator.late /run/systemd/transient \
         /run/systemd/sessions /run/systemd/users /run/systemd/seats /run/systemd/machines /run/systemd/resolve \
         /run/systemd/netif /run/current-system",
    ),
    (
        "last who uptime lastlog",
        "/var/log/wtmp /var/log/lastlog /var/lib/wtmpdb /var/lib/lastlog /run/systemd/sessions",
    ),
    ("dpkg dpkg-query", "/var/lib/dpkg /etc/dpkg"),
    ("rpm", "/var/lib/rpm /etc/rpm"),
    (
        "lsblk findmnt blkid lsusb lspci",
        "/run/udev /run/mount /etc/udev /run/blkid /etc/blkid.conf /etc/filesystems",
    ),
    ("sensors", "/etc/sensors3.conf /etc/sensors.d"),
    ("iostat mpstat sar pidstat", "/etc/sysstat"),
    ("btrfs", "/sys/fs/btrfs"),
    ("kubectl", "/etc/ssl/certs /etc/pki/tls/certs /etc/ca-certificates"),
    ("nixos-version", "/run/current-system"),
    ("zpool zfs", "/sys/module/zfs /proc/spl /etc/hostid"),
];

/// Of `/proc`, where a capability opens what is there for the kernel alone (`kcore`).
const PROC_FOR_DISKS: &str = "/proc/self /proc/devices /proc/partitions /proc/diskstats /proc/filesystems /proc/mdstat \
     /proc/cpuinfo /proc/meminfo /proc/stat /proc/uptime /proc/version /proc/misc /proc/modules /proc/sys/dev \
     /proc/sys/kernel /proc/driver /proc/scsi /proc/mpt /run/udev /etc/lvm /run/lvm /etc/mdadm /etc/mdadm.conf \
     /run/mdadm /etc/zfs /run/blkid /etc/blkid.conf /var/lib/smartmontools";

/// Devices that are no disk but the way to ask a driver.
const DRIVERS: &str = "/dev/zfs /dev/mapper/control /dev/btrfs-control /dev/megaraid_sas_ioctl_node";

const HYPERVISOR: &str = "/etc/pve/qemu-server /etc/pve/lxc /etc/pve/storage.cfg /etc/pve/datacenter.cfg \
     /etc/pve/corosync.conf /etc/pve/.members /etc/pve/.vmlist /etc/pve/.version /etc/pve/ha /etc/pve/mapping \
     /run/qemu-server /run/lock /run/pve /run/pve-cluster /etc/vz/vz.conf /etc/libvirt/libvirt.conf";

/// What a denied place is known in, beneath the programs; the siblings are granted only where it is really there.
const SELDOM_HOLD: &[(&str, &[&str])] = &[
    (
        "/usr/lib",
        &["/usr/lib/credstore", "/usr/lib/credstore.encrypted", "/usr/lib/NetworkManager/system-connections"],
    ),
    ("/usr/share", &["/usr/share/secureboot/keys"]),
];

/// Hands every tree of a program to `take`, trusted ones (of the lists above) with `false`, judged ones with `true`.
///
/// # Errors
/// The first that `take` has.
pub(super) fn each<E>(
    program: &Program,
    place: &Path,
    policy: &DiagPolicy,
    take: &mut dyn FnMut(Grant<'_>, bool) -> Result<(), E>,
) -> Result<(), E> {
    let mut list = |paths: &str, access: u64, through_links: bool| {
        paths.split_ascii_whitespace().try_for_each(|path| {
            let judged = holds_what_is_there(path);
            take(Grant { path: Path::new(path), access, through_links }, judged)
        })
    };
    let look = READ | LIST;
    list(PROGRAMS, look | EXECUTE, false)?;
    let disks = program.needs.privilege == Some(Privilege::Disks);
    for path in EVERYBODY.split_ascii_whitespace().filter(|path| !disks || *path != "/proc") {
        list(path, look, true)?;
    }
    list("/dev/null", READ | WRITE, false)?;
    for (names, paths) in SELDOM {
        if names.split(' ').any(|name| name == program.name) {
            list(paths, look, true)?;
        }
    }
    match program.needs.privilege {
        Some(Privilege::Disks) => {
            list(PROC_FOR_DISKS, look, true)?;
            // What a disk is asked needs no right to write to it; a driver's door does, and pools are asked through theirs alone.
            if program.name != "zpool" && program.name != "zfs" {
                list("/dev", look | DEVICE, false)?;
            }
            list(DRIVERS, READ | WRITE | DEVICE, false)?;
        }
        Some(Privilege::Hypervisor) => {
            list(HYPERVISOR, look, true)?;
            // The cluster's daemon shares memory with who asks it.
            list("/dev/shm", look | WRITE, false)?;
        }
        Some(Privilege::NetAdmin | Privilege::ContainerEngine) | None => {}
    }
    take(Grant { path: place, access: READ | EXECUTE, through_links: true }, false)?;
    if let Some(path) = policy.kubeconfig.as_deref().filter(|_| program.name == "kubectl") {
        take(Grant { path, access: READ, through_links: true }, false)?;
    }
    for argument in program.arguments.iter().filter(|argument| argument.starts_with('/')) {
        let path = Path::new(argument);
        let access = if path.is_dir() { LIST } else { READ };
        take(Grant { path, access, through_links: true }, true)?;
    }
    Ok(())
}

fn holds_what_is_there(path: &str) -> bool {
    SELDOM_HOLD.iter().any(|(tree, inside)| *tree == path && inside.iter().any(|it| Path::new(it).exists()))
}

/// Judges with all that is known.
pub(super) fn judged(policy: &DiagPolicy, path: &[u8]) -> bool {
    denied(policy, path).is_some()
}

/// As [`judged`], for what lies beneath.
pub(super) fn judged_beneath(policy: &DiagPolicy, path: &[u8]) -> bool {
    holds_denied(policy, path)
}

/// What the host's configuration denies beside: a trusted tree may hold it, or lie in it.
pub(super) fn configured(policy: &DiagPolicy, path: &[u8], beneath: bool) -> bool {
    policy.denied.iter().any(|pattern| {
        let Some(rooted) = pattern.strip_prefix('/') else { return false };
        let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
        let mut expected = rooted.split('/').filter(|part| !part.is_empty());
        if beneath {
            let inside = parts.all(|part| expected.next().is_some_and(|it| wildcard(it.as_bytes(), part)));
            inside && expected.next().is_some()
        } else {
            expected.all(|it| it == "**" || parts.next().is_some_and(|part| wildcard(it.as_bytes(), part)))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_denied_place_lies_in_what_everybody_is_granted() {
        let policy = DiagPolicy::default();
        // `/proc` is the kernel's own wall (no capability, and Landlock keeps other processes' insides); `/dev` is
        // denied whole to readers, and these two devices hold nothing.
        let known =
            ["/proc", "/proc/self", "/dev/zero", "/dev/urandom", "/usr/lib", "/usr/share", "/sys/module"];
        let lists = [PROGRAMS, EVERYBODY].into_iter().chain(SELDOM.iter().map(|(_, paths)| *paths));
        for path in lists.flat_map(str::split_ascii_whitespace).filter(|path| !known.contains(path)) {
            assert!(!judged(&policy, path.as_bytes()), "{path} is denied itself");
            assert!(!judged_beneath(&policy, path.as_bytes()), "{path} holds a denied place");
        }
    }

    #[test]
    fn a_configured_denial_is_found_from_above_and_from_below() {
        let policy = DiagPolicy { denied: vec!["/var/log/journal/x*".to_owned()], ..DiagPolicy::default() };
        assert!(configured(&policy, b"/var/log/journal", true));
        assert!(!configured(&policy, b"/var/log/journal", false));
        assert!(configured(&policy, b"/var/log/journal/xy/z", false));
        assert!(!configured(&policy, b"/usr", true));
    }
}
