//! The few calls that have no safe interface: fork, descriptors, signal dispositions, the environment, Landlock, seccomp.
//!
//! Everything here relies on one fact: the guard never starts a thread. Nothing here decides anything.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

/// Where the C library begins. In the place of the standard library's own beginning it does only what the guard relies on: a
/// descriptor that was closed is none that a file may be given by accident, and a broken pipe is an error and no end.
#[cfg(not(test))]
// SAFETY: the name and the shape are C's, and nothing else in the program has this name.
#[unsafe(no_mangle)]
extern "C" fn main(_count: libc::c_int, _words: *const *const libc::c_char) -> libc::c_int {
    // SAFETY: plain questions and one `open`, whose answers are numbers; a constant of the system as the action of a signal.
    unsafe {
        for descriptor in 0..=2 {
            if libc::fcntl(descriptor, libc::F_GETFD) < 0
                && libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) < 0
            {
                libc::abort();
            }
        }
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
    let code = crate::pipeline::run();
    let _ = io::Write::flush(&mut io::stdout());
    leave(code)
}

/// Which side of a fork this is.
pub(crate) enum Forked {
    /// The parent; the child's process id.
    Parent(u32),
    /// The child. It must end with [`leave`].
    Child,
}

/// Splits the process in two.
///
/// # Errors
/// What the kernel says: too many processes, too little memory.
pub(crate) fn fork() -> io::Result<Forked> {
    // The call itself, and not the C library's `fork`: that puts its locks in order for programs with threads, before and after, and
    // so copies pages for nothing. The test harness is such a program.
    // SAFETY: the guard is single-threaded (no thread is ever spawned in this crate or by its dependencies), so the
    // child finds every lock of the allocator and the standard library in a consistent state. Without a stack of its own it goes on
    // on a copy of this one.
    let pid = unsafe {
        if cfg!(test) {
            libc::fork().into()
        } else {
            libc::syscall(libc::SYS_clone, libc::SIGCHLD, 0, 0, 0, 0)
        }
    };
    match u32::try_from(pid) {
        Err(_) => Err(io::Error::last_os_error()),
        Ok(0) => Ok(Forked::Child),
        Ok(pid) => Ok(Forked::Parent(pid)),
    }
}

/// Ends a forked child at once: no destructor, no buffer and no exit handler of the parent runs twice.
pub(crate) fn leave(code: u8) -> ! {
    // SAFETY: `_exit` takes any integer and does not return.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Forgets every environment variable, whoever set it.
pub(crate) fn clear_environment() {
    // SAFETY: no other thread reads the environment, and no reference into it is held: `var_os` copies.
    unsafe { libc::clearenv() };
}

/// Puts `descriptor` in the place of standard input, output or error.
///
/// # Errors
/// What the kernel says.
pub(crate) fn replace_standard(descriptor: BorrowedFd<'_>, place: Standard) -> io::Result<()> {
    // SAFETY: both are valid descriptor numbers; what stood at 0, 1 or 2 is closed, and the standard library holds
    // no more than the number of these three.
    let result = unsafe { libc::dup2(descriptor.as_raw_fd(), place as RawFd) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// One of the three standard descriptors.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub(crate) enum Standard {
    /// 0.
    Input = 0,
    /// 1.
    Output = 1,
    /// 2.
    Error = 2,
}

/// Makes every descriptor above the standard three close on exec, so that no child inherits one by accident.
pub(crate) fn close_on_exec_above_standard() {
    let flag = libc::CLOSE_RANGE_CLOEXEC;
    // SAFETY: only sets a flag; no descriptor is closed here.
    unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, flag) };
}

/// Closes every descriptor above the standard three but one. Only for a forked child that ends with [`leave`].
pub(crate) fn close_all_above_standard_but(kept: BorrowedFd<'_>) {
    let kept = kept.as_raw_fd();
    let ranges = [(3, kept.saturating_sub(1)), (kept.saturating_add(1).max(3), i32::MAX)];
    for (first, last) in ranges {
        if first <= last {
            // SAFETY: the child of a fork never runs the destructors that own these descriptors (it ends with
            // `_exit`), so none of them is closed a second time.
            unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
        }
    }
}

/// Which signals a session may send when it ends, and what shall happen then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SessionSignals {
    /// They do nothing: the process outlives its session.
    Ignored,
    /// As a program expects them when it starts.
    Default,
    /// They do nothing here, and a program that is started finds them as it expects them: the kernel gives up handlers where
    /// a program begins, and keeps what is ignored.
    Harmless,
}

/// Sets what hang-up, interrupt, termination and broken pipes do.
pub(crate) fn session_signals(what: SessionSignals) {
    extern "C" fn nothing(_signal: libc::c_int) {}
    let nothing: extern "C" fn(libc::c_int) = nothing;
    let action = match what {
        SessionSignals::Ignored => libc::SIG_IGN,
        SessionSignals::Default => libc::SIG_DFL,
        SessionSignals::Harmless => nothing as libc::sighandler_t,
    };
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGPIPE] {
        // SAFETY: two of the actions are constants of the system, and the handler does nothing.
        unsafe { libc::signal(signal, action) };
    }
}

static TERMINATION: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);

/// From here on, SIGTERM ends nothing and is remembered; a wait is interrupted by it.
pub(crate) fn note_termination() {
    extern "C" fn note(_signal: libc::c_int) {
        TERMINATION.store(true, std::sync::atomic::Ordering::Relaxed);
    }
    let note: extern "C" fn(libc::c_int) = note;
    // SAFETY: the handler does nothing but store into an atomic, which may be done at any moment.
    unsafe { libc::signal(libc::SIGTERM, note as libc::sighandler_t) };
}

/// Whether SIGTERM came since [`note_termination`].
pub(crate) fn termination_asked() -> bool {
    TERMINATION.load(std::sync::atomic::Ordering::Relaxed)
}

/// Clock ticks in a second, the unit of the times in `/proc/PID/stat`.
pub(crate) fn clock_ticks_per_second() -> u64 {
    // SAFETY: reads a constant of the system.
    let ticks = unsafe { libc::sysconf(libc::_SC_CLK_TCK) };
    u64::try_from(ticks).ok().filter(|ticks| *ticks > 0).unwrap_or(100)
}

/// Whether the kernel calls its clock synchronised (by NTP or the like). Changes nothing.
///
/// # Errors
/// What the kernel says.
pub(crate) fn clock_synchronised() -> io::Result<bool> {
    // SAFETY: `timex` is a struct of integers, for which all zero is a value; `modes` of zero asks and sets nothing.
    let mut clock: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the kernel fills the struct that we own.
    let state = unsafe { libc::adjtimex(&raw mut clock) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(clock.status & libc::STA_UNSYNC == 0)
}

/// What a Landlock ruleset is about, as `struct landlock_ruleset_attr` lays it out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub(crate) struct LandlockHandled {
    pub(crate) files: u64,
    pub(crate) network: u64,
    pub(crate) scopes: u64,
}

/// The version of Landlock's interface that the kernel speaks.
///
/// # Errors
/// What the kernel says where it has none.
pub(crate) fn landlock_version() -> io::Result<u32> {
    const VERSION: u32 = 1;
    // SAFETY: with this flag the kernel takes no attribute and answers a number.
    let version =
        unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, std::ptr::null::<u8>(), 0_usize, VERSION) };
    u32::try_from(version).map_err(|_| io::Error::last_os_error())
}

/// A new ruleset; an older kernel takes only the fields that it knows, so only those are handed over.
///
/// # Errors
/// What the kernel says.
pub(crate) fn landlock_ruleset(handled: &LandlockHandled, fields: usize) -> io::Result<OwnedFd> {
    let size = fields.min(3) * size_of::<u64>();
    // SAFETY: the struct lives throughout the call and has at least `size` bytes.
    let fd = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, &raw const *handled, size, 0) };
    let fd = RawFd::try_from(fd).map_err(io::Error::other)?;
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else knows its number.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Allows `access` beneath what `at` (opened with `O_PATH`) is.
///
/// # Errors
/// What the kernel says.
pub(crate) fn landlock_allow(ruleset: BorrowedFd<'_>, at: BorrowedFd<'_>, access: u64) -> io::Result<()> {
    #[repr(C, packed)]
    struct PathBeneath {
        access: u64,
        parent: i32,
    }
    const PATH_BENEATH: u32 = 1;
    let rule = PathBeneath { access, parent: at.as_raw_fd() };
    // SAFETY: the rule has the kernel's layout and lives throughout the call.
    let result = unsafe {
        libc::syscall(libc::SYS_landlock_add_rule, ruleset.as_raw_fd(), PATH_BENEATH, &raw const rule, 0)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts this process and all that it starts behind the ruleset.
///
/// # Errors
/// What the kernel says.
pub(crate) fn landlock_enter(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: takes a descriptor and no flags.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Puts this process and all that it starts behind a seccomp filter.
///
/// # Errors
/// What the kernel says.
pub(crate) fn seccomp_enter(filter: &[libc::sock_filter]) -> io::Result<()> {
    let len = u16::try_from(filter.len()).map_err(io::Error::other)?;
    let program = libc::sock_fprog { len, filter: filter.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the filter, which lives throughout the call and is only read.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &raw const program) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Any system call, for attacks on our own walls, in builds with debug assertions only.
///
/// # Errors
/// What the kernel says.
#[cfg(debug_assertions)]
pub(crate) fn attack_call(number: libc::c_long, with: [usize; 4]) -> io::Result<()> {
    let [a, b, c, d] = with;
    // SAFETY: whoever calls hands over numbers or the addresses of strings that live throughout the call; none of the calls
    // that the tests make writes to this process' memory.
    let result = unsafe { libc::syscall(number, a, b, c, d, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Takes the place of glibc's translation of its own messages, which the guard never wants: with it would come character
/// sets, locales and the loading of libraries, a quarter of a megabyte that nothing here calls (ADR-0014).
#[cfg(target_feature = "crt-static")]
// SAFETY: the name and the shape are glibc's; the answer is the message itself, as where there is no translation.
#[unsafe(no_mangle)]
extern "C" fn __dcgettext(
    _domain: *const libc::c_char,
    message: *const libc::c_char,
    _category: libc::c_int,
) -> *const libc::c_char {
    message
}

/// Takes the place of glibc's search for the bounds of a thread's stack, which reads `/proc/self/maps` by `sscanf`, and that
/// brings the reading of numbers of every kind. The standard library takes the error for "not known" and does without the
/// name of the thread in the message of a stack that overflowed.
#[cfg(target_feature = "crt-static")]
// SAFETY: the name and the shape are POSIX's; nothing is written, and the error says that.
#[unsafe(no_mangle)]
extern "C" fn pthread_getattr_np(
    _thread: libc::pthread_t,
    _attributes: *mut libc::pthread_attr_t,
) -> libc::c_int {
    libc::ENOSYS
}

/// Takes the place of glibc's report of a broken assertion of its own, which would bring formatted output in wide characters
/// along. It says which one and ends the process, as glibc's does.
#[cfg(target_feature = "crt-static")]
// SAFETY: the name and the shape are glibc's.
#[unsafe(no_mangle)]
extern "C" fn __assert_fail(
    assertion: *const libc::c_char,
    _file: *const libc::c_char,
    _line: libc::c_uint,
    _function: *const libc::c_char,
) -> ! {
    // SAFETY: glibc hands over text that ends in a zero byte.
    let text = unsafe { std::ffi::CStr::from_ptr(assertion) };
    // SAFETY: writes bytes that live until the call returns; then ends the process.
    unsafe {
        libc::write(2, text.as_ptr().cast(), text.count_bytes());
        libc::abort()
    }
}
