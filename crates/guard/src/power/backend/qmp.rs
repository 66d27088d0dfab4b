//! A plain QEMU without a hypervisor's tools: the guard starts it and talks to its monitor, and other tools may say
//! in a file, `KIND [PID]`, that they are at work on the VM.

use super::{Backend, Directory, Found, View, differences, forbids, lock};
use crate::policy::Machine;
use crate::power::proc_file;
use breakglass_protocol::LockState;
use std::io::Read;
use std::path::Path;

/// Plain QEMU.
pub(super) struct Qmp;

impl Backend for Qmp {
    fn view(&self, machine: &Machine, directory: Option<&Directory>, found: &Found) -> View {
        let file = machine.qmp.lock_file.as_deref();
        let lock = file.and_then(read_lock);
        let blocking = lock.as_ref().filter(|lock| !lock.clearable);
        let place = file.unwrap_or(Path::new("")).display().to_string();
        let forbids_start = blocking.map(|lock| forbids(lock, &place));
        let passthrough = passthrough(&machine.qmp.command);
        let mut view = View { lock, passthrough, forbids_start, ..View::default() };
        if let (Found::One(process), Some(directory)) = (found, directory) {
            match directory.remembered().filter(|remembered| remembered.process == process.identity) {
                Some(remembered) => {
                    view.staged = differences(options(&remembered.command), options(&machine.qmp.command));
                }
                None => {
                    let why = "staged configuration cannot be told: the guard did not start this process";
                    view.notes.push(why.to_owned());
                }
            }
        }
        view
    }

    fn clear_lock(&self, machine: &Machine, lock: &LockState) -> Result<(), String> {
        let path = machine.qmp.lock_file.as_deref().unwrap_or(Path::new(""));
        std::fs::remove_file(path).map_err(|error| {
            format!(
                "the lock `{}` may be cleared and its file {} cannot be removed: {error}",
                lock.kind,
                path.display()
            )
        })
    }
}

/// The lock in the file; `None` where there is none.
fn read_lock(path: &Path) -> Option<LockState> {
    use rustix::fs::{Mode, OFlags, open};
    let unreadable = || Some(lock("unreadable", None, false));
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
    Some(lock(kind, alive, named.is_some()))
}

/// An option and its value belong together.
fn options(command: &[String]) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    for word in command {
        match options.last_mut() {
            Some(last) if !word.starts_with('-') && last.starts_with('-') && !last.contains(' ') => {
                last.push(' ');
                last.push_str(word);
            }
            _ => options.push(word.clone()),
        }
    }
    options
}

/// Devices of the host that the configured command hands to the VM, by QEMU's driver word.
fn passthrough(command: &[String]) -> Vec<String> {
    let drivers = command.iter().flat_map(|word| word.split(','));
    drivers
        .map(|part| part.strip_prefix("driver=").unwrap_or(part))
        .filter(|part| part.starts_with("vfio-") || *part == "usb-host")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn staged_changes_are_told_option_by_option() {
        let running = options(&words("/q -m 192 -S -drive a -drive b -no-reboot"));
        let staged = options(&words("/q -m 256 -S -drive b -drive c -device x"));
        let told: Vec<(Option<String>, Option<String>)> = differences(running.clone(), staged)
            .into_iter()
            .map(|change| (change.running, change.staged))
            .collect();
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(
            told,
            [
                (text("-m 192"), text("-m 256")),
                (text("-drive a"), text("-drive c")),
                (text("-no-reboot"), None),
                (None, text("-device x"))
            ]
        );
        assert!(differences(running.clone(), running).is_empty());
    }

    #[test]
    fn passthrough_is_named_by_driver() {
        let command = words(
            "/q -device vfio-pci,host=01:00.0 -device driver=vfio-ap -device virtio-net -drive file=vfio-x.img",
        );
        assert_eq!(passthrough(&command), ["vfio-pci", "vfio-ap"]);
    }

    #[test]
    fn only_a_dead_backup_may_be_cleared() {
        let scratch = tempfile::tempdir().unwrap();
        let path = scratch.path().join("lock");
        assert_eq!(read_lock(&path), None);
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
            let lock = read_lock(&path).unwrap();
            assert_eq!(
                (lock.kind.as_str(), lock.holder.is_some(), lock.clearable),
                (kind, held, clearable),
                "{text}"
            );
        }
        std::fs::write(&path, "\n").unwrap();
        assert_eq!(read_lock(&path), None, "an empty file is no lock");
        assert_eq!(
            read_lock(scratch.path()).map(|lock| lock.clearable),
            Some(false),
            "what cannot be read forbids"
        );
    }
}
