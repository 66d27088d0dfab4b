//! What changed on this machine a short while ago: packages, units, configuration, and who came in.
//!
//! It is read from what package managers and the login programs leave behind and from the times of files. A hint for whoever asks
//! "what did somebody do here?", not evidence: times can be set, and a log can be turned off. It runs in a child, since
//! directories hang with their disk.

use super::why_missing;
use crate::capture::children::{End, Ended};
use crate::capture::kernel_text;
use crate::console::plain_line;
use crate::sorted::sort_by;
use crate::zone::{days, local_time};
use breakglass_protocol::{CHANGES_SECONDS, Change, ChangeKind, Part, Timestamp};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// How many of each kind are told, the newest.
const OF_EACH: usize = 12;
/// Files below `/etc` that are looked at, and how deep.
const FILES: usize = 20_000;
const DEPTH: usize = 6;
/// How much of a log's end is read.
const TAIL: u64 = 256 * 1024;
/// Characters of one entry.
const LONGEST: usize = 160;

const UNIT_FILES: &str = "/etc/systemd/system";
/// Package databases whose managers write no log of a known form: that they were written is all that shows.
const DATABASES: [(&str, &str); 4] = [
    ("/usr/lib/sysimage/rpm/rpmdb.sqlite", "the package database (rpm) was written"),
    ("/var/lib/rpm/rpmdb.sqlite", "the package database (rpm) was written"),
    ("/lib/apk/db/installed", "the package database (apk) was written"),
    ("/nix/var/nix/profiles/system", "the system was switched to another generation"),
];

/// The child: what changed, as JSON.
pub(super) fn run() -> u8 {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let now = crate::clock::now().unix_millis().div_euclid(1000);
    super::print(&look(Path::new("/"), now - i64::from(CHANGES_SECONDS)))
}

/// What the child found.
pub(super) fn read(ended: &Ended) -> Part<Vec<Change>> {
    match ended.end {
        End::Exited(Some(0)) => match serde_json::from_slice(&ended.output) {
            Ok(changes) => Part::Yes(changes),
            Err(_) => Part::No("the look gave no answer that makes sense".to_owned()),
        },
        End::Late(_) => Part::TimedOut,
        _ => Part::No(why_missing(ended)),
    }
}

/// Everything since then, seconds since 1970, below a root: the newest first, of each kind no more than are told.
fn look(root: &Path, since: i64) -> Vec<Change> {
    let mut all = Found { since, changes: Vec::new() };
    packages(root, &mut all);
    let mut left = FILES;
    files(root, "/etc", DEPTH, &mut left, &mut all);
    logins(root, &mut all);
    sort_by(&mut all.changes, |one, other| other.at.cmp(&one.at).then_with(|| one.what.cmp(&other.what)));
    all.changes.dedup_by(|one, other| one.kind == other.kind && one.what == other.what);
    let mut counts = [0_usize; ChangeKind::ALL.len()];
    all.changes.retain(|change| {
        let count = counts.get_mut(change.kind as usize);
        count.is_some_and(|count| {
            *count += 1;
            *count <= OF_EACH
        })
    });
    all.changes
}

struct Found {
    since: i64,
    changes: Vec<Change>,
}

impl Found {
    fn add(&mut self, seconds: i64, kind: ChangeKind, what: &str) {
        if seconds >= self.since {
            let what = plain_line(what.as_bytes()).chars().take(LONGEST).collect();
            self.changes.push(Change {
                at: Timestamp::from_unix_millis(seconds.saturating_mul(1000)),
                kind,
                what,
            });
        }
    }
}

fn below(root: &Path, path: &str) -> std::path::PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn packages(root: &Path, found: &mut Found) {
    for line in tail(&below(root, "/var/log/dpkg.log")).lines() {
        let _ = dpkg(line, found);
    }
    for line in tail(&below(root, "/var/log/pacman.log")).lines() {
        let _ = pacman(line, found);
    }
    for (path, what) in DATABASES {
        if let Ok(meta) = std::fs::symlink_metadata(below(root, path)) {
            found.add(meta.mtime(), ChangeKind::Package, what);
        }
    }
}

/// `2026-11-28 07:48:03 upgrade openssl:amd64 3.5.1-1 3.5.4-1`, in the machine's own time (dpkg(1), `--log`).
fn dpkg(line: &str, found: &mut Found) -> Option<()> {
    let mut words = line.split(' ');
    let (date, time, action) = (words.next()?, words.next()?, words.next()?);
    let (package, old, new) = (words.next()?, words.next()?, words.next()?);
    let package = package.split(':').next()?;
    let what = match action {
        "install" => format!("installed {package} {new}"),
        "upgrade" => format!("upgraded {package} from {old} to {new}"),
        "remove" | "purge" => format!("removed {package} {old}"),
        _ => return None,
    };
    let naive = seconds(date, time)?;
    found.add(naive - local_time(naive).offset, ChangeKind::Package, &what);
    Some(())
}

/// `[2026-11-28T07:48:03+0100] [ALPM] upgraded openssl (3.5.1-1 -> 3.5.4-1)`.
fn pacman(line: &str, found: &mut Found) -> Option<()> {
    let (stamp, rest) = line.strip_prefix('[')?.split_once("] ")?;
    let what = rest.strip_prefix("[ALPM] ")?;
    let known = ["installed ", "upgraded ", "removed ", "downgraded "];
    known.iter().any(|word| what.starts_with(word)).then_some(())?;
    let (date, time) = stamp.split_once('T')?;
    let (clock, zone) = time.split_at_checked(8)?;
    let (sign, zone) = zone.split_at_checked(1)?;
    let (hours, minutes) = zone.split_at_checked(2)?;
    let east = (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?) * 60;
    let east = if sign == "-" { -east } else { east };
    found.add(seconds(date, clock)? - east, ChangeKind::Package, what);
    Some(())
}

/// Seconds since 1970 of `2026-11-28` and `07:48:03`, as if in UTC.
fn seconds(date: &str, time: &str) -> Option<i64> {
    let mut numbers =
        date.split('-').chain(time.split(':')).map(|word| word.parse::<u32>().ok().map(i64::from));
    let mut next = || numbers.next().flatten();
    let (year, month, day) = (next()?, next()?, next()?);
    Some(((days(year, month, day) * 24 + next()?) * 60 + next()?) * 60 + next()?)
}

/// Files below `/etc` by when their content, or where they link to, was written last.
fn files(root: &Path, at: &str, depth: usize, left: &mut usize, found: &mut Found) {
    let Ok(entries) = std::fs::read_dir(below(root, at)) else { return };
    for entry in entries.flatten() {
        if *left == 0 {
            return;
        }
        *left -= 1;
        let Ok(meta) = entry.metadata() else { continue };
        let name = entry.file_name();
        let path = format!("{at}/{}", name.to_string_lossy());
        if meta.is_dir() {
            if depth > 0 {
                files(root, &path, depth - 1, left, found);
            }
            continue;
        }
        match path.strip_prefix(UNIT_FILES).and_then(|rest| rest.strip_prefix('/')) {
            Some(unit) => found.add(meta.mtime(), ChangeKind::Unit, unit),
            None => found.add(meta.mtime(), ChangeKind::Configuration, &path),
        }
    }
}

/// Who came in: what the login programs of old keep (utmp(5)), and what logind knows of those who are in.
fn logins(root: &Path, found: &mut Found) {
    let bytes = tail_bytes(&below(root, "/var/log/wtmp"), UTMP * 512).unwrap_or_default();
    for record in bytes.chunks_exact(usize::try_from(UTMP).unwrap_or(usize::MAX)) {
        let _ = utmp(record, found);
    }
    let Ok(sessions) = std::fs::read_dir(below(root, "/run/systemd/sessions")) else { return };
    for session in sessions.flatten().take(256) {
        // Beside each lies a pipe, which nobody may open.
        if session.file_type().is_ok_and(|kind| kind.is_file()) {
            let _ = logind(&kernel_text::read(session.path(), 4096).unwrap_or_default(), found);
        }
    }
}

/// The size of glibc's record and where its time stands: 32 bits each on machines that once had programs of 32 bits.
const UTMP: u64 = if cfg!(target_arch = "aarch64") { 400 } else { 384 };
const UTMP_SECONDS: usize = if cfg!(target_arch = "aarch64") { 344 } else { 340 };
/// `USER_PROCESS`: somebody logged in.
const UTMP_LOGIN: i16 = 7;

fn utmp(record: &[u8], found: &mut Found) -> Option<()> {
    let kind = i16::from_ne_bytes(record.get(..2)?.try_into().ok()?);
    let at = record.get(UTMP_SECONDS..)?;
    let at = match UTMP {
        400 => i64::from_ne_bytes(at.get(..8)?.try_into().ok()?),
        _ => i64::from(u32::from_ne_bytes(at.get(..4)?.try_into().ok()?)),
    };
    let text = |from: usize, length: usize| {
        let bytes = record.get(from..from + length)?;
        bytes.split(|byte| *byte == 0).next().map(plain_line)
    };
    if kind == UTMP_LOGIN {
        login(at, &text(44, 32)?, &text(76, 256)?, found);
    }
    Some(())
}

/// `USER=mara`, `REMOTE_HOST=192.0.2.7`, `REALTIME=` in microseconds since 1970, one a line.
fn logind(text: &str, found: &mut Found) -> Option<()> {
    let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    let at = value("REALTIME")?.parse::<i64>().ok()?.div_euclid(1_000_000);
    if value("CLASS").is_none_or(|class| class.starts_with("user")) {
        login(at, value("USER")?, value("REMOTE_HOST").unwrap_or_default(), found);
    }
    Some(())
}

fn login(at: i64, who: &str, from: &str, found: &mut Found) {
    let what = if from.is_empty() { who.to_owned() } else { format!("{who} from {from}") };
    found.add(at, ChangeKind::Login, &what);
}

fn tail(path: &Path) -> String {
    String::from_utf8_lossy(&tail_bytes(path, TAIL).unwrap_or_default()).into_owned()
}

/// The last bytes of a regular file; where it is longer, a multiple of its limit from its beginning on.
fn tail_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Ok(Vec::new());
    }
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    // Records of one size stay whole.
    let from = length.saturating_sub(limit).div_ceil(UTMP) * UTMP;
    file.seek(SeekFrom::Start(from.min(length)))?;
    let mut bytes = Vec::new();
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(changes: &[Change]) -> Vec<String> {
        changes.iter().map(|change| format!("{:?} {}", change.kind, change.what)).collect()
    }

    fn record(user: &str, host: &str, at: u32) -> Vec<u8> {
        let mut record = vec![0; usize::try_from(UTMP).unwrap()];
        record[..2].copy_from_slice(&UTMP_LOGIN.to_ne_bytes());
        record[44..44 + user.len()].copy_from_slice(user.as_bytes());
        record[76..76 + host.len()].copy_from_slice(host.as_bytes());
        record[UTMP_SECONDS..UTMP_SECONDS + 4].copy_from_slice(&at.to_ne_bytes());
        record
    }

    #[test]
    fn packages_units_files_and_logins_are_told_from_what_they_leave_behind() {
        let root = tempfile::tempdir().unwrap();
        let now = crate::clock::now().unix_millis().div_euclid(1000);
        let here = local_time(now - 600);
        let stamp = format!(
            "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
            here.year,
            here.month + 1,
            here.day,
            here.hour,
            here.minute,
            here.second
        );
        let write = |path: &str, text: &[u8]| {
            let at = below(root.path(), path);
            std::fs::create_dir_all(at.parent().unwrap()).unwrap();
            std::fs::write(at, text).unwrap();
        };
        let log = format!(
            "2001-01-01 00:00:00 upgrade old:amd64 1 2\n{stamp} status half-installed openssl:amd64 3\n\
             {stamp} upgrade openssl:amd64 3.5.1-1 3.5.4-1\n{stamp} remove vim:all 9 <none>\nnonsense\n"
        );
        write("/var/log/dpkg.log", log.as_bytes());
        write(
            "/var/log/pacman.log",
            b"[2001-01-01T00:00:00+0000] [ALPM] installed old (1)\n[x] [ALPM] upgraded y (1)\n",
        );
        write("/etc/systemd/system/app.service", b"");
        write("/etc/app/\x1b[31mconf", b"");
        let log =
            [record("mara", "192.0.2.7", u32::try_from(now - 60).unwrap()), record("old", "", 5)].concat();
        write("/var/log/wtmp", &log);
        let session = format!("UID=0\nUSER=ole\nCLASS=user\nREALTIME={}\n", (now - 30) * 1_000_000);
        write("/run/systemd/sessions/3", session.as_bytes());
        let mut seen = shown(&look(root.path(), now - i64::from(CHANGES_SECONDS)));
        seen.sort();
        assert_eq!(
            seen,
            [
                "Configuration /etc/app/conf",
                "Login mara from 192.0.2.7",
                "Login ole",
                "Package removed vim 9",
                "Package upgraded openssl from 3.5.1-1 to 3.5.4-1",
                "Unit app.service",
            ]
        );
        assert!(look(root.path(), now + 60).is_empty(), "nothing is newer than now");
    }

    #[test]
    fn many_changes_leave_room_for_the_other_kinds() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(root.path().join("etc/systemd/system")).unwrap();
        for n in 0..100 {
            std::fs::write(root.path().join(format!("etc/{n}.conf")), "").unwrap();
        }
        std::fs::write(root.path().join("etc/systemd/system/a.service"), "").unwrap();
        let changes = look(root.path(), 0);
        assert_eq!(changes.iter().filter(|change| change.kind == ChangeKind::Configuration).count(), OF_EACH);
        assert!(shown(&changes).contains(&"Unit a.service".to_owned()));
    }

    #[test]
    fn the_times_of_logs_are_read() {
        assert_eq!(seconds("1970-01-02", "00:01:05"), Some(86_465));
        assert_eq!(seconds("1970-01", "00:01"), None);
        let mut found = Found { since: 0, changes: Vec::new() };
        pacman("[2026-11-28T07:48:03+0100] [ALPM] upgraded openssl (3.5.1-1 -> 3.5.4-1)", &mut found)
            .unwrap();
        assert_eq!(found.changes[0].at.to_string(), "2026-11-28T06:48:03.000Z");
    }
}
