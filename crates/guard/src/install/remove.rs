//! `uninstall diag`: takes the steps of install back, the last one first, so that sshd's part goes before all else.

use super::files::{prepared, said};
use super::places::{DROP_IN, STEPS};
use super::steps::{Step, Steps};
use super::{Order, account, broker, config, programs, sshd};
use breakglass_chain::digest;
use std::fs::{self, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(super) fn uninstall(order: &Order) -> Result<String, String> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can take the door away: run it with sudo".to_owned());
    }
    super::enter(order)?;
    let steps = Steps::read()?;
    let mut left: Vec<String> = Vec::new();
    for step in steps.backwards() {
        // Going on is safer than stopping half-way: what could not be taken away is told, and the list of steps stays.
        if let Err(error) = undo(step, &steps, order) {
            left.push(error);
        }
    }
    if !left.is_empty() {
        return Err(format!(
            "not everything could be taken away; run it again after mending: {}",
            left.join("; ")
        ));
    }
    forget_steps()?;
    if steps.is_empty() {
        return Ok("There was no read-only door to take away.".to_owned());
    }
    Ok("The read-only door is gone, and nothing of it is left.".to_owned())
}

fn undo(step: &Step, steps: &Steps, order: &Order) -> Result<(), String> {
    match step {
        Step::File(path) => {
            remove_file(path)?;
            if path == DROP_IN && order.root.is_none() {
                // A server that reads the old configuration on lets nobody in: the keys go next.
                let _ = sshd::reload();
            }
            Ok(())
        }
        Step::Config(path, _) => {
            let edited =
                fs::read(path).is_ok_and(|text| !steps.has_written(path, &digest(&text).to_string()));
            if edited {
                report_left(path, "it was edited since");
                return Ok(());
            }
            remove_file(path)
        }
        Step::Part(path) => config::remove_part(path),
        Step::Record(path) if order.keep_record => {
            report_left(path, "as asked for");
            let place = Path::new(path);
            if place.exists() { super::files::own(place, 0o600, super::ROOT) } else { Ok(()) }
        }
        Step::Record(path) => remove_file(path),
        Step::Tree(path) => gone(path, fs::remove_dir_all(path)),
        Step::Directory(path) => match fs::remove_dir(path) {
            // Others have put something there since.
            Err(error) if error.kind() == ErrorKind::DirectoryNotEmpty => Ok(()),
            ended => gone(path, ended),
        },
        Step::Mode(path, before) => {
            let mode = u32::from_str_radix(before, 8).map_err(|error| format!("{path}: {error}"))?;
            gone(path, fs::set_permissions(path, Permissions::from_mode(mode)))
        }
        Step::Group(name) => account::remove_group(name),
        Step::User(name) => account::remove(name),
        Step::Unit(name) => {
            broker::switch_off(name);
            Ok(())
        }
    }
}

/// Takes a file away, and what an interrupted install prepared beside it.
fn remove_file(path: &str) -> Result<(), String> {
    let beside = prepared(Path::new(path));
    let _ = fs::remove_file(beside);
    gone(path, fs::remove_file(path))?;
    if path.starts_with("/etc/systemd/system/") && Path::new("/run/systemd/system").is_dir() {
        let _ = programs::run("systemctl", &["daemon-reload"]);
    }
    Ok(())
}

/// What is gone already need not be taken away.
fn gone(path: &str, ended: std::io::Result<()>) -> Result<(), String> {
    match ended {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(said(Path::new(path), error)),
        _ => Ok(()),
    }
}

fn report_left(path: &str, why: &str) {
    crate::report::warn(&format!("{path} is left where it is: {why}"));
}

/// The list of steps goes last of all, with its directories where nothing else is in them.
fn forget_steps() -> Result<(), String> {
    let place = Path::new(STEPS);
    remove_file(STEPS)?;
    for directory in place.ancestors().skip(1).take(2) {
        let _ = fs::remove_dir(directory);
    }
    Ok(())
}
