//! What a repair door may be asked: a command line, with options of ours before it, or the stop of one that runs.
//!
//! The command line itself is the shell's business and is passed on byte for byte.

use super::RepairPolicy;
use breakglass_protocol::{JSON_PREFIX, Refusal, Rule};
use std::ffi::OsString;
use std::fmt;
use std::os::unix::ffi::OsStringExt;
use std::time::Duration;

/// The kernel takes no longer argument (`MAX_ARG_STRLEN`, its last byte included).
const LONGEST: usize = 131_071;

/// One request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Request {
    Run { command: OsString, deadline: Duration },
    Stop(Id),
}

/// Which running command: the process id of its guard and when that started, in clock ticks after boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) pid: u32,
    pub(super) start_ticks: u64,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.pid, self.start_ticks)
    }
}

/// Reads the options, `--json `, `--deadline SECONDS ` and `--stop ID`, and leaves the rest alone.
pub(super) fn parse(request: Option<&[u8]>, policy: &RepairPolicy) -> Result<Request, Refusal> {
    let refuse = |rule, reason: &str, hint: &str| {
        Err(Refusal { rule, reason: reason.to_owned(), hint: hint.to_owned() })
    };
    let Some(mut rest) = request else {
        return refuse(
            Rule::NoRequest,
            "a terminal is not offered by this door, which records and ends every command",
            "give the command: `ssh HOST 'systemctl restart x'`; for a shell log in by a key without this forced command",
        );
    };
    rest = rest.strip_prefix(JSON_PREFIX.as_bytes()).unwrap_or(rest);
    if let Some(id) = rest.strip_prefix(b"--stop ") {
        return match read_id(id) {
            Some(id) => Ok(Request::Stop(id)),
            None => refuse(
                Rule::Arguments,
                "`--stop` is followed by no id",
                "take `operation` of the line `started`",
            ),
        };
    }
    let mut deadline = policy.deadline;
    if let Some(after) = rest.strip_prefix(b"--deadline ") {
        let end = after.iter().position(|byte| *byte == b' ').unwrap_or(after.len());
        let (number, command) = after.split_at(end);
        let seconds = std::str::from_utf8(number).ok().and_then(|text| text.parse().ok());
        deadline = match seconds {
            Some(seconds) if seconds > 0 => Duration::from_secs(seconds).min(policy.longest),
            _ => {
                return refuse(
                    Rule::Arguments,
                    "`--deadline` is followed by no number of seconds",
                    "`--deadline 60 COMMAND`",
                );
            }
        };
        rest = command.strip_prefix(b" ").unwrap_or(command);
    }
    if rest.iter().all(u8::is_ascii_whitespace) {
        return refuse(Rule::NoRequest, "there is no command", "`ssh HOST 'systemctl restart x'`");
    }
    if rest.contains(&0) {
        return refuse(Rule::Bytes, "the command has a zero byte", "leave it out");
    }
    if rest.len() > LONGEST {
        return refuse(
            Rule::Length,
            "the command is longer than 131071 bytes, and the kernel takes no more",
            "copy a script to the host and run that",
        );
    }
    Ok(Request::Run { command: OsString::from_vec(rest.to_vec()), deadline })
}

fn read_id(bytes: &[u8]) -> Option<Id> {
    let (pid, start_ticks) = std::str::from_utf8(bytes).ok()?.trim().split_once('-')?;
    Some(Id { pid: pid.parse().ok()?, start_ticks: start_ticks.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Request, Rule> {
        parse(Some(text.as_bytes()), &RepairPolicy::default()).map_err(|refusal| refusal.rule)
    }

    fn run(command: &str, seconds: u64) -> Result<Request, Rule> {
        Ok(Request::Run { command: command.into(), deadline: Duration::from_secs(seconds) })
    }

    #[test]
    fn options_stand_before_the_command_and_nowhere_else() {
        assert_eq!(read("uptime"), run("uptime", 600));
        assert_eq!(read("--json uptime"), run("uptime", 600));
        assert_eq!(read("--json --deadline 5 echo --deadline 6"), run("echo --deadline 6", 5));
        assert_eq!(read("--deadline 99999999 x"), run("x", 4 * 3600));
        assert_eq!(read("ls --json"), run("ls --json", 600));
        assert_eq!(read("--json --stop 12-345"), Ok(Request::Stop(Id { pid: 12, start_ticks: 345 })));
    }

    #[test]
    fn what_cannot_be_run_is_refused_with_its_rule() {
        for (text, rule) in [
            ("", Rule::NoRequest),
            (" \t", Rule::NoRequest),
            ("--json ", Rule::NoRequest),
            ("--deadline 5", Rule::NoRequest),
            ("--deadline 0 x", Rule::Arguments),
            ("--deadline -1 x", Rule::Arguments),
            ("--deadline x", Rule::Arguments),
            ("--stop 12", Rule::Arguments),
            ("--stop 12-", Rule::Arguments),
            ("a\0b", Rule::Bytes),
        ] {
            assert_eq!(read(text), Err(rule), "{text:?}");
        }
        assert_eq!(read(&"x".repeat(LONGEST + 1)), Err(Rule::Length));
        assert!(parse(None, &RepairPolicy::default()).is_err());
    }
}
