//! The lock that a hypervisor's tools put on a VM: a file with `KIND [PID]`.
//!
//! A lock is cleared only where its holder is known and gone and its kind leaves nothing half done. A migration, a
//! clone, a rollback, a snapshot or a suspended state is never cleared here, whoever held it.

use super::proc_file;
use crate::policy::Machine;
use breakglass_protocol::LockState;
use std::io::Read;
use std::path::Path;

/// Kinds that leave nothing half done when their holder dies.
const HARMLESS: [&str; 1] = ["backup"];

/// The lock on the VM; `None` where there is none.
pub(super) fn read(machine: &Machine) -> Option<LockState> {
    read_file(machine.qmp.lock_file.as_deref()?)
}

fn read_file(path: &Path) -> Option<LockState> {
    use rustix::fs::{Mode, OFlags, open};
    let unreadable = || Some(LockState { kind: "unreadable".to_owned(), holder: None, clearable: false });
    let file = match open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK, Mode::empty()) {
        Ok(file) => std::fs::File::from(file),
        Err(rustix::io::Errno::NOENT) => return None,
        Err(_) => return unreadable(),
    };
    let mut text = String::new();
    if file.take(256).read_to_string(&mut text).is_err() {
        return unreadable();
    }
    let mut words = text.split_ascii_whitespace();
    let kind = words.next()?;
    let named: Option<u32> = words.next().and_then(|word| word.parse().ok());
    let alive = named.filter(|pid| proc_file::stat(*pid).is_some_and(|stat| !stat.is_gone()));
    let holder_is_gone = named.is_some() && alive.is_none();
    let clearable = HARMLESS.contains(&kind) && holder_is_gone;
    Some(LockState { kind: kind.chars().filter(|c| !c.is_control()).collect(), holder: alive, clearable })
}

/// Whether a VM may be started as far as its lock says.
///
/// # Errors
/// Why not, and what to do.
pub(super) fn permit_start(machine: &Machine) -> Result<(), String> {
    match read(machine) {
        Some(lock) if !lock.clearable => Err(forbids(machine, &lock)),
        _ => Ok(()),
    }
}

/// Clears a lock that may be cleared. Says what was seen and done.
///
/// # Errors
/// As [`permit_start`], or the file could not be removed.
pub(super) fn clear_before_start(machine: &Machine) -> Result<String, String> {
    match (read(machine), &machine.qmp.lock_file) {
        (None, _) | (_, None) => Ok("no lock".to_owned()),
        (Some(lock), _) if !lock.clearable => Err(forbids(machine, &lock)),
        (Some(lock), Some(path)) => match std::fs::remove_file(path) {
            Ok(()) => Ok(format!(
                "the lock `{}` was cleared: its holder is gone and its kind leaves nothing half done",
                lock.kind
            )),
            Err(error) => Err(format!(
                "the lock `{}` may be cleared and its file {} cannot be removed: {error}",
                lock.kind,
                path.display()
            )),
        },
    }
}

fn forbids(machine: &Machine, lock: &LockState) -> String {
    let file = machine.qmp.lock_file.as_deref().unwrap_or(Path::new("")).display();
    let holder = match lock.holder {
        Some(pid) => format!("process {pid} holds it; let it finish or end it"),
        None => "no living process is known to hold it; find out what it left half done".to_owned(),
    };
    format!("the VM is locked (`{}`, {file}): {holder}, then remove the lock at the hypervisor", lock.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_dead_backup_may_be_cleared() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("lock");
        assert_eq!(read_file(&path), None);
        let own = std::process::id();
        for (text, kind, held, clearable) in [
            ("backup 4194305", "backup", false, true),
            (&format!("backup {own}"), "backup", true, false),
            ("backup", "backup", false, false),
            ("backup x", "backup", false, false),
            ("migrate 4194305", "migrate", false, false),
            ("clone 4194305", "clone", false, false),
            ("rollback 4194305\n", "rollback", false, false),
            ("snapshot 4194305", "snapshot", false, false),
            ("suspended", "suspended", false, false),
            ("backups 4194305", "backups", false, false),
        ] {
            std::fs::write(&path, text).unwrap();
            let lock = read_file(&path).unwrap();
            assert_eq!(
                (lock.kind.as_str(), lock.holder.is_some(), lock.clearable),
                (kind, held, clearable),
                "{text}"
            );
        }
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(read_file(&path), None, "an empty file is no lock");
        assert_eq!(
            read_file(scratch.path()).map(|lock| lock.clearable),
            Some(false),
            "what cannot be read forbids"
        );
    }
}
