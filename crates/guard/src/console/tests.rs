//! Logs as guests write them, and as they would if they meant harm.

use super::*;
use ConsoleSignKind::{Boot, DiskError, HungTask, Lockup, OutOfMemory, Panic};

/// `(kind, age, count)` of each sign, for a console whose newest line is 5 s old.
fn check(log: &str, expected: &[(ConsoleSignKind, Option<u64>, u32)]) {
    let found: Vec<_> =
        signs(log.as_bytes(), 5).into_iter().map(|sign| (sign.kind, sign.age_seconds, sign.count)).collect();
    assert_eq!(found, expected, "{}", log.escape_debug());
}

#[test]
fn tells_the_kinds() {
    check("", &[]);
    check("Debian GNU/Linux 12 devvm ttyS0\n\ndevvm login: ", &[]);
    check("[    0.000000] Linux version 6.1.0 (debian)\n[    3.500000] systemd\n", &[(Boot, Some(8), 1)]);
    check(
        "[  100.0] Kernel panic - not syncing: sysrq triggered crash\n[  100.9] ---[ end Kernel panic - not syncing: sysrq ]---\n",
        &[(Panic, Some(5), 1)],
    );
    check(
        "<3>[  10.5] Out of memory: Killed process 12 (python3)\n[  20.5][  T1] oom-kill:constraint=CONSTRAINT_NONE\n",
        &[(OutOfMemory, Some(5), 2)],
    );
    check(
        "[  242.1] INFO: task jbd2/vda-8:123 blocked for more than 120 seconds.\n[  300.1] other\n",
        &[(HungTask, Some(63), 1)],
    );
    check(
        "[1.0] blk_update_request: I/O error, dev vda, sector 0\n[2.0] EXT4-fs (vda): Remounting filesystem read-only\n",
        &[(DiskError, Some(5), 2)],
    );
    check(
        "[9.0] watchdog: BUG: soft lockup - CPU#0 stuck for 26s!\n[9.9] rcu: INFO: rcu_sched self-detected stall on CPU\n",
        &[(Lockup, Some(5), 2)],
    );
}

#[test]
fn a_boot_forgets_what_was_before_it() {
    check(
        "[ 900.0] Kernel panic - not syncing: x\nSeaBIOS\n[    0.0] Linux version 6.1\n[    1.0] I/O error\n",
        &[(Boot, Some(6), 1), (DiskError, Some(5), 1)],
    );
    check("[ 900.0] Kernel panic - not syncing: x\nLinux version 6.1\n", &[(Boot, Some(5), 1)]);
}

#[test]
fn an_age_that_cannot_be_known_is_not_invented() {
    check("I/O error\nlogin:\n", &[(DiskError, None, 1)]);
    check("I/O error\n", &[(DiskError, Some(5), 1)]);
    check("[99999999999999999999.0] I/O error\n[1.0] x\n", &[(DiskError, None, 1)]);
    // A stamp from the future makes a wrong age, not a wrapped one.
    check("[500.0] I/O error\n[1.0] x\n", &[(DiskError, Some(5), 1)]);
}

#[test]
fn the_newest_kind_stands_last() {
    check(
        "[1.0] I/O error\n[2.0] Out of memory: x\n[3.0] I/O error\n",
        &[(OutOfMemory, Some(6), 1), (DiskError, Some(5), 2)],
    );
}

#[test]
fn hostile_bytes_lose_their_power() {
    for (raw, expected) in [
        (&b"\x1b[31mred\x1b[0m"[..], "red"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1b]never ends", ""),
        (b"\x1b(Bplain", "plain"),
        (b"\x1bcwiped", "wiped"),
        (b"\xc2\x9b2Jcleared", "cleared"),
        (b"a\x00b\x07c\x08d\re\x7f", "abcde"),
        (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        ("left\u{202e}thgir".as_bytes(), "leftthgir"),
        (b"\x1b", ""),
        (b"\x1b[", ""),
        (b"\x1b[999999999999999999999999999", ""),
        (b"a\tb", "a b"),
    ] {
        assert_eq!(plain_line(raw), expected, "{}", raw.escape_ascii());
    }
    assert_eq!(plain_text(b"one\x1b]open\ntwo\r\n"), "one\ntwo\n");
}

#[test]
fn a_line_is_kept_short_and_cut_between_characters() {
    let sign = signs(format!("I/O error {}", "ü".repeat(5000)).as_bytes(), 0).remove(0);
    assert_eq!(sign.line.chars().count(), LINE_LIMIT);
}

#[test]
fn any_bytes_at_all_are_survived() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let words: [&[u8]; 6] = [b"Linux version ", b"[  1.5] ", b"I/O error", b"\x1b[", b"\n", b"\xf0\x9f"];
    for _ in 0..300 {
        let mut log = Vec::new();
        for _ in 0..200 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match (state >> 33) as usize % 12 {
                at if at < words.len() => log.extend_from_slice(words[at]),
                _ => log.push((state >> 40) as u8),
            }
        }
        for sign in signs(&log, 1) {
            assert!(sign.line.chars().count() <= LINE_LIMIT && !sign.line.chars().any(char::is_control));
        }
    }
}

#[test]
fn reads_the_end_of_a_regular_file_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let log = dir.path().join("console");
    let mut text = "x".repeat(WINDOW as usize);
    text.push_str("I/O error in a line that is cut\n[7.0] Kernel panic - not syncing: y\n");
    std::fs::write(&log, &text).unwrap();
    let now = Timestamp::from_unix_millis(
        i64::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap(),
    );
    let (found, size) = read_signs(&log, now.plus_millis(10_000)).unwrap();
    assert_eq!(size, text.len() as u64);
    assert_eq!(found.iter().map(|sign| sign.kind).collect::<Vec<_>>(), [Panic]);
    assert!((9..=12).contains(&found[0].age_seconds.unwrap()), "{found:?}");

    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&log, &link).unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    for path in [&link, &fifo, &dir.path().to_path_buf(), &dir.path().join("none"), &"/dev/zero".into()] {
        assert!(read_signs(path, now).is_err(), "{}", path.display());
    }
}
