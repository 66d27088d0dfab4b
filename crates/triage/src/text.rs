//! Small words for sentences, and the taming of words that a guest chose.

/// What stands before a recommended command that needs root. A caller whose door has another way to become root
/// replaces it.
pub const ROOT_PREFIX: &str = "sudo -n ";

/// Longest piece of foreign text in a sentence, in characters.
const LONGEST: usize = 100;

/// A name or line that came from a guest: without control characters, and not longer than a sentence bears.
pub(crate) fn tame(text: &str) -> String {
    let mut tamed: String = text.chars().filter(|c| !c.is_control()).take(LONGEST).collect();
    if text.chars().count() > LONGEST {
        tamed.push('…');
    }
    tamed
}

/// A stretch of time as a person says it.
pub(crate) fn stretch(millis: u64) -> String {
    let seconds = millis / 1000;
    match seconds {
        0 => format!("{millis} ms"),
        1..=9 => format!("{seconds}.{} s", millis % 1000 / 100),
        10..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// The same for seconds.
pub(crate) fn stretch_seconds(seconds: u64) -> String {
    stretch(seconds.saturating_mul(1000))
}

/// A size as a person says it.
pub(crate) fn size(kib: u64) -> String {
    match kib {
        0..=10_239 => format!("{kib} KiB"),
        10_240..=10_485_759 => format!("{} MiB", kib / 1024),
        _ => format!("{} GiB", kib / (1024 * 1024)),
    }
}

/// `part` of `whole` in percent; a whole of nothing has all of it left.
#[expect(clippy::cast_precision_loss, reason = "sizes below 2^52 KiB, and percentages for a reader")]
pub(crate) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}
