//! Which units the init system calls failed. It is asked by its own program, in a child that may hang with it.

use super::why_missing;
use crate::capture::children::{End, Ended};
use crate::console::plain_line;
use breakglass_protocol::{FailedUnit, Part, exit};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Units that are told.
const UNITS: usize = 50;

/// Whether an init system that knows units runs here, as sd_booted(3) finds out.
pub(super) fn is_there() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Runs the child: it becomes the init system's program, so that killing it kills that. Returns only where it can't.
pub(super) fn run() -> u8 {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    for program in ["/usr/bin/systemctl", "/bin/systemctl", "/run/current-system/sw/bin/systemctl"] {
        if Path::new(program).exists() {
            let _ = Command::new(program)
                .args(["--failed", "--plain", "--no-legend", "--no-pager", "--full"])
                .env_clear()
                .env("LC_ALL", "C")
                .stdin(Stdio::null())
                .exec();
        }
    }
    exit::HYPERVISOR_UNAVAILABLE
}

/// What the child found.
pub(super) fn read(ended: &Ended) -> Part<Vec<FailedUnit>> {
    match ended.end {
        End::Exited(Some(0)) => Part::Yes(parse(&String::from_utf8_lossy(&ended.output))),
        End::Late(_) => Part::TimedOut,
        _ => Part::No(why_missing(ended)),
    }
}

/// `nginx.service loaded failed failed A web server`, one line each.
fn parse(text: &str) -> Vec<FailedUnit> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let unit = plain_line(words.next()?.as_bytes());
            let state = plain_line(words.nth(1)?.as_bytes());
            Some(FailedUnit { unit, state })
        })
        .take(UNITS)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_list() {
        let text =
            "nginx.service loaded failed failed A web server\n  a.mount not-found failed failed x\n\nodd\n";
        let units: Vec<_> = parse(text).into_iter().map(|unit| (unit.unit, unit.state)).collect();
        let expected = [("nginx.service", "failed"), ("a.mount", "failed")];
        assert_eq!(units, expected.map(|(unit, state)| (unit.to_owned(), state.to_owned())));
    }
}
