//! Attack by attack.

use super::support::{Ground, Tried, Who};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};
use std::process::{Child, Command, Stdio};

const EPERM: i32 = 1;
const EACCES: i32 = 13;
const ENOTTY: i32 = 25;
const ENOSYS: i32 = 38;
const EAFNOSUPPORT: i32 = 97;
const EBADF: i32 = 9;
/// A process that the filter ended: SIGSYS, as a shell counts it.
const KILLED: i32 = 128 + 31;

/// Every combination of needs in the tables, and every privilege.
const NEEDS: &[&[&str]] = &[
    &[],
    &["--needs", "unix"],
    &["--needs", "netlink"],
    &["--needs", "network"],
    &["--needs", "unix,network"],
    &["--needs", "unix,netlink"],
    &["--needs", "unix,netlink,network"],
];
const PRIVILEGED: &[&[&str]] = &[
    &["--needs", "netlink", "--privilege", "net-admin"],
    &["--privilege", "disks"],
    &["--needs", "unix", "--privilege", "hypervisor"],
];

/// What a file suffers.
const FILES: &[&str] = &[
    "write",
    "append",
    "write-both",
    "create",
    "truncate-open",
    "truncate",
    "tmpfile",
    "unlink",
    "rename",
    "link",
    "symlink",
    "mkdir",
    "mkfifo",
    "chmod",
    "fchmodat2",
    "chown",
    "utimes",
    "read-unasked",
];
/// What needs root to do harm at all.
const MACHINE: &[&str] = &[
    "mknod",
    "mount",
    "fsopen",
    "open-tree",
    "chroot",
    "unshare",
    "setns",
    "by-handle",
    "bpf",
    "kexec",
    "module",
    "reboot",
    "hostname",
    "time",
    "clock",
    "swap",
    "acct",
    "log-clear",
    "chattr",
];
/// What anybody can do to a kernel and to a process.
const ANYBODY: &[&str] = &[
    "clone3",
    "openat2",
    "perf",
    "keyctl",
    "add-key",
    "uring",
    "shm",
    "x32",
    "setsid",
    "setpgid",
    "file-size",
    "unshare-user",
    "clone-user",
    "quota",
    "unknown-call",
];
/// What is done to another process of the same user.
const PROCESSES: &[&str] = &[
    "ptrace",
    "memory",
    "environ",
    "root",
    "signal",
    "tgkill",
    "pidfd-signal",
    "limits",
    "nice",
    "affinity",
];

fn refused(tried: &Tried) -> bool {
    [EPERM, EACCES, ENOSYS, EAFNOSUPPORT, ENOTTY, KILLED].contains(&tried.code)
}

/// Options of which the ones with a privilege are root's alone.
fn combinations(who: Who) -> Vec<&'static [&'static str]> {
    let mut all = NEEDS.to_vec();
    if who == Who::Root {
        all.extend(PRIVILEGED);
    }
    all
}

#[test]
fn nothing_is_changed_whatever_the_command_needs() {
    for who in Who::all() {
        let ground = Ground::new(who);
        let (victim, other) = (ground.victim(), ground.path("other"));
        let (victim, other) = (victim.to_str().unwrap(), other.to_str().unwrap());
        for attack in FILES {
            ground.renew();
            // What is named among the arguments may be read; by another name it is not granted.
            let unasked = &victim[1..];
            let words =
                if *attack == "read-unasked" { ["read", unasked, ""] } else { [*attack, victim, other] };
            for options in combinations(who) {
                let before = ground.picture();
                let behind = ground.attack_behind(options, &words);
                assert!(refused(&behind), "{who:?} {options:?} {attack}: {behind:?}");
                assert_eq!(ground.picture(), before, "{who:?} {options:?} {attack}");
            }
            let free = ground.without(&words);
            assert_eq!(free.code, 0, "{who:?} {attack} fails by itself: {free:?}");
        }
    }
}

#[test]
fn the_machine_stays_as_it_is() {
    for who in Who::all() {
        let ground = Ground::new(who);
        let (victim, other) = (ground.victim(), ground.path("other"));
        let words = |attack| [attack, victim.to_str().unwrap(), other.to_str().unwrap()];
        let attacks = ANYBODY.iter().chain(MACHINE.iter().filter(|_| who == Who::Root));
        for attack in attacks {
            ground.renew();
            for options in combinations(who) {
                // A disk's own requests are let through to it; attributes of files are not.
                let behind = ground.attack_behind(options, &words(attack));
                assert!(refused(&behind), "{who:?} {options:?} {attack}: {behind:?}");
            }
            ground.renew();
            let free = ground.without(&words(attack));
            let kernel_has_none =
                matches!(*attack, "x32" | "unknown-call" | "kexec" | "quota" | "module" | "swap" | "acct")
                    && free.code == ENOSYS;
            let refused_anyway =
                matches!(*attack, "perf" | "quota" | "unshare-user" | "clone-user") && who == Who::Nobody;
            assert!(
                !refused(&free) || kernel_has_none || refused_anyway,
                "{who:?} {attack} fails by itself: {free:?}"
            );
        }
        let left = ground.attack_behind(&[], &["descriptors"]);
        assert_eq!(left.code, EBADF, "a descriptor of the guard's reached the program: {left:?}");
        assert_eq!(ground.attack_behind(&[], &["input"]).code, EPERM, "its input is not empty");
    }
}

/// Another process of the same user.
struct Neighbour(Child);

impl Neighbour {
    fn new(who: Who) -> Self {
        let mut command: Command = who.command(std::path::Path::new("/bin/sleep"));
        Self(command.arg("600").env("SECRET", "BGCANARY").stdout(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Neighbour {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn another_process_is_neither_seen_into_nor_touched() {
    for who in Who::all() {
        let ground = Ground::new(who);
        for attack in PROCESSES {
            let neighbour = Neighbour::new(who);
            let pid = neighbour.0.id().to_string();
            let runs =
                || std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe.ends_with("sleep"));
            while !runs() {
                std::thread::yield_now();
            }
            for options in combinations(who) {
                let behind = ground.attack_behind(options, &[attack, &pid]);
                assert!(refused(&behind), "{who:?} {options:?} {attack}: {behind:?}");
                assert!(!behind.stderr.contains("BGCANARY"));
            }
            let free = ground.without(&[attack, &pid]);
            assert_eq!(free.code, 0, "{who:?} {attack} fails by itself: {free:?}");
        }
    }
}

#[test]
fn sockets_are_there_only_for_who_needs_them() {
    for who in Who::all() {
        let ground = Ground::new(who);
        let path = ground.path("socket");
        let _listener = UnixListener::bind(&path).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
        let name = format!("bgw-{}", std::process::id());
        let _abstract = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap());
        let (path, bound) = (path.to_str().unwrap().to_owned(), ground.path("bound"));
        for (attack, argument, need) in [
            ("connect", path.as_str(), "unix"),
            ("unix", "", "unix"),
            ("netlink", "", "netlink"),
            ("inet", "", "network"),
            ("inet6", "", "network"),
        ] {
            for options in combinations(who) {
                let has = options.iter().flat_map(|word| word.split(',')).any(|word| word == need)
                    || (need == "netlink" && options.iter().any(|word| word.contains("network")));
                let tried = ground.attack_behind(options, &[attack, argument]);
                assert_eq!(tried.code == 0, has, "{who:?} {options:?} {attack}: {tried:?}");
                assert!(has || tried.code == EAFNOSUPPORT, "{who:?} {options:?} {attack}: {tried:?}");
            }
            assert_eq!(ground.without(&[attack, argument]).code, 0, "{attack} fails by itself");
        }
        let bound = bound.to_str().unwrap();
        for (attack, words) in [
            ("listen", ["listen", "", ""]),
            ("vsock", ["vsock", "", ""]),
            ("alg", ["alg", "", ""]),
            ("packet", ["packet", "", ""]),
            ("bind-path", ["bind-path", "", bound]),
            ("connect-abstract", ["connect-abstract", &name, ""]),
        ] {
            for options in combinations(who) {
                let speaks_to_the_cluster = options.contains(&"hypervisor") && attack == "connect-abstract";
                let tried = ground.attack_behind(options, &words);
                assert!(speaks_to_the_cluster || tried.code != 0, "{who:?} {options:?} {attack}: {tried:?}");
            }
        }
        assert_eq!(ground.without(&["connect-abstract", &name]).code, 0);
        assert_eq!(ground.without(&["listen"]).code, 0);
        assert_eq!(ground.without(&["bind-path", "", bound]).code, 0);
    }
}
