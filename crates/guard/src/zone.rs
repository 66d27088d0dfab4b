//! The host's time zone, from `/etc/localtime` (TZif, RFC 9636) and the rule at its end (POSIX `TZ`).
//!
//! glibc's own reader would do, and brings 90 KB along: it takes the rule apart with `sscanf` (ADR-0014). Whatever of the
//! file is no time zone counts as UTC, as with glibc.

use std::ops::Range;
use std::sync::OnceLock;

const DAY: i64 = 86_400;

/// A moment on the host's wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Local {
    pub(crate) year: i64,
    /// From 0.
    pub(crate) month: i64,
    pub(crate) day: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
    /// From Sunday, 0.
    pub(crate) weekday: i64,
    /// From 0.
    pub(crate) yearday: i64,
    /// Seconds east of Greenwich.
    pub(crate) offset: i64,
}

/// Seconds since 1970 in the host's time zone.
pub(crate) fn local_time(seconds: i64) -> Local {
    static ZONE: OnceLock<Zone> = OnceLock::new();
    let zone = ZONE
        .get_or_init(|| Zone::read(&std::fs::read("/etc/localtime").unwrap_or_default()).unwrap_or_default());
    broken_down(seconds, zone.offset(seconds))
}

/// Days since 1970 of a day by the civil calendar; the month from 1. Years are counted from March on the way.
pub(crate) fn days(year: i64, month: i64, day: i64) -> i64 {
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    365 * y + y.div_euclid(4) - y.div_euclid(100) + y.div_euclid(400) + (153 * m + 2) / 5 + day - 1 - 719_468
}

fn broken_down(seconds: i64, offset: i64) -> Local {
    let here = seconds.saturating_add(offset);
    let (since, second) = (here.div_euclid(DAY), here.rem_euclid(DAY));
    // The inverse of `days`: eras of 400 years, each of 146,097 days.
    let shifted = since + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let of_era_years = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * of_era_years + of_era_years / 4 - of_era_years / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = of_era_years + era * 400 + i64::from(month <= 2);
    Local {
        year,
        month: month - 1,
        day: of_year - (153 * from_march + 2) / 5 + 1,
        hour: second / 3600,
        minute: second % 3600 / 60,
        second: second % 60,
        weekday: (since + 4).rem_euclid(7),
        yearday: since - days(year, 1, 1),
        offset,
    }
}

/// A time zone.
#[derive(Debug, Default)]
struct Zone {
    /// From when on which offset is used, oldest first.
    changes: Vec<(i64, i64)>,
    /// The offset before the first change.
    before: i64,
    /// What holds after the last change.
    rule: Option<Rule>,
}

/// Offsets east of Greenwich, and between which moments of a year the second one is used.
#[derive(Debug)]
struct Rule {
    standard: i64,
    summer: Option<(i64, [Switch; 2])>,
}

/// A moment of each year, by the clock that it ends.
#[derive(Debug)]
struct Switch {
    day: Day,
    seconds: i64,
}

#[derive(Debug)]
enum Day {
    /// `Jn`: 1 to 365, and February 29 is never counted.
    Julian(i64),
    /// `n`: 0 to 365.
    OfYear(i64),
    /// `Mm.w.d`: the `w`th weekday `d` of the month, the last one where `w` is 5.
    Weekday { month: i64, week: i64, weekday: i64 },
}

impl Zone {
    fn offset(&self, seconds: i64) -> i64 {
        match self.changes.partition_point(|(from, _)| *from <= seconds) {
            0 if !self.changes.is_empty() => self.before,
            at if at == self.changes.len() => match &self.rule {
                Some(rule) => rule.offset(seconds),
                None => self.changes.last().map_or(self.before, |(_, offset)| *offset),
            },
            at => self.changes.get(at - 1).map_or(self.before, |(_, offset)| *offset),
        }
    }

    fn read(file: &[u8]) -> Option<Self> {
        let old = Block::read(file, 0, 4)?;
        // From version 2 on, the same follows with times of 64 bits, and the rule.
        let (block, rule) = if file.get(4)? >= &b'2' {
            let block = Block::read(file, old.end, 8)?;
            let text = file.get(block.end..)?.strip_prefix(b"\n")?;
            let text = text.get(..text.iter().position(|byte| *byte == b'\n')?)?;
            (block, Rule::read(std::str::from_utf8(text).ok()?))
        } else {
            (old, None)
        };
        let types: Vec<i64> =
            file.get(block.types)?.chunks_exact(6).map_while(|one| number(one.get(..4)?)).collect();
        let offset = |of: &u8| types.get(usize::from(*of)).copied();
        let times = file.get(block.times)?.chunks_exact(block.width).map_while(number);
        let offsets = file.get(block.indices)?.iter().map_while(offset);
        Some(Self {
            changes: times.zip(offsets).collect(),
            before: types.first().copied().unwrap_or(0),
            rule,
        })
    }
}

/// Where the parts of one block of the file lie.
struct Block {
    width: usize,
    times: Range<usize>,
    indices: Range<usize>,
    types: Range<usize>,
    end: usize,
}

impl Block {
    fn read(file: &[u8], at: usize, width: usize) -> Option<Self> {
        const HEADER: usize = 44;
        let header = file.get(at..at.checked_add(HEADER)?)?;
        if !header.starts_with(b"TZif") {
            return None;
        }
        let count = |which: usize| -> Option<usize> {
            let count = number(header.get(20 + which * 4..24 + which * 4)?)?;
            // A file of millions of changes is no time zone.
            usize::try_from(count).ok().filter(|count| *count < 1 << 20)
        };
        let (ut, standard, leaps, changes, types, letters) =
            (count(0)?, count(1)?, count(2)?, count(3)?, count(4)?, count(5)?);
        let times = at + HEADER..at + HEADER + changes * width;
        let indices = times.end..times.end + changes;
        let types = indices.end..indices.end + types * 6;
        let end = types.end + letters + leaps * (width + 4) + standard + ut;
        Some(Self { width, times, indices, types, end })
    }
}

/// A big-endian number with a sign.
fn number(bytes: &[u8]) -> Option<i64> {
    match bytes.len() {
        4 => Some(i64::from(i32::from_be_bytes(bytes.try_into().ok()?))),
        _ => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
    }
}

impl Rule {
    fn read(text: &str) -> Option<Self> {
        let text = after_name(text)?;
        let (west, text) = clock(text)?;
        let standard = -west;
        if text.is_empty() {
            return Some(Self { standard, summer: None });
        }
        let text = after_name(text)?;
        let (summer, text) = match clock(text) {
            Some((west, rest)) => (-west, rest),
            None => (standard + 3600, text),
        };
        let mut switches = text.strip_prefix(',')?.split(',').map(Switch::read);
        Some(Self { standard, summer: Some((summer, [switches.next()??, switches.next()??])) })
    }

    fn offset(&self, seconds: i64) -> i64 {
        let Some((summer, [begins, ends])) = &self.summer else { return self.standard };
        let year = broken_down(seconds, self.standard).year;
        let (from, until) = (begins.at(year) - self.standard, ends.at(year) - summer);
        let is_summer = if from < until {
            (from..until).contains(&seconds)
        } else {
            // South of the equator it begins in one year and ends in the next.
            !(until..from).contains(&seconds)
        };
        if is_summer { *summer } else { self.standard }
    }
}

impl Switch {
    fn read(text: &str) -> Option<Self> {
        let (day, time) = text.split_once('/').unwrap_or((text, "2"));
        let (seconds, rest) = clock(time)?;
        let day = if let Some(parts) = day.strip_prefix('M') {
            let mut parts = parts.split('.').map(|part| part.parse::<i64>().ok());
            let (month, week, weekday) = (parts.next()??, parts.next()??, parts.next()??);
            Day::Weekday { month, week, weekday }
        } else if let Some(number) = day.strip_prefix('J') {
            Day::Julian(number.parse().ok()?)
        } else {
            Day::OfYear(day.parse().ok()?)
        };
        rest.is_empty().then_some(Self { day, seconds })
    }

    /// Seconds from 1970 to this moment of that year, by the wall clock.
    fn at(&self, year: i64) -> i64 {
        let first = days(year, 1, 1);
        let day = match self.day {
            Day::OfYear(number) => first + number,
            Day::Julian(number) => {
                let leaps = days(year, 3, 1) - first == 60;
                first + number - 1 + i64::from(leaps && number >= 60)
            }
            Day::Weekday { month, week, weekday } => {
                let begins = days(year, month, 1);
                let next = if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
                let mut day = begins + (weekday - (begins + 4)).rem_euclid(7) + 7 * (week - 1);
                while day >= next {
                    day -= 7;
                }
                day
            }
        };
        day * DAY + self.seconds
    }
}

/// What stands behind the name of an offset: letters, or anything between angle brackets.
fn after_name(text: &str) -> Option<&str> {
    if let Some(quoted) = text.strip_prefix('<') {
        return quoted.split_once('>').map(|(_, rest)| rest);
    }
    let rest = text.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    (rest.len() < text.len()).then_some(rest)
}

/// `[+-]hh[:mm[:ss]]` in seconds, and what stands behind it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, text.get(1..)?),
        b'+' => (1, text.get(1..)?),
        _ => (1, text),
    };
    let mut seconds = 0;
    for unit in [3600, 60, 1] {
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        seconds += rest.get(..end)?.parse::<i64>().ok()? * unit;
        rest = rest.get(end..)?;
        match rest.strip_prefix(':') {
            Some(more) if unit > 1 => rest = more,
            _ => break,
        }
    }
    Some((sign * seconds, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// GNU's `date` is asked about the same moments in the same zones: old ones, each hour around changes of this and the next
    /// decades, both hemispheres, changes by quarters of an hour, of a whole day, and of the far future, where only the rule is left.
    #[test]
    fn tells_what_gnu_date_tells_in_every_kind_of_zone() {
        let zones = [
            "UTC",
            "Europe/Berlin",
            "Europe/Dublin",
            "America/New_York",
            "America/St_Johns",
            "America/Sao_Paulo",
            "Australia/Lord_Howe",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Pacific/Chatham",
            "Africa/Casablanca",
            "America/Scoresbysund",
            "Asia/Gaza",
            "Antarctica/Troll",
            "America/Santiago",
            "Africa/Monrovia",
        ];
        let mut moments: Vec<i64> = (-30..80).map(|at| at * 33_333_333 + at * at * 977).collect();
        for year in [1985, 2011, 2026, 2037, 2038, 2060] {
            moments.extend((0..730).map(|at| days(year, 1, 1) * DAY + at * 12 * 3600 + 1800));
        }
        let mut seen = 0;
        for zone in zones {
            let Ok(file) = std::fs::read(format!("/usr/share/zoneinfo/{zone}")) else { continue };
            let read = Zone::read(&file).unwrap();
            let mut date = Command::new("date")
                .args(["-f", "-", "+%Y %-m %-d %-H %-M %-S %w %-j %z"])
                .env("TZ", zone)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let asked: String = moments.iter().map(|at| format!("@{at}\n")).collect();
            let mut input = date.stdin.take().unwrap();
            let writer = std::thread::spawn(move || input.write_all(asked.as_bytes()));
            let output = date.wait_with_output().unwrap();
            writer.join().unwrap().unwrap();
            let text = String::from_utf8(output.stdout).unwrap();
            for (at, theirs) in moments.iter().zip(text.lines()) {
                let Local { year, month, day, hour, minute, second, weekday, yearday, offset } =
                    broken_down(*at, read.offset(*at));
                let (sign, away) = (if offset < 0 { '-' } else { '+' }, offset.abs() / 60);
                let ours = format!(
                    "{year} {} {day} {hour} {minute} {second} {weekday} {} {sign}{:02}{:02}",
                    month + 1,
                    yearday + 1,
                    away / 60,
                    away % 60
                );
                // An offset that is not known is zero and negative for `date`.
                assert_eq!(ours, theirs.replace("-0000", "+0000"), "{zone} at {at}");
                seen += 1;
            }
        }
        assert!(seen > 4000, "the zones of this machine are missing: {seen}");
    }

    #[test]
    fn what_is_no_zone_is_utc_and_never_a_panic() {
        let whole = std::fs::read("/usr/share/zoneinfo/Europe/Berlin").unwrap();
        for cut in 0..whole.len() {
            let _ = Zone::read(&whole[..cut]).map(|zone| zone.offset(1_700_000_000));
            let mut broken = whole.clone();
            broken[cut] ^= 0xff;
            let _ = Zone::read(&broken).map(|zone| zone.offset(1_700_000_000));
        }
        assert!(Zone::read(b"").is_none() && Zone::read(b"TZif").is_none());
        assert_eq!(Zone::default().offset(1_700_000_000), 0);
        for text in
            ["", "3", "CET", "<x", "CET-1CEST", "CET-1CEST,M3", "CET-1CEST,M3.5.0", "CET-1CEST,,", "A1B,J1,J"]
        {
            assert!(Rule::read(text).is_none(), "{text}");
        }
    }
}
