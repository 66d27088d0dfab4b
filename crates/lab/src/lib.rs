//! A throwaway hypervisor and its VMs, for tests, drills and the demo, with real wedges.
//!
//! The guest is a Debian kernel with OpenSSH and sudo, run by QEMU under emulation; the hypervisor side is a real
//! `sshd` whose only key is forced into the guard. Nothing here is imitated, so what holds here holds for the same
//! reasons on a real fleet. One [`Lab`] at a time on a machine, under a ceiling of memory, and always torn down: by
//! `Drop`, or by the next lab where a killed test left something behind.
//!
//! It needs root and Debian packages (`cargo xtask setup`), and it blocks: async callers wrap it in a blocking task.
//! It does not diagnose and does not recover; what a wedge is called here never reaches those who do.
#![forbid(unsafe_code)]

mod banner;
mod cpio;
mod fleet_file;
mod guest;
mod hypervisor;
mod image;
mod lab;
mod packages;
pub mod panel;
mod process;
mod qemu;
mod site;
mod vm;
mod wedge;

pub use banner::Banner;
pub use hypervisor::free_port;
pub use image::Image;
pub use lab::{GUARD_VARIABLE, LAB_DIR_VARIABLE, Lab, Options, VmOptions};
pub use process::{Finished, alive, identity};
pub use vm::Vm;
pub use wedge::{Condition, Wedge};
