//! `install diag`, `uninstall diag` and `check` on a throwaway host: real tools, a real sshd, a real client.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a failed test should stop loudly")]

mod install {
    pub(crate) mod check;
    pub(crate) mod faults;
    pub(crate) mod host;
    pub(crate) mod interrupted;
    pub(crate) mod recipes;
    #[expect(unsafe_code, reason = "ptrace has no safe interface")]
    pub(crate) mod stepping;
    pub(crate) mod whole;
}
