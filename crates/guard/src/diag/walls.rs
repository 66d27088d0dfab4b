//! The walls: what the kernel keeps a program from, whatever its grammar let through.
//!
//! They are the second wall. The first is the grammar; these make a hole in it harmless: nothing can be written,
//! nothing of the machine changed, no other process reached, and the denied trees are not there. What a command really
//! needs (sockets to paths, to the kernel, to other machines; a capability) is left open for it by name, in its table.

#[cfg(debug_assertions)]
pub(crate) mod bare;
mod bpf;
mod calls;
#[cfg(debug_assertions)]
mod inside;
mod landlock;
mod trees;

use super::plan::{Needs, Privilege, Program};
use super::policy::{DiagPolicy, Limits};
use crate::sys;
use landlock::Beyond;
use libc::sock_filter;
use rustix::process::{Resource, Rlimit, Signal};
use rustix::thread::CapabilitySet;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use trees::{Grant, Hidden};

/// The environment of every program, and no more; a table may add fixed values of its own.
pub(crate) const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("LC_ALL", "C.UTF-8"),
    ("TERM", "dumb"),
    ("HOME", "/nonexistent"),
    ("PAGER", "cat"),
    ("SYSTEMD_PAGER", "cat"),
    ("SYSTEMD_COLORS", "0"),
    ("SYSTEMD_URLIFY", "0"),
    ("SYSTEMD_LESS", ""),
    ("LESSSECURE", "1"),
    // A list of the firewall's rules waits for no lock of the host's.
    ("XTABLES_LOCKFILE", "/dev/null"),
];

/// How much of the walls is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strength {
    /// Landlock and seccomp.
    Whole,
    /// No Landlock, or one that knows no truncation: seccomp lets nothing be opened for writing, but hides no tree.
    WithoutFiles,
}

/// Walls that are ready to be stepped behind.
pub(crate) struct Walls {
    ruleset: Option<OwnedFd>,
    filter: Vec<sock_filter>,
    limits: Limits,
    keeps: CapabilitySet,
}

/// What the kernel has to build walls with: said before anything is started.
///
/// # Errors
/// A sentence, where the configuration asks for more than the kernel has.
pub(crate) fn strength(policy: &DiagPolicy) -> Result<Strength, String> {
    match landlock::version() {
        Some(3..) => Ok(Strength::Whole),
        Some(_) => Ok(Strength::WithoutFiles),
        None if policy.without_landlock => Ok(Strength::WithoutFiles),
        None => {
            Err("this kernel has no Landlock (or it is not switched on), which keeps programs from what \
                     nobody reads"
                .to_owned())
        }
    }
}

impl Walls {
    /// Makes them ready for this very process, which is about to become `program` at `place`.
    ///
    /// # Errors
    /// Which part failed, and what the kernel said.
    pub(crate) fn for_this_process(
        program: &Program,
        place: &Path,
        policy: &DiagPolicy,
    ) -> Result<Self, String> {
        let strength = strength(policy)?;
        let ruleset = match landlock::version() {
            Some(version) => {
                Some(ruleset(version, program, place, policy).map_err(|e| format!("Landlock: {e}"))?)
            }
            None => None,
        };
        Ok(Self {
            ruleset,
            filter: calls::filter(program.needs, strength, std::process::id()),
            limits: policy.limits,
            keeps: capabilities(program.needs),
        })
    }

    /// The same for a reader of the guard's own: it reads what it judges itself, and does nothing else.
    ///
    /// # Errors
    /// Which part failed, and what the kernel said.
    pub(crate) fn for_reading(policy: &DiagPolicy) -> Result<Self, String> {
        Self::for_ourselves(policy, landlock::READ | landlock::LIST)
    }

    /// The same for a child that only talks over what is open already: no file is there for it.
    ///
    /// # Errors
    /// Which part failed, and what the kernel said.
    pub(crate) fn for_conversation(policy: &DiagPolicy) -> Result<Self, String> {
        Self::for_ourselves(policy, 0)
    }

    fn for_ourselves(policy: &DiagPolicy, access: u64) -> Result<Self, String> {
        let strength = strength(policy)?;
        let everything = |version| {
            let beyond = Beyond { connects: false, abstract_sockets: false };
            let mut rules = landlock::Rules::new(version, beyond)?;
            rules.whole(access)?;
            Ok::<_, std::io::Error>(rules.finish())
        };
        let ruleset =
            landlock::version().map(everything).transpose().map_err(|e| format!("Landlock: {e}"))?;
        let filter = calls::reader(strength, std::process::id());
        Ok(Self { ruleset, filter, limits: policy.limits, keeps: CapabilitySet::empty() })
    }

    /// Steps behind them. There is no way back, and everything that is started from here stands behind them too.
    ///
    /// # Errors
    /// Which part failed, and what the kernel said.
    pub(crate) fn enter(self) -> Result<(), String> {
        let said = |part: &'static str| move |error: &dyn std::fmt::Display| format!("{part}: {error}");
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
            .map_err(|e| said("parent's death")(&e))?;
        // The first to go where memory runs out. Older kernels and containers may not let us, which is no loss.
        let _ = std::fs::write("/proc/self/oom_score_adj", "800");
        limit(self.limits);
        drop_capabilities(self.keeps).map_err(|e| said("capabilities")(&e))?;
        rustix::thread::set_no_new_privs(true).map_err(|e| said("no_new_privs")(&e))?;
        if let Some(ruleset) = &self.ruleset {
            sys::landlock_enter(ruleset.as_fd()).map_err(|e| said("Landlock")(&e))?;
        }
        sys::seccomp_enter(&self.filter).map_err(|e| said("seccomp")(&e))
    }
}

fn ruleset(version: u32, program: &Program, place: &Path, policy: &DiagPolicy) -> std::io::Result<OwnedFd> {
    let hypervisor = program.needs.privilege == Some(Privilege::Hypervisor);
    let beyond = Beyond { connects: program.needs.network, abstract_sockets: hypervisor };
    let judge = |path: &[u8]| trees::judged(policy, path);
    let judge_beneath = |path: &[u8]| trees::judged_beneath(policy, path);
    let judged = Hidden { is: &judge, holds: &judge_beneath };
    let trust = |path: &[u8]| trees::configured(policy, path, false);
    let trust_beneath = |path: &[u8]| trees::configured(policy, path, true);
    let trusted = Hidden { is: &trust, holds: &trust_beneath };
    let mut rules = landlock::Rules::new(version, beyond)?;
    trees::each(program, place, policy, &mut |grant: Grant<'_>, is_judged: bool| {
        rules.grant(&grant, if is_judged { &judged } else { &trusted })
    })?;
    Ok(rules.finish())
}

fn capabilities(needs: Needs) -> CapabilitySet {
    match needs.privilege {
        Some(Privilege::NetAdmin) => CapabilitySet::NET_ADMIN,
        Some(Privilege::Disks) => CapabilitySet::SYS_RAWIO | CapabilitySet::SYS_ADMIN,
        Some(Privilege::Hypervisor | Privilege::ContainerEngine) | None => CapabilitySet::empty(),
    }
}

/// A program that stays within these is no burden to the host; one that does not is ended by the kernel.
fn limit(limits: Limits) {
    let set = |resource, value: u64| {
        let have = rustix::process::getrlimit(resource);
        let value = have.maximum.map_or(value, |most| most.min(value));
        // It fails only upwards, and this only goes down.
        let _ = rustix::process::setrlimit(resource, Rlimit { current: Some(value), maximum: Some(value) });
    };
    set(Resource::Cpu, limits.deadline.as_secs().saturating_add(1));
    set(Resource::Data, limits.memory);
    // Some reserve far more than they use, or look at large files through a map.
    set(Resource::As, limits.memory.saturating_mul(8));
    set(Resource::Nofile, 1024);
    set(Resource::Nproc, 1024);
    set(Resource::Fsize, 0);
    set(Resource::Core, 0);
    set(Resource::Memlock, 64 * 1024);
    set(Resource::Msgqueue, 0);
}

/// Of root's capabilities only these stay; `no_new_privs` keeps an exec from giving the others back.
fn drop_capabilities(keeps: CapabilitySet) -> rustix::io::Result<()> {
    let have = rustix::thread::capabilities(None)?;
    let keeps = keeps & have.permitted;
    if have.permitted.contains(CapabilitySet::SETPCAP) {
        for capability in CapabilitySet::all().difference(keeps).iter() {
            // One that this kernel does not know cannot be had either.
            let _ = rustix::thread::remove_capability_from_bounding_set(capability);
        }
    }
    let _ = rustix::thread::clear_ambient_capability_set();
    let sets = rustix::thread::CapabilitySets {
        effective: keeps,
        permitted: keeps,
        inheritable: CapabilitySet::empty(),
    };
    rustix::thread::set_capabilities(None, sets)
}
