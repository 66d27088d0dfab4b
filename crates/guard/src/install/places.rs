//! Where the door's parts lie on a host. All of it is root's, but for two files that the door's account writes.

/// The guard itself. Not below /usr/local/bin, where a power door's guard may stand already.
pub(crate) const GUARD: &str = "/usr/local/lib/breakglass/breakglass-guard";
/// The policy.
pub(crate) const CONFIG: &str = "/etc/breakglass/guard.toml";
/// Where keys lie: what the account cannot write to, and what is no home.
pub(crate) const KEYS: &str = "/etc/ssh/breakglass";
/// sshd's own configuration, and where it takes parts from.
pub(crate) const SSHD_CONFIG: &str = "/etc/ssh/sshd_config";
/// Sorts first, since of several `Match` blocks that fit, sshd takes each setting from the first.
pub(crate) const DROP_IN: &str = "/etc/ssh/sshd_config.d/00-breakglass-diag.conf";
/// The account's home: root's, and empty.
pub(crate) const HOME: &str = "/var/lib/breakglass/home";
/// What install has done so far, so that it can be undone.
pub(crate) const STEPS: &str = "/var/lib/breakglass/install-diag/steps";
/// The record, one file an account.
pub(crate) const RECORD: &str = "/var/log/breakglass";
/// Ring and limits, on a tmpfs.
pub(crate) const STATE: &str = "/run/breakglass-guard";
/// Makes `STATE` again after each boot.
pub(crate) const TMPFILES: &str = "/etc/tmpfiles.d/breakglass-diag.conf";
/// Bounds of all that the account runs, where PAM applies them.
pub(crate) const LIMITS: &str = "/etc/security/limits.d/breakglass-diag.conf";
/// The broker's socket.
pub(crate) const BROKER_SOCKET: &str = "/run/breakglass/broker.sock";
/// The account, unless another name is asked for.
pub(crate) const USER: &str = "breakglass-diag";

/// The account's keys.
pub(crate) fn keys_of(user: &str) -> String {
    format!("{KEYS}/{user}.keys")
}

/// The account's record.
pub(crate) fn record_of(user: &str) -> String {
    format!("{RECORD}/guard-{user}.jsonl")
}

/// What the account may write to below `STATE`: the ring of its record, and the counters of its limits. Each in a
/// directory of its own, which root makes.
pub(crate) fn states_of(user: &str) -> [(String, String); 2] {
    [
        (format!("{STATE}/record"), format!("{STATE}/record/guard-{user}")),
        (format!("{STATE}/looks"), format!("{STATE}/looks/{user}")),
    ]
}
