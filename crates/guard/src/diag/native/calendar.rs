//! Times as the tools print them, in the host's time zone.

use crate::zone::{Local, days, local_time};
use rustix::fs::StatxTimestamp;

/// As the C locale abbreviates them.
pub(crate) const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];

/// Half of a Gregorian year: what is older, or in the future, is listed with its year.
const HALF_YEAR: i64 = 31_556_952 / 2;

pub(crate) fn month(local: &Local) -> &'static str {
    usize::try_from(local.month).ok().and_then(|at| MONTHS.get(at)).copied().unwrap_or("???")
}

fn day(local: &Local) -> &'static str {
    usize::try_from(local.weekday).ok().and_then(|at| DAYS.get(at)).copied().unwrap_or("???")
}

/// `2026-11-28`
pub(crate) fn date(local: &Local) -> String {
    format!("{:04}-{:02}-{:02}", local.year, local.month + 1, local.day)
}

/// `01:10:04`
pub(crate) fn clock(local: &Local) -> String {
    format!("{:02}:{:02}:{:02}", local.hour, local.minute, local.second)
}

/// `2026-11-28 01:10:04.123456789 +0000`
pub(crate) fn full(time: &StatxTimestamp) -> String {
    let local = local_time(time.tv_sec);
    format!("{} {}.{:09} {}", date(&local), clock(&local), time.tv_nsec, zone(&local))
}

fn zone(local: &Local) -> String {
    let minutes = local.offset.abs() / 60;
    let sign = if local.offset < 0 { '-' } else { '+' };
    format!("{sign}{:02}{:02}", minutes / 60, minutes % 60)
}

/// `Nov 28 01:10`, or with the year where it is long ago.
pub(crate) fn listed(time: &StatxTimestamp, now: i64, style: Option<&str>) -> String {
    let local = local_time(time.tv_sec);
    let recent = time.tv_sec <= now && time.tv_sec > now - HALF_YEAR;
    match style {
        Some("full-iso") => full(time),
        Some("long-iso") => format!("{} {:02}:{:02}", date(&local), local.hour, local.minute),
        Some("iso") if recent => {
            format!("{:02}-{:02} {:02}:{:02}", local.month + 1, local.day, local.hour, local.minute)
        }
        Some("iso") => format!("{} ", date(&local)),
        _ if recent => format!("{} {:2} {:02}:{:02}", month(&local), local.day, local.hour, local.minute),
        _ => format!("{} {:2}  {:4}", month(&local), local.day, local.year),
    }
}

/// One `%` letter of `find -printf '%T…'`.
pub(crate) fn lettered(time: &StatxTimestamp, letter: u8) -> Option<String> {
    let local = local_time(time.tv_sec);
    // findutils prints nanoseconds with a tenth digit.
    let fraction = format!(".{:09}0", time.tv_nsec);
    let hour = if local.hour % 12 == 0 { 12 } else { local.hour % 12 };
    Some(match letter {
        b'@' => format!("{}{fraction}", time.tv_sec),
        b's' => time.tv_sec.to_string(),
        b'a' => day(&local).to_owned(),
        b'b' | b'h' => month(&local).to_owned(),
        b'c' => format!(
            "{} {} {:2} {}{fraction} {}",
            day(&local),
            month(&local),
            local.day,
            clock(&local),
            local.year
        ),
        b'd' => format!("{:02}", local.day),
        b'D' => format!("{:02}/{:02}/{:02}", local.month + 1, local.day, local.year % 100),
        b'F' => date(&local),
        b'H' => format!("{:02}", local.hour),
        b'I' => format!("{hour:02}"),
        b'j' => format!("{:03}", local.yearday + 1),
        b'k' => format!("{:2}", local.hour),
        b'l' => format!("{hour:2}"),
        b'm' => format!("{:02}", local.month + 1),
        b'M' => format!("{:02}", local.minute),
        b'S' => format!("{:02}{fraction}", local.second),
        b'T' | b'X' => format!("{}{fraction}", clock(&local)),
        b'+' => format!("{}+{}{fraction}", date(&local), clock(&local)),
        b'R' => format!("{:02}:{:02}", local.hour, local.minute),
        b'Y' => local.year.to_string(),
        b'y' => format!("{:02}", local.year % 100),
        b'z' => zone(&local),
        b'w' => local.weekday.to_string(),
        _ => return None,
    })
}

/// `@SECONDS`, `YYYY-MM-DD`, and either `T` or a blank and `HH:MM[:SS]`, as seconds since 1970.
pub(crate) fn parse(text: &str) -> Option<i64> {
    if let Some(seconds) = text.strip_prefix('@') {
        return seconds.parse().ok();
    }
    let (date, clock) = text.split_once([' ', 'T']).unwrap_or((text, "00:00"));
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock =
        clock.splitn(3, ':').map(|part| part.parse::<i64>().ok().filter(|it| (0..=60).contains(it)));
    let (hour, minute) = (clock.next()??, clock.next()??);
    let second = clock.next().unwrap_or(Some(0))?;
    if !(1900..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) || hour > 23 {
        return None;
    }
    let utc = days(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
    // The offset at that very moment, found by asking twice.
    let near = utc - local_time(utc).offset;
    Some(utc - local_time(near).offset)
}
