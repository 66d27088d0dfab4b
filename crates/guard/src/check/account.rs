//! The door's account: its shell, its home, its password, and the groups that would make the door moot.

use super::Findings;
use crate::install::account::{self, Account};
use crate::install::places;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Shells that run a command without reading a file of the account's first.
const QUIET_SHELLS: [&str; 5] =
    ["/bin/sh", "/usr/bin/sh", "/bin/dash", "/usr/bin/dash", "/run/current-system/sw/bin/sh"];

/// What shells, sshd and PAM read in a home.
const START_UP: [&str; 15] = [
    ".ssh/rc",
    ".ssh/environment",
    ".pam_environment",
    ".bashrc",
    ".bash_profile",
    ".bash_login",
    ".profile",
    ".zshenv",
    ".zshrc",
    ".zprofile",
    ".cshrc",
    ".tcshrc",
    ".kshrc",
    ".config/fish/config.fish",
    ".ssh/authorized_keys",
];

/// Groups whose members are root by another name, and how.
pub(super) const MOOT: [(&str, &str); 22] = [
    ("root", "owns what root's group may write to"),
    ("docker", "starts containers as root"),
    ("podman", "may reach a container engine"),
    ("disk", "reads and writes every file system behind its back"),
    ("sudo", "becomes root with a password"),
    ("wheel", "becomes root with a password"),
    ("admin", "becomes root with a password"),
    ("lxd", "starts containers as root"),
    ("incus", "starts containers"),
    ("incus-admin", "starts containers as root"),
    ("libvirt", "drives every virtual machine, and their files as root"),
    ("libvirtd", "drives every virtual machine, and their files as root"),
    ("kvm", "may touch other people's virtual machines"),
    ("qemu", "owns the disks of virtual machines"),
    ("shadow", "reads every password's hash"),
    ("kmem", "reads the kernel's memory"),
    ("input", "reads every key that is pressed"),
    ("tape", "writes to backup devices"),
    ("staff", "writes to /usr/local, which root runs from"),
    ("systemd-network", "changes the network"),
    ("netdev", "changes the network"),
    ("ssl-cert", "reads private keys"),
];

pub(super) fn look(user: &str, findings: &mut Findings) {
    let Some(account) = account::named(user) else {
        findings.wrong(
            format!("there is no account `{user}` in /etc/passwd"),
            "`breakglass-guard install diag --key FILE`, or name it with --user",
        );
        return;
    };
    if account.uid == 0 {
        findings.wrong(
            format!("`{user}` is root: the door's second wall and its file rights are gone"),
            "install the door with an account of its own",
        );
    }
    shell(&account, findings);
    home(&account, findings);
    password(user, findings);
    groups(&account, findings);
    sudo(user, findings);
}

fn shell(account: &Account, findings: &mut Findings) {
    let Account { name, shell, .. } = account;
    if QUIET_SHELLS.contains(&shell.as_str()) {
        findings.fine(format!("{name} has the shell {shell}, which reads no start-up file for a command"));
    } else if shell.ends_with("nologin") || shell.ends_with("/false") {
        findings.wrong(
            format!("{name} has the shell {shell}, so sshd cannot start the guard"),
            format!("`usermod -s /bin/sh {name}`"),
        );
    } else {
        findings.weak(
            format!("{name} has the shell {shell}, which sshd starts before the guard and which may read start-up files"),
            format!("`usermod -s /bin/sh {name}`"),
        );
    }
}

fn home(account: &Account, findings: &mut Findings) {
    let Account { name, home, .. } = account;
    let place = Path::new(home);
    let Ok(metadata) = fs::metadata(place) else {
        findings.weak(
            format!("{name}'s home {home} is not there, which sshd says at every look"),
            format!("`install -d -o root -m 555 {}`", places::HOME),
        );
        return;
    };
    let writable = metadata.uid() == account.uid
        || metadata.mode() & 0o002 != 0
        || (metadata.gid() == account.gid && metadata.mode() & 0o020 != 0);
    if writable && account.uid != 0 {
        findings.wrong(
            format!("{name} may write to its home {home}: a file there runs before the guard the next time"),
            format!("`chown root:root {home}` and `chmod 555 {home}`"),
        );
    }
    let found: Vec<&str> =
        START_UP.into_iter().filter(|file| place.join(file).symlink_metadata().is_ok()).collect();
    if !found.is_empty() {
        findings.wrong(
            format!("{home} has start-up files: {}", found.join(", ")),
            "move them away: what they start comes before the guard",
        );
    } else if !writable {
        findings.fine(format!("{home} is not {name}'s to write to, and has no start-up files"));
    }
}

fn password(user: &str, findings: &mut Findings) {
    let Ok(shadow) = fs::read("/etc/shadow") else { return };
    let shadow = String::from_utf8_lossy(&shadow).into_owned();
    let Some(line) = shadow.lines().find(|line| line.split(':').next() == Some(user)) else { return };
    match line.split(':').nth(1).unwrap_or_default() {
        "*" | "*LK*" | "x" => {}
        "" => findings.wrong(format!("{user} has an empty password"), format!("`usermod -p '*' {user}`")),
        hash if hash.starts_with('!') => findings.weak(
            format!("{user} is locked, which an sshd without PAM takes for its keys too"),
            format!("`usermod -p '*' {user}`: no password, and not locked"),
        ),
        _ => findings.weak(
            format!("{user} has a password, which opens it by other ways than this door"),
            format!("`usermod -p '*' {user}`"),
        ),
    }
}

fn groups(account: &Account, findings: &mut Findings) {
    let name = &account.name;
    let groups = account::groups_of(account);
    let mut moot = false;
    for (group, why) in MOOT {
        if groups.iter().any(|(have, _)| have == group) {
            moot = true;
            findings.wrong(
                format!("{name} is in the group `{group}`, which {why}: outside of the guard it is more than a look"),
                format!("`gpasswd -d {name} {group}`; what needs privilege goes through the broker"),
            );
        }
    }
    let member = |group: &str| groups.iter().any(|(have, _)| have == group);
    if member("adm") {
        findings.fine(format!(
            "{name} is in `adm` and may read /var/log, auth.log included: right if that is wanted"
        ));
    }
    if member("systemd-journal") || member("adm") {
        findings.fine(format!("{name} may read the system's journal"));
    } else if Path::new("/run/systemd/system").is_dir() {
        findings.weak(
            format!("{name} is not in `systemd-journal`: `journalctl` shows nothing of the system's units"),
            format!("`usermod -aG systemd-journal {name}`"),
        );
    }
    if !moot {
        findings.fine(format!("none of {name}'s groups makes the door moot"));
    }
}

/// A line that names the account lets it become somebody else, unless it is the one literal line for the broker.
fn sudo(user: &str, findings: &mut Findings) {
    let parts = fs::read_dir("/etc/sudoers.d").into_iter().flatten().flatten().map(|entry| entry.path());
    for path in std::iter::once("/etc/sudoers".into()).chain(parts) {
        let text = fs::read_to_string(&path).unwrap_or_default();
        let mut lines = text.lines().map(str::trim).filter(|line| {
            let subject = line.split([' ', '\t', '=', ',']).next().unwrap_or_default();
            subject == user || subject == "ALL"
        });
        if let Some(line) = lines.find(|line| !line.contains(" broker --config ")) {
            findings.wrong(
                format!("{} lets {user} run something by sudo: {}", path.display(), line.escape_debug()),
                "take the line out; what needs privilege goes through the broker",
            );
        }
    }
}
