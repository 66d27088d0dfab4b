//! The children of forensics: `breakglass-guard capture PART`, one process a part, order on stdin, bytes on stdout.
//!
//! A child may hang for ever; its parent does not wait. So a child holds nothing of its parent but its own two
//! pipes, writes what it has as soon as it has it, and dies with its parent. How a part went is its exit code.

pub(crate) mod backtrace;
mod cgroup;
pub(crate) mod children;
mod guest_agent;
mod host;
mod hypervisor;
pub(crate) mod keep;
mod kernel_log;
pub(crate) mod kernel_text;
mod monitor;
mod order;
mod screen;
mod sheet;
mod texts;
mod threads;
mod volatile;
mod whole;

pub(crate) use crate::forensics::PartEnd;
pub(crate) use kernel_log::kernel_log;
pub(crate) use order::{Order, Part};
pub(crate) use volatile::marker_dir;

use breakglass_protocol::{Timestamp, exit};
use sheet::Sheet;
use std::ffi::OsString;
use std::io::Read;
use std::time::SystemTime;

/// The largest order that is read.
const ORDER_LIMIT: u64 = 4 << 20;

/// The hidden subcommand; `arguments` is what follows `capture`. Returns the exit code.
pub(crate) fn run(arguments: &[OsString]) -> u8 {
    // Whoever started us may be killed; nobody would collect what we find.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let [name] = arguments else { return exit::INTERNAL };
    match name.to_str() {
        Some(keep::NAME) => return keep::run(),
        Some(whole::NAME) => return whole::run(),
        _ => {}
    }
    let Some(part) = name.to_str().and_then(Part::from_name) else { return exit::INTERNAL };
    let mut json = Vec::new();
    if std::io::stdin().lock().take(ORDER_LIMIT).read_to_end(&mut json).is_err() {
        return exit::INTERNAL;
    }
    let Ok(order) = serde_json::from_slice::<Order>(&json) else { return exit::INTERNAL };
    let mut sheet = Sheet::new();
    let end = match part {
        Part::Qmp => monitor::run(&order, &mut sheet),
        Part::Screen => screen::run(&order, &mut sheet),
        Part::GuestAgent => guest_agent::run(&order, &mut sheet),
        Part::Threads => threads::run(&order, &mut sheet),
        Part::Backtrace => backtrace::run(&order, &mut sheet),
        Part::Cgroup => cgroup::run(&order, &mut sheet),
        Part::Host => host::run(&mut sheet),
        Part::Console => texts::console(&order, &mut sheet),
        Part::Config => texts::config(&order, &mut sheet),
        Part::Hypervisor => hypervisor::run(&order, &mut sheet),
    };
    end as u8
}

/// The clock of this host.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
