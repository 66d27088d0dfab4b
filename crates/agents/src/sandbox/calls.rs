//! seccomp: system calls that no agent needs, given up for good. Landlock keeps files and the port; this keeps other
//! processes, name spaces, and every kind of socket but the two that are needed.

use seccompiler::{
    BackendError, BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;

/// Refused whatever the arguments: other processes' memory and descriptors; ways around paths; name spaces; the kernel; and
/// leaving the process group, by which an agent is ended.
const REFUSED: &[libc::c_long] = &[
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsmount,
    libc::SYS_mount_setattr,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_kexec_load,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_reboot,
    libc::SYS_setsid,
    libc::SYS_setpgid,
];
/// Set in the number of a call of the x32 kind, which the same kernel may take.
#[cfg(target_arch = "x86_64")]
const X32: libc::c_long = 0x4000_0000;

/// The kinds of name space that a new process could begin in.
const NEW_NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWNS,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWCGROUP,
];

/// Gives them up.
pub(super) fn give_up() -> Result<(), Error> {
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, namespaces()?);
    rules.insert(libc::SYS_socket, sockets()?);
    #[cfg(target_arch = "x86_64")]
    for call in rules.keys().copied().collect::<Vec<_>>() {
        rules.insert(call | X32, Vec::new());
    }
    apply(rules, refuse)?;
    // Its flags lie in memory, where no filter looks. Who is told that it does not exist takes the older call.
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    apply(BTreeMap::from([(libc::SYS_clone3, Vec::new())]), absent)
}

fn apply(rules: BTreeMap<i64, Vec<SeccompRule>>, action: SeccompAction) -> Result<(), Error> {
    let here = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, here)?;
    let program = BpfProgram::try_from(filter)?;
    apply_filter(&program)
}

fn is(argument: u8, how: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value)
}

fn bits(value: i32) -> u64 {
    u64::from(value.unsigned_abs())
}

fn namespaces() -> Result<Vec<SeccompRule>, BackendError> {
    let each = NEW_NAMESPACES
        .iter()
        .map(|&flag| SeccompRule::new(vec![is(0, SeccompCmpOp::MaskedEq(bits(flag)), bits(flag))?]));
    each.collect()
}

/// Local sockets, and streams of the internet's two families. No datagrams: names are resolved by the server.
fn sockets() -> Result<Vec<SeccompRule>, BackendError> {
    let families = [libc::AF_UNIX, libc::AF_INET, libc::AF_INET6];
    let other: Result<Vec<_>, _> =
        families.iter().map(|&family| is(0, SeccompCmpOp::Ne, bits(family))).collect();
    let mut rules = vec![SeccompRule::new(other?)?];
    // The kind is in the low bits; the others ask for a way of opening.
    const KIND: u64 = 0xf;
    for family in [libc::AF_INET, libc::AF_INET6] {
        for kind in (0..=KIND).filter(|&kind| kind != bits(libc::SOCK_STREAM)) {
            let conditions =
                vec![is(0, SeccompCmpOp::Eq, bits(family))?, is(1, SeccompCmpOp::MaskedEq(KIND), kind)?];
            rules.push(SeccompRule::new(conditions)?);
        }
        // Streams of another protocol than TCP are not limited to a port.
        let other = vec![
            is(0, SeccompCmpOp::Eq, bits(family))?,
            is(2, SeccompCmpOp::Ne, 0)?,
            is(2, SeccompCmpOp::Ne, bits(libc::IPPROTO_TCP))?,
        ];
        rules.push(SeccompRule::new(other)?);
    }
    Ok(rules)
}
