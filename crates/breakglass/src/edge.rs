//! The edge: where an error is printed, once, with its causes, and becomes an exit code.
//!
//! Codes are the guard's, so that a script that presses a verb here or through plain `ssh` reads the same: 0 done; 69 the
//! door or the hypervisor is not there; 70 an error of our own; 75 busy or out of time; 77 refused; 78 a fleet file that
//! cannot be used. `triage`, `status` and `verify` end with 1 where something is wrong; 2 is a command line that makes no sense.

use breakglass_fleet::LoadError;
use breakglass_protocol::{Timestamp, exit};
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

/// Something is wrong with what was looked at; the look itself worked.
pub(crate) const NOT_WELL: u8 = 1;
/// The command line makes no sense.
pub(crate) const USAGE: u8 = 2;

/// An error that says its own exit code.
#[derive(Debug)]
pub(crate) struct Coded {
    code: u8,
    message: String,
}

impl std::fmt::Display for Coded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Coded {}

/// An error with an exit code.
pub(crate) fn coded(code: u8, message: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Coded { code, message: message.into() })
}

/// Prints the error, if it is one.
pub(crate) fn finish(ended: anyhow::Result<u8>) -> ExitCode {
    match ended {
        Ok(code) => ExitCode::from(code),
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("breakglass: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::from(code_of(&error))
        }
    }
}

/// `breakglass journal tail | head` is no error.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<std::io::Error>().is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(coded) = error.downcast_ref::<Coded>() {
        return coded.code;
    }
    if error.chain().any(|cause| cause.is::<LoadError>()) { exit::BAD_CONFIGURATION } else { exit::INTERNAL }
}

/// The time, for all that needs it.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
