//! The guard's own side: its configuration, its program, its walls, its record, its broker.

use super::Findings;
use crate::diag::policy::DiagPolicy;
use crate::diag::walls::{Strength, strength};
use crate::install::account::{self, Account};
use crate::install::places;
use crate::policy::{Policy, trusted_file};
use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// Looks; gives whether there is a read-only door to look at further.
pub(super) fn look(config: &Path, user: &str, findings: &mut Findings) -> bool {
    let expected = Path::new(places::DROP_IN).exists() || account::named(user).is_some();
    match Policy::has_diag(config) {
        Err(reason) => findings.wrong(reason, "until this is mended every request is refused"),
        Ok(false) if !expected => {
            findings.fine(format!("{} is sound; this host has no read-only door", config.display()));
            return false;
        }
        Ok(false) => findings.wrong(
            format!("{} has no [diag], so the read-only door refuses everything", config.display()),
            "add a line `[diag]`, which is complete, or take the door away with `uninstall diag`",
        ),
        Ok(true) => findings.fine(format!("{} is root's, sound, and has [diag]", config.display())),
    }
    let account = account::named(user);
    if let Some(Err(directory)) = account.as_ref().map(|account| passable(config, account)) {
        findings.wrong(
            format!("{user} cannot read {}: {directory} stops it", config.display()),
            format!("`chmod go+rx {directory}`"),
        );
    }
    guard(findings);
    if let Ok((policy, diag)) = Policy::for_diag(config) {
        walls(&diag, findings);
        if let Some(account) = &account {
            record(&policy.record_dir, account, findings);
            state(&policy.state_dir, account, findings);
            broker(&diag, account, findings);
        }
    }
    true
}

fn guard(findings: &mut Findings) {
    let place = Path::new(places::GUARD);
    match trusted_file(place) {
        Ok(()) => findings.fine(format!("{} is root's alone", places::GUARD)),
        // A host that was configured as a whole has its guard elsewhere; the keys' commands are looked at anyway.
        Err(_) if !place.exists() => {}
        Err(reason) => findings.wrong(reason, "who can change the guard decides what it allows"),
    }
}

fn walls(diag: &DiagPolicy, findings: &mut Findings) {
    match strength(diag) {
        Ok(Strength::Whole) => findings.fine("the kernel has Landlock and seccomp: both walls stand behind the grammar"),
        Ok(Strength::WithoutFiles) => findings.weak(
            "Landlock is missing or old here, so seccomp alone stands behind the grammar and hides no files",
            "boot a kernel from 6.2 on with `landlock` among its `lsm=`",
        ),
        Err(reason) => findings.wrong(
            reason,
            "add `landlock` to `lsm=` of the kernel's command line, or accept less with `without_landlock = true` under [diag]",
        ),
    }
    if diag.redaction_off {
        findings.weak(
            "redaction is switched off: secrets in logs and arguments are shown",
            "take `redact = false` out of [diag]",
        );
    }
}

/// Whether the account may do this to a file or directory: one of `4` read, `2` write, `1` go through.
fn may(account: &Account, metadata: &Metadata, bit: u32) -> bool {
    let shift = if metadata.uid() == account.uid {
        6
    } else if metadata.gid() == account.gid
        || account::groups_of(account).iter().any(|(_, gid)| *gid == metadata.gid())
    {
        3
    } else {
        0
    };
    metadata.mode() >> shift & bit != 0
}

/// Whether every directory on the way lets the account through; gives the first that does not.
fn passable(path: &Path, account: &Account) -> Result<(), String> {
    let mut above: Vec<&Path> = path.ancestors().skip(1).collect();
    above.reverse();
    for directory in above {
        let open = fs::metadata(directory).map(|metadata| may(account, &metadata, 1));
        if matches!(open, Ok(false)) {
            return Err(directory.display().to_string());
        }
    }
    let readable = fs::metadata(path).map(|metadata| may(account, &metadata, 4));
    if matches!(readable, Ok(false)) { Err(path.display().to_string()) } else { Ok(()) }
}

fn record(directory: &Path, account: &Account, findings: &mut Findings) {
    let file = directory.join(format!("guard-{}.jsonl", account.name));
    let own = |path: &Path| fs::metadata(path).is_ok_and(|metadata| may(account, &metadata, 2));
    let remedy = format!(
        "`install -o {0} -g {0} -m 600 /dev/null {1}`, and `chmod 711 {2}`",
        account.name,
        file.display(),
        directory.display()
    );
    if !file.exists() && !own(directory) {
        findings.wrong(
            format!(
                "{} is missing and {} cannot make it: no request is recorded on disk",
                file.display(),
                account.name
            ),
            remedy,
        );
    } else if file.exists() && (!own(&file) || passable(&file, account).is_err()) {
        findings.wrong(format!("{} cannot write its record {}", account.name, file.display()), remedy);
    } else if own(directory) {
        findings.weak(
            format!("{} may rename and remove records in {}", account.name, directory.display()),
            format!("`chown root:root {0}` and `chmod 711 {0}`", directory.display()),
        );
    } else {
        findings.fine(format!("the record is {}", file.display()));
    }
}

fn state(directory: &Path, account: &Account, findings: &mut Findings) {
    for (_, state) in places::states_of(&account.name) {
        let state = state.replacen(places::STATE, &directory.display().to_string(), 1);
        let writable = fs::metadata(&state).is_ok_and(|metadata| may(account, &metadata, 2));
        if !writable {
            findings.weak(
                format!("{state} is missing or not writable: limits are not kept, and a full disk loses the record's lines to syslog"),
                format!("`systemd-tmpfiles --create {}`, or run install again", places::TMPFILES),
            );
        }
    }
}

fn broker(diag: &DiagPolicy, account: &Account, findings: &mut Findings) {
    let Some(socket) = &diag.broker else {
        findings
            .fine("no broker: what needs privilege (container logs, firewall rules, disk health) says so");
        return;
    };
    let shown = socket.display();
    match fs::metadata(socket) {
        Err(_) => findings.weak(
            format!("the broker's socket {shown} is not there, so what needs privilege is refused"),
            "`systemctl enable --now breakglass-broker.socket`, or take `broker` out of [diag]",
        ),
        Ok(metadata) if !metadata.file_type().is_socket() || metadata.uid() != 0 => {
            findings.wrong(
                format!("{shown} is no socket of root's: something else would answer as the broker"),
                format!("remove it and start the broker's unit again; `ls -l {shown}`"),
            );
        }
        Ok(metadata) if metadata.mode() & 0o002 != 0 => {
            findings
                .wrong(format!("everybody may reach the broker at {shown}"), format!("`chmod 660 {shown}`"));
        }
        Ok(metadata) if !may(account, &metadata, 2) => {
            findings.wrong(
                format!("{} may not reach the broker at {shown}", account.name),
                format!("`chgrp {} {shown}`", account.name),
            );
        }
        Ok(_) => findings.fine(format!("the broker listens at {shown}")),
    }
}
