//! The two system calls that have no safe wrapper here: leaving the network, and giving system calls up for good.
//!
//! Everything unsafe in this crate is in this file.
#![expect(unsafe_code, reason = "seccomp and unshare have no safe wrapper among our dependencies")]

use rustix::thread::UnshareFlags;
use std::io;

/// Moves the process into a network namespace of its own, in which there is nothing. Takes root.
pub(super) fn leave_network() -> io::Result<()> {
    // SAFETY: only NEWNET is asked for, so no file descriptor table is unshared, which is the one thing that this call
    // can make unsound; the keyholder has a single thread besides.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNET) }?;
    Ok(())
}

/// The offset of the system call's number and of the architecture in `struct seccomp_data`.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

#[cfg(target_arch = "x86_64")]
const THIS_ARCHITECTURE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const THIS_ARCHITECTURE: u32 = 0xC000_00B7;

/// What a keyholder that has its keys and its socket never needs again: other sockets, files, processes, other
/// processes' memory, and the ways around these.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const GIVEN_UP: &[libc::c_long] = &[
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_bind,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_openat,
    libc::SYS_openat2,
    libc::SYS_open_by_handle_at,
    libc::SYS_io_uring_setup,
    libc::SYS_memfd_create,
    libc::SYS_mount,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_keyctl,
    libc::SYS_perf_event_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_creat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
];

/// Makes the kernel refuse (`EPERM`) what is in [`GIVEN_UP`], irrevocably.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) fn give_up_system_calls() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    let program = program()?;
    let length = u16::try_from(program.len()).map_err(io::Error::other)?;
    let filter = libc::sock_fprog { len: length, filter: program.as_ptr().cast_mut() };
    // SAFETY: `filter` points to `length` initialised instructions that outlive the call; the kernel copies them.
    let done = unsafe {
        libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, std::ptr::from_ref(&filter), 0, 0)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Not known how, elsewhere.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) fn give_up_system_calls() -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The filter: another architecture's calls and x32's are refused whole, then each number is compared in turn.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn program() -> io::Result<Vec<libc::sock_filter>> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const AT_LEAST: u32 = libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    const X32: u32 = 0x4000_0000;
    let step = |code: u32, k: u32, jt: u8, jf: u8| -> io::Result<libc::sock_filter> {
        Ok(libc::sock_filter { code: u16::try_from(code).map_err(io::Error::other)?, jt, jf, k })
    };
    let refuse = libc::SECCOMP_RET_ERRNO | libc::EPERM.unsigned_abs();
    let mut program = vec![
        step(LOAD, ARCHITECTURE, 0, 0)?,
        step(EQUAL, THIS_ARCHITECTURE, 1, 0)?,
        step(RETURN, refuse, 0, 0)?,
        step(LOAD, NUMBER, 0, 0)?,
        step(AT_LEAST, X32, 0, 1)?,
        step(RETURN, refuse, 0, 0)?,
    ];
    for call in GIVEN_UP {
        let number = u32::try_from(*call).map_err(io::Error::other)?;
        program.push(step(EQUAL, number, 0, 1)?);
        program.push(step(RETURN, refuse, 0, 0)?);
    }
    program.push(step(RETURN, libc::SECCOMP_RET_ALLOW, 0, 0)?);
    Ok(program)
}
