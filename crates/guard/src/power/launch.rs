//! The hidden subcommand `launch`: a process that gives up what it has of the guard and becomes the VM's QEMU.
//!
//! Its number and start time stay the same across that, so it writes down itself as the VM's process first.

use super::directory::Directory;
use super::spawn;
use crate::arguments::Launch;
use crate::policy::{Machine, Policy};
use crate::sys::{self, Standard};
use breakglass_protocol::exit;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

/// A log of QEMU that has grown beyond this is set aside before the next start.
const LOG_LIMIT: u64 = 4 << 20;

/// Becomes QEMU. Returns an exit code only where that failed.
pub(crate) fn launch(order: &Launch) -> u8 {
    let policy = match Policy::for_power(&order.config) {
        Ok(policy) => policy,
        Err(_) => return exit::BAD_CONFIGURATION,
    };
    let Some(machine) = policy.machine(&order.vm) else {
        return exit::BAD_CONFIGURATION;
    };
    let Ok(directory) = Directory::open(&policy.state_dir, machine) else {
        return exit::INTERNAL;
    };
    if !directory.take_token(&order.token) {
        return exit::BUSY_OR_TIMEOUT;
    }
    spawn::leave_session(&format!("vm-{}", machine.vm_id));
    spawn::spare_from_oom(0);
    redirect(machine);
    if let Err(why) = directory.remember_self(&order.operation, &machine.qmp.command) {
        crate::report::warn(&format!("the VM was not started: {why}"));
        return exit::INTERNAL;
    }
    let error = spawn::become_program(&machine.qmp.command);
    crate::report::warn(&format!("{} cannot be run: {error}", machine.qmp.program().display()));
    directory.forget();
    exit::HYPERVISOR_UNAVAILABLE
}

/// QEMU's own words go to its log; where that cannot be opened they are lost rather than the VM.
fn redirect(machine: &Machine) {
    let log = &machine.qmp.log;
    if std::fs::metadata(log).is_ok_and(|metadata| metadata.len() > LOG_LIMIT) {
        let _ = std::fs::rename(log, log.with_extension("log.old"));
    }
    if let Ok(file) = File::options().append(true).create(true).mode(0o600).open(log) {
        let _ = sys::replace_standard(file.as_fd(), Standard::Output);
        let _ = sys::replace_standard(file.as_fd(), Standard::Error);
    }
}
