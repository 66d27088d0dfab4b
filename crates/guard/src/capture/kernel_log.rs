//! The kernel's log from `/dev/kmsg`: read without waiting, bounded in records and in time.

use crate::console::plain_line;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

/// Records that are looked at, far more than a log of the usual size holds.
const RECORDS: usize = 50_000;
/// Time that looking at them may take.
const PATIENCE: Duration = Duration::from_millis(300);

/// The newest `lines` lines that `wanted` takes, oldest first, each with its kernel time before it.
///
/// # Errors
/// What the operating system says: reading the kernel's log wants root nearly everywhere.
pub(crate) fn kernel_log(lines: usize, wanted: impl Fn(&str) -> bool) -> io::Result<Vec<String>> {
    let log =
        rustix::fs::open("/dev/kmsg", OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    let until = Instant::now() + PATIENCE;
    let mut newest = VecDeque::new();
    let mut record = [0_u8; 8192];
    for _ in 0..RECORDS {
        match rustix::io::read(&log, &mut record[..]) {
            Ok(0) | Err(Errno::AGAIN) => break,
            Ok(length) => {
                let line = parse(record.get(..length).unwrap_or_default()).filter(|line| wanted(line));
                newest.extend(line);
                if newest.len() > lines {
                    newest.pop_front();
                }
            }
            // The record was overwritten before we read it; the next read goes on with the oldest there is.
            Err(Errno::PIPE | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if Instant::now() > until {
            break;
        }
    }
    Ok(newest.into())
}

/// `6,339,5140900,-;text`, then lines of a dictionary that begin with a space: level, sequence, microseconds, flags.
fn parse(record: &[u8]) -> Option<String> {
    let first = record.split(|&b| b == b'\n').next()?;
    let at = first.iter().position(|&b| b == b';')?;
    let head = std::str::from_utf8(first.get(..at)?).ok()?;
    let micros: u64 = head.split(',').nth(2)?.parse().ok()?;
    let text = plain_line(first.get(at + 1..)?);
    Some(format!("[{:5}.{:06}] {text}", micros / 1_000_000, micros % 1_000_000))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn reads_records_and_nothing_else() {
        for (record, line) in [
            (
                &b"6,339,5140900,-;NET: Registered\n SUBSYSTEM=net\n"[..],
                Some("[    5.140900] NET: Registered"),
            ),
            (b"4,1,100000000001,-,caller=T1;a;b\x1b[2J\n", Some("[100000.000001] a;b")),
            (b"no record", None),
            (b"6,x;y", None),
            (b"", None),
        ] {
            assert_eq!(parse(record).as_deref(), line);
        }
    }
}
