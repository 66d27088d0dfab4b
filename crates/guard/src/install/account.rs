//! The door's account: no root, a shell that reads no start-up files, a home that is root's and empty.

use super::places::HOME;
use super::programs;
use super::steps::{Step, Steps};
use std::fs;

/// An account as `/etc/passwd` has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    pub(crate) name: String,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) home: String,
    pub(crate) shell: String,
}

/// All accounts of `/etc/passwd`. A directory service is not asked: the door must open when that is down.
pub(crate) fn all() -> Vec<Account> {
    let text = fs::read("/etc/passwd").unwrap_or_default();
    let account = |line: &str| {
        let mut fields = line.split(':').map(str::to_owned);
        let name = fields.next().filter(|name| !name.is_empty())?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1)?;
        Some(Account { name, uid, gid, home, shell: fields.next()? })
    };
    String::from_utf8_lossy(&text).lines().filter_map(account).collect()
}

/// The account of this name.
pub(crate) fn named(name: &str) -> Option<Account> {
    all().into_iter().find(|account| account.name == name)
}

/// The groups of `/etc/group`: name, number, members.
fn groups() -> Vec<(String, u32, Vec<String>)> {
    let text = fs::read("/etc/group").unwrap_or_default();
    let group = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?.to_owned();
        let gid = fields.nth(1)?.parse().ok()?;
        let members = fields.next().unwrap_or_default().split(',').map(str::to_owned).collect();
        Some((name, gid, members))
    };
    String::from_utf8_lossy(&text).lines().filter_map(group).collect()
}

/// The groups that an account is in, its own included: name and number.
pub(crate) fn groups_of(account: &Account) -> Vec<(String, u32)> {
    let within = |(name, gid, members): (String, u32, Vec<String>)| {
        (gid == account.gid || members.contains(&account.name)).then_some((name, gid))
    };
    groups().into_iter().filter_map(within).collect()
}

fn has_group(name: &str) -> bool {
    groups().iter().any(|(have, ..)| have == name)
}

/// A name that every tool takes and no shell or configuration file reads anything into.
pub(crate) fn is_name(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_');
    first
        && name.len() <= 31
        && name != "root"
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"_-".contains(&b))
}

/// Whether the account can be had: it is not there yet, or as install makes it.
///
/// # Errors
/// A sentence: what is in the way.
pub(crate) fn can_be(name: &str, steps: &Steps) -> Result<(), String> {
    let Some(have) = named(name) else {
        for tool in ["useradd", "groupadd"] {
            if programs::find(tool).is_none() {
                return Err(format!(
                    "this host has no `{tool}`: make the account `{name}` by the host's own means, with the shell \
                     /bin/sh and the home {HOME}, and run install again"
                ));
            }
        }
        return Ok(());
    };
    let ours = steps.all().contains(&Step::User(name.to_owned()));
    let fault = if have.uid == 0 {
        "is root".to_owned()
    } else if have.home != HOME {
        format!("has the home {} and not {HOME}", have.home)
    } else if have.shell != "/bin/sh" {
        format!("has the shell {} and not /bin/sh", have.shell)
    } else {
        return Ok(());
    };
    let remedy = if ours { "mend it with usermod" } else { "choose another name with --user" };
    Err(format!("the account `{name}` is there already and {fault}; {remedy}"))
}

/// Makes the account where it is not there, and gives it.
///
/// # Errors
/// A sentence: what the host's tool said.
pub(crate) fn make(name: &str, steps: &mut Steps) -> Result<Account, String> {
    if named(name).is_none() {
        if !has_group(name) {
            steps.note(Step::Group(name.to_owned()))?;
            programs::run("groupadd", &["--system", name])?;
        }
        steps.note(Step::User(name.to_owned()))?;
        // `*` is no password. The `!` of a locked account would make an sshd without PAM refuse its keys too.
        let mut words = vec!["--system", "--gid", name, "--home-dir", HOME, "--no-create-home"];
        words.extend(["--shell", "/bin/sh", "--password", "*", "--comment", "breakglass looks only"]);
        // Without it `journalctl` shows nothing of the system's units.
        if has_group("systemd-journal") {
            words.extend(["--groups", "systemd-journal"]);
        }
        words.push(name);
        programs::run("useradd", &words)?;
    }
    named(name).ok_or_else(|| format!("the account `{name}` was made and is not in /etc/passwd"))
}

/// Takes the account away, and what still runs as it.
///
/// # Errors
/// A sentence: what the host's tool said.
pub(super) fn remove(name: &str) -> Result<(), String> {
    let Some(account) = named(name) else { return Ok(()) };
    end_processes_of(account.uid);
    programs::run("userdel", &[name]).map(|_| ())
}

/// Takes the group away, where `userdel` left it.
pub(super) fn remove_group(name: &str) -> Result<(), String> {
    if !has_group(name) {
        return Ok(());
    }
    programs::run("groupdel", &[name]).map(|_| ())
}

/// Ends what runs as the account: open sessions of the door.
fn end_processes_of(uid: u32) {
    use std::os::unix::fs::MetadataExt;
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
        let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) else { continue };
        if uid != 0 && entry.metadata().is_ok_and(|metadata| metadata.uid() == uid) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}
