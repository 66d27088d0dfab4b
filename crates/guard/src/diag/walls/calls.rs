//! Which system calls the programs of a look are left. Lists first: they are what there is to audit.
//!
//! Landlock leaves holes in "read-only" (chmod, chown, utimes, sockets to paths); these lists close them, and everything
//! that changes a machine in another way than by its files. A call that is newer than these lists is not there at all.

use super::Strength;
use super::bpf::{Filter, Is, Verdict};
use crate::diag::plan::{Needs, Privilege};
use libc::{c_long, sock_filter};

/// Never, whatever the program needs. They fail as on a machine where one may not.
#[rustfmt::skip]
const FORBIDDEN: &[c_long] = &[
    // Files, where they would change.
    libc::SYS_truncate, libc::SYS_ftruncate, libc::SYS_fallocate, libc::SYS_fchmod, libc::SYS_fchmodat, FCHMODAT2,
    libc::SYS_fchown, libc::SYS_fchownat, libc::SYS_utimensat, libc::SYS_setxattr, libc::SYS_lsetxattr,
    libc::SYS_fsetxattr, SETXATTRAT, libc::SYS_removexattr, libc::SYS_lremovexattr, libc::SYS_fremovexattr,
    REMOVEXATTRAT, FILE_SETATTR, libc::SYS_renameat2, libc::SYS_linkat, libc::SYS_symlinkat, libc::SYS_unlinkat,
    libc::SYS_mkdirat, libc::SYS_mknodat, libc::SYS_open_by_handle_at, libc::SYS_quotactl, libc::SYS_quotactl_fd,
    libc::SYS_fanotify_init, libc::SYS_sync, libc::SYS_syncfs, libc::SYS_swapon, libc::SYS_swapoff,
    // Where files are.
    libc::SYS_mount, libc::SYS_umount2, libc::SYS_pivot_root, libc::SYS_chroot, libc::SYS_fsopen, libc::SYS_fsconfig,
    libc::SYS_fsmount, libc::SYS_fspick, libc::SYS_move_mount, libc::SYS_open_tree, OPEN_TREE_ATTR,
    libc::SYS_mount_setattr, libc::SYS_unshare, libc::SYS_setns,
    // Other processes, and leaving the group in which all of them are ended.
    libc::SYS_ptrace, libc::SYS_process_vm_readv, libc::SYS_process_vm_writev, libc::SYS_process_madvise,
    libc::SYS_process_mrelease, libc::SYS_kcmp, libc::SYS_pidfd_getfd, libc::SYS_pidfd_send_signal, libc::SYS_tkill,
    libc::SYS_rt_sigqueueinfo, libc::SYS_rt_tgsigqueueinfo, libc::SYS_setpgid, libc::SYS_setsid, libc::SYS_setpriority,
    libc::SYS_ioprio_set, libc::SYS_sched_setaffinity, libc::SYS_sched_setattr, libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler, libc::SYS_migrate_pages, libc::SYS_move_pages, libc::SYS_execveat,
    libc::SYS_shmget, libc::SYS_shmat, libc::SYS_shmctl, libc::SYS_semget, libc::SYS_semop, libc::SYS_semtimedop,
    libc::SYS_semctl, libc::SYS_msgget, libc::SYS_msgsnd, libc::SYS_msgrcv, libc::SYS_msgctl, libc::SYS_mq_open,
    libc::SYS_mq_unlink,
    // The machine and its kernel.
    libc::SYS_kexec_load, KEXEC_FILE_LOAD, libc::SYS_bpf, libc::SYS_perf_event_open, libc::SYS_add_key,
    libc::SYS_request_key, libc::SYS_keyctl, libc::SYS_init_module, libc::SYS_finit_module, libc::SYS_delete_module,
    libc::SYS_reboot, libc::SYS_sethostname, libc::SYS_setdomainname, libc::SYS_settimeofday, libc::SYS_clock_settime,
    libc::SYS_adjtimex, libc::SYS_clock_adjtime, libc::SYS_userfaultfd, libc::SYS_acct, libc::SYS_vhangup,
    libc::SYS_personality, libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4,
];

/// The older spellings, which only some architectures have.
#[cfg(target_arch = "x86_64")]
#[rustfmt::skip]
const FORBIDDEN_HERE: &[c_long] = &[
    libc::SYS_creat, libc::SYS_chmod, libc::SYS_chown, libc::SYS_lchown, libc::SYS_utime, libc::SYS_utimes,
    libc::SYS_futimesat, libc::SYS_rename, libc::SYS_renameat, libc::SYS_link, libc::SYS_symlink, libc::SYS_unlink,
    libc::SYS_mkdir, libc::SYS_rmdir, libc::SYS_mknod, libc::SYS_iopl, libc::SYS_ioperm,
    libc::SYS_modify_ldt, libc::SYS_uselib, libc::SYS__sysctl, libc::SYS_nfsservctl,
];
#[cfg(not(target_arch = "x86_64"))]
const FORBIDDEN_HERE: &[c_long] = &[libc::SYS_renameat];

/// Not there, so that a program takes the older way, whose arguments a filter can see, or goes without.
const ABSENT: &[c_long] =
    &[libc::SYS_clone3, libc::SYS_io_uring_setup, libc::SYS_io_uring_enter, libc::SYS_io_uring_register];

/// Its flags lie in memory, where a filter cannot look; the guard's own readers need it to judge paths.
const ABSENT_FOR_PROGRAMS: &[c_long] = &[libc::SYS_openat2];

/// Questions to devices, terminals and sockets that change nothing. Without privilege there are no others.
#[rustfmt::skip]
const QUESTIONS: &[u32] = &[
    // Terminals and descriptors: TCGETS, TIOCGPGRP, TIOCOUTQ, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX, TCGETS2.
    0x5401, 0x540f, 0x5411, 0x5413, 0x541b, 0x5421, 0x5450, 0x5451, 0x802c_542a,
    // Interfaces: SIOCGSTAMP, NAME, CONF, FLAGS, ADDR, DSTADDR, BRDADDR, NETMASK, METRIC, MTU, HWADDR, INDEX, TXQLEN, MAP.
    0x8906, 0x8910, 0x8912, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d, 0x8921, 0x8927, 0x8933, 0x8942, 0x8970,
    // Files: FS_IOC_GETFLAGS, FS_IOC_FSGETXATTR, FS_IOC_FIEMAP, FS_IOC_GETVERSION, NS_GET_NSTYPE, NS_GET_USERNS.
    0x8008_6601, 0x801c_581f, 0xc020_660b, 0x8008_7601, 0xb703, 0xb701,
    // Disks: BLKROGET, BLKGETSIZE, BLKSSZGET, BLKIOMIN, BLKIOOPT, BLKALIGNOFF, BLKPBSZGET, BLKGETSIZE64.
    0x125e, 0x1260, 0x1268, 0x1278, 0x1279, 0x127a, 0x127b, 0x8008_1272,
    // btrfs: FS_INFO, DEV_INFO, SPACE_INFO, BALANCE_PROGRESS, SCRUB_PROGRESS, GET_DEV_STATS, GET_FSLABEL, GET_FEATURES.
    0x8400_941f, 0xd000_941e, 0xc010_9414, 0x8400_9421, 0xc400_941d, 0xc408_9434, 0x8100_9431, 0x8018_9439,
];

/// Requests to files and devices that change them, where a program must be left the others since its disk wants them.
#[rustfmt::skip]
const CHANGES: &[u32] = &[
    // FS_IOC_SETFLAGS, FS_IOC32_SETFLAGS, FS_IOC_FSSETXATTR, FS_IOC_SETVERSION, FIFREEZE, FITHAW, FITRIM, FICLONE,
    // FICLONERANGE, FIDEDUPERANGE, FS_IOC_SET_ENCRYPTION_POLICY, FS_IOC_ENABLE_VERITY, EXT4_IOC_SHUTDOWN.
    0x4008_6602, 0x4004_6602, 0x401c_5820, 0x4008_7602, 0xc004_5877, 0xc004_5878, 0xc018_5879, 0x4004_9409,
    0x4020_940d, 0xc018_9436, 0x800c_6613, 0x4080_6685, 0x8004_587d,
    // BLKROSET, BLKRRPART, BLKFLSBUF, BLKRASET, BLKBSZSET, BLKDISCARD, BLKSECDISCARD, BLKZEROOUT, BLKPG, BLKRESETZONE.
    0x125d, 0x125f, 0x1261, 0x1262, 0x4008_1271, 0x1277, 0x127d, 0x127f, 0x1269, 0x4010_1283,
    // BTRFS: SNAP_CREATE, DEFRAG, RESIZE, SCAN_DEV, ADD_DEV, RM_DEV, SUBVOL_CREATE, SNAP_DESTROY, SUBVOL_SETFLAGS,
    // SNAP_CREATE_V2, SNAP_DESTROY_V2, RM_DEV_V2, BALANCE_V2, SCRUB, SET_FSLABEL.
    0x5000_9401, 0x5000_9402, 0x5000_9403, 0x5000_9404, 0x5000_940a, 0x5000_940b, 0x5000_940e, 0x5000_940f,
    0x4008_941a, 0x5000_9417, 0x5000_943f, 0x5000_943a, 0xc400_9420, 0xc400_941b, 0x4100_9432,
    // Terminals: TIOCSTI, TIOCLINUX, TIOCSCTTY, TIOCNOTTY. Loop devices: LOOP_SET_FD, LOOP_CLR_FD, LOOP_CONFIGURE.
    0x5412, 0x541c, 0x540e, 0x5422, 0x4c00, 0x4c01, 0x4c0a,
];

/// Numbers that libc's constants lack, the same everywhere.
const FCHMODAT2: c_long = 452;
const SETXATTRAT: c_long = 463;
const REMOVEXATTRAT: c_long = 466;
const OPEN_TREE_ATTR: c_long = 467;
const FILE_SETATTR: c_long = 469;
/// The first call that these lists do not know.
const UNKNOWN_FROM: u32 = 470;

#[cfg(target_arch = "x86_64")]
const KEXEC_FILE_LOAD: c_long = libc::SYS_kexec_file_load;
#[cfg(not(target_arch = "x86_64"))]
const KEXEC_FILE_LOAD: c_long = 294;

/// `AUDIT_ARCH_*`: 64-bit, little endian, the ELF machine. On x86-64 a bit of the number tells the x32 calls.
#[cfg(target_arch = "x86_64")]
pub(super) const ARCHITECTURE: (u32, Option<u32>) = (0xc000_003e, Some(0x4000_0000));
#[cfg(target_arch = "aarch64")]
pub(super) const ARCHITECTURE: (u32, Option<u32>) = (0xc000_00b7, None);
#[cfg(target_arch = "riscv64")]
pub(super) const ARCHITECTURE: (u32, Option<u32>) = (0xc000_00f3, None);

const DENIED: Verdict = Verdict::Fail(libc::EPERM);
const NOT_THERE: Verdict = Verdict::Fail(libc::ENOSYS);

/// The filter for one program; `own` is the process that it will be.
pub(super) fn filter(needs: Needs, strength: Strength, own: u32) -> Vec<sock_filter> {
    let mut filter = begin();
    for number in ABSENT_FOR_PROGRAMS {
        filter.call(*number, NOT_THERE);
    }
    finish(filter, needs, strength, own)
}

/// The filter for a reader of the guard's own, which starts nothing.
pub(super) fn reader(strength: Strength, own: u32) -> Vec<sock_filter> {
    let mut filter = begin();
    for number in [libc::SYS_execve, libc::SYS_clone] {
        filter.call(number, DENIED);
    }
    finish(filter, Needs::default(), strength, own)
}

fn begin() -> Filter {
    let mut filter = Filter::new(ARCHITECTURE.0, ARCHITECTURE.1);
    filter.numbers_from(UNKNOWN_FROM, NOT_THERE);
    for number in FORBIDDEN.iter().chain(FORBIDDEN_HERE) {
        filter.call(*number, DENIED);
    }
    for number in ABSENT {
        filter.call(*number, NOT_THERE);
    }
    filter
}

fn finish(mut filter: Filter, needs: Needs, strength: Strength, own: u32) -> Vec<sock_filter> {
    sockets(&mut filter, needs);
    ioctls(&mut filter, needs);
    // Only to itself, as `abort` does.
    for number in [libc::SYS_kill, libc::SYS_tgkill] {
        filter.argument(number, 0, &[(Is::Equal(own), Verdict::Allow)], DENIED);
    }
    filter.argument(libc::SYS_prlimit64, 0, &[(Is::Equal(0), Verdict::Allow)], DENIED);
    // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
    filter.argument(libc::SYS_clone, 0, &[(Is::AnyOf(0x7e02_0000), DENIED)], Verdict::Allow);
    // The kernel's messages: read all of them, and how many there are.
    let reads = [(Is::Equal(3), Verdict::Allow), (Is::Equal(10), Verdict::Allow)];
    filter.argument(libc::SYS_syslog, 0, &reads, DENIED);
    if strength == Strength::WithoutFiles {
        opens(&mut filter);
    }
    filter.finish()
}

fn sockets(filter: &mut Filter, needs: Needs) {
    let mut families = Vec::with_capacity(4);
    let mut family = |wanted: bool, number: i32| {
        if wanted {
            families.push((Is::Equal(number.unsigned_abs()), Verdict::Allow));
        }
    };
    family(needs.unix_sockets, libc::AF_UNIX);
    // Whoever looks up names asks the kernel for its addresses first.
    family(needs.netlink || needs.network, libc::AF_NETLINK);
    family(needs.network, libc::AF_INET);
    family(needs.network, libc::AF_INET6);
    filter.argument(libc::SYS_socket, 0, &families, Verdict::Fail(libc::EAFNOSUPPORT));
    // A pair is between the program and its own children.
    let pairs = [(Is::Equal(libc::AF_UNIX.unsigned_abs()), Verdict::Allow)];
    filter.argument(libc::SYS_socketpair, 0, &pairs, Verdict::Fail(libc::EAFNOSUPPORT));
}

fn ioctls(filter: &mut Filter, needs: Needs) {
    let (listed, verdict, otherwise) = match needs.privilege {
        Some(Privilege::Disks) => (CHANGES, DENIED, Verdict::Allow),
        _ => (QUESTIONS, Verdict::Allow, Verdict::Fail(libc::ENOTTY)),
    };
    let cases: Vec<(Is, Verdict)> = listed.iter().map(|request| (Is::Equal(*request), verdict)).collect();
    filter.argument(libc::SYS_ioctl, 1, &cases, otherwise);
}

/// Where Landlock cannot tell one file from another (or knows no truncation), nothing is opened for writing at all.
fn opens(filter: &mut Filter) {
    let changes = libc::O_CREAT | libc::O_TRUNC | (libc::O_TMPFILE & !libc::O_DIRECTORY) | libc::O_ACCMODE;
    let cases = [(Is::AnyOf(changes.unsigned_abs()), Verdict::Fail(libc::EACCES))];
    filter.argument(libc::SYS_openat, 2, &cases, Verdict::Allow);
    #[cfg(target_arch = "x86_64")]
    filter.argument(libc::SYS_open, 1, &cases, Verdict::Allow);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_filter_fits_and_every_jump_lands_inside() {
        for bits in 0..8_u8 {
            for privilege in [None, Some(Privilege::Disks), Some(Privilege::NetAdmin)] {
                let needs = Needs {
                    unix_sockets: bits & 1 != 0,
                    netlink: bits & 2 != 0,
                    network: bits & 4 != 0,
                    privilege,
                };
                for strength in [Strength::Whole, Strength::WithoutFiles] {
                    let code = filter(needs, strength, 7);
                    assert!(code.len() < 4096, "{}", code.len());
                    for (at, step) in code.iter().enumerate() {
                        if u32::from(step.code) & 7 == libc::BPF_JMP {
                            assert!(at + 1 + usize::from(step.jt.max(step.jf)) < code.len());
                        }
                    }
                }
            }
        }
    }
}
