//! Times and sizes in the words of `docker`, without a float.

/// Seconds as `docker ps` says them: `About an hour`, `3 days`.
pub(super) fn duration(seconds: i64) -> String {
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match (seconds, minutes, hours) {
        (0, ..) => "Less than a second".to_owned(),
        (1, ..) => "1 second".to_owned(),
        (..60, ..) => format!("{seconds} seconds"),
        (_, 1, _) => "About a minute".to_owned(),
        (_, ..46, _) => format!("{minutes} minutes"),
        (_, _, ..=1) => "About an hour".to_owned(),
        (_, _, ..48) => format!("{hours} hours"),
        (_, _, ..336) => format!("{} days", hours / 24),
        (_, _, ..1440) => format!("{} weeks", hours / 168),
        (_, _, ..17520) => format!("{} months", hours / 720),
        _ => format!("{} years", hours / 8760),
    }
}

/// Bytes with three digits that count: `187MB`, `1.23GB`.
pub(super) fn size(bytes: u64) -> String {
    scaled(bytes, 1000, &["B", "kB", "MB", "GB", "TB", "PB"], 3)
}

/// The same in powers of two, as `docker stats` says memory: `23.5MiB`.
pub(super) fn binary_size(bytes: u64) -> String {
    scaled(bytes, 1024, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 4)
}

fn scaled(bytes: u64, base: u64, units: &[&str], digits: usize) -> String {
    let (mut unit, mut scale) = (0, 1_u64);
    while bytes / scale >= base && unit + 1 < units.len() {
        scale = scale.saturating_mul(base);
        unit += 1;
    }
    let name = units.get(unit).copied().unwrap_or_default();
    let whole = (bytes / scale).to_string();
    let places = digits.saturating_sub(whole.len()).min(3);
    let thousandths = u128::from(bytes % scale) * 1000 / u128::from(scale);
    let fraction = format!("{thousandths:03}");
    let fraction = fraction.get(..places).unwrap_or_default().trim_end_matches('0');
    if fraction.is_empty() { format!("{whole}{name}") } else { format!("{whole}.{fraction}{name}") }
}

/// Hundredths of a percent as `12.34%`.
pub(super) fn percent(hundredths: u64) -> String {
    format!("{}.{:02}%", hundredths / 100, hundredths % 100)
}

/// A moment as an engine takes it, in seconds since 1970: a number, `30m`, `1h30m`, or `2026-11-21[T10:00[:00]][Z]` in UTC.
pub(super) fn moment(text: &str, now: i64) -> Option<i64> {
    if let Ok(seconds) = text.parse::<i64>() {
        return Some(seconds);
    }
    if text.contains('-') && text.len() >= 10 {
        let (date, time) = text.split_once(['T', ' ']).unwrap_or((text, "00:00:00"));
        let time = time.strip_suffix('Z').unwrap_or(time);
        let seconds = if time.matches(':').count() == 1 { ":00" } else { "" };
        let moment: breakglass_protocol::Timestamp = format!("{date}T{time}{seconds}Z").parse().ok()?;
        return Some(moment.unix_millis() / 1000);
    }
    let (mut total, mut number) = (0_i64, String::new());
    for c in text.strip_prefix('-').unwrap_or(text).chars() {
        let factor = match c {
            '0'..='9' => {
                number.push(c);
                continue;
            }
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            _ => return None,
        };
        total = total.checked_add(number.parse::<i64>().ok()?.checked_mul(factor)?)?;
        number.clear();
    }
    (number.is_empty() && !text.is_empty()).then_some(now - total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_as_docker_does() {
        for (seconds, text) in [
            (0, "Less than a second"),
            (59, "59 seconds"),
            (61, "About a minute"),
            (45 * 60, "45 minutes"),
            (3600, "About an hour"),
            (2 * 3600, "2 hours"),
            (72 * 3600, "3 days"),
            (15 * 86_400, "2 weeks"),
            (90 * 86_400, "3 months"),
            (800 * 86_400, "2 years"),
        ] {
            assert_eq!(duration(seconds), text);
        }
        for (bytes, text) in
            [(0, "0B"), (999, "999B"), (1500, "1.5kB"), (187_234_567, "187MB"), (1_234_000_000, "1.23GB")]
        {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(binary_size(24_641_536), "23.5MiB");
        assert_eq!(percent(1234), "12.34%");
    }

    #[test]
    fn reads_moments_in_every_spelling() {
        for (text, moment) in [
            ("1700000000", Some(1_700_000_000)),
            ("30m", Some(1_000_000 - 1800)),
            ("1h30m", Some(1_000_000 - 5400)),
            ("2026-11-21", Some(1_795_219_200)),
            ("2026-11-21T10:00", Some(1_795_255_200)),
            ("2026-11-21 10:00:00", Some(1_795_255_200)),
            ("2026-11-21T10:00:00Z", Some(1_795_255_200)),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(super::moment(text, 1_000_000), moment, "{text}");
        }
    }
}
