//! The exit codes of the guard, after `sysexits.h` where it has a fitting one.

/// Done: the request was carried out, or it was a look and the answer is complete.
pub const DONE: u8 = 0;
/// The hypervisor's own tool, or the QEMU that should answer, is missing or dead (`EX_UNAVAILABLE`).
pub const HYPERVISOR_UNAVAILABLE: u8 = 69;
/// The guard itself failed (`EX_SOFTWARE`); nothing is known to have been changed beyond what the record says.
pub const INTERNAL: u8 = 70;
/// Somebody else's operation is running, or time ran out (`EX_TEMPFAIL`): asking again later may work.
pub const BUSY_OR_TIMEOUT: u8 = 75;
/// Refused by policy (`EX_NOPERM`). Nothing was started.
pub const REFUSED: u8 = 77;
/// The guard's configuration is unusable (`EX_CONFIG`). Every request is refused until it is mended.
pub const BAD_CONFIGURATION: u8 = 78;
